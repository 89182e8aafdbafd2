"""Makes the paho client of one connection."""

import ssl

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgekit.messaging.outgoing import Publication
from edgekit.messaging.settings import MqttSettings

_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_ROOM_FOR_HEADER_BYTES = 128 * 1024
"""The most that a packet holds beside its payload: a topic and properties."""


def new_client(
    settings: MqttSettings, client_id: str, tls: ssl.SSLContext | None, *, will: Publication
) -> Client:
    """A client that is not connected yet."""
    client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=_VERSIONS[settings.version])
    client.max_inflight_messages_set(0)  # the window is the link's to keep
    client.username_pw_set(settings.username, settings.password)
    if tls is not None:
        client.tls_set_context(tls)
    client.will_set(will.topic, will.payload, will.qos, will.retain)
    return client


def connect(client: Client, settings: MqttSettings) -> None:
    """Opens the connection and says hello; the broker's answer comes later.

    Raises:
        OSError: nothing answers.
    """
    hello = None
    if settings.version == "5":
        hello = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        # Reading ever larger packets would fill a board's memory.
        hello.MaximumPacketSize = settings.max_received_bytes + _ROOM_FOR_HEADER_BYTES
    client.connect(settings.host, settings.effective_port, settings.keepalive_s, properties=hello)


def publish(client: Client, settings: MqttSettings, item: Publication) -> int:
    """Hands a message to the network; gives its packet id."""
    more = None
    if item.correlation_data is not None and settings.version == "5":
        more = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        more.CorrelationData = item.correlation_data
    return client.publish(item.topic, item.payload, item.qos, item.retain, more).mid
