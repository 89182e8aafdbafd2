"""Serves a repository's folder over HTTP, with ranges, for tests and small fleets."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edgekit.errors import InputError

_CHUNK = 1 << 16
_SHOWN = ("metadata", "targets")


class RepositoryServer(ThreadingHTTPServer):
    """Answers GET and HEAD for what lies in `metadata/` and `targets/`; nothing else is there."""

    daemon_threads = True

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Binds; `serve_forever` answers.

        Args:
            folder: of the repository.
            host: the address to listen on: this machine alone, by default.
            port: 0 is any free one.

        Raises:
            InputError: the folder is no repository, or the port is taken.
        """
        if not (folder / "metadata").is_dir():
            raise InputError(f"{folder}: is no repository; make one: edgekit repository init")
        try:
            super().__init__((host, port), partial(_Handler, folder=folder.resolve()))
        except OSError as error:
            raise InputError(f"{host}:{port}: cannot listen: {error.strerror or error}") from error

    @property
    def address(self) -> str:
        """Where it is."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes | bytearray) else host
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Answers in a thread until the block ends; gives the address."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self.address
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    timeout = 30
    server_version = "edgekit"
    sys_version = ""

    def __init__(self, *arguments: Any, folder: Path) -> None:
        self._folder = folder
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # its name for it
        """Stays quiet."""

    def _answer(self, *, with_body: bool) -> None:
        path = self._place()
        if path is None:
            self.send_error(404)
            return
        with suppress(ConnectionError, TimeoutError), path.open("rb") as file:
            size = path.stat().st_size
            start, end = self._range(size)
            if start > end:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            is_part = (start, end) != (0, size)
            self.send_response(206 if is_part else 200)
            if is_part:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            if with_body:
                file.seek(start)
                left = end - start
                while left and (chunk := file.read(min(_CHUNK, left))):
                    self.wfile.write(chunk)
                    left -= len(chunk)

    def _place(self) -> Path | None:
        """The file that is asked for, if it lies where it may."""
        name = unquote(urlsplit(self.path).path).lstrip("/")
        if "\0" in name:
            return None
        path = (self._folder / name).resolve()
        is_shown = any(path.is_relative_to(self._folder / each) for each in _SHOWN)
        return path if is_shown and path.is_file() else None

    def _range(self, size: int) -> tuple[int, int]:
        """First byte and the one behind the last; what cannot be read counts as no range."""
        asked = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", self.headers.get("Range", ""))
        if asked is None:
            return 0, size
        start = int(asked[1])
        end = min(size, int(asked[2]) + 1) if asked[2] else size
        return (start, end) if start < size else (1, 0)
