"""All that a board learns together with others: whole models in rounds, and halves of networks."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.schema import Settings
from edgekit.daemon.assembly.pipelines import Pipeline
from edgekit.daemon.cooling import Cooling
from edgekit.daemon.state import need_state
from edgekit.messaging.commands import Result
from edgekit.messaging.payloads import FederatedMetrics, Label
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire
from edgekit.pipeline.parts import Sink

if TYPE_CHECKING:
    from edgekit.daemon.federated.federation import Federation
    from edgekit.daemon.vertical.verticals import Verticals

_log = logging.getLogger(__name__)


class Learning:
    """What of it the settings name; its modules are imported only then."""

    def __init__(
        self,
        settings: Settings,
        state: Path | None,
        resources: ExitStack,
        *,
        source: str,
        link: Wire | None,
        topics: Topics,
        boot: str,
        pipelines: Callable[[], Mapping[str, Pipeline]],
        cooling: Cooling,
    ) -> None:
        """Prepares; `open` begins.

        Args:
            settings: the daemon's.
            state: the state directory, where there is one.
            resources: when they are closed, learning ends.
            source: the settings' file, for errors.
            link: to the broker.
            topics: the board's.
            boot: the id of this run of the daemon.
            pipelines: gives those that run, by name.
            cooling: knows how hot the board is.

        Raises:
            ConfigError: there is nowhere to keep what is learned.
        """
        self._federation: Federation | None = None
        self._verticals: Verticals | None = None
        named = [n for n in ("federated", "vertical") if getattr(settings, n)]
        if not named or link is None:
            return
        if state is None:
            need_state(settings, *named, source=source)
            _log.error("nothing is learned until then")
            return
        if settings.federated:
            from edgekit.daemon.federated import federation

            rounds = federation.Federation(
                state, link=link, topics=topics, boot=boot, pipelines=pipelines, cooling=cooling
            )
            self._federation = resources.enter_context(rounds)
        if settings.vertical:
            from edgekit.daemon.vertical import verticals

            halves = verticals.Verticals(state, link=link, topics=topics, pipelines=pipelines)
            self._verticals = resources.enter_context(halves)

    def open(self, settings: Settings) -> None:
        """Begins what the settings name; the pipelines are there.

        Raises:
            EdgekitError: a job cannot be begun.
        """
        if self._federation is not None:
            self._federation.open(settings.federated)
        if self._verticals is not None:
            self._verticals.open(settings.vertical)

    def follow(self, settings: Settings) -> None:
        """Follows changed settings, and pipelines that were made anew."""
        if self._federation is not None:
            self._federation.follow(settings.federated)
        elif settings.federated:
            _log.warning("[federated] is new, which takes effect at the next start")
        if self._verticals is not None:
            self._verticals.follow(settings.vertical)
        elif settings.vertical:
            _log.warning("[vertical] is new, which takes effect at the next start")

    @property
    def witnesses(self) -> Sequence[Sink]:
        """Who hears of rules that fire."""
        return [] if self._federation is None else [self._federation]

    @property
    def label(self) -> Callable[[Label], Result] | None:
        """Labels a sample, as a command asks for; `None` where nothing is learned in rounds."""
        return None if self._federation is None else self._federation.label

    def metrics(self) -> dict[str, FederatedMetrics]:
        """Where each job of rounds stands."""
        return {} if self._federation is None else self._federation.metrics()
