"""A model, a loss and an optimiser become one graph."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.train import compile_step
from edgekit.train.engine import StepRunner
from edgekit.train.losses.cross_entropy import CrossEntropy
from edgekit.train.optimizers.adam import Adam
from edgekit.train.optimizers.sgd import Sgd
from tests.train.models import cnn, mlp


def test_a_step_takes_what_it_says_and_gives_what_the_next_takes() -> None:
    step = compile_step(mlp(), CrossEntropy(), Adam(), rows=8)
    inputs = [value.name for value in step.step.graph.inputs]
    parameters, state = (
        ["w0", "b0", "w1", "b1"],
        [f"optimizer/{name}" for name in ("weights", "gradients.0", "squares.0")],
    )
    assert inputs == ["x", "target", "learning_rate", *parameters, *state]
    outputs = [value.name for value in step.step.graph.outputs]
    assert outputs[0] == "loss"
    assert set(outputs[1:]) == {f"next({name})" for name in parameters + state}
    assert [(spec.name, spec.dtype, spec.shape, spec.classes) for spec in step.batch] == [
        ("x", "float32", (8, 64), None),
        ("target", "int64", (8,), 10),
    ]
    assert {spec.shape for spec in step.state} == {(2,), (64 * 32 + 32 + 320 + 10,)}


def test_a_board_learns_with_three_files_numpy_and_onnxruntime(tmp_path: Path) -> None:
    compile_step(mlp(), CrossEntropy(), Adam(), rows=8).save(tmp_path)
    session = ort.InferenceSession(tmp_path / "step.onnx")
    with np.load(tmp_path / "parameters.npz") as file:
        parameters = dict(file)
    names = [value.name for value in session.get_outputs()]
    carried = {
        value.name: parameters.get(value.name, np.zeros(value.shape, np.float32))
        for value in session.get_inputs()
        if f"next({value.name})" in names
    }
    rng = np.random.default_rng(0)
    batch = {"x": rng.normal(size=(8, 64)).astype(np.float32), "target": np.arange(8)}
    losses = []
    for _ in range(50):
        fed = {**batch, "learning_rate": np.array(0.01, np.float32), **carried}
        found = dict(zip(names, session.run(None, fed), strict=True))
        losses.append(float(found["loss"]))
        carried = {name: found[f"next({name})"] for name in carried}
    assert losses[-1] < 0.05 * losses[0]
    evaluation = ort.InferenceSession(tmp_path / "evaluate.onnx")
    needed = {value.name for value in evaluation.get_inputs()}
    fed = {name: value for name, value in {**batch, **carried}.items() if name in needed}
    of_each, scores = evaluation.run(["losses", "out"], fed)
    assert of_each.shape == (8,)
    np.testing.assert_allclose(of_each, -np.log(scores[np.arange(8), np.arange(8)]), atol=1e-6)


def test_what_is_frozen_stays_a_constant_and_costs_no_gradient() -> None:
    whole = compile_step(mlp(), CrossEntropy(), Sgd(), rows=8)
    head = compile_step(mlp(), CrossEntropy(), Sgd(), rows=8, trainable=["?1"])
    assert list(head.parameters) == ["w1", "b1"]
    assert {"w0", "b0"} <= set(head.step.graph.initializers)
    assert len(list(head.step.graph)) < len(list(whole.step.graph)) - 5


def test_a_pattern_that_finds_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"no parameter is called 'top\.\*'; there are w0, b0"):
        compile_step(mlp(), CrossEntropy(), Sgd(), rows=8, trainable=["top.*"])


def test_constants_that_are_no_weights_are_not_trained() -> None:
    build = GraphBuilder("scaled")
    x = build.input("x", np.float32, (1, 4))
    scaled = build.op("Mul", x, build.constant(np.full(4, 0.5, np.float32), "scale"))
    w = build.constant(np.ones((4, 3), np.float32), "w")
    model = build.finish(out=(build.op("MatMul", scaled, w), np.float32, (1, 3)))
    assert list(compile_step(model, CrossEntropy(), Sgd(), rows=2).parameters) == ["w"]
    named = compile_step(model, CrossEntropy(), Sgd(), rows=2, trainable=["scale"])
    assert list(named.parameters) == ["scale"]


def test_a_bias_that_two_layers_share_becomes_two() -> None:
    build = GraphBuilder("shared")
    value = build.input("x", np.float32, (1, 4))
    bias = build.constant(np.zeros(4, np.float32), "b")
    for number in range(2):
        w = build.constant(np.eye(4, dtype=np.float32) + number, f"w{number}")
        value = build.op("Gemm", value, w, bias)
    model = build.finish(out=(value, np.float32, (1, 4)))
    step = compile_step(model, CrossEntropy(), Sgd(), rows=2)
    assert sorted(step.parameters) == ["b", "b_1", "w0", "w1"]
    assert set(step.parameters) <= set(step.model.graph.initializers)


@pytest.mark.parametrize("batch", [1, "N", 8])
def test_any_batch_is_made_the_steps(batch: int | str) -> None:
    step = compile_step(mlp(batch=batch), CrossEntropy(), Sgd(), rows=8)
    assert step.batch[0].shape == (8, 64)


def test_a_reshape_to_one_sample_is_made_one_to_the_batch() -> None:
    step = compile_step(cnn(), CrossEntropy(), Sgd(), rows=8)
    assert step.batch[0].shape == (8, 1, 8, 8)
    assert list(step.trained(step.parameters).graph.inputs[0].shape) == [1, 1, 8, 8]


def test_another_fixed_batch_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="fixed to a batch of 4, not 8"):
        compile_step(mlp(batch=4), CrossEntropy(), Sgd(), rows=8)


def test_a_model_that_mixes_its_samples_is_refused() -> None:
    build = GraphBuilder("mixed")
    x = build.input("x", np.float32, ("N", 4))
    w = build.constant(np.ones((4, 3), np.float32), "w")
    mean = build.op("ReduceMean", build.op("MatMul", x, w), axes=[0], keepdims=1)
    model = build.finish(out=(mean, np.float32, (1, 3)))
    with pytest.raises(UnsupportedModel, match="do not stay apart"):
        compile_step(model, CrossEntropy(), Sgd(), rows=8)


@pytest.mark.parametrize("opset", [13, 15, 18, 21, 23])
def test_a_step_is_of_the_models_opset_but_of_17_at_least(opset: int) -> None:
    model = cnn()
    model.opset_imports[""] = opset
    model.ir_version = 10
    step = compile_step(model, CrossEntropy(), Adam(clip_norm=1.0, l1=0.1, l2=0.1), rows=8)
    assert step.step.opset_imports[""] == max(17, opset)
    batch = (np.ones((8, 1, 8, 8), np.float32), np.arange(8))
    losses = [StepRunner(step).run(batch, 0.01) for _ in range(2)]
    assert losses[0] == losses[1]


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="a batch of 0 rows"):
        compile_step(mlp(), CrossEntropy(), Sgd(), rows=0)


def test_a_trained_model_holds_the_parameters_it_is_given() -> None:
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=8)
    doubled = {name: 2 * array for name, array in step.parameters.items()}
    model = step.trained(doubled)
    onnx.checker.check_model(onnx.ModelProto.FromString(ir_bytes(model)), full_check=True)
    held = model.graph.initializers["w0"].const_value
    assert held is not None
    np.testing.assert_array_equal(held.numpy(), doubled["w0"])
    with pytest.raises(InputError, match="no parameter 'other'"):
        step.trained({"other": np.zeros(1)})
    with pytest.raises(InputError, match=r"\[32\], not \[3\]"):
        step.trained({"b0": np.zeros(3)})


def test_the_first_output_is_judged_and_the_others_are_still_evaluated() -> None:
    build = GraphBuilder("two")
    x = build.input("x", np.float32, (1, 4))
    body = build.constant(np.eye(4, dtype=np.float32), "body")
    hidden = build.op("MatMul", x, body)
    one, two = (build.constant(np.ones((4, n), np.float32), f"head{n}") for n in (3, 2))
    model = build.finish(
        one=(build.op("MatMul", hidden, one), np.float32, (1, 3)),
        two=(build.op("MatMul", hidden, two), np.float32, (1, 2)),
    )
    step = compile_step(model, CrossEntropy(), Sgd(), rows=2)
    assert list(step.parameters) == ["body", "head3"]
    assert [value.name for value in step.evaluate.graph.outputs] == ["losses", "one", "two"]
    with pytest.raises(InputError, match="no parameter is called 'head2'"):
        compile_step(model, CrossEntropy(), Sgd(), rows=2, trainable=["head2"])


def test_a_weight_that_is_quantised_on_its_way_is_trained() -> None:
    build = GraphBuilder("quantised")
    x = build.input("x", np.float32, (1, 4))
    w = build.constant(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), "w")
    scale = [build.constant(np.float32(0.01), "scale"), build.constant(np.int8(0), "zero")]
    quantised = build.op("DequantizeLinear", build.op("QuantizeLinear", w, *scale), *scale)
    value = build.op("MatMul", x, build.op("Transpose", quantised, perm=[1, 0]))
    model = build.finish(out=(value, np.float32, (1, 3)))
    step = compile_step(model, CrossEntropy(), Sgd(), rows=2)
    assert list(step.parameters) == ["w"]
    runner = StepRunner(step)
    runner.run((np.ones((2, 4), np.float32), np.array([0, 1])), 0.1)
    assert not np.array_equal(runner.carried["w"], step.parameters["w"])


def test_names_that_a_step_needs_are_given_up_by_what_the_model_computes() -> None:
    build = GraphBuilder("names")
    x = build.input("x", np.float32, (1, 4))
    w = build.constant(np.ones((4, 3), np.float32), "weights")
    inner = build.op("MatMul", x, w)
    inner.name = "loss"
    model = build.finish(target=(build.op("Relu", inner), np.float32, (1, 3)))
    step = compile_step(model, CrossEntropy(), Adam(), rows=2)
    assert list(step.parameters) == ["weights"]
    StepRunner(step).run((np.ones((2, 4), np.float32), np.array([0, 1])), 0.1)


def test_an_input_that_has_a_name_of_the_steps_is_refused() -> None:
    build = GraphBuilder("names")
    x = build.input("target", np.float32, (1, 4))
    w = build.constant(np.ones((4, 3), np.float32), "w")
    model = build.finish(out=(build.op("MatMul", x, w), np.float32, (1, 3)))
    with pytest.raises(UnsupportedModel, match="rename the model's 'target'"):
        compile_step(model, CrossEntropy(), Sgd(), rows=2)


@pytest.mark.parametrize("model", [mlp(), cnn()])
def test_step_and_evaluation_are_valid_onnx(model: ir.Model) -> None:
    step = compile_step(model, CrossEntropy(), Adam(clip_norm=1.0), rows=8)
    for graph in (step.step, step.evaluate):
        onnx.checker.check_model(onnx.ModelProto.FromString(ir_bytes(graph)), full_check=True)


def ir_bytes(model: ir.Model) -> bytes:
    data: bytes = ir.to_proto(model).SerializeToString()
    return data
