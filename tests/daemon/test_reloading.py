"""A reload touches no pipeline that nothing changed for."""

from pathlib import Path
from typing import Any

from edgekit.config import check
from edgekit.config.schema import Settings
from edgekit.daemon.reloading import ReloadPlan, plan_reload


def settings(pipelines: dict[str, Any], **tables: Any) -> Settings:
    common = {
        "bundle": "b",
        "source": {"kind": "csv", "path": "x"},
        "sinks": [{"kind": "jsonl", "path": "o"}],
    }
    document = {
        "pipelines": {name: {**common, **extra} for name, extra in pipelines.items()},
        "device": {"name": "board"},
        **tables,
    }
    return check(document, Settings, source="s", folder=Path("/f"))


def plan(old: Settings, new: Settings, changed: tuple[str, ...] = ()) -> ReloadPlan:
    running = dict.fromkeys(old.pipelines, "hash")
    on_disk = {name: "new" if name in changed else "hash" for name in new.pipelines}
    return plan_reload(old, new, running=running, on_disk=on_disk)


def test_only_what_changed_is_touched() -> None:
    old = settings({"a": {}, "b": {}, "c": {}, "d": {}})
    new = settings(
        {"a": {}, "b": {"threads": 2}, "c": {"source": {"kind": "csv", "path": "y"}}, "e": {}}
    )
    assert plan(old, new) == ReloadPlan(
        start=("e",), stop=("d",), replace=("c",), swap=("b",), keep=("a",)
    )


def test_a_bundle_that_changed_in_its_place_is_swapped() -> None:
    same = settings({"a": {}, "b": {}})
    assert plan(same, same, changed=("b",)) == ReloadPlan(keep=("a",), swap=("b",))


def test_tables_that_are_read_at_start_alone_are_named() -> None:
    old, new = settings({"a": {}}), settings({"a": {}}, device={"name": "other"})
    assert plan(old, new).needs_restart == ("device",)
    assert plan(old, settings({"a": {}}, metrics_interval_s=5.0)).needs_restart == ()
