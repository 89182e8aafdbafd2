"""The units: systemd reads them without a word, they stay hardened, and engines run in them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples import picture_bundle

SYSTEMD = Path(__file__).resolve().parent.parent.parent / "systemd"
UNIT = SYSTEMD / "edgekitd.service"
BOOT_CHECK = SYSTEMD / "edgekit-boot-check.service"
HIGHEST_EXPOSURE = 2.0

HARDENING = """\
AmbientCapabilities=
CapabilityBoundingSet=
DevicePolicy=closed
KeyringMode=private
LimitCORE=0
LockPersonality=yes
MemoryDenyWriteExecute=yes
MemoryMax=75%
NoNewPrivileges=yes
NotifyAccess=main
OOMPolicy=continue
OnFailure=edgekit-reboot.service
PrivateIPC=yes
PrivateMounts=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
Restart=always
RestartPreventExitStatus=7
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
StartLimitIntervalSec=0
StateDirectory=edgekit
SupplementaryGroups=video dialout
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
Type=notify
UMask=0027
User=edgekit
WatchdogSec=60s
""".splitlines()

# Best effort: who makes them goes on without. SQLite as root gives files away; memory near a CPU.
HARMLESS = {"fchown", "chown", "mbind", "set_mempolicy", "sched_setaffinity", "setpriority"}


def need_program(name: str, package: str) -> None:
    """Skips the test where a program is missing: a workstation need not have systemd."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} was not found: tools/apt.sh {package}")


def lines() -> list[str]:
    text = UNIT.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith(("#", "["))]


@pytest.mark.parametrize("line", HARDENING)
def test_a_line_that_protects_the_board_is_still_there(line: str) -> None:
    assert line in lines()


def test_a_failure_that_a_restart_mends_reboots_nothing() -> None:
    assert not any(line.startswith(("FailureAction", "StartLimitAction")) for line in lines())
    reboot = (SYSTEMD / "edgekit-reboot.service").read_text(encoding="utf-8")
    assert "\nSuccessAction=reboot\n" in reboot


def test_devices_are_cameras_and_serial_ports_and_no_others() -> None:
    allowed = {line.partition("=")[2] for line in lines() if line.startswith("DeviceAllow=")}
    ports = {f"char-tty{kind} rw" for kind in ("USB", "ACM", "AMA", "S")}
    assert allowed == ports | {"char-video4linux rw"}


def test_systemd_reads_the_unit_without_a_word(tmp_path: Path) -> None:
    need_program("systemd-analyze", "systemd")
    # The programme is not on this machine; the rest is word for word.
    text = UNIT.read_text(encoding="utf-8").replace("/opt/edgekit/bin/edgekitd", sys.executable)
    (tmp_path / UNIT.name).write_text(text)
    shutil.copy(SYSTEMD / "edgekit-reboot.service", tmp_path)
    shutil.copy(BOOT_CHECK, tmp_path)
    units = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_refuses_a_unit_with_a_word_it_does_not_know(tmp_path: Path) -> None:
    need_program("systemd-analyze", "systemd")
    (tmp_path / UNIT.name).write_text("[Service]\nExecStart=/bin/true\nWatchdogSecs=60s\n")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "WatchdogSecs" in done.stderr


def test_new_code_is_checked_before_each_start_of_the_daemon_and_never_in_its_way() -> None:
    text = BOOT_CHECK.read_text(encoding="utf-8").splitlines()
    for line in ("Type=oneshot", "Before=edgekitd.service", "WantedBy=edgekitd.service"):
        assert line in text
    # Either would keep the daemon from starting, or starts from being counted.
    assert not any(line.startswith(("RequiredBy=", "RemainAfterExit=")) for line in text)
    assert "StartLimitIntervalSec=0" in text


@pytest.mark.parametrize("unit", [UNIT, BOOT_CHECK], ids=lambda unit: unit.stem)
def test_the_units_exposure_stays_low(unit: Path) -> None:
    need_program("systemd-analyze", "systemd")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout
    assert float(found[1]) <= HIGHEST_EXPOSURE


def test_the_back_off_is_a_drop_in_of_its_own_that_old_versions_can_do_without() -> None:
    text = (SYSTEMD / "drop-ins/backoff.conf").read_text(encoding="utf-8")
    assert "RestartSteps=" in text
    assert "RestartMaxDelaySec=" in text
    assert "RestartSteps=" not in UNIT.read_text(encoding="utf-8")


def test_the_user_and_its_groups_are_made_before_the_unit_asks_for_them(tmp_path: Path) -> None:
    need_program("systemd-sysusers", "systemd")
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "sysusers.d/edgekit.conf")]
    for _ in range(2):  # a second time changes nothing
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and os.geteuid() != 0:
            pytest.skip(f"systemd-sysusers needs root here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        (user,) = (tmp_path / "etc/passwd").read_text().splitlines()
        assert user.startswith("edgekit:")
        groups = (tmp_path / "etc/group").read_text()
        assert re.search(r"^video:.*\bedgekit$", groups, re.MULTILINE)
        assert re.search(r"^dialout:.*\bedgekit$", groups, re.MULTILINE)


_SELF_TEST = """
import ctypes, mmap, os, sys
if int(sys.argv[2]):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN: Linux 6.3
        sys.exit(77)
    try:
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        pass
    else:
        sys.exit("memory that is both writable and executable was given")
from pathlib import Path
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session
import edgekit.daemon.main
print(check_golden(Session.open(Path(sys.argv[1]), engine="onnxruntime")))
"""


def test_models_run_where_no_memory_may_be_written_and_executed(tmp_path: Path) -> None:
    bundle = picture_bundle(tmp_path / "b").path
    done = subprocess.run(
        [sys.executable, "-c", _SELF_TEST, str(bundle), "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this kernel cannot deny it to a process: Linux 6.3 can")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_models_need_no_call_to_the_kernel_that_the_unit_refuses(tmp_path: Path) -> None:
    need_program("systemd-analyze", "systemd")
    need_program("strace", "strace")
    bundle = picture_bundle(tmp_path / "b").path
    trace = tmp_path / "trace"
    command = [sys.executable, "-c", _SELF_TEST, str(bundle), "0"]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(trace), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if not trace.exists() or "ptrace" in done.stderr:
        pytest.skip(f"this machine does not let processes be traced: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    called = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))
    assert "mmap" in called
    refused = _calls("@privileged") | _calls("@resources")
    assert called - HARMLESS <= _calls("@system-service") - refused


def _calls(group: str) -> set[str]:
    """The system calls of a group, and of the groups in it."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    )
    calls: set[str] = set()
    for line in map(str.strip, done.stdout.splitlines()[1:]):
        if line.startswith("@"):
            calls |= _calls(line)
        elif line and not line.startswith("#"):
            calls.add(line)
    return calls
