"""Holds artifacts against what a recipe's [gates] ask for."""

from collections.abc import Sequence

import msgspec

from edgekit.compress.measure import Against
from edgekit.compress.recipe import Gates
from edgekit.compress.sensitivity import LayerSensitivity
from edgekit.compress.steps import size_in_bytes
from edgekit.errors import ConfigError


class Miss(msgspec.Struct, frozen=True):
    """A gate that an artifact does not hold, and by how much, for a person."""

    gate: str
    text: str


def require_measurable(gates: Gates, *, is_classifier: bool, has_targets: bool, where: str) -> None:
    """Refuses gates on what cannot be measured, before any work.

    Raises:
        ConfigError: names each.
    """
    mistakes = []
    if gates.kl is not None and not is_classifier:
        mistakes.append("gates.kl: the model gives no probabilities; use gates.agreement")
    if gates.top1_drop is not None and not (is_classifier and has_targets):
        mistakes.append("gates.top1_drop: the data names no classes; use gates.agreement")
    if mistakes:
        raise ConfigError(where, mistakes)


def missed_gates(gates: Gates, artifacts: Sequence[Against]) -> list[Miss]:
    """Every gate that an artifact misses.

    `top1_drop` counts as missed only when its whole paired 95 % interval lies beyond it: on 400
    samples half a point is noise, and holding the mean to it would be tossing a coin.
    """
    found = []
    for artifact in artifacts:
        named = f" with {artifact.engine}" if len(artifacts) > 1 else ""
        found += [
            Miss(gate, f"{gate}{named}: {text}") for gate, text in _missed(gates, artifact).items()
        ]
    return found


def unsettled_gates(gates: Gates, artifacts: Sequence[Against]) -> list[str]:
    """What the samples are too few to say of `top1_drop`, a line for each artifact."""
    if gates.top1_drop is None:
        return []
    return [
        f"the gate of {gates.top1_drop:g} points of top-1 is neither held nor missed for certain: "
        f"{_points(artifact)} on {artifact.measured.samples} samples; more labelled samples tell "
        "more, and agreement and KL tell more of the same"
        for artifact in artifacts
        if artifact.top1 is not None
        and artifact.top1.low * 100 < -gates.top1_drop <= artifact.top1.high * 100
    ]


def hurting_layers(found: Sequence[LayerSensitivity], *, count: int = 3) -> str | None:
    """The layers whose weights matter most, in words, or `None` where nothing is known."""
    worst = sorted(found, key=lambda layer: -layer.kl)[:count]
    if not worst:
        return None
    names = ", ".join(f"{layer.name} ({layer.kl:.2g})" for layer in worst)
    return f"the layers that hurt most when rounded: {names}"


def _missed(gates: Gates, artifact: Against) -> dict[str, str]:
    """What is said of each gate that is missed, by its name."""
    measured, found = artifact.measured, {}
    agreement, kl = measured.agreement, measured.kl
    if gates.agreement is not None and agreement is not None and agreement < gates.agreement:
        lack = (gates.agreement - agreement) * 100
        found["agreement"] = (
            f"{agreement:.1%}, {lack:.1f} points below the {gates.agreement:.1%} asked for"
        )
    if gates.kl is not None and kl is not None and kl > gates.kl:
        found["kl"] = f"{kl:.3g} nats, {kl / gates.kl:.2g} times the {gates.kl:g} allowed"
    drop = gates.top1_drop
    if drop is not None and artifact.top1 is not None and -artifact.top1.high * 100 > drop:
        found["top1_drop"] = f"{_points(artifact)}, beyond the {drop:g} points allowed"
    size = measured.travels_bytes or measured.size_bytes
    if gates.size is not None and size > size_in_bytes(gates.size):
        over = size / size_in_bytes(gates.size) - 1
        found["size"] = f"{size / 1000:,.1f} kB, {over:.1%} above the {gates.size} allowed"
    if gates.latency is not None and artifact.latency.median > gates.latency:
        found["latency"] = (
            f"{artifact.latency.median:.2f} of the original's time, the gate allows "
            f"{gates.latency:g}"
        )
    return found


def _points(artifact: Against) -> str:
    assert artifact.top1 is not None
    change, low, high = (value * 100 for value in artifact.top1)
    return f"top-1 changed by {change:+.1f} points (95 %: {low:+.1f} to {high:+.1f})"
