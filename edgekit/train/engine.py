"""Runs steps and evaluations in ONNX Runtime, as they are compiled, without writing files."""

from edgekit.graph.session import open_session
from edgekit.learning import evaluating, stepper
from edgekit.train.step import Step


class StepRunner(stepper.Stepper):
    """Takes step after step: see `Stepper`.

    Args:
        step: what to run; it must not be changed while the runner lives.
        threads: how many compute. With one, the same batches give the same bits.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """

    def __init__(self, step: Step, *, threads: int = 1) -> None:
        super().__init__(open_session(step.step, threads=threads), step.batch, step.carried)


class Evaluator(evaluating.Evaluator):
    """Asks a model with any parameters.

    Args:
        step: whose evaluation to run; it must not be changed while the evaluator lives.
        threads: how many compute.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """

    def __init__(self, step: Step, *, threads: int = 1) -> None:
        super().__init__(open_session(step.evaluate, threads=threads), step.batch)
