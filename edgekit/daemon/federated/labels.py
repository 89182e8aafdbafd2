"""The newest samples of a pipeline, which may still be labelled."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.array import Array
from edgekit.config.checking import nearest
from edgekit.errors import InputError


@dataclass
class Seen:
    """A sample that the model has answered.

    Attributes:
        sequence: of the prediction.
        data: the sample, copied.
        guess: the class that the model is sure of, where such answers are taken for labels.
        is_labelled: whether it has its label.
    """

    sequence: int
    data: Array
    guess: int | None = None
    is_labelled: bool = False


@dataclass(frozen=True)
class Labelled:
    """A sample to learn from; without a class where none is needed."""

    data: Array
    number: int | None = None


class Recent:
    """A line of the newest samples. Not thread-safe.

    Args:
        most: how many are in it.
    """

    def __init__(self, most: int) -> None:
        self._line: deque[Seen] = deque()
        self._most = most

    def add(self, seen: Seen) -> Labelled | None:
        """Takes a sample; gives the one that leaves the line, if the model's answer labels it."""
        self._line.append(seen)
        if len(self._line) <= self._most:
            return None
        left = self._line.popleft()
        if left.is_labelled or left.guess is None:
            return None
        return Labelled(left.data, left.guess)

    def label(self, number: int, *, sequence: int | None = None, back: int = 0) -> Labelled:
        """Labels a sample, which can be done once.

        Args:
            number: of the class.
            sequence: of its prediction; `None` to count from the newest.
            back: how many samples came after it, without a sequence.

        Raises:
            InputError: there is no such sample any more, or it has a label.
        """
        seen = self._found(sequence, back)
        if seen.is_labelled:
            raise InputError(f"the sample {seen.sequence} has its label already")
        seen.is_labelled = True
        return Labelled(seen.data, number)

    def _found(self, sequence: int | None, back: int) -> Seen:
        if sequence is not None:
            for seen in reversed(self._line):
                if seen.sequence == sequence:
                    return seen
            ends = [self._line[at].sequence for at in (0, -1)] if self._line else []
            held = " to ".join(map(str, ends)) or "none"
            raise InputError(f"the sample {sequence} is not held (any more); held are {held}")
        if back >= len(self._line):
            raise InputError(f"there are only {len(self._line)} samples that can be labelled")
        return self._line[-1 - back]


def class_of(label: int | str, labels: Sequence[str], classes: int) -> int:
    """The number of a class.

    Args:
        label: its number or its name.
        labels: the names of the model's classes, perhaps none.
        classes: how many there are.

    Raises:
        InputError: there is no such class.
    """
    if isinstance(label, str):
        if label in labels:
            label = labels.index(label)
        elif label.isdecimal() and not labels:
            label = int(label)
        else:
            raise InputError(f"the model has no class {label!r}: {nearest(label, labels)}")
    if not 0 <= label < classes:
        raise InputError(f"the class {label} is not in 0..{classes - 1}")
    return label
