"""Gives python-tuf's client its metadata from any source, at a pace and up to a size."""

from collections.abc import Iterator

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from edgekit.errors import EdgekitError
from edgekit.update.pace import Pace
from edgekit.update.sources import NotThere, Source

BASE = "edgekit:/"
"""What python-tuf is told the metadata's address is; the source knows the true one."""


class SourceFetcher(FetcherInterface):
    """Fetches from a source.

    Attributes:
        failure: why the last fetch failed, in edgekit's terms.
    """

    def __init__(self, source: Source, pace: Pace) -> None:
        self.failure: EdgekitError | None = None
        self._source = source
        self._pace = pace

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._source.read(f"metadata/{url.removeprefix(BASE)}")

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """A metadata file, in memory.

        Raises:
            DownloadHTTPError: it is not there.
            DownloadError: it did not arrive; `failure` says why.
        """
        where = f"{self._source.name}: {url.removeprefix(BASE)}"
        self.failure = None
        try:
            chunks = self._pace.held(self._fetch(url), limit_bytes=max_length, where=where)
            return b"".join(chunks)
        except NotThere as error:
            raise DownloadHTTPError(str(error), 404) from error
        except EdgekitError as error:
            self.failure = error
            raise DownloadError(str(error)) from error
