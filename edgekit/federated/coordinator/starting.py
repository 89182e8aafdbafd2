"""Where a job begins, or goes on: its rules, and what is remembered of it."""

import hashlib
import json
import secrets
from dataclasses import replace

import msgspec

from edgekit.errors import InputError
from edgekit.federated.coordinator.buffered import Buffered
from edgekit.federated.coordinator.course import Course
from edgekit.federated.coordinator.memory import Memory
from edgekit.federated.coordinator.rounds import Rounds
from edgekit.federated.coordinator.seats import Rules
from edgekit.federated.job.loading import inner_of
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.privacy.budget import Budget


def begin(opened: OpenJob, memory: Memory) -> str:
    """Remembers a new job, or sees that the one that is remembered is this one.

    Returns:
        What names the job's running.

    Raises:
        InputError: the memory is of another job.
    """
    identity, run = _identity(opened), memory.fact("run")
    if run is None:
        run = secrets.token_hex(8)
        with memory.together():
            memory.keep_fact("run", run)
            memory.keep_fact("identity", identity)
            memory.keep_model(opened.first)
        return run
    if memory.fact("identity") != identity:
        raise InputError(
            f"{opened.job.state}: remembers a job with another name, fleet, step, strategy or "
            "privacy; name another folder as state, or remove this one"
        )
    return str(run)


def course_of(opened: OpenJob, memory: Memory) -> Course:
    """What decides, from where the job stands."""
    rules, standing = rules_of(opened), memory.standing()
    if standing.failures >= rules.attempts:  # it was stopped, and somebody began it again
        standing = replace(standing, failures=0)
    choose = opened.strategy.choose
    if opened.is_buffered:
        size = max(1, inner_of(opened.strategy).least)
        return Buffered(rules, choose, standing, size=size, past=memory.digest)
    kept = memory.fact("budget")
    budget = opened.budget if kept is None else msgspec.json.decode(kept, type=Budget)
    return Rounds(rules, choose, standing, past=memory.digest, budget=budget)


def rules_of(opened: OpenJob) -> Rules:
    """The rules that a job's tables make."""
    table, mechanism = opened.job.rounds, opened.mechanism
    least = table.minimum
    if mechanism is not None and mechanism.counts_rounds:
        least = 0  # a round may draw any number of boards
    elif mechanism is not None:
        least = max(least, mechanism.sharers)
    return Rules(
        step=opened.step,
        count=table.count,
        minimum=table.minimum,
        least=least,
        replaces=mechanism is None and opened.job.secure is None,
        over=table.over,
        deadline_s=table.deadline_s,
        answer_s=table.answer_s,
        grace_s=table.grace_s,
        attempts=table.attempts,
        pause_s=table.pause_s,
        staleness=table.staleness,
        seed=None if mechanism is not None else opened.job.training.seed,
    )


def _identity(opened: OpenJob) -> str:
    job = opened.job
    privacy = None if job.privacy is None else msgspec.to_builtins(job.privacy)
    said = [
        job.name,
        job.fleet,
        opened.step,
        sorted(opened.shapes),
        job.strategy.get("name", "fedavg"),
        privacy,
        job.secure is not None,
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
