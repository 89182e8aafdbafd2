"""A job of split learning as the label holder writes it in TOML; see `docs/vertical.md`."""

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.config.board import MqttTable
from edgekit.config.checking import check, read_toml
from edgekit.config.table import Seconds, Table, TopicLevel
from edgekit.errors import ConfigError, InputError
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.vertical.aligning import read_secret, timed
from edgekit.pipeline.rows import BadRow, CsvRows


class LabelsTable(Table, frozen=True, kw_only=True):
    """`[labels]`: what should come of the samples, a row of CSV for each time.

    Attributes:
        path: the file.
        time_column: the time of a row.
        column: its class, a whole number from 0.
    """

    path: Path
    time_column: str = "time"
    column: str = "label"


class VerticalJob(Table, frozen=True, kw_only=True):
    """All of a job.

    Attributes:
        name: as the boards call it in `[vertical.NAME]`.
        fleet: the boards'.
        top: the folder that `edgekit federate split` made for the label holder.
        parties: the board of each party, by the party's name.
        labels: what should come of the samples.
        secret_file: what the boards share.
        period_s: how long samples count as simultaneous, as on the boards.
        state: the folder that remembers the job and holds the top's parameters; beside the file
            where left out.
        epochs: passes over the common samples.
        rate: the learning rate.
        held_out: the share of them, the last, that judges and trains nothing.
        codec: how embeddings and gradients travel.
        patience_s: how long a board may stay silent before the epoch is begun again.
        attempts: how often in a row an epoch may be begun again.
        seed: of the order of samples.
    """

    name: TopicLevel
    fleet: TopicLevel
    mqtt: MqttTable
    top: Path
    parties: Annotated[dict[TopicLevel, TopicLevel], msgspec.Meta(min_length=1)]
    labels: LabelsTable
    secret_file: Path
    period_s: Annotated[float, msgspec.Meta(ge=0.001, le=86_400)]
    state: Path | None = None
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20
    rate: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 0.1
    held_out: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.2
    codec: str = "float32"
    patience_s: Seconds = 120.0
    attempts: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


def load_vertical_job(path: Path) -> VerticalJob:
    """Reads a job; its paths are taken from the file's folder.

    Raises:
        ConfigError: every mistake at once.
    """
    job = check(read_toml(path), VerticalJob, source=str(path), folder=path.parent)
    mistakes = []
    try:
        codec_of(job.codec)
    except InputError as error:
        mistakes.append(f"codec: {error}")
    for key, file in (("labels.path", job.labels.path), ("secret_file", job.secret_file)):
        if not file.is_file():
            mistakes.append(f"{key}: no such file: {file}")
    if len(set(job.parties.values())) != len(job.parties):
        mistakes.append("parties: one board is named for two of them")
    if mistakes:
        raise ConfigError(str(path), mistakes)
    if job.state is None:
        job = msgspec.structs.replace(job, state=path.parent / f"{path.stem}.state")
    return job


def labels_of(job: VerticalJob) -> tuple[Array, list[bytes | None]]:
    """The labels, int64 `[rows]`, and the key of each row's time.

    Raises:
        InputError: the file cannot be read, or a label is no class; which row.
        ConfigError: the secret cannot be used.
    """
    table, secret = job.labels, read_secret(job.secret_file)
    times, labels = [], []
    for row in CsvRows(table.path, (table.column,), table.time_column):
        if isinstance(row, BadRow):
            raise InputError(f"{table.path}: {row.reason}")
        (value,) = row.values
        if row.taken_at_ms is None:
            raise InputError(f"{table.path}: {table.time_column}: a row has no time")
        if value < 0 or value != round(value):
            raise InputError(f"{table.path}: {table.column}: {value:g} is no class")
        times.append(row.taken_at_ms)
        labels.append(int(value))
    if not labels:
        raise InputError(f"{table.path}: has no rows")
    return np.array(labels, np.int64), timed(times, round(job.period_s * 1000), secret)
