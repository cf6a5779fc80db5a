"""A collection campaign as a game: a person and three policies buy data on the same hidden learning curve.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, Algorithm 1 and section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.estimators import CollectionProblem, LocPolicy, Policy, RegressionPolicy, simulate_campaign
from workbench.estimators.campaign import CAP
from workbench.estimators.policies import Decision
from workbench.estimators.search import Array
from workbench.experiments.how_much_data import task_correction
from workbench.experiments.tasks import Task

YOU = "you"
RIVALS = ("regression", "regression + tau", "LOC")
LEARNED_ON = "CIFAR-10"
"""The finished task on which the tau of the second rival was learned."""

RESULTS = {"open": "playing", "met": "met", "missed": "missed", "give up": "gave up"}


@dataclass(frozen=True)
class PlacedOrders(Policy):
    """Place these orders, one a round; an order of 0 gives up, and so does the end of the list."""

    orders: tuple[float, ...] = ()
    name = YOU

    def __post_init__(self) -> None:
        for order in self.orders:
            if not (np.isfinite(order) and order >= 0):
                raise ValueError(f"orders must not be negative, got {order:g}")

    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        placed = problem.rounds - rounds_left
        order = self.orders[placed] if placed < len(self.orders) else 0.0
        return Decision(sizes[-1] + order, give_up=order == 0)


def own_campaign(
    task: Task, problem: CollectionProblem, orders: tuple[float, ...], q_max: float | None = None
) -> pd.DataFrame:
    """Return the campaign of a person who has placed ``orders`` so far, as ``simulate_campaign`` returns it.

    The last ``status`` is ``"open"`` while another order can be placed.

    Args:
        task: the hidden learning curve.
        problem: what is played for.
        orders: samples, one number a round; 0 gives up.
        q_max: most samples that may be owned; default 20 times those of the start.

    >>> from workbench.experiments.tasks import load_task
    >>> problem = CollectionProblem(86, rounds=3, penalty=1e5)
    >>> own_campaign(load_task("CIFAR-10"), problem, (2000,))[["round", "n", "score", "paid", "status"]]
       round       n  score    paid status
    0      0  5000.0  76.94     0.0   open
    1      1  7000.0  83.72  2000.0   open
    >>> own_campaign(load_task("CIFAR-10"), problem, (2000, 0))["status"].iloc[-1]
    'give up'
    """
    campaign = simulate_campaign(task.oracle, PlacedOrders(tuple(orders)), problem, task.start_sizes, q_max=q_max)
    last = campaign.index[-1]
    if campaign.loc[last, "status"] == "give up" and 0 not in orders:
        campaign.loc[last, ["status", "total"]] = "open", campaign.loc[last, "paid"]
    return campaign


def rivals(family: str, weights: str, rounds: int) -> dict[str, Policy]:
    """Return the policies that play against a person; tau is the least that met every target of CIFAR-10 in as many rounds.

    Of a mixture such as ``"power+root"`` a regression can fit one curve, the first.

    >>> rivals("power", "doubling", 5)["regression + tau"].correction
    1.25
    >>> mixed = rivals("power+root", "doubling", 5)
    >>> mixed["regression"].family, mixed["LOC"].family
    ('power', ('power', 'root'))
    """
    curves = tuple(family.split("+"))
    tau = task_correction(LEARNED_ON, curves[0], rounds, weights)
    regressions = RegressionPolicy(curves[0], weights), RegressionPolicy(curves[0], weights, tau)
    players = (*regressions, LocPolicy(curves if len(curves) > 1 else family, weights))
    return dict(zip(RIVALS, players, strict=True))


def measured_so_far(task: Task, campaign: pd.DataFrame) -> tuple[Array, Array]:
    """Return the sizes (m,) and scores (m,) that somebody knows who has played ``campaign``."""
    later = campaign.iloc[1:]
    sizes = np.concatenate([task.start_sizes, later["n"]])
    return sizes, np.concatenate([task.oracle.scores[: task.subsets], later["score"]])


def advice(
    task: Task, campaign: pd.DataFrame, problem: CollectionProblem, policy: Policy, q_max: float | None = None
) -> Decision:
    """Return what ``policy`` would do next in the place of somebody who has played ``campaign``."""
    sizes, scores = measured_so_far(task, campaign)
    left = problem.rounds - int(campaign["round"].iloc[-1])
    limit = np.array([CAP * float(task.initial_size) if q_max is None else q_max])
    return policy.decide(sizes[:, None], scores, problem, left, limit, 0)


def scoreboard(campaigns: Mapping[str, pd.DataFrame], problem: CollectionProblem) -> pd.DataFrame:
    """Return how every campaign stands, and what would have been best.

    Args:
        campaigns: player -> what :func:`own_campaign` or ``simulate_campaign`` returned.
        problem: what they were played for.

    Returns:
        One row a player, and ``"optimum"`` last: the one order that just reaches the target, or none where the penalty is
        cheaper.  Columns ``player``, ``orders``, ``data`` (samples owned), ``bill``, ``penalty``, ``total``, ``result``,
        ``extra`` (bill / least bill - 1, for successes).
    """
    first = next(iter(campaigns.values())).iloc[0]
    rows = [_standing(player, campaign.iloc[-1]) for player, campaign in campaigns.items()]
    columns = ["player", "orders", "data", "bill", "penalty", "total", "result", "extra"]
    return pd.DataFrame([*rows, _optimum(first, problem)], columns=columns)


def _standing(player: str, last: pd.Series) -> tuple:
    extra = last["paid"] / last["optimum"] - 1 if last["status"] == "met" and last["optimum"] > 0 else np.nan
    fine = last["total"] - last["paid"]
    return player, int(last["round"]), last["n"], last["paid"], fine, last["total"], RESULTS[last["status"]], extra


def _optimum(start: pd.Series, problem: CollectionProblem) -> tuple:
    bill = max(start["optimum"], 0.0)
    if bill > problem.penalty:
        return "optimum", 0, start["n"], 0.0, problem.penalty, problem.penalty, RESULTS["give up"], np.nan
    data = start["n"] + bill / problem.prices[0]
    return "optimum", int(bill > 0), data, bill, 0.0, bill, RESULTS["met"], 0.0
