"""Judge the family's extrapolation on the thousands of learning curves of LCDB."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from workbench.datasets.learning_curves import lcdb_curves
from workbench.estimators import CURVES, PUBLISHED_FAMILY, LearningCurveOracle, diagnose
from workbench.estimators.requirement import rank_weights


@cache
def judge_lcdb(weights: str = "uniform", share: float = 0.1, least: int = 5) -> pd.DataFrame:
    """Fit each LCDB curve on the sizes up to ``share`` of its largest and ask for the score half-way to the best later one.

    Curves count when at least ``least`` sizes are known and three are held out, and when the score still rises by half a
    point or more.  The target is the middle between the best known score and the best later score.

    Returns:
        One row a curve: ``openmlid``, ``learner``, ``ill_behaved`` (from the known points alone), ``needed``, and
        ``<curve>_answer`` and ``<curve>_rmse`` of each published function.
    """
    same_sizes: dict[tuple[float, ...], list[tuple[int, str, np.ndarray, np.ndarray]]] = {}
    for (openmlid, learner), frame in lcdb_curves().groupby(["openmlid", "learner"], sort=False):
        sizes, scores = frame["n"].to_numpy(float), frame["score_mean"].to_numpy()
        known = int(np.searchsorted(sizes, share * sizes[-1], side="right"))
        if known >= least and len(sizes) - known >= 3 and scores[known:].max() >= scores[:known].max() + 0.5:
            same_sizes.setdefault(tuple(sizes[:known]), []).append((openmlid, learner, sizes, scores))
    tables = [_judge(np.array(sizes), curves, weights) for sizes, curves in same_sizes.items()]
    return pd.concat(tables, ignore_index=True)


def _judge(sizes: np.ndarray, curves: list[tuple[int, str, np.ndarray, np.ndarray]], weights: str) -> pd.DataFrame:
    """Judge the curves that share their known ``sizes``: they are fitted in one batch."""
    known = len(sizes)
    scores = np.stack([curve[3][:known] for curve in curves])
    targets = np.array([(v[:known].max() + v[known:].max()) / 2 for *_, v in curves])
    table = pd.DataFrame({"openmlid": [curve[0] for curve in curves], "learner": [curve[1] for curve in curves]})
    table["needed"] = [
        LearningCurveOracle(n, v).required_size(target) for (*_, n, v), target in zip(curves, targets, strict=True)
    ]
    row_weights = np.broadcast_to(rank_weights(weights, known), scores.shape)
    for name in PUBLISHED_FAMILY:
        function = CURVES[name]
        coefficients = function.fit_batch(sizes, scores, row_weights)
        table[f"{name}_answer"] = function.invert(coefficients, targets)
        table[f"{name}_rmse"] = [
            float(np.sqrt(np.mean((function.evaluate(row[None], n[None, known:])[0] - v[known:]) ** 2)))
            for row, (*_, n, v) in zip(coefficients, curves, strict=True)
        ]
        if name == "power":
            fitted = function.evaluate(coefficients, sizes[None])
    table["ill_behaved"] = [diagnose(sizes, row, fit).ill_behaved for row, fit in zip(scores, fitted, strict=True)]
    return table
