"""What each action leaves in the memory, before anybody is told of it."""

import msgspec

from edgekit.federated.coordinator.course import Course
from edgekit.federated.coordinator.memory import Memory
from edgekit.federated.coordinator.rounds import Rounds
from edgekit.federated.coordinator.seats import Abandon, Action, Open, Reply, Summon


def remember(memory: Memory, course: Course, action: Action) -> None:
    """Remembers an action, within a transaction."""
    match action:
        case Open(attempt):
            memory.open_attempt(attempt)
            if isinstance(course, Rounds) and course.budget is not None:
                memory.keep_fact("budget", msgspec.json.encode(course.budget))
        case Summon(seat, new=True):
            memory.keep_seat(seat)
        case Abandon(number, why):
            memory.close_attempt(number, "void", why)
            memory.void_updates_of(number)
        case Reply(board, number, "refused"):
            mine = course.seats.get(board)
            if mine is not None and mine.number == number and mine.state == "refused":
                memory.keep_seat(mine)
        case Reply(board, number, "late"):
            memory.leave_seat(number, board)
        case _:
            pass
