"""Deploys over a real ssh server to a real daemon, which runs as a plain process."""

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from edgekit.deploy.ssh.control import Control
from edgekit.deploy.ssh.deployment import go_back
from edgekit.deploy.ssh.following import Follower
from edgekit.deploy.ssh.pushing import parcel_of
from edgekit.deploy.ssh.signing import private_signer
from edgekit.errors import BundleError, InputError, Unavailable
from edgekit.messaging.payloads import DeployDesired, DeployStatus, decode_deploy_status
from tests.daemon.process import until
from tests.deploy.ssh_board import SshBoard, Told
from tools.crash_points.making import tiny_bundle


def test_a_deploy_is_tried_committed_and_rolled_back_to_what_ran_before_and_nowhere_else(
    board: SshBoard, means: Mapping[str, Bundle]
) -> None:
    stopped = board.run("status", "{}")
    assert (stopped.returncode, "edgekitd stopped" in stopped.stdout) == (1, True)

    told = Told()
    done = board.deploy(means["1.1.0"], told)
    assert (done.version, done.before, done.sent_files) == ("1.1.0", "1.0.0", 5)
    assert done.sent_bytes == done.parcel_bytes == told.sent[-1][1]
    assert told.phases[-2:] == ["trial", "committed"]
    assert any("trusts this repository from now on" in step for step in told.steps)
    assert not list((board.state / "updates" / "hints").iterdir())  # no order is left behind

    again = Told()
    assert board.deploy(means["1.1.0"], again).sent_bytes == 0
    assert again.phases[-1] == "idle"

    with pytest.raises(InputError, match=r"1.0.0 is lower than the installed 1.1.0.*rollback"):
        board.deploy(means["1.0.0"])

    with board.connected() as found:
        assert go_back(found, None, progress=told) == ("mean", "1.0.0")
        with pytest.raises(InputError, match="committed no bundle before this one"):
            go_back(found, "mean", progress=told)

    shown = board.run("status", "{}", "--json")
    assert shown.returncode == 0, shown.stderr
    document = json.loads(shown.stdout)
    (bundle,) = document["board"]["bundles"]
    assert document["active"] is True
    assert (bundle["installed"], bundle["back"], bundle["pipelines"]) == ("1.0.0", None, ["pump"])
    logged = board.run("logs", "{}", "-n", 1)
    assert "an operator wished it" in logged.stdout
    assert logged.stdout.count("\n") == 1

    asked = board.run("uninstall", "{}")
    assert asked.returncode == 130  # nobody is there to say yes
    assert (board.prefix / "venv").is_dir()
    assert board.run("uninstall", "{}", "--yes").returncode == 0
    assert sorted(path.name for path in board.prefix.iterdir()) == ["etc", "state"]


def test_a_bundle_that_answers_otherwise_is_rolled_back_with_the_reason(
    board: SshBoard, means: Mapping[str, Bundle]
) -> None:
    done = board.run("deploy", means["1.2.0"].path, "{}")
    assert done.returncode == 4
    last = done.stderr.splitlines()[-1]
    assert "mean 1.2.0: rolled back: its scores differ by" in last
    assert last.endswith("1.0.0 goes on running")
    assert "bytes sent and" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(BundleError, match=r"was rolled back on this board before \(its scores"):
        board.deploy(means["1.2.0"])


def test_ctrl_c_while_sending_changes_nothing_and_the_next_attempt_goes_on_from_there(
    board: SshBoard, means: Mapping[str, Bundle]
) -> None:
    class Interrupts(Told):
        def sending(self, what: str, done: int, total: int) -> None:
            super().sending(what, done, total)
            if done > total / 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.deploy(means["1.3.0"], Interrupts())
    assert not (board.state / "updates").exists()
    copy = board.state / "repository"
    assert list(copy.rglob("*.xz")) == []
    until(lambda: any(p.stat().st_size for p in copy.glob("incoming/*.part")), "a half file")

    signer = private_signer("board", trusted=None, home=board.repositories)
    parcel = parcel_of(signer.folder, signer.offer(means["1.3.0"]))
    with board.connected() as found:
        sent, _ = Control(found).send(parcel, signer.folder, sending=lambda done, total: None)
    whole = sum(note.size_bytes for note in parcel.files)
    assert 0 < sent < whole
    assert all((copy / n.path).read_bytes() == (signer.folder / n.path).read_bytes()
               for n in parcel.files)  # fmt: skip


