"""`python -m tools.crash_points`: every disk that a power cut may leave, and how boards fare."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tools.crash_points.cutting import Cut, recorded, survives, twice
from tools.crash_points.making import make_board, make_place

_MEMORY = Path("/dev/shm")


def main() -> int:
    """Cuts everywhere; 1 if a board does not come up as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--twice", type=int, default=40, metavar="N",
        help="cut every Nth recovery once more, everywhere; 0 for none, 1 for all (hours)",
    )  # fmt: skip
    arguments = parser.parse_args()
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="edgekit-crash-", dir=where) as name:
        folder = Path(name)
        place = make_place(folder)
        record = recorded(place, make_board(place, folder / "board"), folder / "play")
        cuts = list(record.cuts())
        failures = 0
        tried: Counter[str] = Counter()
        second = 0

        def look(cut: Cut) -> None:
            nonlocal failures
            why = survives(place, cut, folder)
            if why is not None:
                failures += 1
                print(f"point {cut.point} ({cut.step}): {why}")

        for number, cut in enumerate(cuts):
            tried[cut.step] += 1
            look(cut)
            if arguments.twice and number % arguments.twice == 0:
                for again in twice(place, cut, folder):
                    second += 1
                    look(again)
            if number % 100 == 0:
                print(f"{number} of {len(cuts)}", file=sys.stderr)
        for step, count in tried.items():
            print(f"{step:20} {count:5} disks")
        print(
            f"{len(record.changes)} changes, {len(record.changes) + 1} points, {len(cuts)} disks "
            f"after one cut, {second} after a second; {failures} did not come up as promised"
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
