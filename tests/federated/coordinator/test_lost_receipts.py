"""Each invitation tells a board which of its updates was stored last."""

from pathlib import Path

from edgekit.federated.coordinator.memory import Memory
from tests.federated.coordinator.conftest import Scene


def test_invitations_tell_what_counted_last(scene: Scene) -> None:
    with scene.crowd() as crowd:
        scene.serve(count=3)
    told = [[invite.counted for invite in board.invited] for board in crowd.boards.values()]
    assert told == [[None, 1, 2]] * 10


def test_it_is_known_of_each_board_alone_and_over_a_restart(tmp_path: Path) -> None:
    with Memory(tmp_path / "job.db") as memory, memory.together():
        memory.keep_update(3, "gate", b"x" * 16, b"update")
        memory.keep_update(5, "gate", b"y" * 16, b"update")
        memory.keep_update(7, "hall", b"z" * 16, b"update")
    with Memory(tmp_path / "job.db") as memory:
        assert [memory.last_of(board) for board in ("gate", "hall", "shed")] == [5, 7, None]
