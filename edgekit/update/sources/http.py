"""A repository on a web server, over HTTP or HTTPS, from any byte on."""

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from edgekit.errors import ConfigError, Unavailable
from edgekit.update.sources import NotThere

_CHUNK = 1 << 16
_REDIRECTS = 5
_MISSING = (403, 404, 410)
"""An object store says 403 of what is not there to those who may not list."""
_HEADERS = {"User-Agent": "edgekit", "Accept-Encoding": "identity"}


class HttpSource:
    """Reads a repository's files from a web server, each over a connection of its own.

    Redirects are followed, but never from HTTPS to HTTP.
    """

    def __init__(self, address: str, *, ca: Path | None = None, timeout_s: float = 20.0) -> None:
        """Nothing is opened yet.

        Args:
            address: of the folder that holds `metadata/` and `targets/`.
            ca: a PEM file of authorities to trust in place of the system's.
            timeout_s: how long the server may be silent, and how long its headers may take.

        Raises:
            ConfigError: the CA file cannot be used.
        """
        self._address = address.rstrip("/") + "/"
        self._timeout_s = timeout_s
        self._tls: ssl.SSLContext | None = None
        if urlsplit(address).scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=ca)
            except OSError as error:
                raise ConfigError("updates.ca", [f"{ca}: {error.strerror or error}"]) from error

    @property
    def name(self) -> str:
        """The address, without a password that stands in it."""
        parts = urlsplit(self._address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from an offset on; a server without ranges sends it from the start.

        Raises:
            NotThere: the server has no such file.
            Unavailable: it cannot be reached, answers with another error, or breaks off.
        """
        url = urljoin(self._address, quote(path))
        try:
            for _ in range(_REDIRECTS + 1):
                with closing(self._connection(url)) as connection:
                    response = self._ask(connection, url, start)
                    if response.status not in (301, 302, 303, 307, 308):
                        yield from _body(response, url, start)
                        return
                    url = _followed(url, response)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unavailable(f"{self.name}: cannot be reached: {reason}") from error
        raise Unavailable(f"{self.name}: redirects more than {_REDIRECTS} times")

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, parts.port, timeout=self._timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout_s)

    def _ask(
        self, connection: http.client.HTTPConnection, url: str, start: int
    ) -> http.client.HTTPResponse:
        """Sends the request and reads the headers, which may not trickle for ever."""
        parts = urlsplit(url)
        wanted = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.connect()
        gave_up = threading.Event()
        cut = threading.Timer(self._timeout_s, _hang_up, [connection.sock, gave_up])
        cut.daemon = True
        cut.start()
        try:
            headers = _HEADERS | ({"Range": f"bytes={start}-"} if start else {})
            connection.request("GET", wanted, headers=headers)
            response = connection.getresponse()
        finally:
            cut.cancel()
        if gave_up.is_set():  # half of the headers looks like all of them
            raise TimeoutError("its headers took too long")
        return response


def _hang_up(connected: socket.socket, gave_up: threading.Event) -> None:
    gave_up.set()
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _followed(url: str, response: http.client.HTTPResponse) -> str:
    there = urljoin(url, response.headers.get("Location", ""))
    allowed = ("https",) if urlsplit(url).scheme == "https" else ("http", "https")
    if urlsplit(there).scheme not in allowed:
        raise Unavailable(f"{url}: redirects to {there}, which is not followed")
    return there


def _body(response: http.client.HTTPResponse, url: str, start: int) -> Iterator[bytes]:
    skip = start
    if response.status == 206:
        began = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if began is None or int(began[1]) != start:
            raise Unavailable(f"{url}: the server sent another range than was asked for")
        skip = 0
    elif response.status == 416:
        return  # nothing lies behind what we have
    elif response.status in _MISSING:
        raise NotThere(f"{url}: not there ({response.status})")
    elif response.status != 200:
        raise Unavailable(f"{url}: the server says {response.status} {response.reason}")
    left = response.length
    while chunk := response.read1(_CHUNK):
        if left is not None:
            left -= len(chunk)
        kept = chunk[skip:]
        skip -= len(chunk) - len(kept)
        if kept:
            yield kept
    if left:
        raise Unavailable(f"{url}: broke off {left} bytes before its end")
