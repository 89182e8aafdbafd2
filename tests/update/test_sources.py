"""Real bytes over real sockets: resumed, redirected, refused, cut, and trickled."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit.deploy.serving import RepositoryServer
from edgekit.errors import InputError, Unavailable
from edgekit.update.sources import NotThere, open_source
from edgekit.update.sources.folder import FolderSource
from edgekit.update.sources.http import HttpSource
from tests.update.authority import self_signed
from tests.update.fleet import NAME, Board, MemoryRepository, committed, running


def lay_out(repository: MemoryRepository, folder: Path) -> Path:
    """The repository as a folder."""
    for path, data in repository.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


@contextmanager
def answering(answer: Callable[[bytes, socket.socket], None]) -> Iterator[str]:
    """A server that answers each request as a function says; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request and (part := connection.recv(4096)):
                    request += part
                answer(request, connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/repository"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def reply(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def test_a_board_updates_over_http(
    repository: MemoryRepository, board: Board, tmp_path: Path
) -> None:
    with RepositoryServer(lay_out(repository, tmp_path / "web")).running() as address:
        board.source = open_source(address)
        committed(board.open())
    assert running(board.open()) == "1.1.0"


def test_a_board_updates_over_https_from_a_server_that_it_trusts_and_no_other(
    repository: MemoryRepository, board: Board, tmp_path: Path
) -> None:
    certificate, private = self_signed(tmp_path)
    server = RepositoryServer(lay_out(repository, tmp_path / "web"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, private)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    with server.running() as address:
        secure = address.replace("http:", "https:")
        board.source = open_source(secure)
        with pytest.raises(Unavailable, match="cannot be reached: .*certificate verify failed"):
            board.open().fetch(NAME)
        board.source = open_source(secure, ca=certificate)
        committed(board.open())
    assert running(board.open()) == "1.1.0"


@pytest.mark.parametrize("how", ["path", "file:"])
def test_a_board_updates_from_a_stick(
    repository: MemoryRepository, board: Board, tmp_path: Path, how: str
) -> None:
    folder = lay_out(repository, tmp_path / "my stick")
    board.source = open_source(str(folder) if how == "path" else folder.as_uri())
    committed(board.open())
    assert running(board.open()) == "1.1.0"


def test_a_download_goes_on_after_its_server_was_killed_and_started_again(
    repository: MemoryRepository, board: Board
) -> None:
    archive = next(path for path in repository.files if "1.1.0" in path)
    asked: list[bytes] = []

    def dying(request: bytes, connection: socket.socket) -> None:
        path = request.split()[1].decode().removeprefix("/repository/")
        data = repository.files.get(path)
        if data is None:
            connection.sendall(reply("404 Not Found", "Content-Length: 0"))
            return
        sent = data[:400] if path == archive else data
        connection.sendall(reply("200 OK", f"Content-Length: {len(data)}", body=sent))

    with answering(dying) as address:
        board.source = open_source(address)
        with pytest.raises(Unavailable, match="broke off"):
            board.open().fetch(NAME)
    with pytest.raises(Unavailable, match="cannot be reached: Connection refused"):
        board.open().fetch(NAME)
    web = lay_out(repository, board.folder.parent / "web")

    def alive(request: bytes, connection: socket.socket) -> None:
        path = request.split()[1].decode().removeprefix("/repository/")
        if path == archive:
            asked.append(request)
            data = (web / path).read_bytes()[400:]
            there = f"Content-Range: bytes 400-{399 + len(data)}/{400 + len(data)}"
            length = f"Content-Length: {len(data)}"
            connection.sendall(reply("206 Partial Content", there, length, body=data))
        else:
            dying(request, connection)

    with answering(alive) as address:
        board.source = open_source(address)
        committed(board.open())
    assert [b"Range: bytes=400-" in each for each in asked] == [True]
    assert running(board.open()) == "1.1.0"


def test_a_server_without_ranges_sends_from_the_start_and_nothing_comes_twice() -> None:
    def plain(request: bytes, connection: socket.socket) -> None:
        connection.sendall(reply("200 OK", "Content-Length: 10", body=b"0123456789"))

    with answering(plain) as address:
        assert b"".join(HttpSource(address).read("x", start=4)) == b"456789"


def test_a_server_that_sends_another_range_is_not_believed() -> None:
    def wrong(request: bytes, connection: socket.socket) -> None:
        connection.sendall(
            reply(
                "206 Partial", "Content-Range: bytes 0-9/10", "Content-Length: 10", body=b"0" * 10
            )
        )

    with answering(wrong) as address, pytest.raises(Unavailable, match="another range"):
        list(HttpSource(address).read("x", start=4))


def test_nothing_lies_behind_the_end_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "file").write_bytes(b"0123456789")
    with RepositoryServer(tmp_path).running() as address:
        source = HttpSource(address)
        assert b"".join(source.read("metadata/file", start=10)) == b""
        assert b"".join(source.read("metadata/file", start=9)) == b"9"
        assert b"".join(source.read("metadata/file")) == b"0123456789"
    assert b"".join(FolderSource(tmp_path).read("metadata/file", start=10)) == b""


def test_headers_that_trickle_are_cut_off() -> None:
    ended = threading.Event()

    def trickle(request: bytes, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        connection.settimeout(0.02)
        while not ended.is_set():
            try:
                connection.sendall(b"a")
                if connection.recv(1) == b"":
                    ended.set()
            except TimeoutError:
                continue
            except OSError:
                ended.set()

    with answering(trickle) as address:
        with pytest.raises(Unavailable, match="cannot be reached"):
            list(HttpSource(address, timeout_s=0.3).read("x"))
        assert ended.wait(10)


def test_a_redirect_is_followed_but_not_for_ever_and_not_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "file").write_bytes(b"there")
    with RepositoryServer(tmp_path).running() as there:
        place = [f"{there}/metadata/file"]

        def elsewhere(request: bytes, connection: socket.socket) -> None:
            connection.sendall(reply("302 Found", f"Location: {place[0]}", "Content-Length: 0"))

        with answering(elsewhere) as address:
            assert b"".join(HttpSource(address).read("x")) == b"there"
            place[0] = "file:///etc/passwd"
            with pytest.raises(Unavailable, match="which is not followed"):
                list(HttpSource(address).read("x"))
            place[0] = address
            with pytest.raises(Unavailable, match="redirects more than 5 times"):
                list(HttpSource(address).read("x"))


@pytest.mark.parametrize(
    ("status", "error"), [("404 No", NotThere), ("403 No", NotThere), ("503 Busy", Unavailable)]
)
def test_what_a_server_says_is_told_apart(status: str, error: type[Exception]) -> None:
    def says(request: bytes, connection: socket.socket) -> None:
        connection.sendall(reply(status, "Content-Length: 0"))

    with answering(says) as address, pytest.raises(error):
        list(HttpSource(address).read("x"))


def test_a_password_in_an_address_is_not_shown() -> None:
    assert HttpSource("http://me:secret@127.0.0.1/x").name == "http://127.0.0.1/x"


def test_a_stick_that_is_not_plugged_in_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no such folder; plug in or mount what holds it"):
        list(FolderSource(tmp_path / "none").read("metadata/timestamp.json"))
    with pytest.raises(NotThere, match="leaves the repository"):
        list(FolderSource(tmp_path).read("../secret"))


@pytest.mark.parametrize("address", ["ftp://x/y", "", "https://", "file://other/host"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="not a repository: give https"):
        open_source(address)
