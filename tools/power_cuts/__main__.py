"""`python -m tools.power_cuts`: cuts an emulated board's power in the middle of its updates."""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tools.board_vm.machine import DEFAULT_FOLDER, Board, BoardFailed, build
from tools.power_cuts.cutting import Plan, Promise, Row, complaints, plans, table
from tools.power_cuts.lab import Lab, Watch, report, wait_serving

_SERVING_S = 600.0
_STEP_S = 120.0
_STEPS = ("refreshing", "downloading", "unpacking", "testing", "trial", "committed")
_ENDS = ("committed", "rolled-back", "refused", "failed", "idle")


class Trial:
    """A board whose power is cut again and again, while it updates."""

    def __init__(self, board: Board, lab: Lab) -> None:
        self._board = board
        self._lab = lab
        self._promise = Promise("1.0.0", "1.0.0", is_committed=True)

    def set_up(self) -> None:
        """A board as built, with settings, that serves its first bundle."""
        self._board.cut_power()
        self._board.make_disk()
        self._board.boot()
        self._board.wait()
        self._lab.set_up()
        wait_serving(self._board, timeout_s=_SERVING_S)

    def cut(self, number: int, plan: Plan) -> Row:
        """One update, or what is left of one, and one cut; and a look at what comes up.

        Raises:
            BoardFailed: nothing comes up.
        """
        with Watch(self._board) as watch:
            self._have_an_update(watch)
            aim = 0 if plan.when == "start" else _STEPS.index(plan.when)
            watch.wait(lambda *told: self._has_come_to(aim, *told), timeout_s=_STEP_S)
            if plan.when != "start":
                time.sleep(plan.delay_s)
            seen = watch.last[0]
            self._hear_of_commit(watch)
            self._interrupt(plan)
        if plan.when == "start":  # once more, as soon as it is up again
            self._board.boot()
            self._board.wait()
            time.sleep(plan.delay_s)
            self._interrupt(plan)
            seen += ", then the start"
        disk, damage = self._look_at_disk()
        self._board.boot()
        self._board.wait()
        wait_serving(self._board, timeout_s=_SERVING_S)
        found = report(self._board)
        promise = self._promise
        if found.current == promise.after:
            self._promise = replace(promise, is_committed=True)
        wrong = complaints(found, promise, disk=damage)
        return Row(number, plan, seen, promise, disk, found, wrong)

    def finish(self) -> str | None:
        """An update that nothing disturbs; says what is wrong with it."""
        with Watch(self._board) as watch:
            watch.wait(self._has_ended, timeout_s=300)
            version = self._lab.publish()
            self._lab.hint(version)
            if watch.wait(lambda *told: told == ("committed", version), timeout_s=300) is None:
                return f"the update to {version} ended as {watch.last}"
        found = report(self._board)
        self._board.power_down()
        check = self._board.check_disk()
        if found.current != version or found.damaged or found.trouble:
            return f"after the update to {version}: {found}"
        return None if check.is_clean else check.words

    def _have_an_update(self, watch: Watch) -> None:
        """Goes on with the update that runs, or begins the next one."""
        watch.wait(lambda phase, version: True, timeout_s=_STEP_S)
        phase, version, _ = watch.last
        if self._promise.before != self._promise.after and not self._has_ended(phase, version):
            return
        found = report(self._board)
        version = self._lab.publish()
        self._promise = Promise(found.current or "1.0.0", version)
        self._lab.hint(version)

    def _has_ended(self, phase: str, version: str | None) -> bool:
        return phase in _ENDS and version == self._promise.after

    def _has_come_to(self, aim: int, phase: str, version: str | None) -> bool:
        """Whether this update is at a step of `_STEPS`, or further."""
        is_step = phase in _STEPS[aim:] and version == self._promise.after
        return is_step or self._has_ended(phase, version)

    def _hear_of_commit(self, watch: Watch) -> None:
        if watch.has_heard("committed", self._promise.after):
            self._promise = replace(self._promise, is_committed=True)

    def _interrupt(self, plan: Plan) -> None:
        if plan.kind == "reset":
            self._board.reset()
        else:
            self._board.cut_power()

    def _look_at_disk(self) -> tuple[str, str | None]:
        if self._board.pid is not None:
            return "not looked at", None
        check = self._board.check_disk()
        return ("clean", None) if check.is_clean else ("damaged", check.words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="of the image")
    parser.add_argument("--as-is", action="store_true", help="boot the image that is there")
    parser.add_argument("--out", type=Path, help="a file for the table, written after each cut")
    options = parser.parse_args()
    if not options.as_is:
        build(options.folder)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="edgekit-cuts-") as name:
        board = Board(options.folder, disk=Path(name) / "disk.img")
        trial = Trial(board, Lab(Path(name), board))
        try:
            trial.set_up()
            for number, plan in enumerate(plans(options.cuts, random.Random(options.seed)), 1):
                rows.append(trial.cut(number, plan))
                print(" | ".join(rows[-1].cells()), flush=True)
                if options.out is not None:
                    options.out.write_text(table(rows) + "\n")
            end = trial.finish()
        except BoardFailed as error:
            end = str(error)
        finally:
            board.cut_power()
    bad = [row for row in rows if row.wrong]
    count = sum(row.plan.cuts for row in rows)
    print(f"\n{table(rows)}\n\nseed {options.seed}: {count} cuts, {len(bad)} not as promised")
    print(end or "the update after them went through, and the disk is clean")
    return 1 if bad or end else 0


if __name__ == "__main__":
    sys.exit(main())
