"""Rollouts to simulated boards: real update code, broker, web server and signatures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import time

import msgspec
import pytest

from edgekit.deploy.repository import Repository
from edgekit.deploy.rollout import Desk, Order, Summary, abort, carry_on, pause, roll_out
from edgekit.deploy.rollout.state import Change
from edgekit.errors import EdgekitError, InputError, Unavailable
from edgekit.messaging.payloads import (
    DeployStatus,
    EngineInUse,
    ModelName,
    Status,
    Versions,
    encode,
)
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import Topics
from tests.broker import PATIENCE_S, need_broker
from tools.crash_points.making import tiny_bundle
from tools.fleet.crowd import Crowd
from tools.fleet.place import FLEET, Place, WebServer, make_place
from tools.private_broker import PrivateBroker
from tools.tuned_broker import TunedBroker

SHIPPED, BAD, GOOD, UNSIGNED = "1.0.0", "1.1.0", "1.2.0", "1.3.0"
BOARDS = tuple(f"b{number:02}" for number in range(32))
AWAY = BOARDS[5:9]
FAILING = frozenset(BOARDS[::4])
ORDER = Order(
    FLEET, waves="5%,25%,100%", pause_s=0.0, deadline_s=60.0, max_errors=0.05, min_success=0.9
)


@dataclass
class Scene:
    """A fleet that is online, and a workstation."""

    place: Place
    broker: PrivateBroker
    web: WebServer
    crowd: Crowd
    folder: Path
    seen: list[Summary] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def desk(self, name: str = "one") -> Desk:
        """A workstation, with a memory of its own."""
        settings = MqttSettings(host=self.broker.host, port=self.broker.port)
        return Desk(settings, self.folder / f"{name}.db", show=self._show, say=self.notes.append)

    def _show(self, summary: Summary, changes: list[Change]) -> None:
        with self._changed:
            self.seen.append(summary)
            self.changes += changes
            self._changed.notify_all()

    def roll_out(self, version: str = GOOD, desk: Desk | None = None, **order: object) -> Summary:
        """A whole rollout."""
        return roll_out(
            self.place.bundles[version],
            replace(ORDER, **order),  # type: ignore[arg-type]
            desk or self.desk(),
            repository=self.place.repository,
        )

    def wait(self, holds: Callable[[Summary], bool]) -> Summary:
        """Waits until what is shown is so."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.seen) and holds(self.seen[-1]), 60)
            return self.seen[-1]

    def send_away(self) -> None:
        """Has some boards leave before anything begins."""
        self.crowd.leave(*AWAY)
        assert self.crowd.wait_online(len(BOARDS) - len(AWAY), PATIENCE_S)

    def running(self) -> list[str]:
        """The version that each board runs."""
        return [board.running for board in self.crowd.boards.values()]

    def wait_running(self, version: str, count: int) -> None:
        """Waits until so many boards run a version, whoever watches."""
        is_so = self.crowd.wait_until(lambda: self.running().count(version) == count, PATIENCE_S)
        assert is_so, f"{self.running().count(version)} boards run {version}, not {count}"


