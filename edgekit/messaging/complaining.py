"""What the link says of a broker that cannot be used."""

import logging

from paho.mqtt.enums import LogLevel

from edgekit.errors import ConfigError
from edgekit.messaging.refusals import Complaints, why_cut, why_refused, why_unreachable
from edgekit.messaging.settings import MqttSettings


class BrokerComplaints:
    """Says once a reason what is wrong with the broker and what to do.

    Attributes:
        last_error: what paho said last of the connection that ended.
    """

    def __init__(self, log: logging.Logger, settings: MqttSettings, client_id: str) -> None:
        self.last_error = ""
        self._settings = settings
        self._client_id = client_id
        self._trouble = Complaints(log)
        self._refusals = Complaints(log)

    @property
    def count(self) -> int:
        """How many complaints about connections were made."""
        return self._trouble.count

    def overhear(self, level: int, text: str) -> None:
        """Paho logs something."""
        if level == LogLevel.MQTT_LOG_ERR:
            self.last_error = text

    def all_well(self) -> None:
        """The broker is there."""
        self._trouble.all_well()

    def unreachable(self, error: OSError | UnicodeError) -> None:
        """Connecting raised."""
        ca = str(self._settings.ca) if self._settings.ca else None
        self._complain(why_unreachable(error, tls=self._settings.encrypted, ca=ca))

    def not_mqtt(self, error: Exception) -> None:
        """Something answered that paho cannot read."""
        self._complain(f"it does not speak MQTT: {type(error).__name__}: {error}")

    def turned_away(self, code: int, name: str) -> None:
        """The broker said no, or goodbye."""
        self._complain(why_refused(code, name))

    def lost(self) -> None:
        """A connection ended without a reason."""
        self._complain(
            why_cut(self.last_error)
            or "the connection was lost; where this repeats, another program may be using the "
            f"client id {self._client_id}"
        )

    def never_answered(self) -> None:
        """A connection ended before the broker had said anything."""
        hints = [] if self._settings.encrypted else ["does it expect TLS?"]
        if self._settings.encrypted:
            shown = self._settings.certificate is not None
            hints += [
                "does it take our certificate?" if shown else "does it ask for a certificate?"
            ]
        hints += ["does it speak MQTT 3.1.1 only?"] if self._settings.version == "5" else []
        told = " ".join(["it closed the connection unanswered;", *hints, "see its log"])
        self._complain(why_cut(self.last_error) or told)

    def message_refused(self, topic: str, code: int, name: str) -> None:
        """The broker does not want one message."""
        self._refusals.make(
            f"{topic} {name}",
            f"the MQTT broker at {self._settings.address} refused a message to {topic}: "
            f"{why_refused(code, name)}",
        )

    def message_too_large(self, topic: str, size_bytes: int) -> None:
        """The broker takes no packet of this size."""
        self._refusals.make(
            f"{topic} size",
            f"dropped a message to {topic}: the MQTT broker at {self._settings.address} takes no "
            f"packet of {size_bytes} bytes",
        )

    def unusable_files(self, error: ConfigError) -> None:
        """Certificates that could be used once cannot be used any more."""
        self._refusals.make("files", f"{error}; going on with the files as they were")

    def _complain(self, reason: str) -> None:
        self._trouble.make(
            reason, f"no MQTT broker at {self._settings.address}: {reason} (trying on)"
        )
