"""A round's work on a board: from the global model and its own samples to what it sends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import prod

import numpy as np

from edgekit.array import Array
from edgekit.daemon.federated.persistence import Kept
from edgekit.errors import InputError
from edgekit.learning.federated.codecs import Float32, codec_of, with_feedback
from edgekit.learning.federated.framing import encode_update
from edgekit.learning.federated.messages import Invite, Model, parameters_of
from edgekit.learning.federated.personal import Personal
from edgekit.learning.federated.privacy import Randomness, clipped, with_gaussian_noise
from edgekit.learning.federated.trainer import Guidance, LocalTrainer
from edgekit.learning.federated.update import Update, as_vector, shapes_of

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Work:
    """What is trained, by whom.

    Attributes:
        device: the board.
        parameters: the shape of each parameter of the step.
        personal: names or patterns of parameters that must not leave the board.
        keeps_model: whether the global model is kept once an update counts.
    """

    device: str
    parameters: Shapes
    personal: Sequence[str] = ()
    keeps_model: bool = False

    def refusal(self, invite: Invite) -> str | None:
        """Why the board cannot do what an invitation asks for, in one line."""
        stays = {n for n in self.parameters if _is_one_of(n, self.personal)}
        sent = [n for n in stays if not _is_one_of(n, invite.personal)]
        if sent:
            return f"{min(sent)} never leaves this board, and the job would have it sent"
        if all(_is_one_of(name, invite.personal) for name in self.parameters):
            return "the job leaves nothing to be shared"
        most = 8 * sum(map(prod, self.parameters.values())) + 65_536
        if invite.model_bytes > most:
            return f"a model of {invite.model_bytes} bytes is none of this step's"
        try:
            codec_of(invite.codec)
        except InputError as error:
            return str(error)
        return None

    def shared(self, invite: Invite) -> dict[str, tuple[int, ...]]:
        """The shapes of what travels in a round."""
        return {n: s for n, s in self.parameters.items() if not _is_one_of(n, invite.personal)}


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        update: what is sent, with what privacy asks for done to it.
        data: its change, encoded; `None` where nothing is lost on the way.
        then: what the board keeps once the update counts.
    """

    update: Update
    data: bytes | None
    then: Kept

    def message(self, invite: Invite) -> bytes:
        """The update as it travels."""
        codec = codec_of(_codec_of(invite))
        return encode_update(self.update, codec, self.data, run=invite.run, number=invite.round)


def train(
    trainer: LocalTrainer,
    work: Work,
    invite: Invite,
    model: Model,
    samples: Sequence[Array],
    kept: Kept,
    *,
    rng: Randomness,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome | None:
    """Trains as an invitation asks; gives `None` where it was stopped.

    Error feedback is only for changes that nobody noises or clips: what it carries over would
    lengthen them again.

    Args:
        trainer: of the step.
        work: who trains what.
        invite: what the coordinator asks for.
        model: from which parameters.
        samples: see `LocalTrainer.train`.
        kept: from the rounds before.
        rng: of privacy's noise: one that nobody can guess, such as `SecretRandomness`.
        should_stop: is asked before each step.

    Raises:
        InputError: the model is none of this step, or the step cannot do what is asked.
        LearningDiverged: a loss or a parameter is NaN or infinite.
    """
    if (model.run, model.version) != (invite.run, invite.version):
        raise InputError(f"the model is version {model.version} of {model.run}, not the round's")
    parameters, control = parameters_of(model, work.shared(invite))
    if control and (invite.privacy or invite.secure) is not None:
        raise InputError("control variates would tell what is to be hidden; use another strategy")
    own = {n: a for n, a in kept.own.items() if n not in parameters}
    whole = trainer.parameters | own | parameters
    update = trainer.train(
        work.device,
        whole,
        samples,
        Guidance(invite.epochs, invite.rate, invite.proximal, control),
        seed=invite.seed,
        version=invite.version,
        control=_padded(kept.control, parameters) if control else None,
        should_stop=should_stop,
    )
    if update is None:
        return None
    then = replace(kept, after=(invite.run, invite.round))
    then = replace(then, model=parameters if work.keeps_model else {})
    if update.control:
        moved = {n: kept.control.get(n, np.float32(0)) + c for n, c in update.control.items()}
        then = replace(then, control=moved)
    if invite.personal:
        personal = Personal(invite.personal)
        trained = {n: whole[n] + change for n, change in update.change.items()}
        then = replace(then, own=personal.kept(trained))
        update = personal.sent(update)
    if invite.privacy is not None:
        change = clipped(update.change, invite.privacy.clip)
        if invite.privacy.deviation:
            change = with_gaussian_noise(change, invite.privacy.deviation, rng)
        return Outcome(replace(update, change=change), None, replace(then, residual=None))
    return _with_feedback(update, invite, then)


def _with_feedback(update: Update, invite: Invite, then: Kept) -> Outcome:
    codec, vector = codec_of(_codec_of(invite)), as_vector(update.change)
    left = then.residual
    if left is not None and left.shape != vector.shape:
        left = None
    if left is None and isinstance(codec, Float32):  # nothing is lost
        return Outcome(update, None, replace(then, residual=None))
    sizes = [prod(shape) for _, shape in sorted(shapes_of(update.change).items())]
    data, left = with_feedback(codec, vector, sizes, left)
    return Outcome(update, data, replace(then, residual=left))


def _codec_of(invite: Invite) -> str:
    """A secure sum has a form of its own; until then numbers stay as they are."""
    return invite.codec if invite.secure is None else "float32"


def _padded(control: Mapping[str, Array], parameters: Mapping[str, Array]) -> dict[str, Array]:
    """The control variate of the parameters that travel; zero where there was none."""
    return {n: control[n] if n in control else np.zeros_like(a) for n, a in parameters.items()}


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
