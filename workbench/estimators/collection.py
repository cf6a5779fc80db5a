"""Play data collection against a known learning curve: rounds of order, train, look; and the correction factor tau.

Mahmood et al., "How Much More Data Do I Need?", CVPR 2022, Algorithm 1 and section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.estimators.curves import ScalingCurve, whole
from workbench.estimators.requirement import DataRequirementEstimator, rank_weights
from workbench.estimators.search import Array
from workbench.estimators.validation import check_score, check_sizes


class LearningCurveOracle:
    """Ground truth by linear interpolation of measured scores: a ray from (0, 0) to the first point, then line segments.

    Beyond the last point the last score is held, and :meth:`score` answers are marked ``held`` by the simulator.

    Args:
        sizes: (m,) measured numbers of samples; repeats are averaged.
        scores: (m,) scores.
        direction: ``"min"`` for errors: there the ray starts at the first error.

    >>> oracle = LearningCurveOracle([100, 200, 300], [50, 60, 58])
    >>> oracle.score([50, 150, 1000])
    array([25., 55., 58.])
    >>> oracle.required_size(55), oracle.required_size(61)
    (150.0, inf)
    """

    def __init__(self, sizes: ArrayLike, scores: ArrayLike, direction: str = "max") -> None:
        sizes, scores = check_sizes(sizes), np.asarray(scores, float)
        if sizes.ndim != 1 or sizes.shape != scores.shape or not len(sizes):
            raise ValueError(
                f"sizes and scores must be of one length and not empty, got shapes {sizes.shape} and {scores.shape}"
            )
        if not np.all(np.isfinite(scores)):
            index = np.flatnonzero(~np.isfinite(scores))[0]
            raise ValueError(f"scores[{index}] is {scores[index]}; scores must be finite numbers")
        self.direction = direction
        self.sizes, inverse = np.unique(sizes, return_inverse=True)
        self.scores = np.bincount(inverse, scores) / np.bincount(inverse)
        self._knots = np.concatenate([[0.0], self.sizes])
        self._values = np.concatenate([[0.0 if direction == "max" else self.scores[0]], self.scores])

    @property
    def full_size(self) -> float:
        """The largest size that was measured."""
        return float(self.sizes[-1])

    def score(self, sizes: ArrayLike) -> Array:
        """Return the true scores at ``sizes``; beyond the last measured size the last score."""
        return np.interp(np.asarray(sizes, float), self._knots, self._values)

    def required_size(self, target: float) -> float:
        """Return the smallest whole number of samples whose true score reaches ``target``, ``inf`` if none measured does."""
        sign = 1.0 if self.direction == "max" else -1.0
        reached = np.flatnonzero(sign * self._values >= sign * target)
        if not len(reached):
            return float("inf")
        right = int(reached[0])
        if right == 0:
            return 0.0
        low, high = self._values[right - 1], self._values[right]
        crossing = self._knots[right - 1] + (target - low) / (high - low) * (
            self._knots[right] - self._knots[right - 1]
        )
        return float(whole(np.array(crossing)))


@dataclass(frozen=True)
class Trajectories:
    """``B`` simulated collections: sizes and scores (B, rounds + 1) from the start on, ``nan`` after a success."""

    sizes: Array
    scores: Array
    estimates: Array
    met: Array


def simulate_collection(
    oracle: LearningCurveOracle,
    estimator: DataRequirementEstimator,
    target: float,
    initial_size: int,
    rounds: int,
    *,
    subsets: int | ArrayLike = 5,
    min_step: int = 1,
    max_size: float | None = None,
) -> pd.DataFrame:
    """Collect in at most ``rounds`` rounds until the true score reaches ``target``.

    Each round fits the curve to everything measured, orders up to the size at which it reaches ``target + correction`` (at
    least ``min_step`` more), trains, and looks.  Success is judged by the score against ``target`` alone.

    Args:
        oracle: the truth.
        estimator: which curve, correction and weights; it is not changed.
        target: the score to reach.
        initial_size: samples owned at the start.
        rounds: most orders.
        subsets: nested subsets of the initial data measured before the first order: how many, at ``initial_size (i+1)/subsets``,
            or their sizes, of which the last is ``initial_size``.
        min_step: least order, in samples.
        max_size: most samples ever owned, default 50 times the oracle's largest size; infinite estimates stop there.

    Returns:
        One row a round (round 0 is the start): ``round``, ``estimate`` (of the total), ``order``, ``n``, ``score``, ``met``,
        ``held`` (the truth beyond its last measured point), and ``ratio`` = n / smallest sufficient n (below 1: not there).
    """
    path = simulate_many(
        oracle,
        estimator,
        np.array([target]),
        np.array([estimator.correction]),
        initial_size,
        rounds,
        subsets=subsets,
        min_step=min_step,
        max_size=max_size,
    )
    played = ~np.isnan(path.sizes[0])
    sizes, scores = path.sizes[0][played], path.scores[0][played]
    sign = 1.0 if estimator.direction == "max" else -1.0
    return pd.DataFrame(
        {
            "round": np.arange(played.sum()),
            "estimate": np.concatenate([[np.nan], path.estimates[0]])[: played.sum()],
            "order": np.diff(sizes, prepend=0.0),
            "n": sizes,
            "score": scores,
            "met": sign * scores >= sign * target,
            "held": sizes > oracle.full_size,
            "ratio": sizes / oracle.required_size(target),
        }
    )


def simulate_many(
    oracle: LearningCurveOracle,
    estimator: DataRequirementEstimator,
    targets: Array,
    corrections: Array,
    initial_size: int,
    rounds: int,
    *,
    subsets: int | ArrayLike = 5,
    min_step: int = 1,
    max_size: float | None = None,
) -> Trajectories:
    """Play :func:`simulate_collection` for ``B`` pairs of target and correction at once.

    The first round's fit is shared by all; a policy does not look at the number of rounds left, so the first ``t`` rounds of
    a longer game are the game of ``t`` rounds.
    """
    curve, direction = estimator.curve_class(), estimator.direction
    starts = _start_sizes(subsets, initial_size)
    _check_game(initial_size, rounds, len(starts), min_step)
    subsets = len(starts)
    percent = 100.0 / estimator.score_scale
    limit = 50.0 * oracle.full_size if max_size is None else max_size
    count, points = len(targets), subsets + rounds
    sizes, scores = np.full((count, points), np.nan), np.full((count, points), np.nan)
    sizes[:, :subsets] = starts
    scores[:, :subsets] = oracle.score(sizes[0, :subsets])
    estimates = np.full((count, rounds), np.nan)
    sign, upward = (1.0, lambda s: s) if direction == "max" else (-1.0, lambda s: estimator.score_scale - s)
    aims = (upward(np.asarray(targets, float)) + corrections) * percent
    met = sign * scores[:, subsets - 1] >= sign * targets
    for step in range(rounds):
        rows = np.flatnonzero(~met)
        if not len(rows):
            break
        known = subsets + step
        data = slice(None) if step else slice(0, 1)
        coefficients = _fit_rows(
            curve, sizes[rows, :known][data], upward(scores[rows, :known][data]) * percent, estimator.weights
        )
        estimate = whole(curve.invert(np.broadcast_to(coefficients, (len(rows), coefficients.shape[1])), aims[rows]))
        estimates[rows, step] = estimate
        owned = sizes[rows, known - 1]
        sizes[rows, known] = np.maximum(np.minimum(estimate, limit), owned + min_step)
        scores[rows, known] = oracle.score(sizes[rows, known])
        met[rows] = sign * scores[rows, known] >= sign * targets[rows]
    return Trajectories(sizes[:, subsets - 1 :], scores[:, subsets - 1 :], estimates, met)


def _fit_rows(curve: type[ScalingCurve], sizes: Array, percent: Array, weights: str) -> Array:
    row = rank_weights(weights, sizes.shape[1])
    return curve.fit_batch(sizes, percent, np.broadcast_to(row, sizes.shape))


def _start_sizes(subsets: int | ArrayLike, initial_size: int) -> Array:
    if np.ndim(subsets) == 0:
        return initial_size * np.arange(1, int(subsets) + 1) / int(subsets)
    starts = check_sizes(subsets)
    if np.any(np.diff(starts) <= 0) or starts[-1] != initial_size:
        raise ValueError(f"subsets must increase and end at initial_size={initial_size}, got {starts.tolist()}")
    return starts


def _check_game(initial_size: int, rounds: int, subsets: int, min_step: int) -> None:
    for name, value, least in (
        ("initial_size", initial_size, 1),
        ("rounds", rounds, 1),
        ("subsets", subsets, 3),
        ("min_step", min_step, 1),
    ):
        if check_score(value, name) < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


@dataclass(frozen=True)
class Correction:
    """The correction factor tau learned on a finished task.

    Attributes:
        correction: the smallest tau on the grid with the fewest failures.
        failures: targets still missed with it; 0 unless the search ended at the perfect score.
        table: one row a tau tried: ``correction``, ``failures``, ``worst_ratio``.
    """

    correction: float
    failures: int
    table: pd.DataFrame


def tune_correction(
    oracle: LearningCurveOracle,
    estimator: DataRequirementEstimator,
    targets: ArrayLike,
    initial_size: int,
    rounds: int,
    *,
    step: float = 0.25,
    subsets: int | ArrayLike = 5,
    min_step: int = 1,
) -> Correction:
    """Find the smallest tau (in steps of ``step`` score units) with which every target is met within ``rounds`` rounds.

    The search stops when the lowest target plus tau passes the score of a perfect model; the failures left are reported.

    >>> oracle = LearningCurveOracle([10, 20, 30, 40, 50, 100, 200, 400], [20, 30, 36, 40, 43, 51, 57, 61])
    >>> tuned = tune_correction(oracle, DataRequirementEstimator("log"), [50, 55, 60], 50, rounds=1)
    >>> tuned.failures, tuned.correction
    (0, 10.25)
    """
    targets = np.asarray(targets, float).ravel()
    if not len(targets):
        raise ValueError("targets must hold at least one score")
    unreachable = [target for target in targets if not np.isfinite(oracle.required_size(target))]
    if unreachable:
        raise ValueError(f"the measured curve never reaches the target {unreachable[0]:g}: tau cannot be learned on it")
    truth = np.array([oracle.required_size(target) for target in targets])
    lowest = targets.min() if estimator.direction == "max" else estimator.score_scale - targets.max()
    grid = np.arange(0.0, estimator.score_scale - lowest + step / 2, step)
    rows = []
    for block in np.array_split(grid, max(1, len(grid) // 8)):
        path = simulate_many(
            oracle,
            estimator,
            np.tile(targets, len(block)),
            np.repeat(block, len(targets)),
            initial_size,
            rounds,
            subsets=subsets,
            min_step=min_step,
        )
        failures = (~path.met).reshape(len(block), -1).sum(1)
        ratios = (np.nanmax(path.sizes, 1) / np.tile(truth, len(block))).reshape(len(block), -1).max(1)
        rows += list(zip(block, failures, ratios, strict=True))
        if not failures.all():
            break
    table = pd.DataFrame(rows, columns=["correction", "failures", "worst_ratio"])
    best = table.loc[table["failures"].idxmin()]
    return Correction(float(best["correction"]), int(best["failures"]), table)
