"""Starts rollouts, carries them on and ends them: the whole way from a bundle to a fleet."""

import getpass
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

from edgekit.bundle import Bundle
from edgekit.deploy.keys import KeyRing
from edgekit.deploy.rollout.choosing import choose_boards
from edgekit.deploy.rollout.coordinator import Coordinator, Show, show_nobody
from edgekit.deploy.rollout.line import Heard, Line
from edgekit.deploy.rollout.publishing import publish
from edgekit.deploy.rollout.record import Record, read_record
from edgekit.deploy.rollout.state import Key, Memory, default_path
from edgekit.deploy.rollout.summary import Summary
from edgekit.deploy.rollout.targets import in_turn, read_selector, read_waves
from edgekit.deploy.rollout.topics import PARTS, Part, RolloutTopics
from edgekit.errors import InputError, Unavailable
from edgekit.messaging.payloads import (
    DeployStatus,
    RolloutPlan,
    RolloutWish,
    Status,
    decode_deploy_status,
    decode_status,
    encode,
)
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import PREFIX, check_name, place_of

Say = Callable[[str], None]
_OPEN = ("running", "paused", "stopped")


@dataclass(frozen=True)
class Order:
    """How a bundle is to be rolled out.

    Attributes:
        fleet: to which fleet.
        name: of the rollout; made of bundle and version where left out.
        where: an expression over labels: `site=north,kind!=jetson`; empty is all boards.
        devices: boards by name, in place of all.
        waves: how many boards may have begun by the end of each.
        at_once: how many boards may be under way at the same time: what a stop no longer reaches.
        pause_s: between a wave and the next.
        deadline_s: how long a wave waits after its last board began.
        min_success: the share of boards that must have committed at the end of a wave.
        max_errors: the share of a wave's size that may have failed.
        seed: of the order in which boards get their turn; the rollout's name where left out.
    """

    fleet: str
    name: str | None = None
    where: str = ""
    devices: tuple[str, ...] = ()
    waves: str = "1%,10%,100%"
    at_once: int | None = 100
    pause_s: float = 600.0
    deadline_s: float = 3600.0
    min_success: float = 0.95
    max_errors: float = 0.02
    seed: str | None = None


@dataclass(frozen=True)
class Desk:
    """Where rollouts are carried on from.

    Attributes:
        mqtt: the broker.
        memory: the file that remembers rollouts; in the user's state folder where left out.
        show: is told what happens.
        say: is told what an operator should know, a line at a time.
        clock_s: seconds since 1970.
    """

    mqtt: MqttSettings
    memory: Path | None = None
    show: Show = show_nobody
    say: Say = lambda line: None
    clock_s: Callable[[], float] = time

    def key(self, fleet: str, name: str) -> Key:
        """Which rollout a name means."""
        check_name("rollout", name)
        check_name("fleet", fleet)
        return Key(self.mqtt.address, fleet, name)

    @contextmanager
    def open(self) -> Iterator[tuple[Line, Memory, str]]:
        """The broker, the memory, and who we are."""
        me = f"{operator()}-{secrets.token_hex(4)}"
        client_id = f"edgekit-rollout-{secrets.token_hex(6)}"
        with Memory(memory_path(self.memory)) as memory, Line(self.mqtt, client_id) as line:
            yield line, memory, me


