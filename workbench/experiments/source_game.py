"""Two data sources to play with: what was measured at every mix, what is known at the start, and what fitted curves make of it.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.estimators import CollectionProblem, Policy, simulate_campaign
from workbench.estimators.additive import AdditiveCurves, fit_additive
from workbench.estimators.campaign import CAP
from workbench.estimators.minimum_cost import minimum_cost_sizes
from workbench.estimators.policies import Decision
from workbench.estimators.requirement import rank_weights
from workbench.estimators.search import Array
from workbench.estimators.source_laws import EnsembleLaw, MixtureLaw
from workbench.estimators.source_policies import SourcesLocPolicy, SourcesRegressionPolicy
from workbench.estimators.sources import separating_counts
from workbench.estimators.triangulated_oracle import TriangulatedOracle
from workbench.experiments.results import load_results
from workbench.experiments.two_sources import STORED_GRIDS, start_points
from workbench.training import CancelToken, Progress

FAMILY = "additive_saturating"


@dataclass(frozen=True, eq=False)
class SourcePair:
    """Two sources, the score measured at their mixes, and the mixes known before the first order.

    Everything that depends on the points alone is fitted once, so that a price or a target is answered within milliseconds.

    Attributes:
        name: of the data set.
        oracle: the truth.
        start: (m, 2) mixes known at the start, the present one last.
        sources: what to call a sample of either source.
        contents: what these samples come with.
        n_boot: resamples of the known points.
        seed: of the resamples.
    """

    name: str
    oracle: TriangulatedOracle
    start: Array
    sources: tuple[str, str]
    contents: tuple[str, str]
    n_boot: int = 200
    seed: int = 0

    @property
    def present(self) -> Array:
        """(2,) samples owned at the start."""
        return self.start[-1]

    @property
    def limit(self) -> Array:
        """(2,) most samples that may be owned."""
        return CAP * self.present

    @cached_property
    def scores(self) -> Array:
        """(m,) scores known at the start, in percent."""
        return self.oracle.score(self.start)

    @cached_property
    def curves(self) -> AdditiveCurves:
        """``n_boot`` additive curves, fitted to resamples of the known points."""
        rng = np.random.default_rng(self.seed)
        counts = separating_counts(self.start, self.n_boot, rng, 2 * self.start.shape[1] + 2)
        return fit_additive(self.start, self.scores, counts * rank_weights("doubling", len(self.scores)), FAMILY)

    @cached_property
    def curve(self) -> AdditiveCurves:
        """The one curve fitted to the known points, with which the regression works."""
        return fit_additive(self.start, self.scores, rank_weights("doubling", len(self.scores))[None], FAMILY)

    def answer(self, target: float, price: float) -> Array:
        """Return the mix (2,) that the regression asks for, ``inf`` where its curve never gets there."""
        return minimum_cost_sizes(self.curve, target, np.array([1.0, price]), self.present, self.limit)[0]

    def law(self, target: float, price: float, success: Literal["mixture", "ensemble"]) -> MixtureLaw | EnsembleLaw:
        """Return the law of the requirement, the one that ``source_law`` learns from the same points.

        Args:
            target: the score to reach, in percent.
            price: of a sample of the second source, where one of the first costs 1.
            success: kind of law.
        """
        draws = minimum_cost_sizes(self.curves, target, np.array([1.0, price]), self.present, self.limit)
        met = bool(self.scores.max() >= target)
        if success == "ensemble":
            return EnsembleLaw(self.curves, target, draws, self.present, self.limit, met)
        return MixtureLaw(draws, self.present, self.limit, met, self.seed)

    def cheapest(self, target: float, prices: ArrayLike) -> Array:
        """Return the truly cheapest mixes (P, 2) that reach the target at prices (P,), ``inf`` where none does."""
        return np.array([self.oracle.required(target, [1.0, price], self.present) for price in np.asarray(prices)])


def stored_pairs() -> dict[str, SourcePair]:
    """Return the measured pairs by the name of their data set.

    >>> pair = stored_pairs()["digits"]
    >>> pair.present.tolist(), bool(pair.scores[-1] > 85)
    ([65.0, 65.0], True)
    """
    grids = load_results("two_sources")
    return {
        config.dataset: SourcePair(
            config.dataset,
            TriangulatedOracle.from_frame(grids[grids["task"] == config.dataset]),
            start_points(config).astype(float),
            config.sources,
            config.contents,
        )
        for config in STORED_GRIDS
    }


def play_pair(
    pair: SourcePair,
    target: float,
    price: float,
    rounds: int,
    penalty: float,
    success: Literal["mixture", "ensemble"],
    *,
    progress: Progress,
    cancel: CancelToken,
) -> pd.DataFrame:
    """Play the campaigns of the regression and of LOC on a pair.

    Args:
        pair: the sources.
        target: the score to reach, in percent.
        price: of a sample of the second source, where one of the first costs 1.
        rounds: most orders.
        penalty: of a miss, in samples of the first source.
        success: how LOC judges success.
        progress: called before each order.
        cancel: looked at before each order.

    Returns:
        What ``simulate_campaign`` returns, with a column ``player``, one below the other.
    """
    problem = CollectionProblem(target, rounds, (1.0, price), penalty)
    campaigns = []
    for player, policy in (
        ("regression", SourcesRegressionPolicy(FAMILY)),
        ("LOC", SourcesLocPolicy(success, FAMILY, n_boot=pair.n_boot)),
    ):
        told = _Told(policy, progress, cancel)
        campaign = simulate_campaign(pair.oracle, told, problem, pair.start, q_max=pair.limit, seed=pair.seed)
        campaigns.append(campaign.assign(player=player))
    progress(rounds, rounds, "done")
    return pd.concat(campaigns, ignore_index=True)


@dataclass(frozen=True)
class _Told(Policy):
    """A policy that says what it is doing, and stops when it is asked to."""

    policy: Policy
    progress: Progress
    cancel: CancelToken

    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        self.cancel.raise_if_cancelled()
        order = problem.rounds - rounds_left
        self.progress(order, problem.rounds, f"{self.policy.name}: order {order + 1}")
        return self.policy.decide(sizes, scores, problem, rounds_left, q_max, seed)
