"""Rounds with thousands of clients in one process: the code that boards run, and no network."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.federated.clients import Clients
from edgekit.federated.measures import label_skew, update_divergence
from edgekit.federated.model import GlobalModel
from edgekit.federated.personalisation import Personal
from edgekit.federated.privacy.budget import Budget
from edgekit.federated.report import Round
from edgekit.federated.secrecy import Secrecy, check_strategy, combined
from edgekit.federated.strategies import Strategy
from edgekit.learning.federated.checks import Limits, UpdateRefused, check_update
from edgekit.learning.federated.codecs import Codec, Float32, with_feedback
from edgekit.learning.federated.framing import decode_update, encode_update
from edgekit.learning.federated.privacy import counts_before, private_counts
from edgekit.learning.federated.trainer import Guidance, LocalTrainer
from edgekit.learning.federated.update import Update, as_vector, shapes_of
from edgekit.learning.learner import LearningDiverged

Seed = Callable[[int, int], int | Sequence[int]]
"""From a round, from 1, and a client's number to the seed of its order of samples."""

Change = Callable[[Update], Update]
"""What happens to an update on its way: noise, or an attack."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is simulated.

    Attributes:
        rounds: how many.
        epochs: of each client in each round.
        rate: the learning rate.
        seed: of all that chance does.
        codec: how updates travel; what it loses is kept on the client for the next time.
        stragglers: the share of clients that only come to some of their epochs.
        drop_stragglers: whether those send nothing, rather than what they have.
        staleness: how many versions old a client's model may be at most, by chance; for FedBuff.
        longest: the largest norm of an update; others are refused.
        personal: what each client keeps for itself; `None` for nothing.
        label_epsilon: of the randomised answers that label skew is computed from; each client
            answers for each sample once, and tells the same each round. `None` for true counts.
        budget: of privacy; a round that would exceed it is not begun. `None` for none.
        secrecy: of the sum that alone is seen of the updates; `None` where each is seen.

    Raises:
        InputError: secrecy does not go with the codec, or with a bound on single updates.
    """

    rounds: int
    epochs: int = 1
    rate: float = 0.1
    seed: int = 0
    codec: Codec = field(default_factory=Float32)
    stragglers: float = 0.0
    drop_stragglers: bool = False
    staleness: int = 0
    longest: float | None = None
    personal: Personal | None = None
    label_epsilon: float | None = None
    budget: Budget | None = None
    secrecy: Secrecy | None = None

    def __post_init__(self) -> None:
        if self.secrecy is None:
            return
        if not isinstance(self.codec, Float32):
            raise InputError(
                f"{self.codec.name}: secure sums are of whole numbers all the same; use float32"
            )
        if self.longest is not None:
            raise InputError("secure sums show no single update, so none can be found too long")


@dataclass(frozen=True)
class Simulated:
    """What a simulation came to.

    Attributes:
        rounds: each of them.
        model: the last one.
        own: what each client kept for itself, by its number.
        budget: what is left of it; `None` without one.
        ended: why it ended before the last round; empty where it did not.
    """

    rounds: tuple[Round, ...]
    model: GlobalModel
    own: Mapping[int, Mapping[str, Array]]
    budget: Budget | None = None
    ended: str = ""


def simulate(
    trainer: LocalTrainer,
    clients: Clients,
    strategy: Strategy,
    plan: Plan,
    *,
    seed_of: Seed | None = None,
    on_the_way: Change = lambda update: update,
    on_round: Callable[[Round], None] = lambda one: None,
) -> Simulated:
    """Simulates rounds; the same arguments give the same bits.

    Args:
        trainer: trains each client in turn, from the parameters it came with.
        clients: and their samples.
        strategy: of the coordinator.
        plan: what is simulated.
        seed_of: of each client's order of samples; follows from the plan's seed where left out.
        on_the_way: what happens to each update before it is encoded.
        on_round: is told of each round.

    Raises:
        InputError: samples do not fit the step, or the strategy needs another one, or needs to see
            what secure sums hide.
        RoundFailed: too few updates were good in a round, or the strategy needs more.
    """
    run = _Run(trainer, clients, strategy, plan, seed_of, on_the_way)
    rounds: list[Round] = []
    ended = ""
    for number in range(1, plan.rounds + 1):
        if ended := run.why_not(number):
            break
        rounds.append(run.round(number))
        on_round(rounds[-1])
    return Simulated(tuple(rounds), run.model, run.own, run.budget, ended)


