"""The report as one self-contained page: no script, no font, no picture from elsewhere."""

from collections.abc import Mapping
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from edgekit.compress.report import charts, table
from edgekit.compress.report.document import Report


def report_html(report: Report, pictures: Mapping[int, str]) -> str:
    """The page.

    Args:
        report: what it says.
        pictures: thumbnails as data URIs, by the index of the sample.
    """
    return (
        environment()
        .from_string(_file("page.html.jinja"))
        .render(
            report=report,
            numbers=range(1, 2 + len(report.artifacts)),
            headline=charts.headline(report),
            layers=charts.layer_bars(report),
            sensitivity=charts.sensitivity_bars(report),
            front=charts.front_chart(report),
            pictures=pictures,
        )
    )


def environment() -> Environment:
    """What edgekit's pages are made with: the style sheet to include, and filters for figures."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({"style.css": _file("style.css")}),
    )
    made.filters |= {
        "kilobytes": table.kilobytes,
        "percent": table.percent,
        "points": table.points,
        "count": lambda number: "" if number is None else f"{number:,}",
    }
    return made


def _file(name: str) -> str:
    return files("edgekit.compress.report").joinpath(name).read_text("utf-8")
