"""ONNX's own operator tests say the same before and after our passes, in ONNX Runtime."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper
from onnx.backend.test.case import node as operators
from onnx.reference.ops import op_pool_common

from edgekit.graph.passes.simplify import SIMPLIFYING
from edgekit.graph.verify import difference, signature, snapshot

_TOLERANCE = 1e-5
_DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
Case = tuple[str, onnx.ModelProto, dict[str, Any]]


def operator_cases() -> Iterator[Case]:
    """One model an operator and setting, made by the onnx package, with its inputs."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # the package's own, while it computes what it expects
        # Most of its time goes into what pools should give, which is not asked here.
        patch.setattr(op_pool_common, "pool", lambda *_, **__: np.zeros(1, np.float32))
        cases = operators.collect_testcases(None)
    for case in cases:
        inputs, _ = case.data_sets[0]
        names = [value.name for value in case.model.graph.input]
        yield case.name, case.model, dict(zip(names, inputs, strict=False))


def stored_cases() -> Iterator[Case]:
    """Models exported from PyTorch, and simple ones, stored in the onnx package."""
    for folder in sorted(_DATA.glob("pytorch-*/*")) + sorted((_DATA / "simple").iterdir()):
        model = onnx.load(folder / "model.onnx")
        feeds = {}
        for place, value in enumerate(model.graph.input):
            file = folder / "test_data_set_0" / f"input_{place}.pb"
            if value.type.HasField("tensor_type") and file.is_file():
                feeds[value.name] = numpy_helper.to_array(onnx.load_tensor(file))
        yield folder.name, model, feeds


@pytest.mark.parametrize(
    ("cases", "at_least"), [(operator_cases, 1200), (stored_cases, 90)], ids=["operators", "stored"]
)
def test_every_model_says_the_same_after_all_passes(cases: Any, at_least: int) -> None:
    ran, modified, wrong = 0, 0, []
    passes = [kind() for kind in SIMPLIFYING]
    for name, proto, feeds in cases():
        model = ir.from_proto(proto)
        try:
            before = snapshot(model, feeds)
        except Exception:  # ONNX Runtime lacks the operator, or this type of it
            continue
        ran += 1
        written = ir.to_proto(model).SerializeToString()
        changed = [one(model).modified for one in passes]
        if not any(changed):
            same = ir.to_proto(model).SerializeToString() == written
            wrong += [] if same else [(name, "changed, but says it is not")]
            continue
        modified += 1
        after = snapshot(model, feeds)
        errors = [difference(old, after.outputs[key]) for key, old in before.outputs.items()]
        if signature(model) != before.signature or not max(errors, default=0.0) <= _TOLERANCE:
            wrong.append((name, f"differs by {errors}"))
    assert wrong == []
    assert ran >= at_least
    assert modified > 0
