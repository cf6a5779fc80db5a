"""Who decides how much to order of each of several data sources: one fitted curve, or the plan of least expected cost.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, sections 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.estimators.planning import plan
from workbench.estimators.policies import CollectionProblem, Decision, Policy
from workbench.estimators.search import Array
from workbench.estimators.sources import source_law, source_requirement


@dataclass(frozen=True)
class SourcesRegressionPolicy(Policy):
    """Order up to the cheapest mix at which one fitted additive curve reaches the target; up to ``q_max`` where none does.

    >>> import numpy as np
    >>> q = np.array([(a, b) for a in (10.0, 30.0, 60.0) for b in (10.0, 30.0, 60.0)])
    >>> scores = 95 - 60 / q[:, 0] ** 0.5 - 40 / q[:, 1] ** 0.5
    >>> problem = CollectionProblem(85, rounds=1, cost=(1.0, 0.5))
    >>> SourcesRegressionPolicy().decide(q, scores, problem, 1, np.array([1200.0, 1200.0]), 0).size.round()
    array([ 93., 112.])
    """

    family: Literal["additive", "additive_saturating"] = "additive_saturating"
    weights: Literal["doubling", "uniform"] = "doubling"
    name = "regression"

    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        return Decision(
            source_requirement(
                sizes,
                scores,
                problem.target,
                cost=problem.prices,
                family=self.family,
                weights=self.weights,
                q_max=q_max,
            )
        )


@dataclass(frozen=True)
class SourcesLocPolicy(Policy):
    """Learn the law of the requirement of every source, plan all rounds that are left, place the first order (Algorithm 1).

    Attributes:
        success: ``"mixture"``, the paper's componentwise law, or ``"ensemble"``, the share of fitted curves that are there.
        family: of the additive curves.
        weights: of the points by their order.
        n_boot: resamples.
        solver: ``"dp"`` (at most two sources) or ``"gradient"``, the paper's descent.
    """

    success: Literal["mixture", "ensemble"] = "mixture"
    family: Literal["additive", "additive_saturating"] = "additive_saturating"
    weights: Literal["doubling", "uniform"] = "doubling"
    n_boot: int = 300
    solver: Literal["dp", "gradient"] = "dp"

    @property
    def name(self) -> str:
        return f"LOC, {self.success}"

    def decide(
        self, sizes: Array, scores: Array, problem: CollectionProblem, rounds_left: int, q_max: Array, seed: int
    ) -> Decision:
        law = source_law(
            sizes,
            scores,
            problem.target,
            cost=problem.prices,
            family=self.family,
            success=self.success,
            n_boot=self.n_boot,
            weights=self.weights,
            q_max=q_max,
            seed=seed,
        )
        forecast = plan(
            law, sizes[-1], cost=problem.prices, penalty=problem.penalty, rounds=rounds_left, solver=self.solver
        )
        return Decision(forecast.sizes[0], forecast.status in ("give up", "unreachable"), law, forecast)
