"""From scores measured at mixes of several data sources to the law of what is needed of each.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 4.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from workbench.estimators.additive import EXPONENTS, fit_additive
from workbench.estimators.minimum_cost import minimum_cost_sizes
from workbench.estimators.requirement import bootstrap_counts, rank_weights
from workbench.estimators.search import Array
from workbench.estimators.source_laws import EnsembleLaw, MixtureLaw
from workbench.estimators.validation import check_positive, check_score, check_score_scale

SUCCESS = ("mixture", "ensemble")
CAP = 20
"""Most samples of each source, as a multiple of the present ones, where no other limit is given."""

_COLLINEAR = 0.02
_LEVELS = 3


def source_law(
    sizes: ArrayLike,
    scores: ArrayLike,
    target: float,
    *,
    cost: ArrayLike,
    family: Literal["additive", "additive_saturating"] = "additive_saturating",
    success: Literal["mixture", "ensemble"] = "mixture",
    n_boot: int = 300,
    weights: Literal["doubling", "uniform"] = "doubling",
    min_distinct: int | None = None,
    q_max: ArrayLike | None = None,
    score_scale: float = 100.0,
    seed: int = 0,
) -> MixtureLaw | EnsembleLaw:
    """Learn the law of the requirement of ``K`` sources: resample the points, fit additive curves, find their cheapest sizes.

    Args:
        sizes: (m, K) samples of each source, at least 1, in the order measured; their largest are the present ones.
        scores: (m,) scores measured there, on ``score_scale``.
        target: the score to reach.
        cost: (K,) price of a sample of each source.
        family: of the curves, a name of ``EXPONENTS``.
        success: ``"mixture"``, the paper's componentwise law, or ``"ensemble"``, the share of curves that are there.
        n_boot: resamples.
        weights: ``"doubling"`` (the newest point counts most) or ``"uniform"``.
        min_distinct: resamples with fewer distinct points are drawn again; default one more than a curve has parameters,
            ``2 K + 2``. So are resamples that cannot separate the sources.
        q_max: (K,) most samples that may be owned; default 20 times the present ones.
        score_scale: the score of a perfect model: 100 for percent, 1 for fractions.
        seed: of the resamples and of the mixture.

    Returns:
        The law, cut at the present sizes; its ``requirements`` are the (n_boot, K) cheapest sizes.

    Raises:
        ValueError: an argument is not usable (the message names it), there are fewer distinct points than parameters, or the
            points cannot separate the sources.

    >>> q = np.array([(a, b) for a in (10, 30, 60) for b in (10, 30, 60)])
    >>> scores = 95 - 60 / q[:, 0] ** 0.5 - 40 / q[:, 1] ** 0.5
    >>> law = source_law(q, scores, 85, cost=[1, 0.5], n_boot=20)
    >>> np.median(law.requirements, axis=0).round()
    array([ 93., 112.])
    >>> source_law(q[[0, 4, 8]], scores[[0, 4, 8]], 85, cost=[1, 0.5])
    Traceback (most recent call last):
    ValueError: need at least 5 distinct points to fit 2 sources, got 3
    """
    sizes, percent, aim = _check_measurements(sizes, scores, target, family, score_scale)
    price, present, limit = _check_prices(sizes, cost, q_max)
    if success not in SUCCESS:
        raise ValueError(f"success must be one of {SUCCESS}, got {success!r}")
    if n_boot < 1:
        raise ValueError(f"n_boot must be at least 1, got {n_boot}")
    least = 2 * sizes.shape[1] + 2 if min_distinct is None else min_distinct
    counts = separating_counts(sizes, n_boot, np.random.default_rng(seed), least)
    curves = fit_additive(sizes, percent, counts * rank_weights(weights, len(percent)), family)
    requirements = minimum_cost_sizes(curves, aim, price, present, limit)
    met = bool(percent.max() >= aim)
    if success == "ensemble":
        return EnsembleLaw(curves, aim, requirements, present, limit, met)
    return MixtureLaw(requirements, present, limit, met, seed)


def source_requirement(
    sizes: ArrayLike,
    scores: ArrayLike,
    target: float,
    *,
    cost: ArrayLike,
    family: str = "additive_saturating",
    weights: str = "doubling",
    q_max: ArrayLike | None = None,
    score_scale: float = 100.0,
) -> Array:
    """Return the cheapest sizes (K,) at which one fitted curve reaches ``target``: the regression that the paper compares with.

    Arguments and errors are those of :func:`source_law`. The answer is ``inf`` where the curve is not there at ``q_max``.

    >>> q = np.array([(a, b) for a in (10, 30, 60) for b in (10, 30, 60)])
    >>> source_requirement(q, 95 - 60 / q[:, 0] ** 0.5 - 40 / q[:, 1] ** 0.5, 85, cost=[1, 0.5]).round()
    array([ 93., 112.])
    """
    sizes, percent, aim = _check_measurements(sizes, scores, target, family, score_scale)
    price, present, limit = _check_prices(sizes, cost, q_max)
    curves = fit_additive(sizes, percent, rank_weights(weights, len(percent))[None], family)
    return minimum_cost_sizes(curves, aim, price, present, limit)[0]


def separating_counts(sizes: Array, n_boot: int, rng: np.random.Generator, min_distinct: int) -> Array:
    """Return (n_boot, m) counts of how often each point is drawn; a row that cannot separate the sources is drawn again."""
    point = np.unique(sizes, axis=0, return_inverse=True)[1].ravel() + 1.0
    accepted, missing = [], n_boot
    while missing:
        counts = bootstrap_counts(point, 2 * missing, rng, min_distinct)
        counts = counts[_levels(sizes, counts).min(1) >= _LEVELS]
        counts = counts[_spread_ratio(sizes, counts) >= _COLLINEAR][:missing]
        accepted.append(counts)
        missing -= len(counts)
    return np.concatenate(accepted)


def _levels(sizes: Array, counts: Array) -> Array:
    """Return (B, K) how many distinct sizes of each source are drawn."""
    columns = [(counts @ (column[:, None] == np.unique(column)) > 0).sum(1) for column in sizes.T]
    return np.stack(columns, 1)


def _spread_ratio(sizes: Array, counts: Array) -> Array:
    """Return (B,) the least spread of the log sizes over the greatest: 0 where they lie on a line (for two sources)."""
    share = counts / counts.sum(1, keepdims=True)
    logs = np.log(sizes)
    centred = logs - (share @ logs)[:, None, :]
    covariance = (share[..., None] * centred).swapaxes(1, 2) @ centred
    values = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    return np.sqrt(np.divide(values[:, 0], values[:, -1], out=np.zeros(len(values)), where=values[:, -1] > 0))


def _check_measurements(
    sizes: ArrayLike, scores: ArrayLike, target: float, family: str, score_scale: float
) -> tuple[Array, Array, float]:
    """Return sizes (m, K), scores (m,) and the target in percent."""
    sizes, scores = np.asarray(sizes, float), np.asarray(scores, float)
    if sizes.ndim != 2 or scores.shape != sizes.shape[:1]:
        raise ValueError(f"sizes must be (m, K) and scores (m,), got shapes {sizes.shape} and {scores.shape}")
    bad = np.argwhere(~(np.isfinite(sizes) & (sizes >= 1)))
    if len(bad):
        row, source = bad[0]
        raise ValueError(
            f"sizes[{row}, {source}] is {sizes[row, source]:g}; every source needs at least 1 sample, since a power of its "
            "size is not defined at 0"
        )
    check_score_scale(scores, score_scale)
    if family not in EXPONENTS:
        raise ValueError(f"family must be one of {list(EXPONENTS)}, got {family!r}")
    _check_design(sizes)
    percent = 100.0 / score_scale
    return sizes, scores * percent, check_score(target, "target") * percent


def _check_design(sizes: Array) -> None:
    """Raise ValueError when the points cannot determine one curve."""
    sources = sizes.shape[1]
    distinct = len(np.unique(sizes, axis=0))
    if distinct < 2 * sources + 1:
        raise ValueError(f"need at least {2 * sources + 1} distinct points to fit {sources} sources, got {distinct}")
    once = np.ones((1, len(sizes)))
    levels = _levels(sizes, once)[0]
    if levels.min() < _LEVELS:
        raise ValueError(
            f"sizes hold {levels.min()} distinct numbers of source {levels.argmin() + 1}; its exponent needs at least {_LEVELS}"
        )
    if _spread_ratio(sizes, once)[0] < _COLLINEAR:
        raise ValueError(
            "sizes grow in proportion to each other, so they cannot separate the sources: measure at least one other mix"
        )


def _check_prices(sizes: Array, cost: ArrayLike, q_max: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Return cost, present and greatest sizes, each (K,)."""
    price, present = check_positive(cost, "cost"), sizes.max(0)
    if price.shape != present.shape:
        raise ValueError(f"cost must have one value a source ({len(present)}), got {price.size}")
    limit = CAP * present if q_max is None else np.broadcast_to(np.asarray(q_max, float), present.shape).copy()
    if not np.all(limit >= present):
        raise ValueError(f"q_max must not be below the present sizes {present.tolist()}, got {limit.tolist()}")
    return price, present, limit
