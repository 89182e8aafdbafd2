from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from sklearn.decomposition import PCA

from edgekit.compress import pack_model
from edgekit.errors import InputError
from edgekit.runtime.prediction import AnomalyScore
from edgekit.runtime.session import Session
from edgekit.train.tasks import embed, principal_components
from tests.train.tasks.encoders import unlabelled


def test_the_graphs_say_what_scikit_learn_does() -> None:
    x = unlabelled()
    found = principal_components(x, count=10)
    flat = x.reshape(len(x), -1)
    theirs = PCA(10, svd_solver="full").fit(flat.astype(np.float64))
    codes = theirs.transform(flat)
    np.testing.assert_allclose(embed(found.encoder, x), codes, atol=1e-5)
    np.testing.assert_allclose(embed(found.model, x), theirs.inverse_transform(codes), atol=1e-5)
    assert found.share == pytest.approx(theirs.explained_variance_ratio_.sum())
    assert found.model.graph.outputs[0].shape == (1, 1, 8, 8)


def test_as_many_components_are_kept_as_explain_the_share() -> None:
    x = unlabelled()
    shares = np.cumsum(PCA().fit(x.reshape(len(x), -1)).explained_variance_ratio_)
    found = principal_components(x, share=0.9)
    assert embed(found.encoder, x[:1]).shape == (1, 1 + int(np.searchsorted(shares, 0.9)))
    assert 0.9 <= found.share < 0.93


def test_the_threshold_lets_through_what_it_says_of_samples_it_has_not_seen() -> None:
    x = unlabelled()
    found = principal_components(x[:800], share=0.9)
    others = x[800:]
    scores = np.square(embed(found.model, others) - others.reshape(len(others), -1)).mean(axis=1)
    alarms = (scores > found.threshold(0.05)).mean()
    assert 0.02 < alarms < 0.09
    odd = np.random.default_rng(0).random((100, 64), np.float32)
    made = embed(found.model, odd.reshape(-1, 1, 8, 8))
    assert (np.square(made - odd).mean(axis=1) > found.threshold(0.05)).mean() > 0.95


def test_residuals_are_of_samples_that_the_components_have_not_seen() -> None:
    noise = np.random.default_rng(0).standard_normal((40, 30), np.float32)
    found = principal_components(noise, count=15)
    seen = np.square(embed(found.model, noise) - noise).mean()
    unseen = found.residuals.mean()
    assert unseen == pytest.approx(0.5, abs=0.15)
    assert unseen > 2 * seen


@pytest.mark.parametrize(
    ("samples", "how"),
    [(9, {}), (1000, {"share": 1.0}), (1000, {"count": 65}), (50, {"count": 41})],
)
def test_what_cannot_be_is_refused(samples: int, how: dict[str, float]) -> None:
    with pytest.raises(InputError, match="do not give"):
        principal_components(unlabelled()[:samples], **how)  # type: ignore[arg-type]


def test_components_end_as_a_bundle_that_a_board_runs(tmp_path: Path) -> None:
    x = unlabelled()
    found = principal_components(x, share=0.9)
    ir.save(found.model, tmp_path / "principal.onnx")
    pack_model(
        tmp_path / "principal.onnx",
        task="anomaly",
        threshold=found.threshold(0.01),
        out=tmp_path / "bundle",
    )
    session = Session.open(tmp_path / "bundle")
    made = embed(found.model, x[:1]).reshape(x[0].shape)
    prediction, _ = session.predict(x[0])
    assert isinstance(prediction, AnomalyScore)
    assert prediction.score == pytest.approx(float(np.square(made - x[0]).mean()), rel=1e-4)
    assert session.bundle.manifest.output.kind == "reconstruction"
