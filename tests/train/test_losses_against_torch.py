"""Losses and their gradients are PyTorch's, where it is installed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.train.losses import (
    CrossEntropy,
    Distillation,
    Focal,
    Huber,
    InfoNce,
    Loss,
    Mse,
    Triplet,
)
from tests.train.differences import value_and_gradient

torch = pytest.importorskip("torch")
F = torch.nn.functional
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (6, 5)).astype(np.float32)
OTHER = RNG.normal(0, 2, (6, 5)).astype(np.float32)
CLASSES = np.array([0, 4, 2, 2, 1, 3])
C, T = torch.tensor(CLASSES), torch.tensor(OTHER)


def focal(x: Any) -> Any:
    cross_entropy = F.cross_entropy(x, C, reduction="none")
    return (1 - torch.exp(-cross_entropy)) ** 2 * cross_entropy


def distillation(x: Any) -> Any:
    soft = F.kl_div(F.log_softmax(x / 3, 1), F.softmax(T / 3, 1), reduction="none").sum(1) * 9
    return 0.8 * soft + 0.2 * F.cross_entropy(x, C, reduction="none")


def info_nce(x: Any) -> Any:
    similar = F.cosine_similarity(x[:, None], x[None], dim=2) / 0.5
    similar = similar.masked_fill(torch.eye(6, dtype=torch.bool), -1e9)
    return F.cross_entropy(similar, (torch.arange(6) + 3) % 6, reduction="none")


def triplet(x: Any) -> Any:
    anchor, same, other = F.normalize(x).chunk(3)
    near, far = ((anchor - value).pow(2).sum(1) for value in (same, other))
    return F.relu(near - far + 0.2)


@pytest.mark.parametrize(
    ("loss", "batch", "peer"),
    [
        (CrossEntropy(), {"target": CLASSES}, lambda x: F.cross_entropy(x, C, reduction="none")),
        (
            CrossEntropy(0.1),
            {"target": CLASSES},
            lambda x: F.cross_entropy(x, C, reduction="none", label_smoothing=0.1),
        ),
        (Mse(), {"target": OTHER}, lambda x: F.mse_loss(x, T, reduction="none").mean(1)),
        (Huber(0.7), {"target": OTHER}, lambda x: F.huber_loss(x, T, "none", 0.7).mean(1)),
        (Focal(), {"target": CLASSES}, focal),
        (Distillation(3.0, 0.2), {"teacher": OTHER, "target": CLASSES}, distillation),
        (InfoNce(), {}, info_nce),
        (Triplet(), {}, triplet),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "of_each") else "",
)
def test_value_and_gradient(
    loss: Loss, batch: Mapping[str, Array], peer: Callable[[Any], Any]
) -> None:
    losses, gradient = value_and_gradient(loss, LOGITS, batch)
    x = torch.tensor(LOGITS, requires_grad=True)
    expected = peer(x)
    expected.mean().backward()
    np.testing.assert_allclose(losses, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-4, atol=1e-6)
