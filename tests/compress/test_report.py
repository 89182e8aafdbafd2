"""The report: a page of its own, and what it shows."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from edgekit.compress import Recipe, compress_model
from edgekit.compress.compressor import Compressed
from edgekit.compress.recipe import InputRecipe
from edgekit.compress.report import FrontPoint, Report, report_html
from edgekit.compress.report.charts import front_chart
from edgekit.compress.steps import Quantize
from tests.samples import conv_net, pictures, save


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Compressed:
    """A bundle whose quantisation changes some answers."""
    folder = tmp_path_factory.mktemp("report")
    model = save(conv_net(), folder / "m.onnx")
    recipe = Recipe(input=InputRecipe(convention="caffe"), steps=(Quantize(full_range=True),))
    photos = pictures(folder / "p", 40)
    return compress_model(model, data=photos, out=folder / "b", recipe=recipe)


class Page(HTMLParser):
    """Checks that tags close, and collects what a browser would fetch."""

    EMPTY = ("meta", "img", "line", "polyline", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.EMPTY

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(made: Compressed) -> None:
    text = (made.bundle.path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all(source.startswith("data:image/webp") for source in page.fetched)
    assert "<script" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_says_what_was_found(made: Compressed) -> None:
    text = (made.bundle.path / "report.html").read_text(encoding="utf-8")
    for part in (
        "Before and after",
        "What each step did",
        "Where it hurts",
        "Size by layer",
        "KL divergence",
        "an x86 board without VNNI saturates",
        made.report.machine.processor,
    ):
        assert part in text, part


def test_pictures_that_changed_their_label_are_shown(made: Compressed) -> None:
    flipped = made.report.changed[0] if made.report.changed else None
    report, shown = made.report, "data:image/webp;base64,UklGRg=="
    if flipped is None:
        from edgekit.compress.measure import Flip

        flipped = Flip(input="p01.png", original="a (60%)", artifact="b (51%)", index=1)
        first = msgspec.structs.replace(report.first, changed=(flipped,))
        report = msgspec.structs.replace(report, artifacts=(first,))
    text = report_html(report, {flipped.index: shown})
    assert f'<img src="{shown}" alt="{flipped.input}">' in text


def test_names_from_outside_cannot_write_html(made: Compressed) -> None:
    report = msgspec.structs.replace(made.report, name="<b>x</b>", warnings=("<i>",))
    text = report_html(report, {})
    assert "<b>x</b>" not in text
    assert "&lt;i&gt;" in text


def test_the_document_reads_back_from_its_json(made: Compressed) -> None:
    assert msgspec.json.decode(msgspec.json.encode(made.report), type=Report) == made.report


def test_the_search_is_plotted_within_its_frame(made: Compressed) -> None:
    points = tuple(
        FrontPoint(
            name=f"candidate {number}",
            size_bytes=400_000 + 90_000 * number,
            agreement=0.8 + 0.03 * number,
            kl=0.1 / (number + 1),
            latency=0.5,
            standing="chosen" if number == 2 else "front" if number % 2 else "beaten",
        )
        for number in range(6)
    )
    report = msgspec.structs.replace(made.report, front=points)
    plot = front_chart(report)
    assert plot is not None
    for dot in plot.dots:
        assert plot.left <= dot.x <= plot.right
        assert plot.top <= dot.y <= plot.bottom
    xs = [dot.x for dot in sorted(plot.dots, key=lambda dot: dot.point.size_bytes)]
    assert xs == sorted(xs)
    text = report_html(report, {})
    assert len(re.findall("<circle", text)) == 6
    assert Page(text).open == []


def test_one_candidate_alone_can_be_plotted(made: Compressed) -> None:
    point = FrontPoint(name="only", size_bytes=500_000, agreement=1.0, latency=1.0)
    plot = front_chart(msgspec.structs.replace(made.report, front=(point,)))
    assert plot is not None
    assert len({tick.at for tick in plot.x_ticks}) == len(plot.x_ticks) >= 2
