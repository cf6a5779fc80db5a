"""Who decides how much to order: the point estimate of a curve, the mean of a bootstrap, or the plan of least expected cost.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, sections 2, 3 and 5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from workbench.estimators.curves import whole
from workbench.estimators.kernel_law import Bandwidth
from workbench.estimators.law import RequirementLaw
from workbench.estimators.planning import CollectionPlan, plan
from workbench.estimators.requirement import bootstrap_coefficients, curve_named, rank_weights
from workbench.estimators.requirement_distribution import Family, RequirementDistribution
from workbench.estimators.search import Array
from workbench.estimators.validation import check_count, check_penalty, check_positive, check_score


@dataclass(frozen=True)
class CollectionProblem:
    """What collecting costs and what it is for: the target V*, the horizon T, cost c and penalty P of the paper.

    Attributes:
        target: the score to reach, in percent, higher is better.
        rounds: T, most orders.
        cost: of a sample; one value a source.
        penalty: of not reaching the target by the last round.
    """

    target: float
    rounds: int
    cost: float | tuple[float, ...] = 1.0
    penalty: float = 1e7

    def __post_init__(self) -> None:
        check_score(self.target, "target")
        check_positive(self.cost, "cost")
        check_penalty(self.penalty)
        object.__setattr__(self, "rounds", check_count(self.rounds, "rounds"))

    @property
    def prices(self) -> Array:
        """(K,) costs of a sample of each source."""
        return np.atleast_1d(np.asarray(self.cost, float))


@dataclass(frozen=True)
class Decision:
    """What a policy wants to own after the next order.

    Attributes:
        size: (K,) samples of each source, before rounding and limits.
        give_up: order nothing more: the penalty is cheaper.
        law: the law of the requirement, where the policy has one.
        plan: the plan for all rounds left, where the policy makes one.
    """

    size: Array
    give_up: bool = False
    law: RequirementLaw | None = None
    plan: CollectionPlan | None = None


class Policy(ABC):
    """A rule that looks at what was measured and says how much to own after the next order."""

    name: str

    @abstractmethod
    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        """Return the decision.

        Args:
            sizes: (m, K) sizes measured so far, the present one last.
            scores: (m,) their scores in percent.
            problem: what it costs and what it is for.
            rounds_left: orders that can still be placed, this one included.
            q_max: (K,) most samples that may be owned.
            seed: of resamples.
        """


@dataclass(frozen=True)
class RegressionPolicy(Policy):
    """Order up to the point estimate of one fitted curve, read ``correction`` (tau) points above the target."""

    family: str = "power"
    weights: str = "doubling"
    correction: float = 0.0

    @property
    def name(self) -> str:
        return "regression" if not self.correction else f"regression + tau {self.correction:g}"

    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        curve, weights = curve_named(self.family), rank_weights(self.weights, len(scores))
        fit = curve.fit_batch(_of_one_source(sizes), scores[None], weights[None])
        return Decision(whole(curve.invert(fit, np.array([problem.target + self.correction]))))


@dataclass(frozen=True)
class EnsemblePolicy(Policy):
    """Order up to the mean requirement of resampled fits, each capped at ``q_max``."""

    family: str = "power"
    weights: str = "doubling"
    n_boot: int = 300
    min_distinct: int = 4
    name = "ensemble mean"

    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        curve, weights = curve_named(self.family), rank_weights(self.weights, len(scores))
        fits = bootstrap_coefficients(
            curve, _of_one_source(sizes), scores, weights, self.n_boot, seed, self.min_distinct
        )
        answers = curve.invert(fits, np.full(len(fits), problem.target))
        return Decision(np.atleast_1d(np.minimum(answers, q_max[0]).mean()))


@dataclass(frozen=True)
class LocPolicy(Policy):
    """Learn the law of the requirement, plan all rounds that are left, place the first order (Algorithm 1)."""

    family: Family = "power"
    weights: str = "doubling"
    n_boot: int = 300
    min_distinct: int = 4
    bandwidth: Bandwidth = None
    solver: str = "dp"
    name = "LOC"

    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        law = RequirementDistribution.from_curve(
            _of_one_source(sizes),
            scores,
            problem.target,
            family=self.family,
            n_boot=self.n_boot,
            weights=self.weights,
            min_distinct=self.min_distinct,
            bandwidth=self.bandwidth,
            q_max=float(q_max[0]),
            seed=seed,
        )
        forecast = plan(
            law,
            sizes[-1],
            cost=problem.prices,
            penalty=problem.penalty,
            rounds=rounds_left,
            solver=self.solver,
        )
        give_up = forecast.status in ("give up", "unreachable")
        return Decision(np.atleast_1d(forecast.sizes[0]), give_up, law, forecast)


def _of_one_source(sizes: Array) -> Array:
    if sizes.shape[1] != 1:
        raise ValueError(f"this policy plans for one source, got {sizes.shape[1]}: use a policy for several sources")
    return sizes[:, 0]
