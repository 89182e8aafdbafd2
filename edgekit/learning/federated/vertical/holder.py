"""Who has the labels: trains the top, and tells the parties what to follow."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError, Unavailable
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.messages import encode
from edgekit.learning.federated.vertical.aligning import KEY_BYTES, common_rows
from edgekit.learning.federated.vertical.messages import (
    Begin,
    Keys,
    Rows,
    Seen,
    Sorry,
    ToHolder,
    ToParty,
    Turn,
    decode_to_holder,
)
from edgekit.learning.federated.vertical.models import TopModel

Ask = Callable[[Mapping[str, bytes]], Mapping[str, bytes]]
"""Sends each party its message, and gives what each answered.

Raises:
    Unavailable: a party did not answer.
"""

_OWN = "the label holder"


@dataclass(frozen=True)
class Epoch:
    """What one pass over the common samples came to.

    Attributes:
        number: from 1.
        loss: the mean, as each batch was before its step.
        bytes_up: what the parties said.
        bytes_down: what they were told.
    """

    number: int
    loss: float
    bytes_up: int
    bytes_down: int


class LabelHolder:
    """Trains with parties; the top's inputs are named as they are.

    Args:
        model: the top.
        labels: `[samples, ...]`.
        keys: of each sample with a label, as the parties make theirs.
        ask: reaches the parties.
        run: 16 hexadecimal digits that name the training; by chance where left out.
        codec: how embeddings and gradients travel.
    """

    def __init__(
        self,
        model: TopModel,
        labels: Array,
        keys: Sequence[bytes | None],
        ask: Ask,
        *,
        run: str | None = None,
        codec: str = "float32",
    ) -> None:
        if len(labels) != len(keys):
            raise InputError(f"{len(keys)} keys are not one for each of {len(labels)} labels")
        self._model, self._labels, self._keys, self._ask = model, labels, keys, ask
        self.run = run or secrets.token_hex(8)
        self._codec_name, self._codec = codec, codec_of(codec)
        self._common: Array = np.zeros(0, np.int64)
        self._turn = 0
        self._up = self._down = 0

    @property
    def samples(self) -> int:
        """How many samples all have in common; after `begin`."""
        return len(self._common)

    def begin(self, epoch: int = 0) -> None:
        """Has all parties begin, or go on from the end of an epoch, and aligns their samples.

        The top's own parameters are the caller's affair: `TopModel.trained` saves and loads them.

        Raises:
            InputError: a party cannot, is of another network, or no sample is common to all.
            Unavailable: a party did not answer.
        """
        said = self._all(Begin(run=self.run, epoch=epoch, codec=self._codec_name))
        keys: dict[str, Sequence[bytes | None]] = {_OWN: self._keys}
        for name, answer in said.items():
            if not isinstance(answer, Keys) or len(answer.keys) % KEY_BYTES:
                raise InputError(f"{name} did not say which samples it has")
            if (answer.width, answer.rows) != (self._model.widths[name], self._model.rows):
                raise InputError(
                    f"{name} says {answer.width} numbers of each of {answer.rows} samples, the top "
                    f"takes {self._model.widths[name]} of {self._model.rows}"
                )
            keys[name] = _split(answer.keys)
        rows = common_rows(keys, _OWN)
        self._common = rows[_OWN]
        self._each({name: Rows(run=self.run, rows=_packed(rows[name])) for name in said})
        self._turn = 0

    def train(self, number: int, *, rate: float, seed: int = 0, only: Array | None = None) -> Epoch:
        """One pass over the common samples, each once; parties keep what they have at its end.

        Args:
            number: of the epoch, from 1.
            rate: the learning rate.
            seed: of the order of samples, with the number.
            only: which common samples to learn from, from 0; all where left out.

        Raises:
            InputError: a party cannot.
            Unavailable: a party did not answer, or has restarted; `begin` at the end of the epoch
                before.
            LearningDiverged: the loss or a parameter is NaN or infinite.
        """
        self._up = self._down = 0
        given = np.arange(self.samples) if only is None else only
        order = np.random.default_rng((seed, number)).permutation(given)
        slopes: dict[str, bytes] = {}
        total = 0.0
        for start in range(0, len(order), self._model.rows):
            places = order[start : start + self._model.rows]
            embedded = self._embedded(places, slopes, rate)
            labels, present = self._filled(places)
            loss, found = self._model.learn(embedded, labels, present, rate)
            total += loss * len(places)
            slopes = {name: self._sent(slope[: len(places)]) for name, slope in found.items()}
        self._turns(slopes, rate, places=None, keep=number)
        return Epoch(number, total / len(order), self._up, self._down)

    def judge(self, numbers: Array | None = None) -> tuple[float, Array]:
        """The mean loss of common samples, and what the model says of each.

        Args:
            numbers: which, from 0; all where left out.
        """
        wanted = np.arange(self.samples) if numbers is None else numbers
        losses, outputs = [], []
        for start in range(0, len(wanted), self._model.rows):
            places = wanted[start : start + self._model.rows]
            embedded = self._embedded(places, {}, 0.0)
            of_each, output = self._model.judge(embedded, *self._filled(places))
            losses.append(of_each[: len(places)] / self._weight(len(places)))
            outputs.append(output[: len(places)])
        return float(np.concatenate(losses).mean(dtype=np.float64)), np.concatenate(outputs)

    def labels_of(self, numbers: Array | None = None) -> Array:
        """The labels of common samples, in their order."""
        return self._labels[self._common if numbers is None else self._common[numbers]]

    def _weight(self, count: int) -> float:
        """What the loss of a row is multiplied by in a batch that is not full."""
        return self._model.rows / count

    def _filled(self, places: Array) -> tuple[Array, Array]:
        rows = self._model.rows
        present = (np.arange(rows) < len(places)).astype(np.float32)
        return self._labels[self._common[np.resize(places, rows)]], present

    def _embedded(
        self, places: Array, slopes: Mapping[str, bytes], rate: float
    ) -> dict[str, Array]:
        said = self._turns(slopes, rate, places=_packed(places), keep=None)
        found = {}
        for name, width in self._model.widths.items():
            data = said[name]
            if data is None:
                raise InputError(f"{name} said nothing of its samples")
            seen = self._codec.decode(data, [len(places) * width]).reshape(-1, width)
            whole = np.zeros((self._model.rows, width), np.float32)
            whole[: len(places)] = seen
            found[name] = whole
        return found

    def _turns(
        self, slopes: Mapping[str, bytes], rate: float, *, places: bytes | None, keep: int | None
    ) -> dict[str, bytes | None]:
        self._turn += 1
        said = self._each(
            {
                name: Turn(
                    run=self.run,
                    number=self._turn,
                    slope=slopes.get(name),
                    rate=rate,
                    places=places,
                    keep=keep,
                )
                for name in self._model.widths
            }
        )
        found = {}
        for name, answer in said.items():
            if not isinstance(answer, Seen) or answer.number != self._turn:
                raise InputError(f"{name} answered another turn than {self._turn}")
            found[name] = answer.data
        return found

    def _sent(self, slope: Array) -> bytes:
        return self._codec.encode(slope.reshape(-1), [slope.size])

    def _all(self, message: ToParty) -> dict[str, ToHolder]:
        return self._each(dict.fromkeys(self._model.widths, message))

    def _each(self, messages: Mapping[str, ToParty]) -> dict[str, ToHolder]:
        sent = {name: encode(message) for name, message in messages.items()}
        answers = self._ask(sent)
        self._down += sum(map(len, sent.values()))
        self._up += sum(map(len, answers.values()))
        found: dict[str, ToHolder] = {}
        for name in sent:
            if name not in answers:
                raise Unavailable(f"{name} did not answer")
            said = decode_to_holder(answers[name])
            if isinstance(said, Sorry):
                if said.is_new:
                    raise Unavailable(f"{name}: {said.why}")
                raise InputError(f"{name}: {said.why}")
            if said.run != self.run:
                raise InputError(f"{name} answered of another training")
            found[name] = said
        return found


def _packed(numbers: Array) -> bytes:
    return numbers.astype("<i4").tobytes()


def _split(keys: bytes) -> list[bytes | None]:
    each = [keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES)]
    return [key if any(key) else None for key in each]