class Later:
    """A rollout on a thread of its own."""

    def __init__(self, work: Callable[[], Summary]) -> None:
        self._answer: Summary | EdgekitError | None = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[], Summary]) -> None:
        try:
            self._answer = work()
        except EdgekitError as error:
            self._answer = error

    def result(self) -> Summary | EdgekitError:
        """What came of it."""
        self._thread.join(60)
        assert self._answer is not None, "it is still at it"
        return self._answer


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Keys and a signed repository with two versions, made once."""
    place = make_place(tmp_path_factory.mktemp("place"), [SHIPPED, BAD, GOOD, UNSIGNED])
    Repository(place.repository).add([place.bundles[BAD], place.bundles[GOOD]], place.ring)
    return place


@pytest.fixture(scope="module")
def web(repository: Place) -> Iterator[WebServer]:
    """The web server of all tests."""
    with WebServer(repository.repository) as server:
        yield server


@contextmanager
def fleet_at(broker: PrivateBroker, place: Place, web: WebServer, folder: Path) -> Iterator[Scene]:
    """Boards online at a broker; every fourth fails the bad version."""
    own = replace(place, folder=folder)
    with own.crowd(
        BOARDS,
        broker,
        web.address,
        fails=lambda board, version: version == BAD and board in FAILING,
        labels=lambda board: {"site": "north" if int(board[1:]) < 10 else "south"},
    ) as (crowd, _):
        assert crowd.wait_online(len(BOARDS), PATIENCE_S)
        yield Scene(own, broker, web, crowd, folder)


@pytest.fixture
def scene(repository: Place, web: WebServer, tmp_path: Path) -> Iterator[Scene]:
    """A fresh fleet at a broker that forgets everything when it ends."""
    need_broker()
    with PrivateBroker() as broker, fleet_at(broker, repository, web, tmp_path) as made:
        yield made


def test_a_good_bundle_reaches_every_board_in_waves(scene: Scene) -> None:
    found = scene.roll_out()
    assert (found.state, found.committed, found.failed) == ("finished", 32, 0)
    assert scene.running() == [GOOD] * 32
    begun = dict.fromkeys((1, 2, 3), 0)
    for summary in scene.seen:
        begun[summary.wave] = max(begun[summary.wave], summary.begun)
    assert begun == {1: 2, 2: 8, 3: 32}
    with pytest.raises(InputError, match="all 32 boards run it already"):
        scene.roll_out()
    with pytest.raises(InputError, match="is finished already"):
        carry_on(scene.desk(), FLEET, "mean-1.2.0")
    undone = abort(scene.desk("two"), FLEET, "mean-1.2.0", revert=True)
    assert (undone.reverted, undone.committed) == (32, 0)
    assert scene.running() == [SHIPPED] * 32


def test_a_bundle_that_fails_its_canary_is_stopped_at_the_threshold_and_the_fleet_goes_back(
    scene: Scene,
) -> None:
    found = scene.roll_out(BAD, at_once=5)
    assert found.state == "stopped"
    assert "failed, more than the" in found.reason
    assert found.begun < 32
    (reason,) = found.reasons
    assert "its scores differ by" in reason.example
    assert set(reason.boards) <= FAILING
    with pytest.raises(InputError, match=r"mean-1.1.0: is stopped, and of the same bundle"):
        scene.roll_out()
    ended = abort(scene.desk(), FLEET, "mean-1.1.0", revert=True)
    assert (ended.state, ended.committed, ended.busy) == ("aborted", 0, 0)
    assert scene.running() == [SHIPPED] * 32
    with pytest.raises(InputError, match="is aborted already"):
        carry_on(scene.desk(), FLEET, "mean-1.1.0")


def test_a_stopped_rollout_goes_on_with_other_thresholds(scene: Scene) -> None:
    assert scene.roll_out(BAD).state == "stopped"
    found = carry_on(scene.desk(), FLEET, "mean-1.1.0", min_success=0.5, max_errors=1.0)
    assert (found.state, found.committed, found.failed) == ("finished", 24, 8)


def test_a_rollout_outlives_restarts_of_the_broker_and_the_web_server(scene: Scene) -> None:
    scene.send_away()
    going = Later(lambda: scene.roll_out(at_once=5))
    scene.wait(lambda summary: summary.committed >= 10)
    scene.broker.stop()  # all it had retained is lost
    scene.broker.start()
    scene.wait(lambda summary: summary.committed == 28)
    scene.web.stop()
    scene.crowd.come(*AWAY)
    scene.wait(lambda summary: summary.phases.get("failed", 0) > 0)  # they try again
    scene.web.start()
    found = going.result()
    assert isinstance(found, Summary)
    assert (found.state, found.committed, found.failed) == ("finished", 32, 0)


def test_another_workstation_takes_a_rollout_over_from_what_is_retained(scene: Scene) -> None:
    scene.send_away()
    first = Later(scene.roll_out)
    scene.wait(lambda summary: summary.committed == 28)
    second = Later(lambda: carry_on(scene.desk("two"), FLEET, "mean-1.2.0"))
    stood_down = first.result()
    assert isinstance(stood_down, Unavailable)
    assert "carries it on now" in str(stood_down)
    scene.crowd.come(*AWAY)
    found = second.result()
    assert isinstance(found, Summary)
    assert (found.state, found.begun, found.committed) == ("finished", 32, 32)


def test_a_paused_rollout_begins_nobody_until_it_is_resumed(scene: Scene) -> None:
    scene.send_away()
    going = Later(scene.roll_out)
    scene.wait(lambda summary: summary.committed == 28)
    pause(scene.desk("two"), FLEET, "mean-1.2.0")
    paused = going.result()
    assert isinstance(paused, Summary)
    assert (paused.state, paused.committed) == ("paused", 28)
    with pytest.raises(InputError, match="is paused, so there is nothing to pause"):
        pause(scene.desk(), FLEET, "mean-1.2.0")
    scene.crowd.come(*AWAY)
    assert scene.crowd.wait_online(32, PATIENCE_S)
    assert scene.running().count(SHIPPED) == 4
    assert carry_on(scene.desk("two"), FLEET, "mean-1.2.0").committed == 32


def test_boards_that_are_away_hold_up_nothing_and_follow_when_they_come(scene: Scene) -> None:
    scene.send_away()
    passed_s = [0.0]
    desk = replace(scene.desk(), clock_s=lambda: time() + passed_s[0])
    going = Later(lambda: scene.roll_out(desk=desk))
    scene.wait(lambda summary: summary.committed == 28)
    assert scene.seen[-1].away == 4
    passed_s[0] = ORDER.deadline_s
    found = going.result()
    assert isinstance(found, Summary)
    assert (found.state, found.committed) == ("finished", 28)
    scene.crowd.come(*AWAY)
    scene.wait_running(GOOD, 32)


def test_a_group_is_left_alone_by_what_is_not_for_it(scene: Scene) -> None:
    found = scene.roll_out(where="site=north", name="north-first")
    assert (found.boards, found.committed) == (10, 10)
    assert scene.running().count(GOOD) == 10
    rest = scene.roll_out(devices=("b20", "b21", "b05"))
    assert (rest.boards, rest.committed) == (2, 2)
    assert scene.notes == ["b05 runs mean 1.2.0 already"]


def test_an_abort_leaves_no_hint_with_boards_that_have_not_begun(scene: Scene) -> None:
    scene.crowd.leave(*BOARDS)
    assert scene.crowd.wait_online(0, PATIENCE_S)
    going = Later(lambda: scene.roll_out())
    scene.wait(lambda summary: summary.state == "running")
    ended = abort(scene.desk("two"), FLEET, "mean-1.2.0")
    assert (ended.state, ended.begun) == ("aborted", 0)
    stood_down = going.result()
    assert isinstance(stood_down, Summary)
    assert stood_down.state == "aborted"
    scene.crowd.come(*BOARDS)
    assert scene.crowd.wait_online(32, PATIENCE_S)
    assert scene.running() == [SHIPPED] * 32


def test_canaries_are_the_same_in_a_rerun(scene: Scene) -> None:
    scene.roll_out(BAD, waves="10%", max_errors=1.0, min_success=0.0)
    first = {change.who for change in scene.changes if change.who}
    scene.changes.clear()
    scene.roll_out(GOOD, waves="10%", seed="mean-1.1.0")
    second = {change.who for change in scene.changes if change.who}
    assert len(first) == 4
    assert first == second


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fleet": "nowhere"}, "fleet nowhere: unknown at this broker; there are fleet"),
        ({"where": "site=west"}, "no board matches; its 32 have these labels: site=north"),
        ({"devices": ("b01", "b99")}, "b99 never spoke to this broker"),
        ({"where": "=x"}, "is no condition"),
        ({"waves": "10%,1%"}, "cannot follow a larger one"),
        ({"name": "a/b"}, "which an MQTT topic level cannot"),
    ],
)
def test_an_order_that_cannot_be_followed_is_one_line(
    quiet: Scene, change: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says) as raised:
        quiet.roll_out(**change)
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def quiet(
    repository: Place, web: WebServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A fleet that no test changes."""
    need_broker()
    folder = tmp_path_factory.mktemp("quiet")
    with TunedBroker() as broker, fleet_at(broker, repository, web, folder) as made:
        yield made


