"""The judge of boards that came up after a power cut: it complains where it must."""

import base64
import hashlib
import random
from pathlib import Path

import pytest

from edgekit.update.release import Release
from edgekit.update.state import SlotState
from edgekit.update.state_file import encode_state
from tools.crash_points.making import tiny_bundle
from tools.power_cuts.cutting import Plan, Promise, Row, complaints, plans, table
from tools.power_cuts.looking import Report, read_report

PROMISE = Promise("1.0.0", "1.1.0")


def shown(folder: Path, *, slot: bytes | None = None, trouble: str = "") -> str:
    """What `on_board.sh` shows of a board that runs 1.1.0 out of its store."""
    bundle = tiny_bundle(folder / "b", "1.1.0").path
    manifest = (bundle / "manifest.json").read_bytes()
    release = Release(name="mean", version="1.1.0", sha256="0" * 64)
    slot = slot or encode_state(SlotState(name="mean", current=release, commits=1))
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(bundle)}"
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    ]
    return "\n".join(
        [
            '[answers]\n{"model": {"version": "1.1.0"}}\n[restarts]\n0',
            f"[slot]\n{base64.b64encode(slot).decode()}",
            f"[slot]\n{base64.b64encode(slot).decode()}",
            f"[bundle]\n{base64.b64encode(manifest).decode()}",
            *sums,
            f"[parts]\nx.part\n[trouble]\n{trouble}",
        ]
    )


def test_a_board_that_came_up_well_is_left_alone(tmp_path: Path) -> None:
    report = read_report(shown(tmp_path))
    assert (report.answers, report.current, report.bundles, report.parts) == (
        ("1.1.0", "1.1.0", 1, 1)
    )
    assert complaints(report, PROMISE, disk=None) == []


def test_a_changed_file_of_a_bundle_is_found(tmp_path: Path) -> None:
    text = shown(tmp_path)
    at = text.index("  ./model.onnx") - 1
    flipped = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
    assert complaints(read_report(flipped), PROMISE, disk=None) == [
        "1.1.0: model.onnx is not what the manifest says"
    ]


def test_a_damaged_state_is_found(tmp_path: Path) -> None:
    (wrong, again) = complaints(read_report(shown(tmp_path, slot=b"{}")), PROMISE, disk=None)
    assert "damaged" in wrong
    assert again == wrong


@pytest.mark.parametrize(
    ("report", "promise", "disk", "says"),
    [
        (Report(answers="0.9.0"), PROMISE, None, "answers with 0.9.0"),
        (Report(), PROMISE, None, "answers with None"),
        (Report(answers="1.0.0"), Promise("1.0.0", "1.1.0", True), None, "not with 1.1.0"),
        (Report(answers="1.0.0", restarts=1), PROMISE, None, "restart the daemon 1 times"),
        (Report(answers="1.0.0", trouble=["Traceback"]), PROMISE, None, "Traceback"),
        (Report(answers="1.0.0"), PROMISE, "bad inode", "file system is damaged"),
    ],
)
def test_what_is_wrong_is_said(
    report: Report, promise: Promise, disk: str | None, says: str
) -> None:
    (wrong,) = complaints(report, promise, disk=disk)
    assert says in wrong


def test_twenty_cuts_are_aimed_at_every_step_in_both_ways() -> None:
    made = plans(20, random.Random(1))
    assert sum(plan.cuts for plan in made) in (20, 21)
    assert {plan.when for plan in made} == {
        *("refreshing", "downloading", "unpacking", "testing", "trial", "committed", "start")
    }
    assert {plan.kind for plan in made} == {"power cut", "reset"}


def test_a_row_says_what_came_up() -> None:
    plan = Plan("trial", 1.0, "power cut")
    row = Row(1, plan, "trial", PROMISE, "clean", Report(answers="1.0.0"), [])
    assert table([row]).splitlines()[-1] == (
        "| 1 | power cut | trial | trial | 1.0.0 -> 1.1.0 | 1.0.0 | idle | clean | well |"
    )
