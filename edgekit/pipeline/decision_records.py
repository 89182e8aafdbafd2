"""What the decision log holds, and how it is read: SQLite, readable while the daemon writes."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgekit.errors import InputError, Unavailable
from edgekit.messaging.outbox_trouble import is_damaged
from edgekit.pipeline.parts import Event, Firing
from edgekit.runtime.prediction import AnomalyScore, Classification

FILE_NAME = "decisions.db"
"""The log's file in the state folder."""

SCHEMA_VERSION = 1
APPLICATION_ID = 0x656B646C  # "ekdl"
COLUMNS = (
    "kind, name, at_ms, boot, seq, model_name, model_version, model_hash, label, p, score, "
    "anomalous, expression, facts"
)
TABLE = f"CREATE TABLE decisions (id INTEGER PRIMARY KEY, {COLUMNS})"


@dataclass(frozen=True)
class Decision:
    """One thing that was decided.

    Attributes:
        kind: `prediction` or `rule`.
        name: of the pipeline or the rule.
        at_ms: when the sample was taken or the rule fired, in milliseconds since 1970 UTC.
        boot: the run of the daemon.
        seq: with `boot` and `name` it names the decision, as in messages.
        model_name: the bundle's name; `None` for a rule.
        model_version: the bundle's version.
        model_hash: the bundle's short hash.
        label: the likeliest class.
        p: how likely, from 0 to 1.
        score: of an anomaly model.
        anomalous: whether the score is above the threshold.
        expression: the rule's.
        facts: what the expression read.
    """

    kind: str
    name: str
    at_ms: int
    boot: str
    seq: int
    model_name: str | None = None
    model_version: str | None = None
    model_hash: str | None = None
    label: str | None = None
    p: float | None = None
    score: float | None = None
    anomalous: bool | None = None
    expression: str | None = None
    facts: dict[str, float | bool | str] | None = None


Row = tuple[str | int | float | bytes | None, ...]
"""A decision as SQLite has it, in the order of `COLUMNS`."""


def row_of(event: Event) -> Row:
    """What is written down of an event."""
    if isinstance(event, Firing):
        head: Row = ("rule", event.rule, event.fired_ms, event.boot, event.sequence)
        facts = msgspec.json.encode(dict(event.facts)).decode()
        return (*head, None, None, None, None, None, None, None, event.when, facts)
    label = p = score = anomalous = None
    match event.prediction:
        case Classification(classes) if classes:
            label, p = classes[0].label, float(classes[0].p)
        case AnomalyScore() as anomaly:
            score, anomalous = float(anomaly.score), int(anomaly.anomalous)
    head = ("prediction", event.pipeline, event.captured_ms, event.boot, event.sequence)
    model = (event.model_name, event.model_version, event.model_hash)
    return (*head, *model, label, p, score, anomalous, None, None)


@dataclass(frozen=True)
class Query:
    """Which decisions are wanted; what is `None` does not matter.

    Attributes:
        pipeline: the predictions of one pipeline.
        rule: the firings of one rule.
        since_ms: not before, in milliseconds since 1970 UTC.
        until_ms: before.
        model: a bundle's name, or `name version`, or its short hash.
        label: the likeliest class.
        limit: at most so many, the newest of them.
    """

    pipeline: str | None = None
    rule: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    model: str | None = None
    label: str | None = None
    limit: int = 100


def read_decisions(path: Path, query: Query) -> list[Decision]:
    """The decisions that a log holds, oldest first.

    Raises:
        InputError: there is no such file, or it is no decision log that this edgekit can read.
        Unavailable: the file cannot be opened now.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; does [decisions] stand in the settings?")
    where, values = _conditions(query)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reading:
            reading.text_factory = lambda text: text.decode(errors="replace")
            found = [
                reading.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version")
            ]
            if found != [APPLICATION_ID, SCHEMA_VERSION]:
                raise InputError(f"{path}: is not a decision log of version {SCHEMA_VERSION}")
            rows = reading.execute(
                f"SELECT {COLUMNS} FROM decisions{where} ORDER BY id DESC LIMIT ?",
                [*values, query.limit],
            ).fetchall()
        return [decision for row in reversed(rows) if (decision := _decision(row)) is not None]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not is_damaged(error):
            hint = "run it as the user of edgekitd, or as root"
            raise Unavailable(f"{path}: cannot be read: {error}; {hint}") from error
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: is damaged: {error}; edgekitd sets it aside when it starts")


def _decision(row: Row) -> Decision | None:
    """What a row says; `None` where the disk has spoiled it."""
    fields = dict(zip(COLUMNS.split(", "), row, strict=True))
    facts, anomalous = fields.pop("facts"), fields.pop("anomalous")
    fields["anomalous"] = None if anomalous is None else bool(anomalous)
    try:
        read = None if facts is None else msgspec.json.decode(str(facts))
        return msgspec.convert(fields | {"facts": read}, Decision)
    except msgspec.MsgspecError:
        return None


def _conditions(query: Query) -> tuple[str, list[str | int]]:
    """The WHERE clause and its values."""
    clauses: list[str] = []
    values: list[str | int] = []
    names = [("prediction", query.pipeline), ("rule", query.rule)]
    if wanted := [(kind, name) for kind, name in names if name is not None]:
        clauses.append("(" + " OR ".join(["(kind = ? AND name = ?)"] * len(wanted)) + ")")
        values += [text for pair in wanted for text in pair]
    for clause, value in (
        ("at_ms >= ?", query.since_ms),
        ("at_ms < ?", query.until_ms),
        ("label = ?", query.label),
    ):
        if value is not None:
            clauses.append(clause)
            values.append(value)
    if query.model is not None:
        clauses.append("? IN (model_name, model_name || ' ' || model_version, model_hash)")
        values.append(query.model)
    return (" WHERE " + " AND ".join(clauses) if clauses else ""), values
