"""Every error edgekit raises on purpose, sorted by who has to act.

    EdgekitError
    ├── OperatorError          the person at the keyboard
    │   ├── ConfigError        a setting is wrong; carries every mistake at once
    │   ├── InputError         a file, folder or value that was given cannot be used
    │   └── TrainingDiverged   a loss became NaN or infinite: the data or the learning rate
    ├── UnsupportedModel       the model's author
    ├── BundleError            the supply chain: a bundle is damaged, incomplete or from the future
    ├── Unavailable            nobody: wait and retry
    │   └── Stuck              a driver that cannot be killed: only a reboot helps
    └── GateMissed             whoever set the gate: an artifact is worse than was asked for

Anything else that escapes is a bug and shows its traceback.
"""

from collections.abc import Sequence


class EdgekitError(Exception):
    """What every deliberate error is. Its text says what, where, and what to do next."""

    exit_code = 1


class OperatorError(EdgekitError):
    """The person who gave the command or wrote the settings has to act."""

    exit_code = 2


class ConfigError(OperatorError):
    """Settings that cannot be used.

    Attributes:
        mistakes: one line for each mistake, each naming the key it is about.
    """

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(f"{source}: {mistake}" for mistake in self.mistakes))


class InputError(OperatorError):
    """A file, a folder or a value that was given cannot be used."""


class TrainingDiverged(OperatorError):
    """A loss, or what a step made of the parameters, became NaN or infinite.

    Attributes:
        step: the number of the step, from 0.
        tensor: the first value in the graph that is not finite.
    """

    def __init__(self, step: int, tensor: str, found: str, checkpoint: str | None) -> None:
        self.step, self.tensor = step, tensor
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint"
        super().__init__(
            f"training diverged at step {step}: {tensor!r} holds {found}; {kept}; "
            "lower the learning rate, clip the gradient, or look at the data"
        )


class UnsupportedModel(EdgekitError):
    """A model that is damaged, or that does something edgekit cannot do."""

    exit_code = 3


class BundleError(EdgekitError):
    """A bundle that must not be trusted: damaged, incomplete, or of an unknown schema."""

    exit_code = 4


class Unavailable(EdgekitError):
    """Something outside that is not there now and may be later."""

    exit_code = 5


class Stuck(Unavailable):
    """A driver that cannot be killed: only a reboot helps."""

    exit_code = 7


class GateMissed(EdgekitError):
    """An artifact does not hold what its recipe's gates ask for, so it was not written.

    Attributes:
        report: the figures, an `edgekit.compress.report.Report`.
    """

    exit_code = 6

    def __init__(self, lines: Sequence[str], *, report: object = None) -> None:
        self.report = report
        super().__init__("\n".join(lines))
