"""What has to be done when the settings, or the bundles they name, have changed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import msgspec

from edgekit.config.engines import EngineSettings
from edgekit.config.schema import PipelineSettings, Settings

_MODEL = ("bundle", *EngineSettings.__struct_fields__)
"""What can change of a pipeline between two frames; all else takes a new pipeline."""
_LIVE = (
    *("pipelines", "fusion", "facts", "rules", "metrics_interval_s", "stuck_s", "thermal"),
    *("federated", "vertical"),
)
"""The tables that a reload follows; the others are read at start alone."""


@dataclass(frozen=True)
class ReloadPlan:
    """What becomes of each pipeline, and what a reload cannot follow.

    Attributes:
        start: pipelines that are new.
        stop: pipelines that are gone.
        replace: pipelines to stop and make anew.
        swap: pipelines whose model alone changes, between two frames.
        keep: pipelines that nothing changed for.
        needs_restart: tables that changed but are read only when the daemon starts.
    """

    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    swap: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    def with_replaced(self, names: Collection[str]) -> "ReloadPlan":
        """The same, but that pipelines to swap the model of are made anew."""
        return replace(
            self,
            swap=tuple(name for name in self.swap if name not in names),
            replace=(*self.replace, *(name for name in self.swap if name in names)),
        )


def plan_reload(
    old: Settings, new: Settings, *, running: Mapping[str, str], on_disk: Mapping[str, str]
) -> ReloadPlan:
    """Compares settings.

    Args:
        old: what is in force.
        new: what shall be.
        running: the hash of the bundle that each pipeline runs.
        on_disk: the hash of the bundle that each pipeline of `new` names.
    """
    actions: dict[str, list[str]] = {"start": [], "replace": [], "swap": [], "keep": []}
    for name, wanted in new.pipelines.items():
        have = old.pipelines.get(name)
        if have is None:
            action = "start"
        elif _without_model(have) != _without_model(wanted):
            action = "replace"
        elif have != wanted or running.get(name) != on_disk.get(name):
            action = "swap"
        else:
            action = "keep"
        actions[action].append(name)
    return ReloadPlan(
        **{action: tuple(names) for action, names in actions.items()},
        stop=tuple(name for name in old.pipelines if name not in new.pipelines),
        needs_restart=tuple(
            field
            for field in Settings.__struct_fields__
            if field not in _LIVE and getattr(old, field) != getattr(new, field)
        ),
    )


def _without_model(settings: PipelineSettings) -> dict[str, object]:
    fields = msgspec.structs.asdict(settings)
    return {name: value for name, value in fields.items() if name not in _MODEL}
