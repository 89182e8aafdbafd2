"""Which model is the best so far, and whether more rounds would help: pure."""

import math
from collections.abc import Sequence

from edgekit.federated.job.schema import EvaluationTable
from edgekit.federated.report import Round


def merit(one: Round) -> float:
    """How good a round's model is: its accuracy, else its loss turned round."""
    if one.accuracy is not None:
        return one.accuracy
    if one.loss is None or math.isnan(one.loss):
        return -math.inf
    return -one.loss


def best_of(rounds: Sequence[Round]) -> Round | None:
    """The round with the best model, the first of them; `None` where there is none."""
    return max(rounds, key=merit, default=None)


def chosen_of(rounds: Sequence[Round], table: EvaluationTable) -> Round | None:
    """The round whose model becomes the result."""
    return best_of(rounds) if table.keep == "best" else (rounds[-1] if rounds else None)


def enough(rounds: Sequence[Round], table: EvaluationTable) -> str | None:
    """Why no further round is needed; `None` where it is."""
    best = best_of(rounds)
    if best is None:
        return None
    target = table.target
    if target is not None and best.accuracy is not None and best.accuracy >= target:
        return f"round {best.number} reached the target: accuracy {best.accuracy:.3f}"
    if table.patience is not None and rounds[-1].number - best.number >= table.patience:
        return f"{table.patience} rounds were no better than round {best.number}"
    return None
