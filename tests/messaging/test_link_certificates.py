"""A board shows the broker a certificate of its own, and says what is wrong with it."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import ConfigError
from edgekit.messaging.link import MqttSettings
from tests.broker import PATIENCE_S, need_broker
from tests.messaging.linking import Said, make_link
from tools.private_broker import make_authority
from tools.tuned_broker import TunedBroker


def _certificate(folder: Path, authority: Path, name: str) -> tuple[Path, Path]:
    """A certificate and its key, signed by an authority."""
    key, request, certificate = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    for command in (
        f"openssl req {new_key} -subj /CN={name} -keyout {key} -out {request}",
        f"openssl x509 -req -in {request} -days 2 -CA {authority} -CAkey "
        f"{authority.with_suffix('.key')} -CAcreateserial -out {certificate}",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def strict() -> Iterator[TunedBroker]:
    """A broker that lets nobody in without a certificate."""
    need_broker()
    with TunedBroker(["require_certificate true", "use_identity_as_username true"], tls=True) as it:
        yield it


def _settings(broker: TunedBroker, certificate: Path | None, key: Path | None) -> MqttSettings:
    return MqttSettings(broker.host, broker.port, ca=broker.ca, certificate=certificate, key=key)


@pytest.mark.broker
def test_a_certificate_that_the_broker_knows_lets_us_in(strict: TunedBroker) -> None:
    certificate, key = _certificate(strict.folder, strict.folder / "ca.pem", "board")
    with make_link(_settings(strict, certificate, key)) as link:
        assert link.wait_connected(PATIENCE_S)
    assert any("u'board'" in line for line in strict.log)


@pytest.mark.broker
def test_a_certificate_may_hold_its_key_and_be_replaced_while_running(
    strict: TunedBroker, tmp_path: Path, said: Said
) -> None:
    stranger, _ = _certificate(tmp_path, make_authority(tmp_path, "other"), "board")
    shown = tmp_path / "shown.pem"
    shown.write_bytes(stranger.read_bytes() + stranger.with_suffix(".key").read_bytes())
    with make_link(_settings(strict, shown, None)) as link:
        assert "our certificate" in said.first()
        # Its reason is sometimes lost, the broker closing faster than we read.
        assert said.wait_for(lambda line: "the broker does not trust our certificate" in line)
        good, key = _certificate(strict.folder, strict.folder / "ca.pem", "board")
        shown.write_bytes(good.read_bytes() + key.read_bytes())
        assert link.wait_connected(PATIENCE_S)
        shown.write_bytes(b"")
        strict.stop()
        said.wait_for(lambda line: "going on with the files as they were" in line)
        strict.start()
        assert link.wait_connected(PATIENCE_S)


@pytest.mark.broker
def test_a_broker_that_asks_for_a_certificate_in_vain_is_said(
    strict: TunedBroker, said: Said
) -> None:
    with make_link(_settings(strict, None, None)):
        assert "for a certificate" in said.first()
        # Its reason is sometimes lost, the broker closing faster than we read.
        assert said.wait_for(lambda line: "set certificate and key" in line)


def test_files_that_cannot_serve_are_mistakes_in_the_settings(tmp_path: Path) -> None:
    need_broker()
    authority = make_authority(tmp_path)
    certificate, key = _certificate(tmp_path, authority, "board")
    _, other_key = _certificate(tmp_path, authority, "other")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    for shown, secret, text in (
        (tmp_path / "none.pem", key, "No such file"),
        (certificate, None, "are both PEM files, and of each other"),
        (certificate, other_key, "are both PEM files, and of each other"),
        (certificate, locked, "the key is encrypted"),
    ):
        settings = replace(MqttSettings("localhost", ca=authority), certificate=shown, key=secret)
        with pytest.raises(ConfigError, match=f"certificate: {shown}.*{text}"):
            make_link(settings)


def test_a_key_alone_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="key: needs a certificate"):
        MqttSettings("localhost", key=Path("x.key"))


def test_a_certificate_turns_tls_on() -> None:
    assert MqttSettings("localhost", certificate=Path("x.pem")).effective_port == 8883
