"""Our strategies over Flower's messages give what a simulation gives."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError, Unavailable
from edgekit.federated.flower import FlowerPlan, FlowerRound, play_rounds
from edgekit.federated.flower.asking import Wait
from edgekit.federated.flower.records import (
    answered_bytes,
    array_record,
    introduction,
    question,
)
from edgekit.federated.flower.roster import Roster
from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import FedAvg, Krum
from edgekit.federated.strategies.naming import STRATEGIES, strategy_of
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import decode_update, encode_update
from edgekit.learning.federated.update import shapes_of
from tools.flower_app.prepare import Prepared

pytest.importorskip("flwr", reason="Flower is in an environment of its own: make flower")
from flwr.app import ConfigRecord, Error, Message, MetricRecord, RecordDict

from tools.flower_app.direct_grid import DirectGrid, act_as_server

_ANSWERS = ("board", "update")
_SETTINGS = {
    "dp-fedavg": {"longest": "1.0", "noise": "0.0", "expected": "4"},
    "fedbuff": {"least": "2"},
    "krum": {"wrong": "0", "keep": "2"},
    "scaffold": {"clients": "4"},
}


@pytest.fixture
def grid(fleet_of_digits: Prepared) -> DirectGrid:
    return DirectGrid(fleet_of_digits.boards)


@pytest.fixture(scope="module")
def trainer(fleet_of_digits: Prepared) -> LocalTrainer:
    return LocalTrainer(Path(str(fleet_of_digits.server["train"])))


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_strategy_gives_the_bits_of_a_simulation(
    name: str, grid: DirectGrid, trainer: LocalTrainer, fleet_of_digits: Prepared
) -> None:
    strategy = strategy_of(name, {"share": "0.75", **_SETTINGS.get(name, {})})
    plan = FlowerPlan(rounds=3, epochs=2, codec="top-k:0.3+int8", boards=4, seed=5)
    rounds: list[FlowerRound] = []
    model = play_rounds(grid, trainer.parameters, strategy, plan, on_round=rounds.append)
    simulated = simulate(
        trainer,
        fleet_of_digits.task.clients,
        strategy,
        Plan(rounds=3, epochs=2, codec=codec_of(plan.codec), seed=5),
    )
    assert [one.updates for one in rounds] == [3, 3, 3]
    assert [one.bytes_up for one in rounds] == [one.bytes_up for one in simulated.rounds]
    assert model.version == 3
    for parameter, array in simulated.model.parameters.items():
        assert model.parameters[parameter].tobytes() == array.tobytes(), parameter


def test_a_board_that_never_answers_holds_up_no_round(
    grid: DirectGrid, trainer: LocalTrainer
) -> None:
    grid.silent = {102}
    rounds = _played(grid, trainer)
    assert [(one.updates, one.silent) for one in rounds] == [(3, ("client000002",))] * 2


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (lambda update: replace(update, change=_scaled(update.change, np.nan)), "NaN"),
        (lambda update: replace(update, change=_scaled(update.change, 1e6)), "norm"),
        (lambda update: replace(update, client="client000000"), "it says it is of client000000"),
        (lambda update: replace(update, version=7), "version 7"),
        (lambda update: replace(update, samples=0), "samples"),
    ],
)
def test_an_update_that_cannot_be_is_refused_and_its_board_named(
    tamper: Callable, why: str, grid: DirectGrid, trainer: LocalTrainer
) -> None:
    shapes = shapes_of(trainer.parameters)

    def tampered(answer: Message) -> Message:
        record = answer.content["update"]
        update = tamper(decode_update(record["message"], shapes))
        record["message"] = encode_update(update, codec_of("float32"))
        return answer

    grid.tampers = {101: tampered}
    rounds = _played(grid, trainer, longest=100.0)
    for one in rounds:
        assert one.updates == 3
        assert list(one.refused) == ["client000001"]
        assert why in one.refused["client000001"]


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"update": MetricRecord({"message": 1})}),
        RecordDict({"update": ConfigRecord({"message": "text"})}),
        RecordDict({"update": ConfigRecord({"message": b"\xff\x00"})}),
    ],
)
def test_an_answer_without_an_update_is_refused(
    content: RecordDict, grid: DirectGrid, trainer: LocalTrainer
) -> None:
    def emptied(answer: Message) -> Message:
        answer.content = content
        return answer

    grid.tampers = {101: emptied}
    rounds = _played(grid, trainer)
    assert [(one.updates, list(one.refused)) for one in rounds] == [(3, ["client000001"])] * 2


def test_a_board_whose_training_fails_is_named_with_its_error(
    fleet_of_digits: Prepared, trainer: LocalTrainer, tmp_path: Path
) -> None:
    boards = list(fleet_of_digits.boards)
    boards[3] = {**boards[3], "samples": str(tmp_path / "gone.npz")}
    rounds = _played(DirectGrid(boards), trainer)
    assert "gone.npz" in rounds[0].refused["client000003"]


def test_an_error_without_a_reason_is_refused(grid: DirectGrid, trainer: LocalTrainer) -> None:
    grid.tampers = {101: lambda answer: _failed(answer)}
    rounds = _played(grid, trainer)
    assert "does not say why" in rounds[0].refused["client000001"]


def test_a_round_with_too_few_updates_leaves_the_model_and_the_next_goes_on(
    grid: DirectGrid, trainer: LocalTrainer
) -> None:
    grid.silent = {100, 101, 102, 103}
    rounds: list[FlowerRound] = []

    def back(one: FlowerRound) -> None:
        rounds.append(one)
        grid.silent = set()

    plan = FlowerPlan(rounds=2, boards=4)
    model = play_rounds(
        grid, trainer.parameters, Krum(wrong=0, keep=1), plan, on_round=back, wait=_at_once()
    )
    assert rounds[0].failed is not None
    assert rounds[1].failed is None
    assert model.version == 1


def test_the_first_node_keeps_its_name(fleet_of_digits: Prepared) -> None:
    grid = DirectGrid([*fleet_of_digits.boards, fleet_of_digits.boards[0]])
    grid.nodes.remove(104)
    roster = Roster(grid)
    roster.online()
    grid.nodes.insert(0, 104)
    online = roster.online()
    assert sorted(online) == [f"client{number:06}" for number in range(4)]
    assert online["client000000"].node == 100


def test_a_board_that_comes_back_as_another_node_is_known_again(
    fleet_of_digits: Prepared,
) -> None:
    grid = DirectGrid([*fleet_of_digits.boards, fleet_of_digits.boards[0]])
    grid.nodes = [100, 101]
    roster = Roster(grid)
    assert roster.online()["client000000"].node == 100
    grid.nodes = [101, 104]
    assert roster.online()["client000000"].node == 104


def test_too_few_boards_end_the_wait(grid: DirectGrid) -> None:
    wait = _at_once()
    with pytest.raises(Unavailable, match="4 of 5 boards"):
        Roster(grid, wait).await_boards(5, 30.0)
    assert wait.clock() >= 30


def test_a_node_that_cannot_say_who_it_is_is_no_board(grid: DirectGrid) -> None:
    grid.nodes.append(999)
    assert len(Roster(grid).online()) == 4


@settings(deadline=None)
@example({"name": "kitchen", "number": -1})
@example({"name": "", "number": 1})
@example({"name": "kitchen", "number": True})
@given(
    st.dictionaries(
        st.sampled_from(["name", "number", "message"]),
        st.text() | st.binary() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans(),
    )
)
def test_whatever_a_node_answers_is_read_or_refused(said: dict) -> None:
    act_as_server()
    asked = question(7)
    node = Message(RecordDict({name: ConfigRecord(said) for name in _ANSWERS}), reply_to=asked)
    try:
        board = introduction(node)
    except InputError:
        pass
    else:
        assert (board.name, board.number) == (said["name"], said["number"])
        assert board.name
        assert board.number >= 0
    try:
        message = answered_bytes(node)
    except InputError:
        return
    assert message == said["message"]


def test_flowers_own_strategies_get_all_parameters_and_the_number_of_samples(
    grid: DirectGrid, trainer: LocalTrainer
) -> None:
    asked = RecordDict(
        {
            "arrays": array_record(trainer.parameters),
            "config": ConfigRecord({"server-round": 1, "epochs": 2}),
        }
    )
    messages = [Message(asked, dst_node_id=node, message_type="train") for node in grid.nodes]
    answers = grid.send_and_receive(messages)
    total = sum(answer.content["metrics"]["num-examples"] for answer in answers)
    mean = {
        name: sum(
            answer.content["arrays"][name].numpy() * answer.content["metrics"]["num-examples"]
            for answer in answers
        )
        / total
        for name in trainer.parameters
    }
    ours = play_rounds(grid, trainer.parameters, FedAvg(), FlowerPlan(rounds=1, epochs=2, boards=4))
    for name, array in mean.items():
        np.testing.assert_allclose(array, ours.parameters[name], rtol=0, atol=1e-6)


def test_boards_judge_a_model_by_their_own_samples(grid: DirectGrid, trainer: LocalTrainer) -> None:
    content = RecordDict({"arrays": array_record(trainer.parameters), "config": ConfigRecord()})
    message = Message(content, dst_node_id=100, message_type="evaluate")
    metrics = grid.send_and_receive([message])[0].content["metrics"]
    assert 0 <= metrics["accuracy"] <= 1
    assert metrics["loss"] > 0
    assert metrics["num-examples"] > 0


def _played(
    grid: DirectGrid, trainer: LocalTrainer, *, longest: float | None = None
) -> list[FlowerRound]:
    """Two rounds of which some boards spoil their part."""
    rounds: list[FlowerRound] = []
    plan = FlowerPlan(rounds=2, boards=4, longest=longest)
    model = play_rounds(
        grid, trainer.parameters, FedAvg(), plan, on_round=rounds.append, wait=_at_once()
    )
    assert all(np.isfinite(array).all() for array in model.parameters.values())
    return rounds


def _failed(answer: Message) -> Message:
    failed = Message(RecordDict(), dst_node_id=1, message_type="train")
    failed.__dict__.update(_metadata=answer.metadata, _content=None, _error=Error(3))
    return failed


def _at_once() -> Wait:
    """Time that passes when somebody waits, and only then."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Wait(clock=lambda: now[0], sleep=sleep)


def _scaled(change: dict, by: float) -> dict:
    return {name: (array * np.float32(by)).astype(np.float32) for name, array in change.items()}
