"""What the views of notebook 02 draw: the law of the requirement, its plans and their figures, for the state of the panel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.estimators import CURVES, CollectionPlan, RequirementDistribution, plan
from workbench.estimators.one_round import (
    EfficientOrders,
    ImpliedPenalty,
    efficient_orders,
    implied_penalty,
    one_round_cost,
    stationary_points,
)
from workbench.estimators.requirement import bootstrap_coefficients, rank_weights
from workbench.estimators.requirement_distribution import KernelDistribution
from workbench.estimators.search import Array
from workbench.estimators.waiting import cost_by_rounds
from workbench.figures import optimal_collection as landscape
from workbench.figures import optimal_collection_ensemble as ensemble
from workbench.figures import optimal_collection_risk as risk
from workbench.figures import optimal_collection_rounds as rounds
from workbench.figures.how_much_data import short

N_BOOT = 300
MOST_ROUNDS = 10
SHOWN_CURVES = 200
_DRAWN = 500
_FARTHEST = 1e-9


class CollectionViews:
    """Laws, plans and figures of :class:`workbench.panels.optimal_collection.OptimalCollectionPanel`, from its attributes."""

    def remember(self) -> None:
        """Make the caches: of laws by what they are learned from, of plans by law and prices."""
        self._laws = lru_cache(maxsize=64)(self._learn)
        self._plans = lru_cache(maxsize=256)(self._solve)
        self._waits = lru_cache(maxsize=64)(self._wait)
        self._efficient = lru_cache(maxsize=64)(self._efficient_orders)

    def forget_fits(self) -> None:
        for cache in (self._laws, self._plans, self._waits, self._efficient):
            cache.cache_clear()

    # The law and the plans

    @property
    def families(self) -> tuple[str, ...]:
        """The learning-curve families of the law."""
        return tuple(self.family.split("+"))

    @property
    def known(self) -> tuple[Array, Array]:
        """The sizes (m,) and scores (m,) measured so far."""
        task = self.current
        return task.start_sizes, task.oracle.scores[: task.subsets]

    @property
    def q_max(self) -> float:
        """Most samples that may be owned."""
        return self._limits.get(self.task, float(self.cap * self.current.initial_size))

    @property
    def law(self) -> KernelDistribution:
        """The law of the requirement of the target."""
        return self._laws(*self._law_key())

    @property
    def best(self) -> CollectionPlan:
        """The exact plan for the rounds that are left."""
        return self.plan_for(self.rounds)

    def plan_for(self, count: int, solver: str = "dp") -> CollectionPlan:
        """Return the plan for ``count`` rounds."""
        return self._plans(self._law_key(), self.cost, self.penalty, count, solver)

    def dial(self) -> ImpliedPenalty:
        """Return what the dialled risk means."""
        return implied_penalty(self.law, self._present, risk=self.risk, cost=self.cost)

    def regression_answer(self) -> float:
        """Return what one fit of the (first) family asks for."""
        sizes, scores = self.known
        curve = CURVES[self.families[0]]().fit(sizes, scores, rank_weights(self.weights, len(sizes)))
        return curve.required_size(self.target)

    @property
    def _present(self) -> float:
        return float(self.current.initial_size)

    def _law_key(self) -> tuple:
        return (
            self.task, self.seeds, self.owned, self.target, self.family, self.weights, self.min_distinct, self.q_max
        )  # fmt: skip

    def _learn(
        self, task: str, seeds: int, owned: int, target: float, family: str, *rest: object
    ) -> KernelDistribution:
        return RequirementDistribution.from_curve(
            *self.known,
            target,
            family=family.split("+"),
            n_boot=N_BOOT,
            weights=self.weights,
            min_distinct=self.min_distinct,
            q_max=self.q_max,
        )

    def _solve(self, law_key: tuple, cost: float, penalty: float, count: int, solver: str) -> CollectionPlan:
        return plan(self._laws(*law_key), self._present, cost=cost, penalty=penalty, rounds=count, solver=solver)

    def _wait(self, law_key: tuple, cost: float, penalty: float) -> tuple[Array, Array]:
        law = self._laws(*law_key)
        return cost_by_rounds(law, self._present, cost=cost, penalty=penalty, rounds=MOST_ROUNDS)

    def _efficient_orders(self, *law_key: object) -> EfficientOrders:
        return efficient_orders(self._laws(*law_key), self._present)

    @property
    def break_even(self) -> float:
        """The penalty below which even one order is not worth it."""
        return self.cost * self._efficient(*self._law_key()).break_even

    # 1 Landscape

    def _grid(self) -> Array:
        """Return the sizes at which views 1 and 2 are drawn: from the present to where the target is all but certain."""
        law, present = self.law, self._present
        never = law.p_unreachable
        end = 2 * present if law.met else float(law.isf(min(never + _FARTHEST + 1e-5 * never, 1.0)))
        right = min(1.02 * max(end, 1.01 * present), self.q_max) if never < 1 else self.q_max
        grid = law.axes(_DRAWN)[0]
        return np.unique(np.concatenate([grid[grid <= right], np.linspace(present, right, _DRAWN)]))

    def _landscape_figure(self) -> go.Figure:
        law, present, cost, penalty = self.law, self._present, self.cost, self.penalty
        sizes, once = self._grid(), self.plan_for(1)
        points = stationary_points(law, present, cost=cost, penalty=penalty)

        def at(size: float) -> tuple[float, float]:
            inside = min(max(size, present), self.q_max)
            return size, float(one_round_cost(law, inside, cost, penalty))

        order = float(once.sizes[0])
        mean = float(np.minimum(law.requirements, self.q_max).mean())
        shown = landscape.Landscape(
            present=present,
            answers=law.requirements.ravel(),
            q_max=self.q_max,
            sizes=sizes,
            density=law.pdf(sizes),
            risks=law.sf(sizes),
            costs=one_round_cost(law, sizes, cost, penalty),
            minima=(points.sizes[points.minima], points.costs[points.minima]),
            best=(order, once.expected_cost, 1 - once.success_probability),
            penalty=penalty,
            regression=at(self.regression_answer()),
            mean=at(mean),
            truth=self.current.oracle.required_size(self.target) if self.reveal else None,
        )
        return landscape.landscape_figure(shown, f"{self.label}: {self.target:g} points, {_one_order_words(once)}")

    # 2 Risk dial

    def _risk_figure(self) -> go.Figure:
        law, sizes, once, dial = self.law, self._grid(), self.plan_for(1), self.dial()
        risks, density = law.sf(sizes), law.pdf(sizes)
        with np.errstate(divide="ignore", over="ignore"):
            implied = np.where(density > 0, self.cost / density, np.inf)
        orders = self._efficient(*self._law_key())
        chord = np.interp(sizes, orders.sizes, orders.risks)
        wrong = risk.newsvendor_risk(self.cost, dial.penalty)
        shown = risk.RiskDial(
            present=self._present,
            sizes=sizes,
            risks=risks,
            implied=implied,
            efficient=(risks <= chord * (1 + 1e-4)) & (sizes <= orders.sizes[-1]),
            risk=self.risk,
            order=dial.size if np.isfinite(dial.penalty) else np.inf,
            penalty=dial.penalty,
            optimal=dial.verdict == "optimal",
            best=(float(once.sizes[0]), 1 - once.success_probability),
            own_penalty=self.penalty,
            newsvendor=(float(law.isf(wrong)) if wrong > 0 else np.inf, wrong),
        )
        words = f"means {short(dial.size)}" if np.isfinite(dial.penalty) else "is out of reach"
        title = "met already" if law.met else f"a risk of {100 * self.risk:.2g} % {words}"
        return risk.risk_figure(shown, f"{self.label}: {title}")

    # 3 Rounds

    def _rounds_figure(self) -> go.Figure:
        law, best, exact = self.law, self.plan_for(self.rounds, self.solver), self.best
        p_never = law.p_unreachable
        known = self.cost * (law.mean() - self._present) if not law.met and p_never < 1 else 0.0
        shown = rounds.Rounds(
            present=self._present,
            sizes=best.sizes,
            needed=best.needed,
            cost=best.expected_cost,
            exact=exact.sizes if self.solver != "dp" else None,
            horizons=self._waits(self._law_key(), self.cost, self.penalty)[0],
            informed=(1 - p_never) * min(known, self.penalty) + p_never * self.penalty * (not law.met),
        )
        return rounds.rounds_figure(shown, f"{self.label}: {self._rounds_words(best, exact)}")

    def _rounds_words(self, best: CollectionPlan, exact: CollectionPlan) -> str:
        count = f"{self.rounds} round{'s' if self.rounds > 1 else ''}"
        gap = 100 * (best.expected_cost / exact.expected_cost - 1) if exact.expected_cost else 0.0
        solver = (
            "the exact plan" if self.solver == "dp" else f"gradient descent, {gap:.2g} % dearer than the exact plan"
        )
        verdict = f"cost {short(best.expected_cost)} on average" if best.status == "collect" else _one_order_words(best)
        return f"{count}, {verdict}<br><sub>{self.target:g} points; {solver}</sub>"

    def rounds_table(self) -> pd.DataFrame:
        """Return the plan of view 3 as a table."""
        best = self.plan_for(self.rounds, self.solver)
        numbers = np.arange(1, self.rounds + 1)
        columns = {"round": numbers, "order": best.orders, "samples": best.sizes, "needed": best.needed}
        return pd.DataFrame(columns).assign(
            chance=self.law.cdf(best.sizes), expected_cost=best.expected_cost, solver=self.solver, status=best.status
        )

    # 5 Ensemble

    def _ensemble_figure(self) -> go.Figure:
        sizes, scores = self.known
        weights = rank_weights(self.weights, len(sizes))
        grid = np.geomspace(sizes[0], max(self.q_max, 1.5 * sizes[-1]), 60)
        values = {}
        for name in self.families:
            fits = bootstrap_coefficients(CURVES[name], sizes, scores, weights, N_BOOT, 0, self.min_distinct)
            values[name] = CURVES[name].evaluate(fits, grid[None])
        each = SHOWN_CURVES // len(values)
        task, law = self.current, self.law
        truth = (task.oracle.sizes, task.oracle.scores, task.oracle.required_size(self.target))
        shown = ensemble.Ensemble(
            sizes=sizes,
            scores=scores,
            grid=grid,
            curves={name: curves[:each] for name, curves in values.items()},
            band=np.quantile(np.concatenate(list(values.values())), [0.025, 0.975], axis=0),
            answers=law.requirements.ravel(),
            q_max=self.q_max,
            target=self.target,
            truth=truth if self.reveal else None,
        )
        low, high = np.quantile(law.requirements, [0.025, 0.975], method="inverted_cdf")
        title = f"{self.label}: 95 % need {short(low)} to {short(high)}"
        return ensemble.ensemble_figure(shown, title, task.score_name)


def _one_order_words(best: CollectionPlan) -> str:
    words = {"met": "met already", "give up": "give up", "unreachable": "out of reach"}
    return words.get(best.status, f"order up to {short(best.sizes[0])}")
