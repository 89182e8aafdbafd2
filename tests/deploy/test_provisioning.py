"""Provisioned boards at a real mosquitto: who gets in, what each may do, and who no longer."""

import base64
import json
import queue
import ssl
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.config import load_settings
from edgekit.daemon.assembly.broker import mqtt_settings
from edgekit.daemon.doctor.broker import look_at_broker
from edgekit.deploy.provisioning.authority import Authority
from edgekit.deploy.provisioning.passwords import password_line
from edgekit.deploy.provisioning.provision import Order, provision, withdraw
from edgekit.errors import InputError
from edgekit.messaging.topics import Topics
from tests.broker import PATIENCE_S, need_program
from tests.cli.running_field import run_module as run
from tools.private_broker import _free_port, find_program

NOW = datetime.now(UTC)
CERTIFICATE = Order("lab", "pump", "certificate", "localhost")
PASSWORD = replace(CERTIFICATE, kind="password")


@contextmanager
def mosquitto(folder: Path) -> Iterator[tuple[int, int]]:
    """Runs the broker as its generated configuration says, on ports of our own."""
    need_program("mosquitto", "mosquitto")
    program = find_program("mosquitto")
    assert program is not None
    ports = _free_port(), _free_port()
    text = (folder / "edgekit.conf").read_text()
    text = text.replace("/etc/mosquitto/edgekit", str(folder)).replace("8883", str(ports[0]))
    text = text.replace("8884", str(ports[1]))
    text = "\n".join(
        f"{line} 127.0.0.1" if line.startswith("listener") else line for line in text.splitlines()
    )
    configuration = folder / "test.conf"
    configuration.write_text(f"user root\nlog_dest stderr\n{text}\n")
    process = subprocess.Popen(
        [program, "-v", "-c", str(configuration)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "running" in line:
            break
    else:
        pytest.fail("".join(said))
    rest = threading.Thread(target=process.stderr.read)
    rest.start()
    try:
        yield ports
    finally:
        process.kill()
        process.wait()
        rest.join()
        process.stderr.close()


class Board:
    """A client that has what was provisioned, and nothing else."""

    def __init__(self, folder: Path, ports: tuple[int, int], *, name: str = "") -> None:
        table = tomllib.loads((folder / "edgekit.toml").read_text())["mqtt"]
        self.reasons: queue.Queue[int] = queue.Queue()
        self.client = Client(
            CallbackAPIVersion.VERSION2, name or folder.name, protocol=MQTTProtocolVersion.MQTTv5
        )
        context = ssl.create_default_context(cafile=folder / table["ca"])
        if "certificate" in table:
            context.load_cert_chain(folder / table["certificate"], folder / table["key"])
        else:
            secret = (folder / table["password_file"]).read_text().strip()
            self.client.username_pw_set(table["username"], secret)
        self.client.tls_set_context(context)
        self.client.on_connect = lambda *args: self.reasons.put(args[3].value)
        self.client.on_publish = lambda *args: self.reasons.put(args[3].value)
        self.client.on_subscribe = lambda *args: self.reasons.put(args[3][0].value)
        self.client.on_disconnect = lambda *args: self.reasons.put(-1)
        self._port = ports["certificate" not in table]

    def connect(self) -> bool:
        """Whether the broker takes it."""
        try:
            self.client.connect("localhost", self._port)
        except OSError:
            return False
        self.client.loop_start()
        return self.reasons.get(timeout=PATIENCE_S) == 0

    def may_publish(self, topic: str) -> bool:
        self.client.publish(topic, "x", qos=1)
        return self.reasons.get(timeout=PATIENCE_S) < 0x80

    def may_read(self, topic: str) -> bool:
        """Whether what is sent there arrives; mosquitto grants every subscription but the few."""
        self.client.subscribe(topic, qos=1)
        return self.reasons.get(timeout=PATIENCE_S) < 0x80

    def close(self) -> None:
        self.client.loop_stop()
        self.client.disconnect()
        if (connection := self.client.socket()) is not None:
            connection.close()


@contextmanager
def board(folder: Path, ports: tuple[int, int]) -> Iterator[Board]:
    made = Board(folder, ports)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.broker
@pytest.mark.parametrize("order", [CERTIFICATE, PASSWORD], ids=["certificate", "password"])
def test_a_board_gets_in_and_speaks_for_itself_alone(tmp_path: Path, order: Order) -> None:
    ca = tmp_path / "ca"
    provision(order, authority_folder=ca, out=tmp_path / "pump")
    provision(replace(order, device="door"), authority_folder=ca, out=tmp_path / "door")
    with mosquitto(ca / "broker") as ports, board(tmp_path / "pump", ports) as pump:
        assert pump.connect()
        for own in ("status", "infer/door", "event/hot", "twin/reported", "res/reload/7"):
            assert pump.may_publish(f"edgekit/v1/lab/pump/{own}")
        for foreign in (
            "edgekit/v1/lab/door/status",
            "edgekit/v1/lab/pump2/status",
            "edgekit/v1/other/pump/status",
            "anything",
        ):
            assert not pump.may_publish(foreign)


@pytest.mark.broker
def test_a_board_hears_its_own_orders_and_no_others(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    heard: queue.Queue[str] = queue.Queue()
    provision(CERTIFICATE, authority_folder=ca, out=tmp_path / "pump")
    provision(replace(CERTIFICATE, device="door"), authority_folder=ca, out=tmp_path / "door")
    (ca / "broker/acl").write_text((ca / "broker/acl").read_text() + "user boss\n")
    with (ca / "broker/acl").open("a") as acl:
        acl.write("topic write edgekit/#\n")
    with (ca / "broker/passwords").open("a") as passwords:
        passwords.write(password_line("boss", "secret") + "\n")
    (tmp_path / "boss").mkdir()
    (tmp_path / "boss/password").write_text("secret")
    (tmp_path / "boss/ca.pem").write_bytes((ca / "ca.pem").read_bytes())
    (tmp_path / "boss/edgekit.toml").write_text(
        '[mqtt]\nca = "ca.pem"\nusername = "boss"\npassword_file = "password"\n'
    )
    with (
        mosquitto(ca / "broker") as ports,
        board(tmp_path / "pump", ports) as pump,
        board(tmp_path / "boss", ports) as boss,
    ):
        assert pump.connect()
        assert boss.connect()
        pump.client.on_message = lambda _client, _data, message: heard.put(message.topic)
        assert pump.may_read("edgekit/v1/lab/#")
        for topic in ("door/cmd/reload", "pump/twin/reported", "door/twin/desired"):
            assert boss.may_publish(f"edgekit/v1/lab/{topic}")
        orders = ["cmd/reload", "twin/desired", "fl/job/round", "deploy/hint"]
        for order in orders:
            assert boss.may_publish(f"edgekit/v1/lab/pump/{order}")
        got = [heard.get(timeout=PATIENCE_S) for _ in orders]
        assert got == [f"edgekit/v1/lab/pump/{order}" for order in orders]
        assert heard.empty()


@pytest.mark.broker
@pytest.mark.parametrize("order", [CERTIFICATE, PASSWORD], ids=["certificate", "password"])
def test_both_are_good_while_they_overlap_and_the_revoked_one_is_refused(
    tmp_path: Path, order: Order
) -> None:
    ca = tmp_path / "ca"
    provision(order, authority_folder=ca, out=tmp_path / "old", now=NOW)
    provision(replace(order, rotate=True), authority_folder=ca, out=tmp_path / "new", now=NOW)
    for is_over in (False, True):
        if is_over:
            withdraw("lab", "pump", authority_folder=ca, keep_newest=True, now=NOW)
        with mosquitto(ca / "broker") as ports:
            with board(tmp_path / "new", ports) as new:
                assert new.connect()
                assert new.may_publish("edgekit/v1/lab/pump/status")
            with board(tmp_path / "old", ports) as old:
                assert old.connect() != is_over


def test_a_later_run_revokes_what_its_overlap_has_passed(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    first = provision(CERTIFICATE, authority_folder=ca, out=tmp_path / "1", now=NOW)
    rotated = replace(CERTIFICATE, rotate=True)
    provision(rotated, authority_folder=ca, out=tmp_path / "2", now=NOW)
    assert first.number not in revoked(ca)
    later = NOW + timedelta(days=15)
    provision(replace(PASSWORD, device="x"), authority_folder=ca, out=tmp_path / "x", now=later)
    assert revoked(ca) == {first.number}


def revoked(ca: Path) -> set[str]:
    crl = x509.load_pem_x509_crl((ca / "broker/crl.pem").read_bytes())
    return {f"{entry.serial_number:x}" for entry in crl}


def test_secrets_are_for_their_owner_alone_and_keys_are_never_replaced(tmp_path: Path) -> None:
    ca, out = tmp_path / "ca", tmp_path / "pump"
    provision(CERTIFICATE, authority_folder=ca, out=out)
    for secret in (out / "client.key", ca / "ca.key", ca / "broker/server.key"):
        assert secret.stat().st_mode & 0o777 == 0o600
    before = (out / "client.key").read_bytes(), (ca / "ca.key").read_bytes()
    with pytest.raises(InputError, match="holds files already"):
        provision(replace(CERTIFICATE, rotate=True), authority_folder=ca, out=out)
    with pytest.raises(InputError, match="--rotate"):
        provision(CERTIFICATE, authority_folder=ca, out=tmp_path / "again")
    assert before == ((out / "client.key").read_bytes(), (ca / "ca.key").read_bytes())
    assert not (tmp_path / "again").exists()


def test_a_run_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    provision(CERTIFICATE, authority_folder=ca, out=tmp_path / "pump")
    registry = (ca / "registry.json").read_bytes()
    (ca / "ca.key").write_bytes(Authority.new("another", now=NOW).key)
    with pytest.raises(InputError, match="is not the key of"):
        provision(replace(CERTIFICATE, device="b"), authority_folder=ca, out=tmp_path / "b")
    (ca / "ca.key").write_bytes(b"rubbish")
    with pytest.raises(InputError, match="no PEM private key"):
        provision(replace(CERTIFICATE, device="b"), authority_folder=ca, out=tmp_path / "b")
    assert (ca / "registry.json").read_bytes() == registry
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca", "pump"]


def test_an_operators_own_authority_is_taken(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    ca.mkdir()
    own = Authority.new("our own", now=NOW)
    (ca / "ca.pem").write_bytes(own.certificate)
    (ca / "ca.key").write_bytes(own.key)
    provision(CERTIFICATE, authority_folder=ca, out=tmp_path / "pump")
    assert (tmp_path / "pump/ca.pem").read_bytes() == own.certificate
    assert (ca / "ca.key").read_bytes() == own.key


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a b", "a~2", "#", "ü", "x" * 65, "a\nuser b"])
def test_a_name_that_could_mean_something_to_the_broker_is_refused(
    tmp_path: Path, name: str
) -> None:
    order = replace(CERTIFICATE, device=name)
    with pytest.raises(InputError):
        provision(order, authority_folder=tmp_path / "ca", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.broker
def test_our_password_lines_are_mosquittos(tmp_path: Path) -> None:
    need_program("mosquitto_passwd", "mosquitto")
    theirs = tmp_path / "passwords"
    theirs.write_text("board:geheim\n")
    theirs.chmod(0o600)
    subprocess.run([find_program("mosquitto_passwd") or "", "-U", theirs], check=True)
    line = theirs.read_text().strip()
    _, _, iterations, salt, _ = line.split("$")
    ours = password_line("board", "geheim", salt=base64.b64decode(salt), iterations=int(iterations))
    assert ours == line


def test_the_command_provisions_rotates_and_revokes(tmp_path: Path) -> None:
    common = ("provision", "pump", "--fleet", "lab", "--ca-dir", tmp_path / "ca")
    issue = (*common, "--broker", "localhost", "--out")
    done = run(*issue, tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert run(*issue, tmp_path / "b").returncode == 2
    done = run(*issue, tmp_path / "b", "--rotate", "--password")
    assert done.returncode == 0, done.stderr
    assert "revoked certificate" in run(*common, "--retire").stdout
    assert "revoked password" in run(*common, "--revoke").stdout
    issued = json.loads((tmp_path / "ca/registry.json").read_text())["issued"]
    assert all("revoked" in one and one["revoked"] for one in issued)
    assert (tmp_path / "ca/broker/acl").read_text() == ""


def test_settings_begun_with_the_boards_folder_reach_its_broker(tmp_path: Path) -> None:
    provision(CERTIFICATE, authority_folder=tmp_path / "ca", out=tmp_path / "pump")
    wish = ("--bundle", "b", "--source", "camera", "--out", tmp_path / "edgekit.toml")
    done = run("config", "init", "--credentials", tmp_path / "pump", *wish)
    assert done.returncode == 0, done.stderr
    made = load_settings(tmp_path / "edgekit.toml")
    assert (made.device.fleet, made.device.name) == ("lab", "pump")
    assert made.mqtt is not None
    assert (made.mqtt.host, made.mqtt.port) == ("localhost", 8883)
    assert made.mqtt.key == (tmp_path / "pump/client.key").resolve()


@pytest.mark.broker
@pytest.mark.parametrize("order", [CERTIFICATE, PASSWORD], ids=["certificate", "password"])
def test_the_doctor_finds_a_provisioned_board_in_order(tmp_path: Path, order: Order) -> None:
    ca, out = tmp_path / "ca", tmp_path / "pump"
    provision(order, authority_folder=ca, out=out)
    with (out / "edgekit.toml").open("a") as file:
        file.write(
            '[pipelines.a]\nbundle = "b"\nsource = { kind = "camera" }\n'
            'sinks = [{ kind = "mqtt" }]\n'
        )
    table = load_settings(out / "edgekit.toml").mqtt
    assert table is not None
    with mosquitto(ca / "broker") as ports:
        settings = replace(mqtt_settings(table), port=ports[order.kind == "password"])
        found = list(look_at_broker(settings, Topics("lab", "pump")))
    assert [finding.grade for finding in found] == ["ok"] * 3, found