def test_ctrl_c_during_a_trial_leaves_the_verdict_to_the_board(
    board: SshBoard, means: Mapping[str, Bundle]
) -> None:
    process = subprocess.Popen(
        board.words("deploy", means["1.1.0"].path, "{}"),
        stderr=subprocess.PIPE,
        text=True,
        env=board.environ,
        start_new_session=True,
    )
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if " trial 1.1.0" in line:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
            break
    said += process.stderr
    process.stderr.close()
    assert process.wait() == 130
    assert any("the board had begun, and decides by itself" in line for line in said), said
    file = board.state / "updates" / "status" / "mean.json"
    until(lambda: decode_deploy_status(file.read_bytes()).phase == "committed", "the verdict")


def test_ctrl_c_before_the_board_has_begun_takes_the_hint_back(
    board: SshBoard, means: Mapping[str, Bundle]
) -> None:
    times = iter([0.0])

    def clock_s() -> float:
        for now in times:
            return now
        raise KeyboardInterrupt

    told, wish = Told(), DeployDesired(version="1.1.0", rollout="once")
    with board.connected() as found:
        control = Control(found)
        list(control.follow("mean", wish, keep=None, for_s=0.01))
        hints = board.state / "updates" / "hints"
        assert [path.name for path in hints.iterdir()] == ["mean.json"]
        follower = Follower(found, control, told, deadline_s=60, clock_s=clock_s)
        with pytest.raises(KeyboardInterrupt):
            follower.wait("mean", wish)
    assert told.steps == ["mean 1.1.0: withdrawn; the board changed nothing"]
    assert list(hints.iterdir()) == []


def test_a_daemon_that_dies_on_trial_is_started_again_and_comes_to_its_verdict(
    board: SshBoard, means: Mapping[str, Bundle]
) -> None:
    class Kills(Told):
        def status(self, status: DeployStatus) -> None:
            super().status(status)
            if self.phases.count("trial") == 1 and status.phase == "trial":
                os.kill(board.pid, signal.SIGKILL)

    signer = private_signer("board", trusted=None, home=board.repositories)
    parcel = parcel_of(signer.folder, signer.offer(means["1.1.0"]))
    (board.prefix / "etc" / "root.json").write_bytes(signer.root.read_bytes())
    told = Kills()
    with board.connected() as found:
        control = Control(found)
        control.send(parcel, signer.folder, sending=lambda done, total: None)
        follower = Follower(found, control, told, deadline_s=60, stretch_s=0.5)
        status = follower.wait("mean", DeployDesired(version="1.1.0", rollout="once"), keep=parcel)
    assert (status.phase, status.running) == ("idle", "1.1.0")
    assert told.steps.count("starting edgekitd") == 2  # at first, and after the kill


def test_a_daemon_that_cannot_start_says_why(
    board: SshBoard, means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    board.furnish(tiny_bundle(tmp_path / "bad", "1.0.0", passes=False).path)
    with pytest.raises(InputError, match=r"could not start edgekitd: mean: no bundle that may run"):
        board.deploy(means["1.1.0"])


def test_a_tampered_repository_is_refused_before_it_is_sent(
    means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    signer = private_signer("board", trusted=None, home=tmp_path)
    parcel = parcel_of(signer.folder, signer.offer(means["1.1.0"]))
    for note in parcel.files:
        path = signer.folder / note.path
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        with pytest.raises((BundleError, InputError)):
            signer.offer(means["1.1.0"])
        path.write_bytes(whole)
    assert signer.offer(means["1.1.0"]).release.version == "1.1.0"


def test_a_board_that_trusts_another_repository_or_is_busy_is_left_alone(
    board: SshBoard, means: Mapping[str, Bundle]
) -> None:
    copy, root = board.state / "repository", board.prefix / "etc" / "root.json"
    copy.mkdir(parents=True)
    with (copy / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another deploy to this board is under way"):
            board.deploy(means["1.1.0"])
    root.write_text("{}")
    with pytest.raises(InputError, match=r"trusts a repository that is not among.*--repository"):
        board.deploy(means["1.1.0"])
    assert [path.name for path in copy.iterdir()] == [".lock"]
