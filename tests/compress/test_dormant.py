"""Memory that is given back between uses."""

import numpy as np
import onnx_ir as ir

from edgekit.compress.dormant import DormantEngine
from edgekit.runtime.engine import Engine
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.samples import conv_net


def test_an_engine_that_slept_answers_as_before() -> None:
    data = ir.to_proto(conv_net()).SerializeToString()
    opened: list[Engine] = []

    def open_engine() -> Engine:
        opened.append(OnnxRuntimeEngine(data))
        return opened[-1]

    engine = DormantEngine(open_engine)
    tensor = np.ones((1, 3, 16, 16), np.float32)
    before = engine.run(tensor)["out"]
    assert len(opened) == 1
    engine.sleep()
    assert len(opened) == 1
    np.testing.assert_array_equal(engine.run(tensor)["out"], before)
    assert len(opened) == 2
    assert engine.inputs == opened[0].inputs
