"""Campaigns with two sources on measured grids: clean and noisy labels, and the two halves of the classes of CIFAR-10.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, sections 4 and 5, Table 2.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from workbench.estimators import CollectionProblem, simulate_campaign, summarise_campaign
from workbench.estimators.policies import Policy
from workbench.estimators.source_policies import SourcesLocPolicy, SourcesRegressionPolicy
from workbench.estimators.triangulated_oracle import TriangulatedOracle
from workbench.experiments.collection_sweeps import OptimalCollectionConfig, Row, outcome_rows
from workbench.experiments.results import load_results
from workbench.experiments.two_sources import STORED_GRIDS, Grid, start_points

PRICES = (0.5, 0.1)
"""Cost of a sample of the second source; one of the first costs 1."""

TARGETS = 5

POLICIES: dict[str, Policy] = {
    "regression": SourcesRegressionPolicy(),
    "LOC mixture": SourcesLocPolicy("mixture"),
    "LOC ensemble": SourcesLocPolicy("ensemble"),
}

POSITIVE: dict[str, Policy] = {
    "regression": SourcesRegressionPolicy("additive"),
    "LOC mixture": SourcesLocPolicy("mixture", "additive"),
    "LOC ensemble": SourcesLocPolicy("ensemble", "additive"),
}
"""The same with positive exponents only, the paper's additive form."""


def two_source_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """C2: failures and cost ratios by data set, price, horizon and policy; targets evenly between the start and the best mix."""
    for grid in STORED_GRIDS:
        for price in PRICES:
            for name, policy in POLICIES.items():
                for rounds in config.rounds:
                    games = play_sources(grid, policy, rounds, price)
                    setting = f"two sources, {grid.dataset}, c2={price:g}, {name}, T={rounds}"
                    yield from outcome_rows("C2", setting, games)
    for label, policies in (("saturating", POLICIES), ("positive exponents", POSITIVE)):
        for name, policy in policies.items():
            for rounds in config.rounds:
                games = play_sources(STORED_GRIDS[0], policy, rounds, PRICES[0], averaged=True)
                setting = f"seeds averaged, {STORED_GRIDS[0].dataset}, c2={PRICES[0]:g}, {name}, {label}, T={rounds}"
                yield from outcome_rows("C2", setting, games)


def play_sources(
    grid: Grid, policy: Policy, rounds: int, price: float, *, targets: int = TARGETS, averaged: bool = False
) -> pd.DataFrame:
    """Play ``policy`` on the stored grid of every seed; the penalty is 100 times all data at the first price.

    No more can be owned than was measured: beyond the grid there is no truth.

    Args:
        grid: which stored grid.
        policy: who decides.
        rounds: T.
        price: of a sample of the second source.
        targets: targets a grid.
        averaged: play on the mean of the grids instead of on each.

    Returns:
        One row a seed and target: ``seed``, ``target``, ``n_1``, ``n_2`` (owned at the end) and those of ``summarise_campaign``.
    """
    stored = load_results("two_sources")
    stored = stored[stored["task"] == grid.dataset]
    start, rows = start_points(grid), []
    full = np.array(grid.full, float)
    for seed in grid.seeds[:1] if averaged else grid.seeds:
        oracle = TriangulatedOracle.from_frame(stored if averaged else stored[stored["seed"] == seed])
        low, high = oracle.score(start).max(), oracle.scores.max()
        for target in np.linspace(low, high, targets + 2)[1:-1]:
            problem = CollectionProblem(float(target), rounds, (1.0, price), 100 * full.sum())
            game = simulate_campaign(oracle, policy, problem, start, q_max=full, seed=seed)
            last = game.iloc[-1]
            rows.append(
                {"seed": seed, "target": target, "n_1": last["n_1"], "n_2": last["n_2"], **summarise_campaign(game)}
            )
    return pd.DataFrame(rows)
