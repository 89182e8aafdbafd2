"""A shared body and a head of one's own. Arivazhagan et al., 2019, arXiv:1912.00818 (FedPer)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.update import Update


@dataclass(frozen=True)
class Personal:
    """Which parameters never leave a board.

    Attributes:
        own: names or patterns, such as `head.*`.
    """

    own: Sequence[str]

    def shared(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """What all boards share.

        Raises:
            InputError: nothing is shared.
        """
        found = {name: a for name, a in parameters.items() if not self._is_own(name)}
        if not found:
            raise InputError(f"{', '.join(self.own)}: leaves nothing to be shared")
        return found

    def kept(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """What stays on the board."""
        return {name: a for name, a in parameters.items() if self._is_own(name)}

    def sent(self, update: Update) -> Update:
        """The update without what stays."""
        return replace(
            update, change=self.shared(update.change), control=_without(update.control, self)
        )

    def _is_own(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.own)


def _without(arrays: Mapping[str, Array], personal: Personal) -> Mapping[str, Array]:
    return personal.shared(arrays) if arrays else {}