def test_a_version_below_what_runs_is_refused(quiet: Scene) -> None:
    older = replace(ORDER, name="older")
    for board in quiet.crowd.boards.values():
        assert board.running == SHIPPED
    low = tiny_bundle(quiet.folder / "low", "0.9.0")
    with pytest.raises(InputError, match="is lower than what b00, b01, b02 and 29 more run"):
        roll_out(low, older, quiet.desk())


def test_what_the_repository_does_not_offer_is_refused(quiet: Scene) -> None:
    with pytest.raises(InputError, match=r"does not offer this mean 1.3.0; give --keys"):
        quiet.roll_out(UNSIGNED)
    with pytest.raises(InputError, match="is no repository"):
        roll_out(quiet.place.bundles[GOOD], ORDER, quiet.desk(), repository=quiet.folder)


def test_a_broker_that_is_not_there_is_one_line(quiet: Scene) -> None:
    nowhere = MqttSettings(host="127.0.0.1", port=1)
    with pytest.raises(Unavailable, match="no MQTT broker at 127.0.0.1:1: "):
        roll_out(quiet.place.bundles[GOOD], ORDER, replace(quiet.desk(), mqtt=nowhere))


def test_a_broker_that_does_not_let_us_write_is_one_line(quiet: Scene) -> None:
    with PrivateBroker(writable="elsewhere/#") as broker:
        settings = MqttSettings(host=broker.host, port=broker.port)
        with pytest.raises(Unavailable, match="does not let us write hints or rollouts: "):
            roll_out(quiet.place.bundles[GOOD], ORDER, replace(quiet.desk(), mqtt=settings))


