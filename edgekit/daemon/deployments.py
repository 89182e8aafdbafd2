"""Brings hints to the updates, and tells how far they are: over the broker, and by files."""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.config.schema import Settings
from edgekit.config.updates import UpdateTable
from edgekit.daemon.state import need_state
from edgekit.daemon.updating import Board, Updating
from edgekit.errors import InputError
from edgekit.learning.durable import write_durably
from edgekit.messaging.incoming import Received
from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import (
    DeployDesired,
    DeployStatus,
    decode_deploy_desired,
    encode,
)
from edgekit.messaging.topics import Topics
from edgekit.update import canary_policy, open_updates

_log = logging.getLogger(__name__)
_LARGEST_HINT_BYTES = 64 * 1024


class Deployments:
    """Inside its `with` block the board follows hints to update.

    They come retained at `deploy/desired/<bundle>`, or as files `<bundle>.json` in the state
    directory's `updates/hints`, which who comes over SSH writes. Where each update stands is told
    at `deploy/status/<bundle>`, and in `updates/status`.

    Attributes:
        updating: does the work.
    """

    def __init__(
        self,
        settings: UpdateTable,
        state: Path,
        board: Board,
        *,
        boot: str,
        topics: Topics,
        link: MqttLink | None,
    ) -> None:
        """Reads what is kept; nothing is fetched yet.

        Args:
            settings: the table `[updates]`.
            state: the state directory.
            board: the daemon around it.
            boot: the id of this run of the daemon.
            topics: where this board speaks.
            link: to the broker, where there is one.

        Raises:
            ConfigError: the trusted root cannot be read.
            InputError: the repository's address is not one.
        """
        self._hints = state / "updates" / "hints"
        self._status = state / "updates" / "status"
        self._topics = topics
        self._link = link
        self._seen: dict[str, bytes] = {}
        self._told: dict[str, DeployStatus] = {}
        self.updating = Updating(
            open_updates(settings, state),
            board,
            boot=boot,
            policy=canary_policy(settings.canary),
            poll_s=settings.poll_s,
            automatic=settings.automatic,
            tell=self._tell,
        )

    def __enter__(self) -> Self:
        for folder in (self._hints, self._status):
            folder.mkdir(parents=True, exist_ok=True)
        self.updating.__enter__()
        if self._link is not None:
            self._link.on_connect(self._tell_again)
            self._link.subscribe(self._topics.deploy_desires, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._link is not None:
            self._link.off_connect(self._tell_again)
            self._link.unsubscribe(self._topics.deploy_desires, self._receive)
        self.updating.__exit__(kind, error, trace)

    def look(self) -> None:
        """Follows hint files that are new or have changed. For one thread at a time."""
        try:
            files = sorted(self._hints.glob("*.json"))
        except OSError:
            return
        for file in files:
            try:
                with file.open("rb") as stream:
                    payload = stream.read(_LARGEST_HINT_BYTES)
            except OSError:
                continue  # it is being replaced
            if self._seen.get(file.stem) != payload:
                self._seen[file.stem] = payload
                self._hint(file.stem, payload)

    def _receive(self, message: Received) -> None:
        """Runs on the link's thread."""
        if message.payload:
            self._hint(message.topic.rpartition("/")[2], message.payload)

    def _hint(self, bundle: str, payload: bytes) -> None:
        try:
            wish: DeployDesired = decode_deploy_desired(payload)
        except InputError as error:
            _log.warning("updates: passed over a hint for %s: %s", bundle, error)
            return
        self.updating.hint(bundle, wish)

    def _tell(self, bundle: str, status: DeployStatus) -> None:
        self._told[bundle] = status
        payload = encode(status)
        try:
            write_durably(self._status / f"{bundle}.json", lambda file: file.write(payload))
        except InputError as error:
            _log.warning("updates: %s", error)
        if self._link is not None:
            self._link.publish(self._topics.deploy_status(bundle), payload, retain=True)

    def _tell_again(self) -> None:
        assert self._link is not None
        for bundle, status in list(self._told.items()):
            self._link.publish(self._topics.deploy_status(bundle), encode(status), retain=True)


def open_deployments(
    settings: Settings,
    state: Path | None,
    board: Board,
    *,
    source: str,
    boot: str,
    topics: Topics,
    link: MqttLink | None,
) -> Deployments | None:
    """What the settings say of updates; `None` where they say nothing, or there is no disk.

    Args:
        settings: the daemon's.
        state: the state directory, where there is one.
        board: the daemon around it.
        source: the settings' file, for errors.
        boot: the id of this run of the daemon.
        topics: where this board speaks.
        link: to the broker, where there is one.

    Raises:
        ConfigError: no state directory is named, or the trusted root cannot be read.
        InputError: the repository's address is not one.
    """
    if settings.updates is None:
        return None
    if state is None:
        need_state(settings, "updates", source=source)
        _log.error("no updates until then: the bundles that the settings name run")
        return None
    return Deployments(settings.updates, state, board, boot=boot, topics=topics, link=link)
