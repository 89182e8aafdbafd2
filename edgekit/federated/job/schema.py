"""The tables of `JOB.toml`. `docs/federated_rounds.md` has the meaning of each setting."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edgekit.bundle.manifest import Version
from edgekit.config.board import MqttTable
from edgekit.config.table import Seconds, Share, Table, TopicLevel

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Boards = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class RoundsTable(Table, frozen=True, kw_only=True):
    """How many rounds there are, and how each goes.

    Attributes:
        count: how many rounds, or combinations of FedBuff, are to count.
        minimum: the fewest updates that make a round, and the fewest boards that begin one.
        over: how many more boards are invited than are needed, as a share.
        deadline_s: how long a round takes at most.
        answer_s: how long a board may take to answer an invitation before another is asked.
        grace_s: how long a round waits for a board that went offline.
        attempts: how many attempts at one round may fail.
        pause_s: between a failed attempt and the next.
        staleness: for FedBuff: how many versions old an update may be.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20
    minimum: Boards = 2
    over: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    deadline_s: Seconds = 600.0
    answer_s: Seconds = 30.0
    grace_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 10.0
    attempts: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    pause_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 30.0
    staleness: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 20


class TrainingTable(Table, frozen=True, kw_only=True):
    """What boards are told to do.

    Attributes:
        epochs: passes over each board's samples.
        rate: the learning rate.
        codec: how updates travel.
        model_codec: how the global model travels.
        chunk_kb: the largest payload, in units of 1,024 bytes.
        personal: names or patterns of the parameters that stay on each board.
        seed: of all that chance does.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    rate: Positive = 0.1
    codec: str = "float32"
    model_codec: Literal["float32", "float16"] = "float32"
    chunk_kb: Annotated[int, msgspec.Meta(ge=1, le=200_000)] = 128
    personal: tuple[Pattern, ...] = ()
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


class LimitsTable(Table, frozen=True, kw_only=True):
    """What an update may be.

    Attributes:
        longest: its largest norm; longer ones are refused.
        clip: the norm that longer ones are shortened to, around any strategy.
        samples: the most that a board may say it has.
    """

    longest: Positive = 1e6
    clip: Positive | None = None
    samples: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 10_000_000


class EvaluationTable(Table, frozen=True, kw_only=True):
    """How each global model is judged.

    Attributes:
        data: an `.npz` with an array for each input of a batch, by its name.
        target: the accuracy at which the job is done.
        patience: after how many rounds without a better model it is done.
        keep: which model becomes the result.
    """

    data: Path
    target: Share | None = None
    patience: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    keep: Literal["best", "last"] = "best"


class PrivacyTable(Table, frozen=True, kw_only=True):
    """Differential privacy; see `edgekit.federated.privacy.asked.Asked`.

    Attributes:
        mechanism: where noise is added: at the coordinator, at each board so that the sum has
            enough, or at each board so that each update has.
        clip: the norm that each board's change is shortened to.
        boards: how many there are in the fleet, which sampling is counted from.
        noise: the noise multiplier; what the budget needs where left out.
        epsilon: the budget: no round begins that would go beyond it; `None` for no bound.
        delta: of the guarantee; by the number of boards where left out.
        sampling: how boards are drawn; `poisson` for `central` and else `fixed` where left out.
        sharers: with `distributed`, how many updates a sum is of at least.
    """

    mechanism: Literal["central", "distributed", "local"]
    clip: Positive
    boards: Boards
    noise: Positive | None = None
    epsilon: Positive | None = None
    delta: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    sampling: Literal["poisson", "fixed"] | None = None
    sharers: Boards | None = None


class SecureTable(Table, frozen=True, kw_only=True):
    """Secure aggregation: the coordinator learns the sum of updates and no update.

    Attributes:
        threshold: the share of a cohort that has to stay to its end.
        clip: the largest value of a number of a change, which the field's range is made for.
    """

    threshold: Annotated[float, msgspec.Meta(gt=0.5, le=1)] = 0.67
    clip: Positive = 8.0


class ResultTable(Table, frozen=True, kw_only=True):
    """What becomes of the learned parameters.

    Attributes:
        bundle: the folder of the new bundle.
        version: its version; the old one's with the last number raised where left out.
        model: the float ONNX model that the parameters go into; the bundle's own by default.
        recipe: how it is compressed, such as to INT8; as it is where left out.
        calibrate: data for the recipe; the evaluation's inputs where left out.
        repository: the folder of a repository to publish it in.
        keys: folders of keys that sign the repository's list.
        roll_out: whether the rollout begins by itself; else its command is printed.
    """

    bundle: Path
    version: Version | None = None
    model: Path | None = None
    recipe: Path | None = None
    calibrate: Path | None = None
    repository: Path | None = None
    keys: tuple[Path, ...] = ()
    roll_out: bool = False


class Job(Table, frozen=True, kw_only=True):
    """All of a job.

    Attributes:
        name: a level of its topics.
        fleet: whose boards learn.
        bundle: the folder with the model and its step, in `train`.
        state: the folder that remembers the job; beside the file where left out.
        mqtt: the broker, as in `edgekit.toml`.
        strategy: its `name`, and its own settings.
    """

    name: TopicLevel
    fleet: TopicLevel
    bundle: Path
    state: Path | None = None
    mqtt: MqttTable
    rounds: RoundsTable = msgspec.field(default_factory=RoundsTable)
    training: TrainingTable = msgspec.field(default_factory=TrainingTable)
    strategy: dict[str, Any] = msgspec.field(default_factory=lambda: {"name": "fedavg"})
    limits: LimitsTable = msgspec.field(default_factory=LimitsTable)
    evaluation: EvaluationTable
    privacy: PrivacyTable | None = None
    secure: SecureTable | None = None
    result: ResultTable | None = None
