"""Reads the pictures of a folder, in the order of their names."""

from collections.abc import Callable, Iterator
from functools import partial

from edgekit.errors import InputError
from edgekit.pipeline.capture.readers.reader import Frame
from edgekit.pipeline.capture.settings import ImagesSettings
from edgekit.pipeline.pictures import SUFFIXES, decode_picture


class ImagesReader:
    """The pictures of a folder, once."""

    is_live = False
    is_one_stream = False

    def __init__(self, settings: ImagesSettings) -> None:
        self._folder = settings.path

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Each picture.

        Raises:
            InputError: the folder cannot be read, or has no pictures.
        """
        folder = self._folder
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}") from error
        if not paths:
            raise InputError(f"has no pictures ({', '.join(SUFFIXES)})")
        opened(f"{len(paths)} pictures")
        for path in paths:
            yield Frame(partial(decode_picture, path), path.name, channels="RGB")
