"""What is said where a board cannot be logged in to, by a real ssh and a real server."""

import socket
import threading
from pathlib import Path

import pytest

from edgekit.deploy.ssh.board import find_board
from edgekit.deploy.ssh.complaints import complaint
from edgekit.deploy.ssh.connection import Connection, Destination
from edgekit.deploy.ssh.layout import layout_of
from edgekit.errors import EdgekitError, InputError, Unavailable
from tests.deploy.sshd import Sshd, make_key


def refusal(destination: Destination) -> EdgekitError:
    with pytest.raises(EdgekitError) as raised, Connection(destination, may_ask=False):
        pass
    assert "\n" not in str(raised.value)
    return raised.value


def to(server: Sshd, **more: object) -> Destination:
    return Destination(server.destination, config=server.config, **more)  # type: ignore[arg-type]


def test_one_log_in_serves_every_command_and_its_bytes_are_counted(server: Sshd) -> None:
    before = (server.folder / "sshd.log").read_text().count("Accepted publickey")
    with Connection(to(server)) as connection:
        assert connection.run("cat; exit 3", stdin=b"x" * 50_000).code == 3
        assert connection.run("printf %s 'a \"b\" $HOME'").out == b'a "b" $HOME'
        with connection.open("read line; echo got $line") as process:
            out, _ = process.communicate(b"it\n")
        assert out == b"got it\n"
        counted = connection.close()
    assert (server.folder / "sshd.log").read_text().count("Accepted publickey") == before + 1
    assert 50_000 < counted.sent < 60_000
    assert 50_000 < counted.received < 60_000


def test_a_connection_that_broke_is_made_again(server: Sshd) -> None:
    with Connection(to(server)) as connection:
        with pytest.raises(Unavailable, match="the connection was lost"):
            connection.run("kill $PPID")  # the server's process of this connection
        assert connection.run("echo there").out == b"there\n"


def test_a_board_that_is_off_is_unreachable(server: Sshd) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    error = refusal(to(server, port=port))
    assert isinstance(error, Unavailable)
    assert f"cannot be reached at port {port}: Connection refused" in str(error)


def test_a_name_that_no_host_has(server: Sshd) -> None:
    error = refusal(Destination("pi@no-such-board.invalid", config=server.config))
    assert isinstance(error, Unavailable)
    assert "no host is called no-such-board.invalid" in str(error)


def test_what_hangs_up_is_no_ssh_server(server: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen()
        port = listener.getsockname()[1]

        def close_first() -> None:
            connection, _ = listener.accept()
            connection.close()

        thread = threading.Thread(target=close_first)
        thread.start()
        error = refusal(to(server, port=port))
        thread.join()
    assert isinstance(error, Unavailable)
    assert "hung up before the log-in" in str(error)


def test_a_key_that_the_board_does_not_know_is_refused(server: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    config = tmp_path / "config"
    config.write_text(
        server.config.read_text().replace(str(server.folder / "user_key"), str(tmp_path / "other"))
    )
    error = refusal(Destination(server.destination, config=config))
    assert isinstance(error, InputError)
    assert "authentication refused (it takes publickey); check the user" in str(error)


def test_a_host_key_that_changed_is_named_and_never_taken(server: Sshd, tmp_path: Path) -> None:
    known, other = server.known_hosts.read_text(), make_key(tmp_path / "other")
    try:
        server.known_hosts.write_text("# a line before\n")
        with server.known_hosts.open("a") as file:
            kind, key, *_ = other.read_text().split()
            file.write(f"[127.0.0.1]:{server.port} {kind} {key}\n")
        stands = server.known_hosts.read_text()
        error = refusal(to(server))
        assert isinstance(error, InputError)
        assert f"is not the one in {server.known_hosts}:2" in str(error)
        assert "(it shows SHA256:" in str(error)
        assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in str(error)
        assert server.known_hosts.read_text() == stands

        server.known_hosts.write_text("")
        unknown = refusal(to(server))
        assert "its host key is not known here; run `ssh" in str(unknown)
        assert server.known_hosts.read_text() == ""
    finally:
        server.known_hosts.write_text(known)


def test_settings_that_ssh_cannot_read_are_named(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("NoSuchOption yes\n")
    error = refusal(Destination("pi@board", config=config))
    assert "ssh cannot be used" in str(error)
    assert "nosuchoption" in str(error).lower()


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "pi@", "a b", "a\nb", "pi@ho;st'", "a/b"])
def test_what_is_no_destination_never_reaches_ssh(name: str) -> None:
    with pytest.raises(InputError, match="write it as user@host"):
        Destination(name)


def test_a_board_without_systemd_is_told_of_the_other_way(server: Sshd) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("this machine is run by systemd")
    with (
        Connection(to(server)) as connection,
        pytest.raises(InputError, match=r"is not run by systemd.*--service process"),
    ):
        find_board(connection, layout_of())


@pytest.mark.parametrize(
    ("said", "kind", "says"),
    [
        ("ssh: connect to host b port 22: No route to host", Unavailable, "No route to host"),
        ("ssh: connect to host b port 22: Connection timed out", Unavailable, "timed out"),
        ("Connection closed by 10.0.0.7 port 22", Unavailable, "hung up before"),
        ("root@b: Permission denied (publickey,password).", InputError, "publickey, password"),
        ("Received disconnect: 2: Too many authentication failures", InputError, "--identity"),
        ("Bad owner or permissions on /home/me/.ssh/config", InputError, "Bad owner"),
        ("debug1: a\nsomething new\n", Unavailable, "something new"),
        ("", Unavailable, "connection was lost"),
    ],
)
def test_what_ssh_says_becomes_one_line(said: str, kind: type[EdgekitError], says: str) -> None:
    error = complaint(said, destination="root@b")
    assert type(error) is kind
    assert str(error).startswith("root@b: ")
    assert says in str(error)
    assert "\n" not in str(error)
