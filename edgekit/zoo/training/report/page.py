"""The report on a training as one self-contained page: no script, no font, no picture."""

from importlib.resources import files

from edgekit.compress.report.page import environment
from edgekit.zoo.training.outcome import TrainingReport
from edgekit.zoo.training.report.curves import curves_of


def training_html(report: TrainingReport) -> str:
    """The page."""
    template = files("edgekit.zoo.training.report").joinpath("page.html.jinja").read_text("utf-8")
    return (
        environment()
        .from_string(template)
        .render(report=report, curves=curves_of(report), shares=_shares(report))
    )


def _shares(report: TrainingReport) -> list[list[float]]:
    """Of each cell of the confusion matrix, the share of its row."""
    return [[count / max(1, sum(row)) for count in row] for row in report.confusion]
