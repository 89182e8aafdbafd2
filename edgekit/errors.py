"""Every error edgekit raises on purpose, sorted by who has to act.

    EdgekitError
    ├── OperatorError          the person at the keyboard
    │   ├── ConfigError        a setting is wrong; carries every mistake at once
    │   └── InputError         a file, folder or value that was given cannot be used
    ├── UnsupportedModel       the model's author
    ├── BundleError            the supply chain: a bundle is damaged, incomplete or from the future
    ├── Unavailable            nobody: wait and retry
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


class UnsupportedModel(EdgekitError):
    """A model that is damaged, or that does something edgekit cannot do."""

    exit_code = 3


class BundleError(EdgekitError):
    """A bundle that must not be trusted: damaged, incomplete, or of an unknown schema."""

    exit_code = 4


class Unavailable(EdgekitError):
    """Something outside that is not there now and may be later."""

    exit_code = 5


class GateMissed(EdgekitError):
    """An artifact does not hold what its recipe's gates ask for, so it was not written.

    Attributes:
        report: the figures, an `edgekit.compress.report.Report`.
    """

    exit_code = 6

    def __init__(self, lines: Sequence[str], *, report: object = None) -> None:
        self.report = report
        super().__init__("\n".join(lines))