def roll_out(
    bundle: Bundle,
    order: Order,
    desk: Desk,
    *,
    repository: Path | None = None,
    keys: KeyRing | None = None,
) -> Summary:
    """Rolls a bundle out to the boards of a fleet, wave by wave, and watches it to its end.

    Args:
        bundle: verified.
        order: to whom, and how.
        desk: from where.
        repository: the folder that boards' repository is published from. It gets the bundle where
            it does not have it, and is checked with a board's eyes; not looked at where left out.
        keys: sign the repository's list.

    Returns:
        Where the rollout is when it has ended, or was paused, stopped or taken over.

    Raises:
        InputError: the fleet is unknown, no board matches, one runs a newer version, the rollout's
            name is taken, or another rollout of this bundle is not at its end.
        BundleError: boards would refuse the repository.
        Unavailable: the broker cannot be reached, or does not let us.
    """
    check_name("fleet", order.fleet)
    selector = read_selector(order.where)
    read_waves(order.waves, 1)
    manifest = bundle.manifest
    with desk.open() as (line, memory, me):
        fleet = _Fleet.hear(line, order.fleet, manifest.name)
        name = order.name or fleet.free_name(f"{manifest.name}-{manifest.version}")
        fleet.refuse_clashes(name, manifest.name)
        chosen = choose_boards(
            fleet.statuses,
            fleet.updates,
            fleet=order.fleet,
            bundle=manifest.name,
            version=manifest.version,
            selector=selector,
            devices=order.devices,
        )
        for note in chosen.notes(manifest.name, manifest.version):
            desk.say(note)
        if repository is not None:  # it decides; a hint before that would only be refused
            publish(repository, bundle, keys)
        now_ms = round(desk.clock_s() * 1000)
        plan = RolloutPlan(
            bundle=manifest.name,
            version=manifest.version,
            started=now_ms,
            boards=in_turn(chosen.boards, order.seed or name),
            waves=read_waves(order.waves, len(chosen.boards)),
            pause_s=order.pause_s,
            deadline_s=order.deadline_s,
            at_once=order.at_once,
            min_success=order.min_success,
            max_errors=order.max_errors,
            target=",".join(order.devices)[:1000] or order.where,
        )
        encode(plan)  # raises where an option is out of its range
        turn = _turn(desk, line, memory, desk.key(order.fleet, name), me)
        return _told(desk, turn, turn.run(RolloutWish(action="run", by=me, at=now_ms), plan))


def carry_on(
    desk: Desk,
    fleet: str,
    name: str,
    *,
    min_success: float | None = None,
    max_errors: float | None = None,
) -> Summary:
    """Goes on with a rollout that was paused, stopped, or left alone; takes it over.

    Args:
        desk: from where.
        fleet: of which fleet.
        name: the rollout's.
        min_success: takes the plan's place.
        max_errors: takes the plan's place.

    Raises:
        InputError: there is no such rollout, or it has ended.
        Unavailable: the broker cannot be reached, or does not let us.
    """
    key = desk.key(fleet, name)
    with desk.open() as (line, memory, me):
        turn = _turn(desk, line, memory, key, me)
        wish = RolloutWish(
            action="run",
            by=me,
            at=round(desk.clock_s() * 1000),
            min_success=min_success,
            max_errors=max_errors,
        )
        return _told(desk, turn, turn.run(wish))


def abort(desk: Desk, fleet: str, name: str, *, revert: bool = False) -> Summary:
    """Ends a rollout: takes hints back from boards that have not begun, of a finished one, too.

    Args:
        desk: from where.
        fleet: of which fleet.
        name: the rollout's.
        revert: whether boards that have committed go back to what they had before; waits for them.

    Raises:
        InputError: there is no such rollout.
        Unavailable: the broker cannot be reached, or does not let us.
    """
    key = desk.key(fleet, name)
    with desk.open() as (line, memory, me):
        turn = _turn(desk, line, memory, key, me)
        now_ms = round(desk.clock_s() * 1000)
        return turn.run(RolloutWish(action="abort", by=me, at=now_ms, revert=revert))


def pause(desk: Desk, fleet: str, name: str) -> None:
    """Has whoever carries a rollout on begin no further boards. Those that have begun end it.

    Raises:
        InputError: there is no such rollout, or it does not run.
        Unavailable: the broker cannot be reached, or does not let us.
    """
    desk.key(fleet, name)
    with desk.open() as (line, _, _me):
        record = records(line, fleet).get(name)
        if record is None or record.standing.state != "running":
            state = "is unknown" if record is None else f"is {record.standing.state}"
            raise InputError(f"{name}: {state}, so there is nothing to pause")
        now_ms = round(desk.clock_s() * 1000)
        wish = RolloutWish(action="pause", by=operator(), at=now_ms)
        line.publish(RolloutTopics(fleet).of("wish", name), encode(wish))
        line.flush()


