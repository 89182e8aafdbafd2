"""A private broker with settings of one's own, which can also be stopped cleanly."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.errors import Unavailable
from tools.private_broker import PrivateBroker


class TunedBroker(PrivateBroker):
    """A mosquitto with further lines in its configuration.

    Attributes:
        folder: where its files are, and where it may write.
    """

    def __init__(
        self,
        lines: Sequence[str] = (),
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        persistent: bool = False,
    ) -> None:
        """Chooses a port; nothing runs yet.

        Args:
            lines: of `mosquitto.conf`; `{folder}` in one stands for the broker's folder.
            tls: whether to serve TLS, with a self-made authority.
            users: passwords by user name; without any, everyone may connect.
            persistent: whether sessions outlast a clean stop; there is no access list then.

        Raises:
            Unavailable: mosquitto is not installed.
        """
        super().__init__(tls=tls, users=users)
        if self.kind != "mosquitto":
            raise Unavailable("mosquitto was not found: tools/apt.sh mosquitto")
        self.folder = Path(self._folder.name)
        self._lines = list(lines)
        if persistent:
            self._lines += ["persistence_location {folder}/", "max_queued_messages 0"]
        self._persistent = persistent

    def stop_cleanly(self) -> None:
        """Ends it as an administrator would: it writes down what it holds."""
        os.kill(self.pid, signal.SIGTERM)
        assert self._process is not None
        self._process.wait()
        self.stop()

    def _configure(self, folder: Path) -> None:
        super()._configure(folder)
        path = folder / "broker.conf"
        text = path.read_text()
        if self._persistent:
            text = text.replace("persistence false", "persistence true")
            # mosquitto 2.0 with an access list keeps nothing for a restored session's client
            # until that client is back.
            text = text.replace("acl_file ", "# acl_file ")
        more = [line.replace("{folder}", str(folder)) for line in self._lines]
        path.write_text(text + "\n".join(more) + "\n")
