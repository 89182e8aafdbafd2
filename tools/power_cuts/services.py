"""`python -m tools.power_cuts.services`: the systemd units at work on the emulated board."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.board_vm.machine import DEFAULT_FOLDER, Board, BoardFailed, build
from tools.power_cuts.lab import Lab, wait_serving

_PATIENCE_S = 600.0
_CHECK = "/usr/bin/python3 -I /opt/edgekit/boot_check.py"
_SLOT = "/opt/edgekit/slots/b"
_NEW_SLOT = f"""
set -e
rm -rf {_SLOT}
python3 -m venv --without-pip {_SLOT}
sed 's#slots/a/#slots/b/#' /opt/edgekit/slots/a/bin/edgekitd >{_SLOT}/bin/edgekitd
chmod 755 {_SLOT}/bin/edgekitd
"""
_LIBRARIES = """
cd /opt/edgekit/slots/b/lib/python3*/site-packages
echo /opt/edgekit/slots/a/lib/python3*/site-packages >slot_a.pth
"""


class Services:
    """Each method harms the daemon on a board that serves, and says what systemd made of it."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def ready(self) -> str:
        """`Type=notify`: active means that READY came, after the golden self-test."""
        return f"active; its status: {self._show('StatusText')}"

    def watchdog(self) -> str:
        """A daemon that hangs is restarted."""
        before = int(self._show("NRestarts"))
        self._board.run("kill -STOP $(systemctl show -P MainPID edgekitd)")
        self._until(lambda: int(self._show("NRestarts")) > before, "a restart by the watchdog")
        wait_serving(self._board, timeout_s=_PATIENCE_S)
        return self._journal("edgekitd", "atchdog")

    def restart(self) -> str:
        """A daemon that dies is restarted."""
        before = int(self._show("NRestarts"))
        self._board.run("kill -KILL $(systemctl show -P MainPID edgekitd)")
        self._until(lambda: int(self._show("NRestarts")) > before, "a restart")
        wait_serving(self._board, timeout_s=_PATIENCE_S)
        return self._journal("edgekitd", "restart counter")

    def broken_code(self) -> str:
        """New code that cannot even import itself loses its place after three starts."""
        self._board.run(_NEW_SLOT)
        self._board.run(f"{_CHECK} try b --confirm-after 30 && systemctl restart edgekitd || :")
        self._until(lambda: self._code()["phase"] == "fell-back", "falling back")
        wait_serving(self._board, timeout_s=_PATIENCE_S)
        return f"runs slot {self._runs()}; {self._journal('edgekit-boot-check', 'slot b', 4)}"

    def broken_code_and_cuts(self) -> str:
        """The same where the board loses its power at each start: boots count as starts."""
        self._board.run(f"{_NEW_SLOT}\n{_CHECK} try b --max-starts 2")
        for _ in range(2):
            self._cut()
        self._until(lambda: self._code()["phase"] == "fell-back", "falling back")
        wait_serving(self._board, timeout_s=_PATIENCE_S)
        return f"runs slot {self._runs()}; {self._code()['outcome']['reason']}"

    def good_code(self) -> str:
        """New code that runs for its time is confirmed, and a power cut changes nothing."""
        self._board.run(_NEW_SLOT + _LIBRARIES)
        self._board.run(f"{_CHECK} try b --confirm-after 15 && systemctl restart edgekitd")
        self._until(lambda: self._code()["phase"] == "confirmed", "being confirmed")
        self._cut()
        wait_serving(self._board, timeout_s=_PATIENCE_S)
        return f"runs slot {self._runs()}; {self._journal('edgekit-boot-check', 'confirmed')}"

    def exit_seven(self) -> str:
        """Exit code 7 reboots the board, once it is up for ten minutes."""
        boot = self._board.run("cat /proc/sys/kernel/random/boot_id")
        self._board.run(
            "mkdir -p /run/systemd/system/edgekitd.service.d && cd /run/systemd/system && "
            "printf '[Service]\\nExecStart=\\nExecStart=/bin/sh -c \"exit 7\"\\n' "
            ">edgekitd.service.d/seven.conf && systemctl daemon-reload && "
            "systemctl restart edgekitd || :"
        )
        waits = self._board.run("systemctl show -P ActiveState edgekit-reboot").strip()
        self._until(lambda: self._boot_id() not in (boot, ""), "a reboot", patience_s=1800)
        wait_serving(self._board, timeout_s=_PATIENCE_S)
        return f"edgekit-reboot was {waits}, then the board rebooted and serves"

    def _boot_id(self) -> str:
        return self._board.ssh("cat /proc/sys/kernel/random/boot_id", timeout_s=30).stdout.decode()

    def _cut(self) -> None:
        self._board.cut_power()
        self._board.boot()
        self._board.wait()

    def _runs(self) -> str:
        """The slot of the process that runs."""
        command = "tr '\\0' ' ' </proc/$(systemctl show -P MainPID edgekitd)/cmdline"
        return self._board.run(command).partition("slots/")[2][:1]

    def _code(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self._board.run(f"{_CHECK} show"))
        return shown

    def _show(self, what: str) -> str:
        return self._board.run(f"systemctl show -P {what} edgekitd").strip()

    def _journal(self, unit: str, words: str, count: int = 1) -> str:
        command = f"journalctl -u {unit} -o cat | grep '{words}' | tail -n {count}"
        return " / ".join(self._board.run(command).split("\n")).strip(" /")

    def _until(
        self, holds: Callable[[], bool], what: str, *, patience_s: float = _PATIENCE_S
    ) -> None:
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > deadline:
                raise BoardFailed(f"{what} never came")
            time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="of the image")
    parser.add_argument("--as-is", action="store_true", help="boot the image that is there")
    parser.add_argument("--reboot", action="store_true", help="also exit code 7: ten minutes more")
    options = parser.parse_args()
    if not options.as_is:
        build(options.folder)
    with tempfile.TemporaryDirectory(prefix="edgekit-services-") as name:
        board = Board(options.folder, disk=Path(name) / "disk.img")
        try:
            board.make_disk()
            board.boot()
            board.wait()
            Lab(Path(name), board).set_up()
            wait_serving(board, timeout_s=_PATIENCE_S)
            services = Services(board)
            tried = [
                services.ready,
                services.restart,
                services.broken_code,
                services.broken_code_and_cuts,
                services.good_code,  # last of these: from here on slot b runs
                services.watchdog,
            ]
            for look in [*tried, services.exit_seven] if options.reboot else tried:
                print(f"{look.__name__}: {look()}", flush=True)
            board.power_down()
        except BoardFailed as error:
            print(error)
            return 1
        finally:
            board.cut_power()
    return 0


if __name__ == "__main__":
    sys.exit(main())
