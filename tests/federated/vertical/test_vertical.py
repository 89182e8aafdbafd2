"""A split network learns what the whole one would, and gives away no more than it says."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError, Unavailable
from edgekit.learning.federated.messages import encode
from edgekit.learning.federated.vertical.aligning import common_rows, keyed, timed
from edgekit.learning.federated.vertical.holder import LabelHolder
from edgekit.learning.federated.vertical.messages import Begin, Rows, Sorry, Turn, decode_to_holder
from edgekit.learning.stepper import Stepper
from edgekit.train.compiling import compile_step
from edgekit.train.losses import CrossEntropy
from edgekit.train.optimizers import Sgd
from edgekit.train.rounds import OfPresent
from tests.federated.vertical.networks import (
    PARTIES,
    ROWS,
    Network,
    compiled,
    halves,
    network,
    weights,
    whole,
)

SECRET = b"shared by the boards"
SAMPLES = 300
RUN = "00112233445566ff"


def given_network(folder: Path, *, samples: int = SAMPLES, codec: str = "float32") -> Network:
    features, labels = halves(samples)
    keys = keyed([f"sample {number}" for number in range(samples)], SECRET)
    compiled(folder, weights(0))
    return network(
        folder, features, labels, dict.fromkeys((*PARTIES, "holder"), keys), codec=codec, run=RUN
    )


def parameters(net: Network) -> dict[str, np.ndarray]:
    found = dict(net.top.trained.parameters)
    for one in net.bottoms.values():
        found |= one.trained.parameters
    return found


def test_the_halves_learn_what_the_whole_network_learns(tmp_path: Path) -> None:
    net = given_network(tmp_path)
    net.holder.begin()
    epochs = [net.holder.train(number, rate=0.2, seed=5) for number in (1, 2, 3)]

    features, labels = halves(SAMPLES)
    step = compile_step(whole(weights(0)), OfPresent(CrossEntropy()), Sgd(), rows=ROWS)
    session = ort.InferenceSession(ir.to_proto(step.step).SerializeToString())
    stepper = Stepper(session, step.batch, step.carried)
    for number in (1, 2, 3):
        order = np.random.default_rng((5, number)).permutation(SAMPLES)
        total = 0.0
        for start in range(0, SAMPLES, ROWS):
            places = order[start : start + ROWS]
            filled = np.resize(places, ROWS)
            present = (np.arange(ROWS) < len(places)).astype(np.float32)
            batch = (features["left"][filled], features["right"][filled], present, labels[filled])
            total += stepper.run(batch, 0.2) * len(places)
        assert epochs[number - 1].loss == pytest.approx(total / SAMPLES, rel=1e-5)
    found = parameters(net)
    assert found.keys() == step.parameters.keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, stepper.current[name], rtol=1e-4, atol=1e-5)
    assert epochs[2].loss < epochs[0].loss * 0.8


def test_it_gets_digits_right_that_neither_half_could_judge_alone(tmp_path: Path) -> None:
    net = given_network(tmp_path, samples=900)
    net.holder.begin()
    for number in range(1, 13):
        net.holder.train(number, rate=0.3)
    loss, outputs = net.holder.judge()
    right = (outputs.argmax(axis=1) == net.holder.labels_of()).mean()
    assert right > 0.9
    assert loss < 0.4


@pytest.mark.parametrize("codec", ["float16", "int8"])
def test_coarser_codecs_halve_and_quarter_the_bytes_and_still_learn(
    tmp_path: Path, codec: str
) -> None:
    plain = given_network(tmp_path / "plain")
    coarse = given_network(tmp_path / "coarse", codec=codec)
    losses = []
    for net in (plain, coarse):
        net.holder.begin()
        losses.append([net.holder.train(number, rate=0.2) for number in range(1, 6)][-1])
    assert losses[1].loss == pytest.approx(losses[0].loss, abs=0.05)
    share = {"float16": 0.6, "int8": 0.4}[codec]
    assert losses[1].bytes_up < losses[0].bytes_up * share


def test_only_common_samples_count_whatever_their_order(tmp_path: Path) -> None:
    features, labels = halves(200)
    names = [f"sample {number}" for number in range(200)]
    compiled(tmp_path, weights(0))
    rng = np.random.default_rng(0)
    orders = {name: rng.permutation(200)[:150] for name in (*PARTIES, "holder")}
    keys = {name: keyed([names[n] for n in order], SECRET) for name, order in orders.items()}
    net = network(
        tmp_path,
        {name: features[name][orders[name]] for name in PARTIES},
        labels[orders["holder"]],
        keys,
    )
    net.holder.begin()
    common = [n for n in orders["holder"] if all(n in order for order in orders.values())]
    assert net.holder.samples == len(common)
    np.testing.assert_array_equal(net.holder.labels_of(), labels[common])
    for number in range(1, 40):
        epoch = net.holder.train(number, rate=0.3)
    assert epoch.loss < 0.3  # rows that did not belong together could not be learned so well


def test_no_sample_label_or_parameter_is_in_what_is_sent(tmp_path: Path) -> None:
    net = given_network(tmp_path)
    net.holder.begin()
    net.holder.train(1, rate=0.2)
    features, labels = halves(SAMPLES)
    said = b"".join(net.sent)
    for name in PARTIES:
        for row in features[name]:
            assert row.tobytes() not in said
        assert b"sample 1" not in said
        for array in net.bottoms[name].trained.parameters.values():
            assert array.tobytes() not in said or not array.any()
    assert labels.astype("<i8").tobytes() not in said


def test_a_turn_that_comes_again_is_answered_again_and_learned_once(tmp_path: Path) -> None:
    net = given_network(tmp_path)
    party, bottom = net.parties["left"], net.bottoms["left"]
    rows = np.arange(SAMPLES, dtype="<i4").tobytes()
    places = np.arange(4, dtype="<i4").tobytes()
    party.answer(encode(Begin(run=RUN)))
    party.answer(encode(Rows(run=RUN, rows=rows)))
    party.answer(encode(Turn(run=RUN, number=1, places=places)))
    slope = np.ones(4 * 8, np.float32).tobytes()
    turn = encode(Turn(run=RUN, number=2, slope=slope, rate=0.1, places=places))
    first = party.answer(turn)
    moved = bottom.trained.parameters
    assert party.answer(turn) == first
    for name, array in bottom.trained.parameters.items():
        np.testing.assert_array_equal(array, moved[name])
    answer = decode_to_holder(party.answer(encode(Turn(run=RUN, number=5))) or b"")
    assert isinstance(answer, Sorry)
    assert "3 is next" in answer.why


def test_boards_that_restart_go_on_from_the_end_of_an_epoch(tmp_path: Path) -> None:
    straight = given_network(tmp_path / "straight")
    straight.holder.begin()
    for number in (1, 2, 3):
        straight.holder.train(number, rate=0.2)

    broken = given_network(tmp_path / "broken")
    broken.holder.begin()
    broken.holder.train(1, rate=0.2)
    broken.top.trained.save(tmp_path / "top.npz")
    broken.holder.train(2, rate=0.2)  # all of this is lost
    again = given_network(tmp_path / "broken")
    again.top.trained.load(tmp_path / "top.npz")
    again.holder.begin(epoch=1)
    for number in (2, 3):
        again.holder.train(number, rate=0.2)
    want = parameters(straight)
    for name, array in parameters(again).items():
        np.testing.assert_array_equal(array, want[name])


def test_a_party_that_does_not_answer_or_fit_is_named(tmp_path: Path) -> None:
    net = given_network(tmp_path)
    labels = halves(SAMPLES)[1]
    keys = keyed([str(number) for number in range(SAMPLES)], SECRET)
    silent = LabelHolder(net.top, labels, keys, lambda messages: {})
    with pytest.raises(Unavailable, match="left did not answer"):
        silent.begin()
    strangers = LabelHolder(
        net.top,
        labels,
        keys,
        lambda messages: {n: net.parties[n].answer(m) or b"" for n, m in messages.items()},
    )
    with pytest.raises(InputError, match="no sample in common"):
        strangers.begin()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return given_network(tmp_path_factory.mktemp("small"), samples=40)


@given(st.binary(max_size=120), st.integers(0, 2**31 - 1), st.binary(max_size=64))
@settings(deadline=None, max_examples=60)
def test_a_party_survives_any_message(
    small: Network, data: bytes, number: int, rows: bytes
) -> None:
    party = small.parties["left"]
    party.answer(data)
    party.answer(encode(Begin(run=RUN)))
    for message in (
        Rows(run=RUN, rows=rows),
        Turn(run=RUN, number=number, slope=data, rate=0.1, places=rows),
        Turn(run=RUN, number=1, slope=data, rate=0.1, places=rows),
        Begin(run=RUN, epoch=number),
    ):
        answer = party.answer(encode(message))
        assert answer is not None
        decode_to_holder(answer)


@given(st.lists(st.lists(st.integers(0, 30), unique=True, max_size=20), min_size=2, max_size=4))
def test_common_rows_are_of_the_same_samples(each: list[list[int]]) -> None:
    keys = {f"board {n}": keyed([str(one) for one in own], SECRET) for n, own in enumerate(each)}
    common = [one for one in each[0] if all(one in own for own in each)]
    if not common:
        with pytest.raises(InputError, match="in common"):
            common_rows(keys, "board 0")
        return
    rows = common_rows(keys, "board 0")
    for n, own in enumerate(each):
        assert [own[row] for row in rows[f"board {n}"]] == common


def test_samples_taken_at_about_the_same_time_get_the_same_key() -> None:
    one = timed([1500, 2510, 2700, 3490], 1000, SECRET)
    other = timed([1440, 2580, 3610], 1000, SECRET)
    assert one[2] is None  # a second one within the same period
    assert [one[0], one[1], one[3]] == other
    assert timed([1500], 1000, b"other")[0] != one[0]


def test_an_id_that_is_there_twice_is_named() -> None:
    with pytest.raises(InputError, match="'b' is there twice"):
        keyed(["a", "b", "b"], SECRET)
