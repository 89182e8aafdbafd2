"""How many samples of each class a board has, told so that no sample's class can be known."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.learning.durable import write_durably
from edgekit.learning.federated.privacy import estimated_counts, randomised_response

_KEY_BYTES = 32


def private_counts(
    samples: Sequence[Array], classes: int, epsilon: float, key: bytes
) -> tuple[float, ...]:
    """Estimates of how many samples of each class there are, epsilon-locally private a sample.

    A sample's answer is drawn once and for all, from the sample and the board's key: who hears the
    counts again and again learns no more than who hears them once (permanent randomised response;
    Erlingsson et al., 2014, arXiv:1407.6981).

    Args:
        samples: what the model takes, `[N, ...]`, and the classes, integers `[N]`.
        classes: how many there are, 2 at least.
        epsilon: above 0.
        key: of the board, secret.
    """
    given, labels = samples
    answers = np.zeros(len(labels), np.int64)
    for number, label in enumerate(labels):
        seed = hashlib.blake2b(given[number].tobytes() + label.tobytes(), key=key, digest_size=16)
        rng = np.random.default_rng(int.from_bytes(seed.digest()))
        answers[number] = randomised_response(labels[number : number + 1], classes, epsilon, rng)[0]
    return tuple(round(count, 2) for count in estimated_counts(answers, classes, epsilon).tolist())


def board_key(path: Path) -> bytes:
    """The key in a file; a new one where there is none.

    Raises:
        InputError: it cannot be written.
    """
    try:
        key = path.read_bytes()
    except OSError:
        key = b""
    if len(key) != _KEY_BYTES:
        key = os.urandom(_KEY_BYTES)
        write_durably(path, lambda file: file.write(key), secret=True)
    return key
