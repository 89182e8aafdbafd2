"""Rollouts: a bundle to the boards of a fleet, wave by wave, until a threshold says stop.

    summary = roll_out(bundle, Order("plant", where="site=north"), Desk(mqtt), repository=folder)

`targets`, `choosing`, `plan`, `picture` and `summary` decide and do no I/O; `line` talks to the
broker and `state` remembers; `coordinator` brings them together, and `rolling` is the way in.
"""

from edgekit.deploy.rollout.rolling import Desk, Order, abort, carry_on, forget, pause, roll_out
from edgekit.deploy.rollout.summary import Summary

__all__ = ["Desk", "Order", "Summary", "abort", "carry_on", "forget", "pause", "roll_out"]
