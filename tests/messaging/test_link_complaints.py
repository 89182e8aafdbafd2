"""A link that cannot be had, or not as it is set up, is one line that says what to do."""

import itertools
import socket
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from edgekit.errors import ConfigError
from edgekit.messaging.link import LinkCounts, MqttLink, MqttSettings, jittered_backoff
from tests.broker import PATIENCE_S, settings_for
from tests.messaging.linking import (
    STATUS,
    TOPICS,
    Counted,
    Said,
    make_link,
)
from tools.private_broker import PrivateBroker, make_authority


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_wrong_password_is_said_once_and_retried(
    broker: PrivateBroker, version: Literal["5", "3.1.1"], said: Said
) -> None:
    settings = replace(settings_for(broker, version=version), password="wrong")
    tried = Counted(4)
    with MqttLink(settings, TOPICS, STATUS, backoff=tried) as link:
        link.publish("edgekit/x", b"x")
        assert tried.reached.wait(PATIENCE_S)
        assert not link.connected
        assert link.counts == LinkCounts(0, 0, 0, waiting=1)
        assert said.lines == [
            f"no MQTT broker at {settings.address}: not authorized; check the user name and "
            "password, and the broker's access list (trying on)"
        ]


@pytest.mark.broker
def test_an_authority_that_did_not_sign_the_broker_is_said(
    broker: PrivateBroker, tmp_path: Path, said: Said
) -> None:
    settings = replace(settings_for(broker), ca=make_authority(tmp_path, "other"))
    tried = Counted(3)
    with MqttLink(settings, TOPICS, STATUS, backoff=tried) as link:
        assert tried.reached.wait(PATIENCE_S)
        assert not link.connected
        (line,) = said.lines
    assert "certificate is not trusted" in line
    assert f"check {settings.ca}" in line


@pytest.mark.broker
def test_speaking_plainly_to_a_tls_port_is_said(broker: PrivateBroker, said: Said) -> None:
    with make_link(replace(settings_for(broker), ca=None)):
        assert "does it expect TLS?" in said.first()


@pytest.mark.broker
def test_speaking_tls_to_a_plain_port_is_said(broker: PrivateBroker, said: Said) -> None:
    with PrivateBroker() as plain, make_link(replace(settings_for(broker), port=plain.port)):
        assert "TLS port?" in said.first()


def test_an_absent_broker_is_said_once(said: Said) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = MqttSettings(host="127.0.0.1", port=unused.getsockname()[1])
        tried = Counted(5)
        with MqttLink(settings, TOPICS, STATUS, backoff=tried):
            assert tried.reached.wait(PATIENCE_S)
    assert said.lines == [
        f"no MQTT broker at {settings.address}: nothing listens there; start the broker, or "
        "correct the host and port (trying on)"
    ]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70])
def test_a_host_that_cannot_be_resolved_is_said_and_retried(host: str, said: Said) -> None:
    tried = Counted(2)
    with MqttLink(MqttSettings(host=host), TOPICS, STATUS, backoff=tried):
        assert tried.reached.wait(PATIENCE_S)
    assert "the host name cannot be resolved" in said.first()


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x7f\xff", b"\xff"])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_does_not_speak_mqtt_is_tried_again(
    noise: bytes, version: Literal["5", "3.1.1"], said: Said
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        settings = MqttSettings("127.0.0.1", server.getsockname()[1], version)
        with make_link(settings) as link:
            for _ in range(3):
                connection, _address = server.accept()
                with connection:
                    connection.recv(1)
                    connection.sendall(noise)
            assert said.first().startswith(f"no MQTT broker at {settings.address}")
            assert not link.connected


@pytest.mark.broker
def test_a_message_that_the_broker_refuses_is_dropped_and_said_once(
    broker: PrivateBroker, said: Said
) -> None:
    with make_link(settings_for(broker)) as link:
        for _ in range(3):
            link.publish("elsewhere/x", b"x")
        link.publish("edgekit/x", b"x")
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts == LinkCounts(sent=4, acknowledged=1, dropped=3, waiting=0)
    (line,) = said.lines
    assert "refused a message to elsewhere/x: not authorized" in line


@pytest.mark.broker
def test_a_second_program_with_the_same_client_id_is_said(
    broker: PrivateBroker, said: Said
) -> None:
    settings = settings_for(broker)
    with make_link(settings) as first:
        assert first.wait_connected(PATIENCE_S)
        with MqttLink(settings, TOPICS, STATUS) as second:
            assert second.wait_connected(PATIENCE_S)
            assert "another program may be using the client id edgekit-lab-board" in said.first()


def test_a_missing_authority_file_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ca: .*none\.pem"):
        make_link(MqttSettings("localhost", ca=tmp_path / "none.pem"))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigError, match="no PEM certificate"):
        make_link(MqttSettings("localhost", ca=tmp_path / "empty.pem"))


def test_back_off_doubles_to_its_ceiling_with_half_left_to_chance() -> None:
    delays = list(itertools.islice(jittered_backoff(1.0, 60.0), 10))
    for delay, ceiling in zip(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert ceiling / 2 <= delay <= ceiling
