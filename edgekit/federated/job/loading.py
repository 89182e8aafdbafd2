"""Loads `JOB.toml`, and reports every mistake in it at once."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgekit.config.checking import check, read_toml
from edgekit.errors import ConfigError, InputError
from edgekit.federated.job.schema import Job
from edgekit.federated.strategies import (
    FedBuff,
    Krum,
    NormClipping,
    Scaffold,
    Strategy,
    TrimmedMean,
)
from edgekit.federated.strategies.naming import strategy_of
from edgekit.learning.federated.codecs import codec_of


def load_job(path: Path) -> Job:
    """Reads a job; its paths are taken from the file's folder.

    Raises:
        ConfigError: every mistake at once, each with the path of its key.
    """
    job = check(read_toml(path), Job, source=str(path), folder=path.parent)
    if job.state is None:
        job = msgspec.structs.replace(job, state=path.parent / f"{path.stem}.state")
    if mistakes := list(_mistakes(job)):
        raise ConfigError(str(path), mistakes)
    return job


def state_of(job: Job) -> Path:
    """The folder that remembers a job."""
    return job.state if job.state is not None else Path(f"{job.name}.state")


def strategy_from(job: Job) -> Strategy:
    """The strategy that a job names, with clipping around it where the limits say so.

    Raises:
        InputError: there is no such strategy or setting.
    """
    settings = dict(job.strategy)
    name = settings.pop("name", "fedavg")
    if not isinstance(name, str):
        raise InputError("name: is no text")
    if name != "fedbuff":
        settings.setdefault("least", job.rounds.minimum)
    found = strategy_of(name, settings)
    if job.limits.clip is not None:
        found = NormClipping(inner=found, longest=job.limits.clip)
    return found


def inner_of(strategy: Strategy) -> Strategy:
    """The strategy without what is around it."""
    while isinstance(strategy, NormClipping):
        strategy = strategy.inner
    return strategy


def _mistakes(job: Job) -> Iterator[str]:
    try:
        strategy: Strategy | None = inner_of(strategy_from(job))
    except InputError as error:
        strategy = None
        yield f"strategy: {error}"
    for key, codec in (("codec", job.training.codec), ("model_codec", job.training.model_codec)):
        try:
            codec_of(codec)
        except InputError as error:
            yield f"training.{key}: {error}"
    if not (job.bundle / "train" / "step.onnx").is_file():
        yield f"bundle: {job.bundle}: holds no step to train: it has no train/step.onnx"
    if not job.evaluation.data.is_file():
        yield f"evaluation.data: no such file: {job.evaluation.data}"
    for key in ("ca", "certificate", "key", "password_file"):
        file: Path | None = getattr(job.mqtt, key)
        if file is not None and not file.is_file():
            yield f"mqtt.{key}: no such file: {file}"
    yield from _contradictions(job, strategy)
    yield from _of_the_result(job)


def _contradictions(job: Job, strategy: Strategy | None) -> Iterator[str]:
    is_buffered = isinstance(strategy, FedBuff)
    if job.secure is not None:
        if is_buffered:
            yield "secure: needs rounds with one cohort; fedbuff has none"
        if strategy is not None and strategy.__class__.__name__ not in ("FedAvg", "FedProx"):
            yield "secure: gives sums alone; use fedavg or fedprox"
        if job.training.codec != "float32":
            yield "training.codec: a secure sum is of whole numbers all the same; leave it out"
        if job.limits.clip is not None:
            yield "secure: no single update is seen, so limits.clip cannot be"
    needed = 1
    if isinstance(strategy, Krum):
        needed = max(2 * strategy.wrong + 3, strategy.keep)
    elif isinstance(strategy, TrimmedMean):
        needed = 2 * strategy.trim + 1
    if job.rounds.minimum < needed:
        yield f"rounds.minimum: this strategy needs {needed} updates at least"
    if job.privacy is not None:
        if job.strategy.get("name", "fedavg") != "fedavg" or job.limits.clip is not None:
            yield "privacy: clips and sums by itself; use fedavg, and no limits.clip"
        if job.privacy.noise is None and job.privacy.epsilon is None:
            yield "privacy: needs an epsilon to keep to, or a noise multiplier"
        if job.privacy.mechanism == "central" and job.secure is not None:
            yield "privacy.mechanism: central needs to see updates; use distributed with secure"
        if job.privacy.mechanism == "distributed" and job.secure is None:
            yield "privacy.mechanism: distributed hides nothing of single updates without [secure]"
        if job.rounds.over:
            yield "rounds.over: who takes part is drawn once where privacy is counted; leave it out"
    if job.training.personal and isinstance(strategy, Scaffold):
        yield "training.personal: scaffold corrects all parameters; use another strategy"


def _of_the_result(job: Job) -> Iterator[str]:
    result = job.result
    if result is None:
        return
    for key in ("model", "recipe", "calibrate"):
        file: Path | None = getattr(result, key)
        if file is not None and not file.exists():
            yield f"result.{key}: no such file: {file}"
    if result.keys and result.repository is None:
        yield "result.keys: sign a repository: name it as result.repository"
    if result.repository is not None and not (result.repository / "metadata").is_dir():
        yield f"result.repository: is no repository: {result.repository}"
