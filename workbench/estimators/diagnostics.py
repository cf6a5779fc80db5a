"""Is this learning curve one that an increasing, concave family can describe?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from workbench.estimators.search import Array


@dataclass(frozen=True)
class Diagnosis:
    """What the measured points say about the family's assumptions, on the scale of the scores.

    Attributes:
        ill_behaved: the curve falls by more than noise explains, or runs in the wrong direction.
        largest_drop: greatest fall from a score to a later, lower one.
        drop_sizes: the two sizes between which it falls, ``None`` without a fall.
        noise: estimated standard deviation of one score.
        residual_pattern: the signs of the residuals by size, for example ``"++--+"``.
        warnings: sentences for a person.
    """

    ill_behaved: bool
    largest_drop: float
    drop_sizes: tuple[float, float] | None
    noise: float
    residual_pattern: str
    warnings: tuple[str, ...]


def diagnose(sizes: ArrayLike, scores: ArrayLike, fitted: ArrayLike) -> Diagnosis:
    """Test sorted measurements for falls beyond noise, for a wrong direction and for residuals that run in one direction.

    The noise is estimated from repeats of a size where there are some, else from how far each point lies off the line
    (in log size) through its neighbours, by a median that a single dip does not move.  A fall counts when it exceeds two
    standard deviations of a difference and 3 % of the range of the scores, or a quarter of that range.

    Args:
        sizes: (m,) increasing sizes.
        scores: (m,) scores, higher is better.
        fitted: (m,) values of a fitted curve.

    >>> diagnose([16, 64, 256, 1024, 4096], [50, 65, 40, 60, 75], [45, 52, 59, 66, 73]).ill_behaved
    True
    """
    sizes, scores = np.asarray(sizes, float), np.asarray(scores, float)
    residuals = scores - np.asarray(fitted, float)
    unique, inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, scores) / counts
    noise = _noise(sizes, scores, unique, inverse, counts, means)
    mean_noise = noise / np.sqrt(counts.mean())
    peak = np.maximum.accumulate(means)
    last = int(np.argmax(peak - means))
    drop = float(peak[last] - means[last])
    first = int(np.argmax(means[: last + 1]))
    spread = float(np.ptp(means))
    significant = drop > min(max(2 * np.sqrt(2) * mean_noise, 0.03 * spread), 0.25 * spread)
    falling = bool(len(unique) > 1 and np.polyfit(np.log(unique), means, 1)[0] <= 0)
    warnings = []
    if falling:
        warnings.append("scores do not increase with n")
    elif significant:
        warnings.append(
            f"the curve falls by {drop:.3g} between {unique[first]:,.0f} and {unique[last]:,.0f} samples, more than noise "
            "explains: no increasing curve describes it"
        )
    return Diagnosis(
        ill_behaved=falling or bool(significant),
        largest_drop=drop,
        drop_sizes=(float(unique[first]), float(unique[last])) if drop > 0 else None,
        noise=noise,
        residual_pattern="".join("+" if value >= 0 else "-" for value in residuals),
        warnings=tuple(warnings),
    )


def _noise(sizes: Array, scores: Array, unique: Array, inverse: Array, counts: Array, means: Array) -> float:
    repeats = len(scores) - len(unique)
    if repeats >= 3:
        return float(np.sqrt(((scores - means[inverse]) ** 2).sum() / repeats))
    if len(unique) < 5:
        return 0.0
    x = np.log(unique)
    share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    off_line = means[1:-1] - ((1 - share) * means[:-2] + share * means[2:])
    scale = np.sqrt(1 + share**2 + (1 - share) ** 2)
    return float(np.median(np.abs(off_line / scale - np.median(off_line / scale))) / 0.6745 * np.sqrt(counts.mean()))
