"""Which boards a rollout is for, in which order and waves, and what is said where none is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.deploy.rollout.choosing import choose_boards
from edgekit.deploy.rollout.targets import in_turn, read_selector, read_waves
from edgekit.errors import InputError
from edgekit.messaging.payloads import DeployStatus, EngineInUse, ModelName, Status, Versions

NORTH = {"site": "north", "kind": "pi"}


def status_of(version: str | None = "1.0.0", **labels: str) -> Status:
    """A board that runs a version of the bundle `mean`, or another bundle."""
    name = "other" if version is None else "mean"
    model = ModelName(name=name, version=version or "9.0.0", hash="0")
    return Status(
        state="online",
        boot="b",
        versions=Versions(edgekit="0", python="3", onnxruntime="1"),
        pipelines=("door",),
        engines={"door": EngineInUse(engine="onnxruntime", model=model)},
        labels=labels,
    )


def chosen(
    statuses: dict[str, Status],
    where: str = "",
    devices: tuple[str, ...] = (),
    updates: dict[str, DeployStatus] | None = None,
) -> tuple[str, ...]:
    """The boards that are to install 1.1.0."""
    return choose_boards(
        statuses,
        updates or {},
        fleet="plant",
        bundle="mean",
        version="1.1.0",
        selector=read_selector(where),
        devices=devices,
    ).boards


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("site=north", True),
        ("site=south|north, kind!=jetson", True),
        ("site=north,kind!=pi", False),
        ("kind!=pi|jetson", False),
        ("site", True),
        ("!spare", True),
        ("!site", False),
        ("spare", False),
        ("spare!=yes", True),
    ],
)
def test_a_group_is_what_its_labels_say(text: str, fits: bool) -> None:
    assert read_selector(text).fits(NORTH) is fits


@pytest.mark.parametrize("text", ["=north", "site=", "a,,b", "site==x", "!", "site=a||b", "!a=b"])
def test_what_is_no_group_says_so(text: str) -> None:
    with pytest.raises(InputError, match="is no condition; write it as site=north"):
        read_selector(text)


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(1, 5000))
def test_any_text_is_read_or_refused(text: str, count: int) -> None:
    for read in (read_selector, lambda waves: read_waves(waves, count)):
        try:
            read(text)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "count", "sizes"),
    [
        ("1%,10%,100%", 1000, (10, 100, 1000)),
        ("1%,10%,100%", 5, (1, 5)),
        ("1%,10%,100%", 1, (1,)),
        ("2,20,all", 100, (2, 20, 100)),
        ("0.5%,50%", 1000, (5, 500)),
        ("5,50,500", 20, (5, 20)),
    ],
)
def test_waves_count_all_boards_so_far(text: str, count: int, sizes: tuple[int, ...]) -> None:
    assert read_waves(text, count) == sizes


@pytest.mark.parametrize("text", ["", "10%,1%", "0", "101%", "1.5", "-1", "ten", "1%,,2%", "²%"])
def test_waves_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="the waves"):
        read_waves(text, 1000)


@settings(deadline=None)
@given(st.sets(st.text(min_size=1, max_size=8), min_size=2, max_size=30), st.text(max_size=8))
def test_the_order_is_the_same_each_time_and_a_board_more_leaves_the_others_in_theirs(
    boards: set[str], seed: str
) -> None:
    order = in_turn(boards, seed)
    assert set(order) == boards
    assert in_turn(reversed(order), seed) == order
    assert in_turn(order[1:], seed) == order[1:]


def test_another_seed_gives_other_canaries() -> None:
    boards = [f"b{number}" for number in range(100)]
    assert in_turn(boards, "one")[:10] != in_turn(boards, "two")[:10]


def test_boards_are_chosen_by_labels_and_what_they_run() -> None:
    statuses = {
        "a": status_of(**NORTH),
        "b": status_of(site="south"),
        "c": status_of("1.1.0", **NORTH),
        "d": status_of(None, **NORTH),
        "e": status_of("1.0.0", **NORTH),
    }
    updates = {"e": DeployStatus(boot="b", phase="committed", running="1.1.0")}
    found = choose_boards(
        statuses,
        updates,
        fleet="plant",
        bundle="mean",
        version="1.1.0",
        selector=read_selector("site=north"),
    )
    assert (found.boards, found.already, found.others) == (("a",), ("c", "e"), ("d",))
    assert found.notes("mean", "1.1.0") == [
        "c, e run mean 1.1.0 already",
        "d runs no mean: left out",
    ]
    assert chosen(statuses, devices=("b",)) == ("b",)


@pytest.mark.parametrize(
    ("statuses", "where", "devices", "says"),
    [
        ({"a": status_of(**NORTH)}, "site=west", (), "no board matches; its 1 have these labels"),
        ({"a": status_of()}, "", ("a", "z"), "z never spoke to this broker"),
        ({"a": status_of("1.2.0")}, "", (), "is lower than what a runs"),
        ({"a": status_of("1.10.0"), "b": status_of()}, "", (), "is lower than what a runs"),
        ({"a": status_of("1.1.0")}, "", (), "all 1 boards run it already"),
        ({"a": status_of(None)}, "", (), "none of the 1 boards meant runs a mean"),
    ],
)
def test_where_there_is_nobody_a_line_says_why(
    statuses: dict[str, Status], where: str, devices: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says) as raised:
        chosen(statuses, where, devices)
    assert "\n" not in str(raised.value)
