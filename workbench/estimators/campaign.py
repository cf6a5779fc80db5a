"""A whole collection campaign against a known truth: decide, pay, measure, look, until the target or the last round.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, Algorithm 1 and section 5.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.estimators.collection import LearningCurveOracle
from workbench.estimators.policies import CollectionProblem, Policy
from workbench.estimators.search import Array
from workbench.estimators.validation import as_numbers

CAP = 20
"""Most samples ever owned, as a multiple of those owned at the start, where no other limit is given."""


class Oracle(Protocol):
    """The truth of several sources, such as a triangulated grid of measured scores."""

    def score(self, points: ArrayLike) -> Array:
        """Return the scores (...) at sizes (..., K)."""

    def required(self, target: float, cost: ArrayLike, present: ArrayLike) -> Array:
        """Return the cheapest sizes (K,) that reach ``target``, none below ``present``."""


def simulate_campaign(
    oracle: LearningCurveOracle | Oracle,
    policy: Policy,
    problem: CollectionProblem,
    start: ArrayLike,
    *,
    q_max: ArrayLike | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Play ``policy`` on ``oracle``: it stops at the first success, when it gives up, or after the last round.

    An order is a whole number of samples, at least one of some source, and ends at ``q_max``.

    Args:
        oracle: the truth.
        policy: who decides.
        problem: target, rounds, cost and penalty.
        start: (m,) or (m, K) sizes measured before the first order, the present one last.
        q_max: most samples ever owned of each source; default 20 times the present ones.
        seed: of the policy's resamples.

    Returns:
        One row a round, round 0 being the start: ``round``; ``order`` and ``n`` (``order_1``, ``n_1``, ... for several
        sources); ``score``; ``paid``, the bill so far; ``status`` (``"open"``, ``"met"``, ``"give up"``, ``"missed"``);
        ``total``, the bill and the penalty if the campaign ended there without success; ``expected`` and ``chance``, what the
        policy expected to pay and how likely it thought success, where it has an opinion; ``optimum``, the least bill that
        reaches the target (``inf`` where the truth never does).
    """
    sizes, prices = np.asarray(start, float), problem.prices
    sizes = sizes[:, None] if sizes.ndim == 1 else sizes
    if sizes.ndim != 2 or sizes.shape[1] != len(prices):
        raise ValueError(f"cost must have one value a source ({sizes.shape[-1]}), got {len(prices)}")
    if not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise ValueError("start must hold positive finite sizes of every source")
    if getattr(oracle, "direction", "max") != "max":
        raise ValueError("oracle must hold scores of which higher is better: give it score_scale - error for errors")
    limit = CAP * sizes[-1] if q_max is None else np.broadcast_to(as_numbers(q_max, "q_max"), prices.shape)
    if not np.all(np.isfinite(limit) & (limit >= sizes[-1])):
        raise ValueError(
            f"q_max must be finite, not below the present sizes {sizes[-1].tolist()}, got {limit.tolist()}"
        )
    scores = np.array([_score(oracle, point) for point in sizes])
    optimum = float(prices @ (_required(oracle, problem, sizes[-1]) - sizes[-1]))
    status, owned = "met" if scores.max() >= problem.target else "open", sizes[-1]
    rows = [(0, owned * 0, owned, scores[-1], 0.0, status, np.nan, np.nan)]
    paid = 0.0
    for step in range(1, problem.rounds + 1):
        if status != "open":
            break
        decision = policy.decide(sizes, scores, problem, problem.rounds - step + 1, limit, seed)
        if decision.give_up:
            rows[-1] = (*rows[-1][:5], "give up", *rows[-1][6:])
            status = "give up"
            break
        order = _whole_order(decision.size, owned, limit)
        owned, paid = owned + order, paid + float(prices @ order)
        score = _score(oracle, owned)
        met = score >= problem.target
        status = "met" if met else "missed" if step == problem.rounds else "open"
        forecast = decision.plan
        opinion = (forecast.expected_cost, forecast.success_probability) if forecast else (np.nan, np.nan)
        rows.append((step, order, owned, score, paid, status, *opinion))
        sizes, scores = np.vstack([sizes, owned]), np.append(scores, score)
    return _table(rows, problem, optimum)


def summarise_campaign(campaign: pd.DataFrame) -> dict[str, float | bool | str]:
    """Return how a campaign ended: ``met``, ``status``, ``paid``, ``total`` and the paper's ``cost_ratio``.

    ``cost_ratio`` is ``paid / optimum - 1``: 0 for the least bill possible, ``nan`` for a campaign that missed (section 5).
    """
    last = campaign.iloc[-1]
    met = last["status"] == "met"
    ratio = last["paid"] / last["optimum"] - 1 if met and last["optimum"] > 0 else np.nan
    return {"met": met, "status": last["status"], "paid": last["paid"], "total": last["total"], "cost_ratio": ratio}


def names(prefix: str, sources: int) -> list[str]:
    """Return the column names of a quantity that each source has.

    >>> names("n", 1), names("n", 2)
    (['n'], ['n_1', 'n_2'])
    """
    return [prefix] if sources == 1 else [f"{prefix}_{source}" for source in range(1, sources + 1)]


def _whole_order(size: Array, owned: Array, limit: Array) -> Array:
    wanted = np.minimum(np.ceil(np.minimum(size, limit) - 1e-6), np.floor(limit))
    order = np.maximum(wanted - owned, 0.0)
    if not order.any():
        order = (owned + 1 <= limit).astype(float)
    return order


def _score(oracle: LearningCurveOracle | Oracle, point: Array) -> float:
    return float(oracle.score(point[0] if len(point) == 1 else point))


def _required(oracle: LearningCurveOracle | Oracle, problem: CollectionProblem, present: Array) -> Array:
    if len(present) == 1:
        return np.atleast_1d(oracle.required_size(problem.target))
    return np.asarray(oracle.required(problem.target, problem.prices, present), float)


def _table(rows: list[tuple], problem: CollectionProblem, optimum: float) -> pd.DataFrame:
    rounds, orders, sizes, scores, paid, status, expected, chance = zip(*rows, strict=True)
    sources = len(sizes[0])
    frame = pd.DataFrame({"round": rounds})
    frame[names("order", sources)] = np.array(orders)
    frame[names("n", sources)] = np.array(sizes)
    frame = frame.assign(score=scores, paid=paid, status=status)
    failed = frame["status"].isin(["missed", "give up"])
    return frame.assign(
        total=frame["paid"] + problem.penalty * failed, expected=expected, chance=chance, optimum=optimum
    )
