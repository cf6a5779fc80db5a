"""Which subset is worth training next, to know the requirement better?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.estimators.requirement import DataRequirementEstimator


def next_sizes(
    estimator: DataRequirementEstimator, target: float, *, count: int = 3, n_boot: int = 300
) -> pd.DataFrame:
    """Rank subset sizes within the data owned by how much one more training run there narrows the answer.

    Over bootstrap fits, a new score ``v(n)`` of noise variance s² explains the share
    ``cov(v(n), log answer)² / (var(v(n)) + s²) / var(log answer)`` of the variance of the log answer (linear-Gaussian update).
    Candidates are the midpoints, in log size, of the gaps between the measured sizes, and the measured sizes again.

    Args:
        estimator: fitted.
        target: the score asked for.
        count: most sizes returned.
        n_boot: bootstrap fits.

    Returns:
        Columns ``n``, ``repeat`` (already measured once) and ``explained`` (share of the variance, 0..1), best first; empty
        when the answer does not vary over the resamples.

    >>> fitted = DataRequirementEstimator("power").fit([1000, 2000, 3000, 4000, 5000], [44.0, 60.8, 64.9, 75.6, 76.9])
    >>> advice = next_sizes(fitted, 90)
    >>> list(advice.columns), bool(advice["explained"].is_monotonic_decreasing), bool((advice["n"] <= 5000).all())
    (['n', 'repeat', 'explained'], True, True)
    """
    sizes = np.unique(estimator.sizes_)
    middles = np.round(np.sqrt(sizes[1:] * sizes[:-1]))
    candidates = np.unique(np.concatenate([sizes, middles]))
    coefficients, answers = estimator.bootstrap_fits(target, n_boot)
    usable = np.isfinite(answers) & (answers > 0)
    logs = np.log(answers[usable])
    frame = pd.DataFrame({"n": candidates.astype(int), "repeat": np.isin(candidates, sizes)})
    if usable.sum() < 10 or np.ptp(logs) < 1e-9:
        return frame.assign(explained=np.nan).head(0)
    values = estimator.curve_class().evaluate(coefficients[usable], candidates[None])
    centred, log_centred = values - values.mean(0), logs - logs.mean()
    covariance = (centred * log_centred[:, None]).mean(0)
    residual = estimator.curve_.predict(estimator.sizes_) - estimator._upward(estimator.scores_)
    noise = max(float(np.mean(residual**2)) * (100 / estimator.score_scale) ** 2, 1e-6)
    frame["explained"] = covariance**2 / (centred.var(0) + noise) / log_centred.var()
    return frame.sort_values("explained", ascending=False, kind="stable").head(count).reset_index(drop=True)
