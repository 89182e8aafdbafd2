"""What is raised for a message of secure aggregation that must not be heeded."""

from edgekit.errors import InputError


class MessageRefused(InputError):
    """A message that cannot be, comes at the wrong time, or asks for what must stay secret.

    Attributes:
        sender: who is to blame: a board, or `"the coordinator"`.
        why: one line.
    """

    def __init__(self, sender: str, why: str) -> None:
        self.sender, self.why = sender, why
        super().__init__(f"secure aggregation: a message of {sender} is refused: {why}")
