"""Says at the end of a run how far gradients were from differences."""

import pytest

from edgekit.autodiff.registry import FAMILIES
from tests.autodiff.differences import WORST


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    known = {kind for kinds in FAMILIES.values() for kind in kinds}
    errors = {kind: error for kind, error in WORST.items() if kind in known}
    if not errors:
        return
    kind = max(errors, key=lambda kind: (errors[kind], kind != "Identity"))
    rest = ", ".join(sorted(known - set(errors)))
    terminalreporter.write_line(
        f"gradient check: largest relative error {errors[kind]:.1e} ({kind}), "
        f"{len(errors)} of {len(known)} rules against differences" + f"; not: {rest}" * bool(rest)
    )