def forget(desk: Desk, fleet: str, name: str) -> None:
    """Takes a rollout that has ended off the broker and out of the memory; boards stay as they are.

    Raises:
        InputError: there is no such rollout, or it has not ended.
        Unavailable: the broker cannot be reached, or does not let us.
    """
    key = desk.key(fleet, name)
    with desk.open() as (line, memory, _):
        record = records(line, fleet).get(name)
        if record is None and not memory.parts(key):
            raise InputError(f"{name}: no such rollout; `edgekit rollout list` has them")
        if record is not None and record.standing.state in _OPEN:
            raise InputError(f"{name}: is {record.standing.state}; abort it first")
        for part in PARTS:
            line.publish(RolloutTopics(fleet).of(part, name), b"")
        line.flush()
        memory.forget(key)


def records(line: Line, fleet: str) -> dict[str, Record]:
    """The rollouts of a fleet that are retained at the broker."""
    return _records(line.listen([RolloutTopics(fleet).everything]), fleet)


def _records(heard: list[Heard], fleet: str) -> dict[str, Record]:
    parts: dict[str, dict[Part, bytes]] = {}
    for each in heard:
        if (place := RolloutTopics(fleet).place(each.topic)) is not None:
            parts.setdefault(place[1], {})[place[0]] = each.payload
    found = {}
    for name, some in parts.items():
        try:
            found[name] = read_record(some, name)
        except InputError:
            continue  # a wish for a rollout that is gone, or what another edgekit wrote
    return found


@dataclass(frozen=True)
class _Fleet:
    """What is retained of a fleet."""

    name: str
    statuses: Mapping[str, Status]
    updates: Mapping[str, DeployStatus]
    rollouts: Mapping[str, Record]

    @classmethod
    def hear(cls, line: Line, fleet: str, bundle: str) -> "_Fleet":
        start = f"{PREFIX}/{fleet}/+"
        heard = line.listen(
            [f"{start}/status", f"{start}/deploy/status/{bundle}", RolloutTopics(fleet).everything]
        )
        statuses: dict[str, Status] = {}
        updates: dict[str, DeployStatus] = {}
        for each in heard:
            place = place_of(each.topic)
            if place is None or not each.payload:
                continue
            try:
                check_name("device", place.device)  # others could be told nothing
                if place.kind == "status":
                    statuses[place.device] = decode_status(each.payload)
                elif place.kind == "deploy/status":
                    updates[place.device] = decode_deploy_status(each.payload)
            except InputError:
                continue  # one board that speaks nonsense does not hold up the others
        if not statuses:
            raise InputError(f"fleet {fleet}: unknown at this broker{_others(line)}")
        return cls(fleet, statuses, updates, _records(heard, fleet))

    def free_name(self, wanted: str) -> str:
        """The name, or with a number behind it that no rollout has."""
        stem, number, name = wanted[:58], 1, wanted[:64]
        while name in self.rollouts:
            number += 1
            name = f"{stem}-{number}"
        return name

    def refuse_clashes(self, name: str, bundle: str) -> None:
        """Refuses a name that is taken, and two rollouts of one bundle at a time."""
        if name in self.rollouts:
            state = self.rollouts[name].standing.state
            raise InputError(
                f"{name}: there is such a rollout, and it is {state}; go on with `edgekit rollout "
                "resume`, or give another --name"
            )
        for other, record in self.rollouts.items():
            if record.plan.bundle == bundle and record.standing.state in _OPEN:
                raise InputError(
                    f"{other}: is {record.standing.state}, and of the same bundle; end it first: "
                    f"edgekit rollout resume {other}, or edgekit rollout abort {other}"
                )


def _others(line: Line) -> str:
    heard = line.listen([f"{PREFIX}/+/+/status"])
    fleets = sorted({place.fleet for each in heard if (place := place_of(each.topic))})
    return f"; there are {', '.join(fleets[:8])}" if fleets else ", as is any other"


def _turn(desk: Desk, line: Line, memory: Memory, key: Key, me: str) -> Coordinator:
    return Coordinator(line, memory, key, me=me, show=desk.show, clock_s=desk.clock_s)


def _told(desk: Desk, turn: Coordinator, summary: Summary) -> Summary:
    if turn.taken_over_by is not None:
        raise Unavailable(
            f"{summary.rollout}: {turn.taken_over_by} carries it on now; look with "
            f"`edgekit rollout show {summary.rollout}`"
        )
    return summary


def operator() -> str:
    """Who and where we are: `ada@desk`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"[:200]


def memory_path(path: Path | None) -> Path:
    """The file that remembers rollouts."""
    return path if path is not None else default_path(os.environ, Path.home())
