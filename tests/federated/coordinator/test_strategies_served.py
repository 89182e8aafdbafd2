"""Strategies, personal parts, privacy and codecs over a real broker."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from edgekit.federated.job.loading import strategy_from
from edgekit.federated.personalisation import Personal
from edgekit.federated.simulation import Plan, simulate
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.privacy import clipped
from edgekit.learning.federated.update import norm_of, shapes_of
from tests.federated.coordinator.conftest import BOARDS, Later, Scene
from tests.federated.coordinator.test_serving import seed_as_the_reference
from tools.bench.federated_crowd import Script


@pytest.mark.parametrize(
    "strategy",
    [
        'name = "fedprox"\nmu = 0.1',
        'name = "scaffold"\nclients = 10',
        'name = "fednova"',
        'name = "fedadam"',
        'name = "fedyogi"',
        'name = "fedadagrad"',
        'name = "median"',
        'name = "trimmed-mean"\ntrim = 2',
        'name = "krum"\nwrong = 1\nkeep = 3',
    ],
)
def test_a_strategy_gives_over_the_broker_what_it_gives_in_a_simulation(
    scene: Scene, strategy: str
) -> None:
    opened = scene.opened(strategy=strategy, count=2)
    wanted = simulate(
        scene.trainer, scene.task.clients, strategy_from(opened.job), Plan(rounds=2, epochs=2)
    )
    with scene.crowd():
        served = scene.serve(strategy=strategy, count=2, seed_of=seed_as_the_reference)
    assert [one.accuracy for one in served.summary.last] == [o.accuracy for o in wanted.rounds]
    chosen = served.model
    if chosen.version == 2:
        for name, array in wanted.model.parameters.items():
            assert array.tobytes() == chosen.parameters[name].tobytes()


@pytest.mark.parametrize(("codec", "most"), [("float32", 1.1), ("int8", 0.3)])
def test_updates_stay_within_their_share_of_the_payload(
    scene: Scene, codec: str, most: float
) -> None:
    payload = sum(array.nbytes for array in scene.trainer.parameters.values())
    with scene.crowd() as crowd:
        served = scene.serve(f'[training]\nepochs = 2\ncodec = "{codec}"\n', count=2)
    for one in served.summary.last:
        assert one.bytes_up / len(BOARDS) <= most * payload
        assert one.bytes_down is not None
        assert payload < one.bytes_down / len(BOARDS) < 1.2 * payload
    assert crowd.bytes_up == sum(one.bytes_up for one in served.summary.last)


def test_fedbuff_combines_as_updates_come_and_waits_for_nobody(scene: Scene) -> None:
    hold = threading.Event()
    slow = {name: Script(waits=hold) for name in BOARDS[7:]}
    strategy = 'name = "fedbuff"\nleast = 3'
    with scene.crowd(slow) as crowd:
        later = Later(lambda: scene.serve(strategy=strategy, count=8))
        scene.wait(lambda summary: summary.done >= 3)
        hold.set()
        crowd.release()
        served = later.result()
        late = [crowd.boards[name] for name in BOARDS[7:]]
        assert crowd.wait(lambda: all(board.receipts for board in late))
    assert served.summary.state == "finished"
    assert all(one.updates >= 3 for one in served.summary.last)
    versions = {invite.version for board in crowd.boards.values() for invite in board.invited}
    assert len(versions) > 3
    rounds = [invite.round for board in crowd.boards.values() for invite in board.invited]
    assert len(rounds) == len(set(rounds))
    assert served.summary.last[-1].accuracy is not None


def test_personal_parts_are_in_no_model_and_no_update(scene: Scene) -> None:
    personal = Personal(["w1", "b1"])
    crowd = scene.crowd()
    crowd.share(shapes_of(personal.shared(scene.trainer.parameters)))
    with crowd:
        served = scene.serve('[training]\nepochs = 2\npersonal = ["w1", "b1"]\n', count=2)
    assert sorted(served.model.parameters) == ["b0", "w0"]
    assert [one.updates for one in served.summary.last] == [10, 10]
    assert {invite.personal for b in crowd.boards.values() for invite in b.invited} == {
        ("w1", "b1")
    }


def test_central_privacy_is_counted_shown_and_ends_the_job_when_it_is_spent(scene: Scene) -> None:
    table = (
        '[privacy]\nmechanism = "central"\nclip = 1.0\nnoise = 4.0\nepsilon = 3.0\nboards = 10\n'
        'delta = 1e-3\nsampling = "fixed"\n'
    )
    with scene.crowd():
        served = scene.serve(table, count=50)
    summary = served.summary
    assert summary.state == "finished"
    assert "budget of epsilon 3" in summary.reason
    spent = [one.epsilon for one in summary.last if one.epsilon is not None]
    assert spent == sorted(spent)
    assert 0 < spent[-1] <= 3.0
    assert summary.done < 50
    report = (scene.folder / "JOB.state" / "report.html").read_text()
    assert "epsilon" in report
    again = scene.serve(table, count=50)  # what was spent is not forgotten
    assert again.summary.done == summary.done


def test_rounds_that_draw_each_board_by_chance_count_with_whoever_is_drawn(scene: Scene) -> None:
    table = '[privacy]\nmechanism = "central"\nclip = 1.0\nnoise = 1.0\nboards = 10\ndelta = 1e-3\n'
    with scene.crowd():
        served = scene.serve(table, strategy='name = "fedavg"\nshare = 0.2', count=6)
    assert served.summary.done == 6
    assert all(one.updates == one.chosen for one in served.summary.last)
    assert not any("void" in change.what for change in scene.changes)


def test_local_privacy_is_asked_of_each_board(scene: Scene) -> None:
    table = '[privacy]\nmechanism = "local"\nclip = 0.5\nnoise = 1.0\nboards = 10\ndelta = 1e-3\n'
    norms = []

    def obedient(update: object) -> object:
        changed = replace(update, change=clipped(update.change, 0.5))  # type: ignore
        norms.append(norm_of(changed.change))
        return changed

    scripts = {name: Script(changed=obedient) for name in BOARDS}  # type: ignore[arg-type]
    with scene.crowd(scripts) as crowd:
        served = scene.serve(table, count=1)
    assert served.summary.last[0].updates == 10
    asked = {invite.privacy for board in crowd.boards.values() for invite in board.invited}
    assert len(asked) == 1
    (order,) = asked
    assert order is not None
    assert (order.clip, order.deviation) == (0.5, 0.5)
    assert max(norms) <= 0.5


def test_early_stops_keep_the_best_model(scene: Scene) -> None:
    with scene.crowd():
        served = scene.serve(count=50, evaluation="target = 0.6\n")
    assert served.round is not None
    assert served.round.accuracy is not None
    assert served.round.accuracy >= 0.6
    assert served.summary.done < 50
    assert "reached the target" in served.summary.reason
    assert served.model.version == served.round.number


def test_patience_ends_a_job_that_gets_no_better(scene: Scene) -> None:
    def worse(update: object) -> object:
        return replace(update, change={n: -a for n, a in update.change.items()})  # type: ignore

    scripts = {name: Script(changed=worse) for name in BOARDS}  # type: ignore[arg-type]
    with scene.crowd(scripts):
        served = scene.serve(count=50, evaluation="patience = 2\n")
    assert served.summary.done < 50
    assert "were no better than round" in served.summary.reason
    assert served.round is not None
    assert served.round.number == served.summary.done - 2


def test_top_k_learns_what_float32_learns(scene: Scene) -> None:
    """The scripted boards keep no leftovers; still the codec's bytes hold."""
    codec = codec_of("top-k:0.1+int8")
    payload = sum(array.nbytes for array in scene.trainer.parameters.values())
    with scene.crowd():
        served = scene.serve(f'[training]\nepochs = 2\ncodec = "{codec.name}"\n', count=1)
    assert served.summary.last[0].bytes_up / len(BOARDS) < 0.08 * payload  # with the answer
    assert np.isfinite(served.model.parameters["w0"]).all()
