import json
import re
from io import StringIO
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from edgekit.cli.rounds import RoundsView
from edgekit.federated.curves import Line, chart
from edgekit.federated.report import Report, Round, page, write_report


def rounds(count: int, **more: object) -> tuple[Round, ...]:
    return tuple(
        Round(n, 0.5 + 0.01 * n, 2.0 / n, 7, {}, 9000, **more) for n in range(1, count + 1)
    )


def report(some: tuple[Round, ...], **more: object) -> Report:
    return Report(settings={"a": "<b>"}, clients=10, parameters=2410, rounds=some, **more)


def test_rounds_that_were_not_simulated_have_a_report_too(tmp_path: Path) -> None:
    real = (
        Round(1, None, None, 3, {"kitchen": "NaN & <more>"}, 1000, bytes_down=5000, seconds=2.5),
        Round(2, 0.5, 1.25, 4, {}, 1000, bytes_down=5000, seconds=1.5),
    )
    write_report(report(real, title="Kitchens", ended="it was enough"), tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "Kitchens" in text
    assert "it was enough" in text
    assert "kitchen: NaN &amp; &lt;more&gt;" in text
    assert "down: models and orders" in text
    assert "epsilon" not in text
    assert json.loads((tmp_path / "report.json").read_text())["rounds"][0]["accuracy"] is None


def test_every_curve_has_its_axes_named() -> None:
    text = page(report(rounds(5, epsilon_rdp=1.5, epsilon_pld=1.25), epsilon=2.0, delta=1e-5))
    for name in ("accuracy, share of 1", "mean loss of a sample", "epsilon at delta", "kB a round"):
        assert name in text
    assert text.count(">round</text>") == 4
    assert "the budget" in text
    assert "<b>1.25</b>" in text


def test_no_round_at_all_is_said() -> None:
    assert "No round was played" in page(report(()))


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.none() | st.floats(allow_nan=True)),
        min_size=1,
        max_size=20,
    ),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_any_numbers_make_a_chart_that_can_be_read(
    points: list[tuple[float, float | None]], from_zero: bool
) -> None:
    text = chart([Line("a <line>", points), Line("b", points)], x="x", y="y", from_zero=from_zero)
    tree = ElementTree.fromstring(text)
    if tree.tag.endswith("svg"):
        for numbers in re.findall(r'points="([^"]*)"', text):
            for pair in numbers.split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= 720
                assert -1 <= y <= 300
        assert text.count("<text") < 60


def test_long_names_of_a_legend_do_not_lie_on_one_another() -> None:
    lines = [Line("letters " * 5 + str(n), [(0, n), (1, n)]) for n in range(3)]
    text = chart(lines, x="x", y="y")
    places = re.findall(r'x="([0-9.]+)" y="([0-9.]+)" fill="currentColor">letters', text)
    assert len(set(places)) == 3
    by_row: dict[str, list[float]] = {}
    for x, y in places:
        by_row.setdefault(y, []).append(float(x))
    for row in by_row.values():
        assert all(right - left > 41 * 7 for left, right in pairwise(row))


def test_a_terminal_gets_a_table_that_is_drawn_anew_and_keeps_to_its_height() -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=100, height=12)
    with RoundsView(30, console=console) as view:
        for one in rounds(30):
            view.show(one)
    last = screen.getvalue().split("accuracy")[-1]
    assert "30/30" in last
    assert last.count("2410") == 0
    assert 5 <= len([line for line in last.splitlines() if "9.0" in line]) <= 8


def test_elsewhere_a_round_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with RoundsView(3, console=Console(file=StringIO())) as view:
        for one in rounds(3):
            view.show(one)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert "\x1b" not in "".join(lines)


def test_a_narrow_terminal_goes_without_what_is_needed_least() -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=60, height=12, no_color=True)
    with RoundsView(1, console=console) as view:
        view.show(rounds(1, epsilon_rdp=1.5, epsilon_pld=1.25, update_divergence=3.0)[0])
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "divergence" not in plain
    assert "epsilon PLD" in plain
    assert "1.250" in plain
