"""JOB.toml: every mistake at once."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.config.checking import check
from edgekit.errors import ConfigError, InputError
from edgekit.federated.coordinator.line import Line
from edgekit.federated.coordinator.mail import Mail, read_letter
from edgekit.federated.job import load_job, open_job
from edgekit.federated.job.schema import (
    EvaluationTable,
    Job,
    LimitsTable,
    PrivacyTable,
    ResultTable,
    RoundsTable,
    SecureTable,
    TrainingTable,
)
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.messages import Answer, encode
from edgekit.messaging.line import Heard
from edgekit.messaging.settings import MqttSettings

HEAD = 'name = "digits"\nfleet = "plant"\n[mqtt]\nhost = "localhost"\n'


def mistakes(folder: Path, text: str) -> list[str]:
    path = folder / "JOB.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_job(path)
    return list(raised.value.mistakes)


def test_the_guides_example_is_a_job() -> None:
    text = (Path(__file__).parents[3] / "docs" / "federated_rounds.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    job = check(tomllib.loads(block), Job, source="docs", folder=Path())
    assert (job.name, job.rounds.count, job.strategy["share"]) == ("gate-sounds", 50, 0.2)


def test_the_guide_has_every_setting() -> None:
    text = (Path(__file__).parents[3] / "docs" / "federated_rounds.md").read_text()
    tables = [RoundsTable, TrainingTable, LimitsTable, EvaluationTable, PrivacyTable, SecureTable,
              ResultTable]  # fmt: skip
    for table in tables:
        for field in msgspec.structs.fields(table):
            assert f"`{field.name}`" in text, f"{table.__name__}.{field.name}"


def test_all_mistakes_of_form_come_at_once(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        HEAD.replace("plant", "a/b") + "[rounds]\ncout = 3\ndeadline_s = -1\n[evaluation]\n",
    )
    text = "\n".join(found)
    for said in (
        "fleet:",
        "bundle: is missing",
        "rounds.cout: unknown setting; did you mean count?",
        "rounds.deadline_s:",
        "evaluation.data: is missing",
    ):
        assert said in text


def test_all_mistakes_of_meaning_come_at_once(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        'bundle = "b"\n' + HEAD
        + '[strategy]\nname = "fedawg"\n[training]\ncodec = "int9"\n'
        + '[evaluation]\ndata = "held.npz"\n[secure]\n[limits]\nclip = 1.0\n'
        + '[privacy]\nmechanism = "central"\nclip = 1.0\nboards = 10\n'
        + '[result]\nbundle = "out"\nmodel = "m.onnx"\nrepository = "repo"\n',
    )  # fmt: skip
    text = "\n".join(found)
    for said in (
        "strategy: no strategy 'fedawg'",
        "training.codec:",
        "holds no step to train",
        "evaluation.data: no such file",
        "secure: no single update is seen",
        "privacy: clips and sums by itself",
        "privacy: needs an epsilon",
        "privacy.mechanism: central needs to see updates",
        "result.model: no such file",
        "result.repository: is no repository",
    ):
        assert said in text


def test_a_robust_strategy_says_how_many_updates_it_needs(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        'bundle = "b"\n'
        + HEAD
        + '[strategy]\nname = "krum"\nwrong = 1\n[rounds]\nminimum = 4\n'
        + '[evaluation]\ndata = "held.npz"\n',
    )
    assert "rounds.minimum: this strategy needs 5 updates at least" in found


def test_held_out_samples_that_do_not_fit_are_named(bundle: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "held.npz", x=np.zeros((3, 5), np.float32))
    path = tmp_path / "JOB.toml"
    path.write_text(f'bundle = "{bundle}/bundle"\n' + HEAD + '[evaluation]\ndata = "held.npz"\n')
    with pytest.raises(ConfigError) as raised:
        open_job(load_job(path), source="JOB.toml")
    assert len(raised.value.mistakes) == 2
    assert "is float32 [3, 5], not float32 [samples, 64]" in raised.value.mistakes[0]
    assert "lacks" in raised.value.mistakes[1]


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
KEYS = ["name", "fleet", "bundle", "mqtt", "rounds", "training", "strategy", "evaluation",
        "privacy", "secure", "result", "count", "host", "data", "mechanism"]  # fmt: skip
DOCUMENTS = st.dictionaries(
    st.sampled_from(KEYS),
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        ),
        max_leaves=10,
    ),
)


@given(DOCUMENTS)
@settings(deadline=None, max_examples=150)
def test_any_document_is_a_job_or_a_list_of_mistakes(document: dict[str, object]) -> None:
    try:
        assert isinstance(check(document, Job, source="JOB.toml", folder=Path()), Job)
    except ConfigError as error:
        assert error.mistakes


@given(st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=60)), max_size=20))
@settings(deadline=None, max_examples=150)
def test_any_payload_is_a_letter_or_refused(payloads: list[tuple[str, bytes]]) -> None:
    mail = Mail(1000)
    for board, payload in payloads:
        try:
            mail.add(board, payload, 0.0)
        except InputError:
            mail.forget(board)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_message_is_a_letter_or_refused(message: bytes) -> None:
    with suppress(InputError):
        assert read_letter(message) is not None


def test_a_message_that_does_not_go_on_is_asked_for_once_in_a_while() -> None:
    mail = Mail(10_000)
    chunks = chunked(encode(Answer(run="0" * 16, round=1, accepts=False, why="x" * 400)), 256)
    assert mail.add("a", chunks[0], 0.0) is None
    assert mail.stuck(2.9, 3.0) == []
    ((board, _, missing),) = mail.stuck(3.0, 3.0)
    assert (board, missing) == ("a", tuple(range(1, len(chunks))))
    assert mail.stuck(5.9, 3.0) == []
    for chunk in chunks[1:]:
        letter = mail.add("a", chunk, 6.0)
    assert isinstance(letter, Answer)
    assert not mail.waits


def test_what_one_sender_sends_beyond_its_share_is_dropped_and_the_others_are_heard() -> None:
    line = Line(
        MqttSettings(host="localhost"), "me", mark="m", most_bytes=3000,
        sender_of=lambda topic: topic,
    )  # fmt: skip
    for _ in range(1000):
        line.take("loud", b"x" * 700)
    line.take("quiet", b"y")
    heard = line.gather(0.0, 0.0)
    assert [one.topic for one in heard] == ["loud"] * 3 + ["quiet"]
    assert heard[-1] == Heard("quiet", b"y")
    assert line.floods() == {"loud": 997}
    assert line.floods() == {}
    line.take("loud", b"x")
    assert len(line.gather(0.0, 0.0)) == 1
