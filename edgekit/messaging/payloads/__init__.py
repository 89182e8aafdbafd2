"""What a board says and hears: one schema a topic, as JSON. `docs/messages.md` shows each.

Readers pass over fields they do not know, so that fields may join within a version. Numbers are
finite: a NaN has no JSON form and is refused before it is sent, or left out where it may be absent.
"""

from collections.abc import Callable

import msgspec

from edgekit.messaging.payloads.command import (
    ARGUMENTS,
    Answer,
    Arguments,
    Code,
    Collect,
    Command,
    Label,
    McuCommand,
    Reload,
    SetRate,
    Snapshot,
    Verb,
    decode_answer,
    decode_command,
)
from edgekit.messaging.payloads.deploy import (
    DeployDesired,
    DeployPhase,
    DeployStatus,
    decode_deploy_desired,
    decode_deploy_status,
)
from edgekit.messaging.payloads.event import Fired, decode_fired
from edgekit.messaging.payloads.federated import FederatedReady, decode_federated_ready
from edgekit.messaging.payloads.infer import (
    Infer,
    Timings,
    TopClass,
    decode_infer,
    encode_infer,
)
from edgekit.messaging.payloads.metrics import (
    BoardMetrics,
    BridgeMetrics,
    BridgeState,
    ClockState,
    FederatedMetrics,
    Metrics,
    MqttMetrics,
    OutboxMetrics,
    Percentiles,
    PipelineMetrics,
    PipelineState,
    decode_metrics,
)
from edgekit.messaging.payloads.rollout import (
    RolloutPlan,
    RolloutProgress,
    RolloutState,
    RolloutWish,
    decode_rollout_plan,
    decode_rollout_progress,
    decode_rollout_wish,
)
from edgekit.messaging.payloads.schema import VERSION, Message, ModelName
from edgekit.messaging.payloads.status import EngineInUse, Status, Versions, decode_status
from edgekit.messaging.payloads.twin import (
    Desired,
    PictureKeep,
    Reported,
    TwinPipeline,
    TwinSettings,
    decode_desired,
    decode_reported,
)

__all__ = [
    "ARGUMENTS",
    "VERSION",
    "Answer",
    "Arguments",
    "BoardMetrics",
    "BridgeMetrics",
    "BridgeState",
    "ClockState",
    "Code",
    "Collect",
    "Command",
    "DeployDesired",
    "DeployPhase",
    "DeployStatus",
    "Desired",
    "EngineInUse",
    "FederatedMetrics",
    "FederatedReady",
    "Fired",
    "Infer",
    "Label",
    "McuCommand",
    "Message",
    "Metrics",
    "ModelName",
    "MqttMetrics",
    "OutboxMetrics",
    "Percentiles",
    "PictureKeep",
    "PipelineMetrics",
    "PipelineState",
    "Reload",
    "Reported",
    "RolloutPlan",
    "RolloutProgress",
    "RolloutState",
    "RolloutWish",
    "SetRate",
    "Snapshot",
    "Status",
    "Timings",
    "TopClass",
    "TwinPipeline",
    "TwinSettings",
    "Verb",
    "Versions",
    "decode_answer",
    "decode_command",
    "decode_deploy_desired",
    "decode_deploy_status",
    "decode_desired",
    "decode_federated_ready",
    "decode_fired",
    "decode_infer",
    "decode_metrics",
    "decode_reported",
    "decode_rollout_plan",
    "decode_rollout_progress",
    "decode_rollout_wish",
    "decode_status",
    "encode",
]

_DECODERS: dict[type[Message], Callable[[bytes], Message]] = {
    Status: decode_status,
    Infer: decode_infer,
    Fired: decode_fired,
    Metrics: decode_metrics,
    Desired: decode_desired,
    DeployDesired: decode_deploy_desired,
    DeployStatus: decode_deploy_status,
    Reported: decode_reported,
    FederatedReady: decode_federated_ready,
    RolloutPlan: decode_rollout_plan,
    RolloutWish: decode_rollout_wish,
    RolloutProgress: decode_rollout_progress,
    Command: decode_command,
    Answer: decode_answer,
}


def encode(message: Message) -> bytes:
    """The message as one line of JSON.

    Raises:
        InputError: a field is out of its range, a number is not finite, or fields contradict.
    """
    if isinstance(message, Infer):
        return encode_infer(message)
    payload = msgspec.json.encode(message)
    _DECODERS[type(message)](payload)  # msgspec checks ranges when it reads, not when it writes
    return payload