def test_a_board_that_speaks_nonsense_holds_up_nobody(quiet: Scene) -> None:
    with quiet.desk().open() as (line, _, _me):
        for device in ("b98", "x" * 70):
            line.publish(f"edgekit/v1/{FLEET}/{device}/status", b"nonsense")
        line.flush()
    with pytest.raises(InputError, match="b98 never spoke to this broker"):
        quiet.roll_out(devices=("b98",))


def test_a_board_whose_attempt_failed_is_reminded(quiet: Scene) -> None:
    """The board here is the test itself: it says that it failed, and waits to be told again."""
    board, passed_s = Topics("lonely", "b0"), [0.0]
    model = ModelName(name="mean", version=SHIPPED, hash="0")
    online = Status(
        state="online",
        boot="b",
        versions=Versions(edgekit="0", python="3", onnxruntime="1"),
        pipelines=("one",),
        engines={"one": EngineInUse(engine="onnxruntime", model=model)},
    )
    desk = replace(quiet.desk(), clock_s=lambda: time() + passed_s[0])
    with desk.open() as (line, _, _me):
        line.publish(board.status, encode(online))
        line.listen([board.deploy_desired("mean")])
        order = replace(ORDER, fleet="lonely", name="reminding", deadline_s=1e6)
        going = Later(lambda: roll_out(quiet.place.bundles[GOOD], order, desk))
        told = line.heard.get(timeout=PATIENCE_S)
        status = DeployStatus(boot="b", phase="failed", running=SHIPPED, rollout="reminding")
        line.publish(board.deploy_status("mean"), encode(status))
        quiet.wait(lambda summary: summary.phases.get("failed") == 1)
        passed_s[0] = 61.0
        again = line.heard.get(timeout=PATIENCE_S)
        assert again == told
        done = msgspec.structs.replace(status, phase="committed", running=GOOD, version=GOOD)
        line.publish(board.deploy_status("mean"), encode(done))
        found = going.result()
        assert isinstance(found, Summary)
        assert found.state == "finished"


def test_a_rollout_that_nobody_knows_is_one_line(quiet: Scene) -> None:
    with pytest.raises(InputError, match="no-such: no such rollout"):
        carry_on(quiet.desk(), FLEET, "no-such")
    with pytest.raises(InputError, match="no-such: is unknown"):
        pause(quiet.desk(), FLEET, "no-such")
