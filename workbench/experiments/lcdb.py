"""Judge the family's extrapolation on the thousands of learning curves of LCDB."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from workbench.datasets.learning_curves import lcdb_curves
from workbench.estimators import CURVES, PUBLISHED_FAMILY, LearningCurveOracle, diagnose


@cache
def judge_lcdb(weights: str = "uniform", share: float = 0.1, least: int = 5) -> pd.DataFrame:
    """Fit each LCDB curve on the sizes up to ``share`` of its largest and ask for the score half-way to the best later one.

    Curves count when at least ``least`` anchors are known and three are held out, and when the score still rises by half a
    point or more.  The target is the middle between the best known score and the best later score.

    Returns:
        One row a curve: ``openmlid``, ``learner``, ``ill_behaved`` (from the known points alone), ``needed``, and
        ``<curve>_answer`` and ``<curve>_rmse`` of each published function.
    """
    groups = []
    for (openmlid, learner), frame in lcdb_curves().groupby(["openmlid", "learner"], sort=False):
        sizes, scores = frame["n"].to_numpy(float), frame["score_mean"].to_numpy()
        known = int(np.searchsorted(sizes, share * sizes[-1], side="right"))
        if known < least or len(sizes) - known < 3 or scores[known:].max() < scores[:known].max() + 0.5:
            continue
        groups.append((openmlid, learner, sizes, scores, known))
    width = max(known for *_, known in groups)
    sizes, scores, row_weights = (np.zeros((len(groups), width)) for _ in range(3))
    for index, (_, _, n, v, known) in enumerate(groups):
        sizes[index], scores[index] = n[known - 1], v[known - 1]
        sizes[index, :known], scores[index, :known] = n[:known], v[:known]
        row_weights[index, :known] = 1.0 if weights == "uniform" else np.exp2(np.arange(known))
    oracles = [LearningCurveOracle(n, v) for _, _, n, v, _ in groups]
    targets = np.array([(v[:known].max() + v[known:].max()) / 2 for _, _, _, v, known in groups])
    table = pd.DataFrame(
        {
            "openmlid": [group[0] for group in groups],
            "learner": [group[1] for group in groups],
            "needed": [oracle.required_size(target) for oracle, target in zip(oracles, targets, strict=True)],
        }
    )
    for name in PUBLISHED_FAMILY:
        coefficients = CURVES[name].fit_batch(sizes, scores, row_weights)
        table[f"{name}_answer"] = CURVES[name].invert(coefficients, targets)
        table[f"{name}_rmse"] = [
            float(np.sqrt(np.mean((CURVES[name].evaluate(row[None], n[None, known:])[0] - v[known:]) ** 2)))
            for row, (_, _, n, v, known) in zip(coefficients, groups, strict=True)
        ]
    fitted = CURVES["power"].fit_batch(sizes, scores, row_weights)
    table["ill_behaved"] = [
        diagnose(n[:known], v[:known], CURVES["power"].evaluate(row[None], n[None, :known])[0]).ill_behaved
        for row, (_, _, n, v, known) in zip(fitted, groups, strict=True)
    ]
    return table
