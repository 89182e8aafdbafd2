"""Settings of the broker say all that is wrong with them, and hide the password."""

from pathlib import Path

import pytest

from edgekit.errors import ConfigError
from edgekit.messaging.settings import MqttSettings


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        MqttSettings(
            host="a b",
            port=70_000,
            version="4",  # type: ignore[arg-type]
            password="x",
            keepalive_s=0,
            key=Path("x.key"),
            max_queued=0,
            max_received_bytes=0,
        )
    keys = [mistake.split(":")[0] for mistake in caught.value.mistakes]
    assert keys == [
        "host",
        "port",
        "version",
        "password",
        "key",
        "keepalive_s",
        "max_queued",
        "max_received_bytes",
    ]


def test_the_port_follows_tls_unless_it_is_given() -> None:
    assert MqttSettings("h").effective_port == 1883
    assert MqttSettings("h", tls=True).effective_port == 8883
    assert MqttSettings("h", ca=Path("ca.pem")).effective_port == 8883
    assert MqttSettings("h", port=1, tls=True).effective_port == 1


def test_an_address_is_readable_for_ipv6_too() -> None:
    assert MqttSettings("::1").address == "[::1]:1883"


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(MqttSettings("h", username="u", password="secret"))
