"""The page about a training."""

from edgekit.compress.machine import this_machine
from edgekit.train import Epoch
from edgekit.zoo.training.outcome import Fold, TrainingReport
from edgekit.zoo.training.report import training_html
from edgekit.zoo.training.report.curves import curves_of


def _history(epochs: int) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(number=n, steps=3, loss=2 / n, rate=0.1, validation_loss=3 / n, score=1 - 1 / n)
        for n in range(1, epochs + 1)
    )


def _report(**changes: object) -> TrainingReport:
    fields = {
        "name": "<net>",
        "task": "classification",
        "history": _history(4),
        "best": 4,
        "score": "roc-auc",
        "samples": {"training": 1200, "validation": 300},
        "parameters": {"trained": 10, "model": 20},
        "settings": {"model": "perceptron"},
        "machine": this_machine(),
        "seconds": 1.0,
        "provenance": {"edgekit": "1"},
    }
    return TrainingReport(**(fields | changes))  # type: ignore[arg-type]


def test_a_curve_goes_from_the_first_epoch_to_the_last_and_ends_where_it_is_lowest() -> None:
    loss, score, rate = curves_of(_report())
    validation = loss.lines[1]
    points = [tuple(map(float, pair.split(","))) for pair in validation.points.split()]
    assert (points[0][0], points[-1][0]) == (loss.left, loss.right)
    assert points == sorted(points, key=lambda point: point[1])  # pixels count downwards
    assert loss.best == loss.right
    assert score.title == "Roc auc on validation"
    assert rate.best is None


def test_folds_share_one_entry_of_the_legend() -> None:
    folds = tuple(Fold(history=_history(n), best=n) for n in (3, 4, 5))
    loss, score, _ = curves_of(_report(folds=folds))
    assert [words for _, words in loss.keys] == ["training 0.5", "validation 0.75", "each fold"]
    assert len(score.lines) == 4
    assert "Judged by 3 folds" in training_html(_report(folds=folds))


def test_one_epoch_without_validation_is_drawn_too() -> None:
    history = (Epoch(number=1, steps=1, loss=1.0, rate=0.0),)
    page = training_html(_report(history=history, best=1, score=None))
    assert "&lt;net&gt;" in page
    assert "<h3>Loss</h3>" in page
    assert "on validation</h3>" not in page


def test_confusion_is_shown_with_its_labels() -> None:
    page = training_html(_report(labels=("cat", "dog"), confusion=((9, 1), (0, 0))))
    assert "<th>dog</th>" in page
    assert "90.0%" in page
