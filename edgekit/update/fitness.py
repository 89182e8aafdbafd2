"""Which bundle a board may run at a start: the first that is whole and passes its self-test."""

from pathlib import Path

from edgekit.bundle import Bundle, open_bundle
from edgekit.errors import BundleError
from edgekit.update.checks import SelfTest, why_unfit
from edgekit.update.state import SlotState
from edgekit.update.store import BundleStore


def first_fit(
    state: SlotState,
    store: BundleStore,
    shipped: Path | None,
    *,
    self_test: SelfTest,
    notes: list[str],
) -> Bundle:
    """The bundle to run: the committed one, else the one before it, else what the settings name.

    Args:
        state: the slots.
        store: where bundles are.
        shipped: the bundle that the settings name.
        self_test: loads a bundle and reproduces its golden vectors.
        notes: is told what was passed over, and why.

    Raises:
        BundleError: none of them may run.
    """
    committed, before = (
        None if release is None else store.place(release.sha256)
        for release in (state.current, state.previous)
    )
    places = [committed, before, shipped] if committed is not None else [shipped, before]
    for place in places:
        if place is None:
            continue
        try:
            bundle = open_bundle(place)
        except (BundleError, OSError) as error:
            notes.append(str(error))
            continue
        why = why_unfit(bundle, self_test)
        if why is None:
            return bundle
        notes.append(why)
    raise BundleError(
        f"{state.name}: no bundle that may run: {'; '.join(notes) or 'the settings name none'}"
    )
