"""What Home Assistant is told of a board: one device-level discovery payload.

After its documentation of the MQTT integration ("Device discovery payload", "Discovery topic",
"Using availability topics") and of the MQTT sensor, binary sensor and event platforms,
https://www.home-assistant.io/integrations/mqtt/: a component needs a `platform` and a `unique_id`;
where a template of a binary or numeric sensor gives nothing, the state stays; `None` makes it
unknown; an event whose template gives an empty object is passed over; ids in topics are made of
letters, digits, `_` and `-`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from edgekit.messaging.topics import Topics

Task = Literal["classification", "anomaly", "raw"]
Json = dict[str, Any]

# A message that was stored and sent late says nothing of now: the state stays as it is.
_LIVE = "{% if not value_json.hist %}"
_END = "{% endif %}"
_TOP = "((value_json.top | default([])) + [{}])[0]"


@dataclass(frozen=True)
class Shown:
    """What of a board is shown.

    Attributes:
        name: of the board, for people.
        software: edgekit's version.
        pipelines: what each one's model does.
        rules: the names of the rules.
        area: where the board is, for people.
    """

    name: str
    software: str
    pipelines: Mapping[str, Task]
    rules: Sequence[str] = field(default_factory=tuple)
    area: str | None = None


def discovery_topic(prefix: str, topics: Topics) -> str:
    """Where a board's payload goes, retained."""
    return f"{prefix}/device/{device_id(topics)}/config"


def device_id(topics: Topics) -> str:
    """Names the board, of characters that are allowed; different boards never share one."""
    return _identifier("edgekit", topics.fleet, topics.device)


def discovery_payload(topics: Topics, shown: Shown) -> Json:
    """The device, its origin, and a component for each thing that can be looked at."""
    device: Json = {
        "identifiers": [device_id(topics)],
        "name": shown.name,
        "manufacturer": "edgekit",
        "model": "edgekitd",
        "sw_version": shown.software,
    }
    if shown.area is not None:
        device["suggested_area"] = shown.area
    return {
        "device": device,
        "origin": {"name": "edgekit", "sw_version": shown.software},
        "qos": 1,
        "components": {
            key: {**component, "unique_id": f"{device_id(topics)}_{key}"}
            for key, component in _components(topics, shown)
        },
    }


def removal(payload: Json, before: Mapping[str, str]) -> Json | None:
    """The payload with what was there before and is not any more, marked for removal.

    Args:
        payload: as it is now.
        before: the platform of each component that was there.

    Returns:
        To be sent before the payload itself; none where nothing went away.
    """
    gone = {key: {"platform": platform} for key, platform in before.items()}
    gone = {key: component for key, component in gone.items() if key not in payload["components"]}
    return {**payload, "components": {**payload["components"], **gone}} if gone else None


def _components(topics: Topics, shown: Shown) -> Iterator[tuple[str, Json]]:
    yield "connected", _connected(topics)
    when_online = {
        "availability": [{"topic": topics.status, "value_template": "{{ value_json.state }}"}]
    }
    for key, component in (
        *_of_board(topics),
        *(part for name, task in shown.pipelines.items() for part in _of(topics, name, task)),
        *((_identifier("rule", rule), _rule(topics, rule)) for rule in shown.rules),
    ):
        yield key, {**component, **when_online}


def _connected(topics: Topics) -> Json:
    """Says `off`, where with an availability of its own it would say nothing at all."""
    return {
        "platform": "binary_sensor",
        "name": "Connected",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": topics.status,
        "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
    }


def _of_board(topics: Topics) -> Iterator[tuple[str, Json]]:
    board = "(value_json.board | default({}))"
    yield (
        "temperature",
        {
            "platform": "sensor",
            "name": "Processor temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "suggested_display_precision": 1,
            "state_topic": topics.metrics,
            "value_template": f"{{{{ {board}.temperature_c | default('None') }}}}",
        },
    )
    yield (
        "held_back",
        {
            "platform": "binary_sensor",
            "name": "Held back",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topics.metrics,
            "value_template": f"{{{{ 'ON' if {board}.throttled else 'OFF' }}}}",
            "json_attributes_topic": topics.metrics,
            "json_attributes_template": (
                f"{{{{ {{'throttled': {board}.throttled | default([]), "
                f"'rate_factor': {board}.rate_factor | default(1)}} | tojson }}}}"
            ),
        },
    )


def _of(topics: Topics, pipeline: str, task: Task) -> Iterator[tuple[str, Json]]:
    """What one pipeline's predictions are shown as."""
    key = _identifier("pipeline", pipeline)
    topic = topics.infer(pipeline)
    number = {"platform": "sensor", "state_topic": topic, "state_class": "measurement"}
    if task == "classification":
        label = f"{_TOP}.label | default('None')"
        yield (
            f"{key}_class",
            {
                "platform": "sensor",
                "name": pipeline,
                "icon": "mdi:shape",
                "state_topic": topic,
                # No state is longer than 255 characters. A text has no empty "stay as you are".
                "value_template": (
                    "{% if value_json.hist %}{{ this.state }}"
                    f"{{% else %}}{{{{ ({label})[:255] }}}}{_END}"
                ),
                **_attributes(topic, "top"),
            },
        )
        yield (
            f"{key}_confidence",
            {
                **number,
                "name": f"{pipeline} confidence",
                "unit_of_measurement": "%",
                "suggested_display_precision": 0,
                "value_template": (
                    f"{_LIVE}{{{{ (100 * ({_TOP}.p | default(0))) | round(1) }}}}{_END}"
                ),
            },
        )
    elif task == "anomaly":
        yield (
            f"{key}_anomaly",
            {
                "platform": "binary_sensor",
                "name": f"{pipeline} anomaly",
                "device_class": "problem",
                "state_topic": topic,
                "value_template": f"{_LIVE}{{{{ 'ON' if value_json.anomalous else 'OFF' }}}}{_END}",
                **_attributes(topic, "score", "threshold"),
            },
        )
        yield (
            f"{key}_score",
            {
                **number,
                "name": f"{pipeline} score",
                "suggested_display_precision": 3,
                "value_template": f"{_LIVE}{{{{ value_json.score | default('None') }}}}{_END}",
            },
        )
    else:
        yield (
            f"{key}_value",
            {
                **number,
                "name": pipeline,
                "suggested_display_precision": 3,
                "value_template": (
                    f"{_LIVE}{{{{ ((value_json['values'] | default([])) + ['None'])[0] }}}}{_END}"
                ),
                **_attributes(topic, "values"),
            },
        )


def _attributes(topic: str, *keys: str) -> Json:
    fields = ", ".join(f"'{key}': value_json['{key}']" for key in (*keys, "captured", "model"))
    return {
        "json_attributes_topic": topic,
        "json_attributes_template": f"{{{{ {{{fields}}} | tojson }}}}",
    }


def _rule(topics: Topics, rule: str) -> Json:
    fields = ", ".join(f"'{key}': value_json['{key}']" for key in ("fired", "held_s", "when"))
    return {
        "platform": "event",
        "name": rule,
        "event_types": ["fired"],
        "state_topic": topics.event(rule),
        "value_template": (
            f"{{% if value_json.hist %}}{{}}{{% else %}}{{{{ {{'event_type': 'fired', {fields}, "
            f"'facts': value_json.facts | default({{}})}} | tojson }}}}{_END}"
        ),
    }


def _identifier(*names: str) -> str:
    """The names with a short hash of them, since cleaning can make different names alike."""
    clean = "_".join(re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in names)
    return f"{clean}_{hashlib.sha256('/'.join(names).encode()).hexdigest()[:6]}"