class _Run:
    """What lasts from round to round: the models, and what each client keeps."""

    def __init__(
        self,
        trainer: LocalTrainer,
        clients: Clients,
        strategy: Strategy,
        plan: Plan,
        seed_of: Seed | None,
        on_the_way: Change,
    ) -> None:
        if plan.secrecy is not None:
            check_strategy(strategy)
        self.own: dict[int, dict[str, Array]] = {}
        self._trainer, self._clients, self._strategy = trainer, clients, strategy
        self._plan, self._on_the_way = plan, on_the_way
        apart = max(1000, len(clients))
        self._seed_of: Seed = seed_of or (
            lambda number, client: (apart * number + client, plan.seed)
        )
        self._first = trainer.parameters
        shared = self._first if plan.personal is None else plan.personal.shared(self._first)
        self.model = GlobalModel(shared)
        self._past = [self.model]
        self._numbers = {f"client{number:06}": number for number in range(len(clients))}
        self._residuals: dict[int, Array] = {}
        self._controls: dict[int, dict[str, Array]] = {}
        self._told: dict[int, Array] = {}
        self.budget = plan.budget
        labels = [clients.arrays[-1].max(), clients.test[-1].max()]
        self._classes = int(max(labels)) + 1

    def why_not(self, number: int) -> str:
        """Why a round may not begin; empty where it may."""
        if self.budget is None:
            return ""
        allowed = self._allowed()
        expected = max(1, round(len(allowed) * self._strategy.share)) if allowed else 0
        if expected >= max(1, self._strategy.least) and self.budget.may_begin(number, allowed):
            return ""
        return self.budget.last_words()

    def round(self, number: int) -> Round:
        """Plays one round."""
        plan, strategy = self._plan, self._strategy
        rng = random.Random(f"{plan.seed}/{number}")
        chosen = strategy.choose(self._allowed(), rng)
        if self.budget is not None:
            self.budget = self.budget.begun(number, chosen)
        slow = set(rng.sample(chosen, k=round(plan.stragglers * len(chosen))))
        updates, refused, bytes_up = [], {}, 0
        for name in chosen:
            epochs = plan.epochs
            if name in slow:
                epochs = rng.randint(1, max(1, plan.epochs - 1))
                if plan.drop_stragglers:
                    continue
            base = self._past[-1 - rng.randint(0, min(plan.staleness, len(self._past) - 1))]
            guidance = strategy.guidance(base, epochs=epochs, rate=plan.rate)
            try:
                update = self._trained(name, base, guidance, number)
            except LearningDiverged as error:
                refused[name] = str(error)
                continue
            if plan.secrecy is not None:
                updates.append(update)
                continue
            message = self._encoded(name, update)
            bytes_up += len(message)
            try:
                updates.append(self._received(name, message, base.version))
            except InputError as error:
                refused[name] = error.why if isinstance(error, UpdateRefused) else str(error)
        count, divergence = len(updates), None
        if plan.secrecy is None:
            self.model = strategy.combine(self.model, updates)
            divergence = update_divergence(updates) if updates else None
        else:
            apart = random.Random(f"{plan.seed}/{number}/silent")  # all else stays as it was
            hidden = combined(
                plan.secrecy, strategy, self.model, updates, chosen=len(chosen), rng=apart
            )
            self.model, count, bytes_up = hidden.model, len(hidden.boards), hidden.bytes_up
        self._past = [*self._past, self.model][-1 - plan.staleness :]
        accuracy, loss = self._judged()
        spent = None if self.budget is None else self.budget.spent()
        return Round(
            number,
            accuracy,
            loss,
            count,
            refused,
            bytes_up,
            self._skew(chosen),
            divergence,
            chosen=len(chosen),
            epsilon_rdp=None if spent is None else spent.rdp,
            epsilon_pld=None if spent is None else spent.pld,
        )

    def _allowed(self) -> list[str]:
        names = list(self._numbers)
        return names if self.budget is None else self.budget.allowed(names)

    def _skew(self, chosen: Sequence[str]) -> float | None:
        """How far the classes of the chosen lie apart, as far as they tell."""
        if not chosen:
            return None
        counts = np.stack([self._counts(self._numbers[name]) for name in chosen])
        return label_skew(counts) if counts.sum(axis=1).all() else None

    def _counts(self, client: int) -> Array:
        epsilon = self._plan.label_epsilon
        if epsilon is None:
            return self._clients.label_counts(client, self._classes)
        if client not in self._told:
            rng = np.random.default_rng((self._plan.seed, client))
            labels = self._clients.samples(client)[-1]
            self._told[client] = private_counts(labels, self._classes, epsilon, rng)
        return np.maximum(counts_before(self._told[client], epsilon), 0)

    def _trained(self, name: str, base: GlobalModel, guidance: Guidance, number: int) -> Update:
        """What a client is to send; what it keeps of its training is kept."""
        plan, client = self._plan, self._numbers[name]
        whole = self._whole(base, client)
        update = self._trainer.train(
            name,
            whole,
            self._clients.samples(client),
            guidance,
            seed=self._seed_of(number, client),
            version=base.version,
            control=self._controls.get(client),
        )
        assert update is not None  # nothing stops a simulated client
        if update.control:
            before = self._controls.get(client, {})
            self._controls[client] = {
                n: before.get(n, np.float32(0)) + c for n, c in update.control.items()
            }
        if plan.personal is not None:
            local = {n: whole[n] + change for n, change in update.change.items()}
            self.own[client] = plan.personal.kept(local)
            update = plan.personal.sent(update)
        return self._on_the_way(update)

    def _encoded(self, name: str, update: Update) -> bytes:
        """An update as it travels; what the codec loses is kept."""
        plan, client = self._plan, self._numbers[name]
        sizes = [update.change[n].size for n in sorted(update.change)]
        vector = as_vector(update.change)
        if isinstance(plan.codec, Float32):  # nothing is lost
            return encode_update(update, plan.codec, plan.codec.encode(vector, sizes))
        data, self._residuals[client] = with_feedback(
            plan.codec, vector, sizes, self._residuals.get(client)
        )
        return encode_update(update, plan.codec, data)

    def _received(self, name: str, message: bytes, version: int) -> Update:
        shapes = shapes_of(self.model.parameters)
        update = decode_update(message, shapes)
        if update.client != name:
            raise UpdateRefused(name, f"it says it is of {update.client}")
        limits = Limits(shapes, version, self._plan.longest, epochs=self._plan.epochs)
        check_update(update, limits)
        return update

    def _whole(self, model: GlobalModel, client: int) -> dict[str, Array]:
        return self._first | dict(model.parameters) | self.own.get(client, {})

    def _judged(self) -> tuple[float, float]:
        """Accuracy and loss of the global model on the test samples."""
        whole = self._first | dict(self.model.parameters)
        loss, outputs = self._trainer.evaluate(whole, self._clients.test)
        return float((outputs.argmax(axis=1) == self._clients.test[-1]).mean()), loss


def personal_accuracy(
    trainer: LocalTrainer, clients: Clients, simulated: Simulated, held: Sequence[Array]
) -> float:
    """How often clients are right with the heads they kept, over all their held-out samples.

    Args:
        trainer: of the model.
        clients: who has which classes; only their `arrays` are used.
        simulated: what their training came to.
        held: for each client which samples of `clients.arrays` to judge by.
    """
    right = total = 0
    for number, part in enumerate(held):
        whole = dict(simulated.model.parameters) | dict(simulated.own.get(number, {}))
        samples = replace(clients, parts=held).samples(number)
        outputs = trainer.evaluate(trainer.parameters | whole, samples)[1]
        right += int((outputs.argmax(axis=1) == samples[-1]).sum())
        total += len(part)
    return right / total
