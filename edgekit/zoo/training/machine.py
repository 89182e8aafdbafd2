"""Windows of a machine's vibration and temperature, made with a seed, and of its faults."""

import numpy as np

from edgekit.array import Array

COLUMNS = ("vibration", "temperature")
FAULTS = ("normal", "spike", "worn bearing", "stuck sensor")
"""The classes, in order."""


def machine_windows(
    count: int, *, length: int, only_normal: bool = False, seed: int = 0
) -> tuple[Array, Array]:
    """Windows that share no row with each other; speed, load and phase differ between them.

    Args:
        count: how many.
        length: rows a window.
        only_normal: whether no window has a fault.
        seed: of all that is left to chance.

    Returns:
        Windows float32 `[count, length, 2]` and the class of each, int64 `[count]`; without
        faults all are 0.
    """
    rng = np.random.default_rng(seed)
    classes = np.zeros(count, np.int64) if only_normal else np.arange(count) % len(FAULTS)
    time = np.arange(length)
    period = rng.uniform(14, 18, (count, 1))
    turned = 2 * np.pi * (time / period + rng.uniform(0, 1, (count, 1)))
    load = rng.uniform(0.8, 1.2, (count, 1))
    vibration = load * (np.sin(turned) + 0.4 * np.sin(3 * turned + 1))
    vibration += rng.normal(0, 0.12, (count, length))
    temperature = 60 + 10 * (load - 1) + rng.normal(0, 0.15, (count, length)).cumsum(axis=1) / 4
    rattle = np.sin(2 * np.pi * time / 2.7 + rng.uniform(0, 2 * np.pi, (count, 1)))
    starts = rng.integers(length // 8, length // 2, count)
    for number, (kind, start) in enumerate(zip(classes, starts, strict=True)):
        window = vibration[number]
        match FAULTS[kind]:
            case "spike":
                window[start : start + 3] += rng.choice([-2.5, 2.5])
            case "worn bearing":
                window[start:] += 0.7 * rattle[number, start:]
            case "stuck sensor":
                window[start:] = window[start]
    return np.stack([vibration, temperature], axis=2).astype(np.float32), classes
