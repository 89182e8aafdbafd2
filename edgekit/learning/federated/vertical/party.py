"""A board that has features and no labels: answers what the label holder asks."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.errors import EdgekitError, InputError
from edgekit.learning.federated.codecs import Codec, codec_of
from edgekit.learning.federated.messages import encode
from edgekit.learning.federated.vertical.aligning import KEY_BYTES
from edgekit.learning.federated.vertical.messages import (
    Begin,
    Keys,
    Rows,
    Seen,
    Sorry,
    ToHolder,
    Turn,
    decode_to_party,
    name_of,
)
from edgekit.learning.federated.vertical.models import BottomModel

_KEPT = 2
"""How many ends of epochs are kept: a holder that stopped may be one behind."""


class Party:
    """Bytes in, bytes out; whatever carries them.

    Its samples, their ids and its parameters stay: what leaves are keys and embeddings. Those who
    get embeddings and gradients may infer something of what they were made from (Zhu et al., 2019,
    arXiv:1906.08935; Erdogan et al., 2022, arXiv:2108.09033): split learning hides data, it is no
    proof.

    Args:
        model: of its features.
        samples: gives features `[samples, ...]` and the key of each, such as `keyed` makes them; it
            is asked whenever a training begins or goes on.
        folder: where parameters are kept at the end of epochs; it is there.
    """

    def __init__(
        self,
        model: BottomModel,
        samples: Callable[[], tuple[Array, Sequence[bytes | None]]],
        folder: Path,
    ) -> None:
        self._model, self._samples, self._folder = model, samples, folder
        self._features: Array = np.zeros(0, np.float32)
        self._run = ""
        self._codec: Codec = codec_of("float32")
        self._rows: Array = np.zeros(0, np.int64)
        self._places: Array | None = None
        self._answered: tuple[int, bytes] | None = None

    def answer(self, message: bytes) -> bytes | None:
        """What it says to a message; `None` where that was no message of a label holder."""
        try:
            said = decode_to_party(message)
        except InputError:
            return None
        if isinstance(said, Turn) and self._answered is not None and said.run == self._run:
            number, reply = self._answered
            if said.number == number:
                return reply
        to = name_of(message)
        if not isinstance(said, Begin) and said.run != self._run:
            return encode(Sorry(run=said.run, to=to, why="it has restarted", is_new=True))
        try:
            reply = encode(msgspec.structs.replace(self._follow(said), to=to))
        except EdgekitError as error:
            return encode(Sorry(run=said.run, to=to, why=str(error).splitlines()[0][:500]))
        if isinstance(said, Turn):
            self._answered = said.number, reply
        return reply

    def _follow(self, said: Begin | Rows | Turn) -> ToHolder:
        if isinstance(said, Begin):
            return self._begin(said)
        if isinstance(said, Rows):
            self._rows = _numbers(said.rows, len(self._features))
            return Seen(run=self._run, number=0)
        return self._turn(said)

    def _begin(self, said: Begin) -> Keys:
        codec = codec_of(said.codec)
        if said.epoch:
            self._model.trained.load(self._kept(said.run, said.epoch))
        else:
            self._model.trained.begin()
        self._features, keys = self._samples()
        if len(self._features) != len(keys):
            raise InputError(f"{len(keys)} keys for {len(self._features)} samples")
        self._run, self._codec = said.run, codec
        self._places = self._answered = None
        packed = b"".join(key or bytes(KEY_BYTES) for key in keys)
        return Keys(run=self._run, width=self._model.width, rows=self._model.rows, keys=packed)

    def _turn(self, said: Turn) -> Seen:
        expected = 1 if self._answered is None else self._answered[0] + 1
        if said.number != expected:
            raise InputError(f"turn {said.number} is out of order, {expected} is next")
        if said.slope is not None:
            self._learn(said.slope, said.rate)
        if said.keep is not None:
            self._keep(said.keep)
        self._places, data = None, None
        if said.places is not None:
            self._places = _numbers(said.places, len(self._rows))
            if not 0 < len(self._places) <= self._model.rows:
                raise InputError(f"a batch of {len(self._places)} is none of 1..{self._model.rows}")
            seen = self._model.embed(self._batch(self._places))[: len(self._places)]
            data = self._codec.encode(seen.reshape(-1), [seen.size])
        return Seen(run=self._run, number=said.number, data=data)

    def _learn(self, data: bytes, rate: float) -> None:
        if self._places is None:
            raise InputError("there is a gradient, but nothing was asked before")
        width, count = self._model.width, len(self._places)
        slope = np.zeros((self._model.rows, width), np.float32)
        slope[:count] = self._codec.decode(data, [count * width]).reshape(count, width)
        self._model.learn(self._batch(self._places), slope, rate)

    def _batch(self, places: Array) -> Array:
        """The samples, and some again where there are fewer than a batch: they have no gradient."""
        found: Array = self._features[self._rows[np.resize(places, self._model.rows)]]
        return found

    def _keep(self, epoch: int) -> None:
        self._model.trained.save(self._kept(self._run, epoch))
        for old in self._folder.glob("vertical-*.npz"):
            if old not in {self._kept(self._run, epoch - back) for back in range(_KEPT)}:
                with contextlib.suppress(OSError):
                    old.unlink()

    def _kept(self, run: str, epoch: int) -> Path:
        return self._folder / f"vertical-{run}-{epoch}.npz"


def _numbers(data: bytes, below: int) -> Array:
    if len(data) % 4:
        raise InputError("rows are not int32")
    numbers = np.frombuffer(data, "<i4").astype(np.int64)
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < below):
        raise InputError(f"a row is not in 0..{below - 1}")
    return numbers
