"""Plays rounds with a strategy of ours in a Flower ServerApp."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.federated.flower.asking import Wait, answers
from edgekit.federated.flower.plan import FlowerPlan, FlowerRound
from edgekit.federated.flower.records import Board, answered_bytes, checked_update, order
from edgekit.federated.flower.roster import Roster
from edgekit.federated.measures import update_divergence
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.strategies import Strategy
from edgekit.learning.federated.checks import Limits, UpdateRefused
from edgekit.learning.federated.update import Update, shapes_of

if TYPE_CHECKING:
    from flwr.serverapp import Grid

Judge = Callable[[Mapping[str, Array]], tuple[float, float]]
"""From global parameters to their accuracy and loss."""


def play_rounds(
    grid: "Grid",
    parameters: Mapping[str, Array],
    strategy: Strategy,
    plan: FlowerPlan,
    *,
    judge: Judge | None = None,
    on_round: Callable[[FlowerRound], None] = lambda one: None,
    wait: Wait | None = None,
) -> GlobalModel:
    """Plays all rounds; the same boards and arguments give what `simulate` gives, bit for bit.

    A board that does not answer, fails or sends what cannot be takes no part in that round. Where
    the strategy then has too few updates the model stays as it is, and the next round begins.

    Args:
        grid: Flower's way to its nodes, as a ServerApp gets it.
        parameters: what the first round begins with, float32 by name.
        strategy: who takes part, and what becomes of their updates.
        plan: what is played.
        judge: of each round's model.
        on_round: is told of each round.
        wait: how time passes.

    Returns:
        The last model.

    Raises:
        Unavailable: too few boards came.
    """
    wait = wait or Wait()
    boards = Roster(grid, wait)
    model = GlobalModel(dict(parameters))
    for number in range(1, plan.rounds + 1):
        online = boards.await_boards(plan.boards, plan.patience_s)
        model, came = _round(grid, model, strategy, plan, number, online, wait)
        if judge is not None:
            accuracy, loss = judge(model.parameters)
            came = replace(came, accuracy=accuracy, loss=loss)
        on_round(came)
    return model


def _round(
    grid: "Grid",
    model: GlobalModel,
    strategy: Strategy,
    plan: FlowerPlan,
    number: int,
    online: Mapping[str, Board],
    wait: Wait,
) -> tuple[GlobalModel, FlowerRound]:
    chosen = strategy.choose(sorted(online), random.Random(f"{plan.seed}/{number}"))
    guidance = strategy.guidance(model, epochs=plan.epochs, rate=plan.rate)
    orders = [
        order(
            online[name],
            model.parameters,
            guidance,
            version=model.version,
            seed=plan.order_seed(number, online[name].number),
            codec=plan.codec,
        )
        for name in chosen
    ]
    limits = Limits(shapes_of(model.parameters), model.version, plan.longest, epochs=plan.epochs)
    asked = {online[name].node: online[name] for name in chosen}
    updates: dict[str, Update] = {}
    refused: dict[str, str] = {}
    bytes_up = 0
    for answer in answers(grid, orders, deadline_s=plan.deadline_s, wait=wait):
        board = asked.get(answer.metadata.src_node_id)
        if board is None:
            continue  # Flower's own word that an answer was lost: its board counts as silent
        try:
            message = answered_bytes(answer)
            bytes_up += len(message)
            updates[board.name] = checked_update(message, board, limits)
        except InputError as error:
            refused[board.name] = error.why if isinstance(error, UpdateRefused) else str(error)
    combined = [updates[name] for name in chosen if name in updates]
    came = FlowerRound(
        number=number,
        updates=len(combined),
        refused=refused,
        silent=tuple(name for name in chosen if name not in updates and name not in refused),
        bytes_up=bytes_up,
        update_divergence=update_divergence(combined) if combined else 0.0,
    )
    try:
        return strategy.combine(model, combined), came
    except RoundFailed as error:
        return model, replace(came, failed=str(error))
