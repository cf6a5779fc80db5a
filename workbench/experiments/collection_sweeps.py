"""Play a policy for every target of a task, and count failures and costs as the paper does: what its experiments share.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from workbench.estimators import CollectionProblem, Policy, simulate_campaign, summarise_campaign
from workbench.estimators.search import Array
from workbench.experiments.optimal_collection_paper import ROUNDS
from workbench.experiments.tasks import SUBSETS, Task


@dataclass(frozen=True)
class OptimalCollectionConfig:
    """What to re-measure.

    Attributes:
        tasks: names of the published curves.
        rounds: horizons T.
        n_boot: resamples of a law.
        seeds: of the bootstrap; the policies that draw nothing are played once.
        every: plays every n-th target of a sweep.
        robustness: vary cost and penalty, bandwidth, resampling and family as well.
        real: play on the learning curves measured here, on those of LCDB, and on two sources as well.
        lcdb_curves: LCDB curves that are drawn.
    """

    tasks: tuple[str, ...] = tuple(SUBSETS)
    rounds: tuple[int, ...] = ROUNDS
    n_boot: int = 300
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    every: int = 1
    robustness: bool = True
    real: bool = True
    lcdb_curves: int = 300


def sweep(
    task: Task,
    policy: Policy,
    rounds: int,
    *,
    penalty: float,
    cost: float = 1.0,
    targets: Array | None = None,
    q_max: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Play ``policy`` for every target of a task.

    Args:
        task: whose curve is the truth, and what is owned at the start.
        policy: who decides.
        rounds: T.
        penalty: of missing a target, in the unit of ``cost``.
        cost: of a sample.
        targets: (m,) scores in percent, by default the published ones.
        q_max: most samples ever owned, by default 20 times the present ones.
        seed: of the policy's resamples.

    Returns:
        One row a target: ``target``, ``n`` (owned at the end), ``ratio`` (n / needed), ``met``, ``status``, ``paid``, ``total``
        (with the penalty), ``cost_ratio`` (of those met), ``chance`` (of success, as foreseen before the first order).
    """
    rows = []
    for target in task.published_targets if targets is None else targets:
        problem = CollectionProblem(float(target), rounds, cost, penalty)
        game = simulate_campaign(task.oracle, policy, problem, task.start_sizes, q_max=q_max, seed=seed)
        owned, first = float(game["n"].iloc[-1]), game["chance"].iloc[min(1, len(game) - 1)]
        ratio = owned / task.oracle.required_size(target)
        rows.append({"target": target, "n": owned, "ratio": ratio, **summarise_campaign(game), "chance": first})
    return pd.DataFrame(rows)


Row = tuple[str, str, str, float | None, float, float | None, str]


def row(
    claim: str,
    setting: str,
    quantity: str,
    value: float,
    unit: str,
    paper: float | None = None,
    spread: float | None = None,
) -> Row:
    """Return one measured quantity in the order of the results table."""
    return claim, setting, quantity, paper, float(value), spread, unit


def outcome_rows(
    claim: str, setting: str, games: pd.DataFrame, published: tuple[float | None, float | None] = (None, None)
) -> Iterator[Row]:
    """Yield failures, cost ratio and mean bill with penalty of some campaigns; the spread is over their seeds."""
    seeds = games.groupby("seed") if "seed" in games else games.assign(seed=0).groupby("seed")
    failures = 100 * (1 - seeds["met"].mean())
    ratios, total = seeds["cost_ratio"].mean(), seeds["total"].mean()
    spread = float(failures.std()) if len(failures) > 1 else None
    cost_spread = float(ratios.std()) if len(ratios) > 1 else None
    yield row(claim, setting, "failures", failures.mean(), "% of targets", published[0], spread)
    yield row(claim, setting, "cost ratio", ratios.mean(), "share of the least bill", published[1], cost_spread)
    yield row(claim, setting, "bill and penalty", total.mean(), "cost of a sample")
