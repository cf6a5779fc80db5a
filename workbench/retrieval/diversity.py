"""Diversity: from a shortlist, choose pictures that resemble the queries and do not repeat one another.

Submodular mutual information of Kothawade et al., "Submodular Mutual Information for Targeted Data Subset Selection" (2021) and
"TALISMAN" (ECCV 2022), maximised greedily: at least 1 - 1/e of the best possible value where the function is monotone submodular.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Gains = Callable[[list[int]], Array]


def facility_location(queries: ArrayLike, count: int, *, eta: float = 1.0) -> list[int]:
    """Choose pictures that serve every query, by facility-location mutual information between them and the queries.

    ``f(A) = sum_(i in Q) max_(j in A) S_ij + eta sum_(j in A) max_(i in Q) S_ij``

    Args:
        queries: similarities S of Q queries and V pictures of the shortlist, (Q, V), not negative, such as cosines cut at 0.
        count: pictures to choose; more than V gives all.
        eta: weight of a picture's own relevance against serving queries that nothing chosen serves yet; 0 or more.

    Returns:
        Indices into the shortlist in the order of choice; ties in the order of the shortlist.

    Raises:
        ValueError: the similarities are no such matrix, or an option is out of its range.

    >>> facility_location([[0.9, 0.8, 0.0], [0.0, 0.1, 0.6]], 2, eta=0.1)
    [0, 2]
    """
    similarity, relevance = _checked(queries, eta, "eta"), None
    relevance = eta * similarity.max(0)

    def gains(chosen: list[int]) -> Array:
        served = similarity[:, chosen].max(1, initial=0.0)
        return np.maximum(similarity - served[:, None], 0).sum(0) + relevance

    return _greedy(gains, similarity.shape[1], count)


def covering_facility_location(queries: ArrayLike, pictures: ArrayLike, count: int, *, eta: float = 1.0) -> list[int]:
    """Choose pictures that stand for the relevant part of the shortlist, so that near-duplicates add nothing.

    ``f(A) = sum_(i in V) min(max_(j in A) S_ij, eta max_(q in Q) S_iq)``

    Args:
        queries: (Q, V), as in :func:`facility_location`.
        pictures: similarities of the V pictures of the shortlist with one another, (V, V), not negative.
        count: pictures to choose; more than V gives all.
        eta: how much of a picture's similarity to the queries counts before it is covered; 0 or more.

    Returns and raises as :func:`facility_location`.

    >>> twins = [[1.0, 1.0, 0.1], [1.0, 1.0, 0.1], [0.1, 0.1, 1.0]]
    >>> covering_facility_location([[0.9, 0.8, 0.6]], twins, 2)
    [0, 2]
    """
    similarity = _checked(queries, eta, "eta")
    between = _checked_pictures(pictures, similarity.shape[1])
    cap = eta * similarity.max(0)

    def gains(chosen: list[int]) -> Array:
        covered = np.minimum(between[:, chosen].max(1, initial=0.0), cap)
        return np.maximum(np.minimum(between, cap[:, None]) - covered[:, None], 0).sum(0)

    return _greedy(gains, similarity.shape[1], count)


def graph_cut(
    queries: ArrayLike, pictures: ArrayLike | None, count: int, *, balance: float = 1.0, redundancy: float = 0.0
) -> list[int]:
    """Choose pictures by graph-cut mutual information, less what they have in common with one another.

    ``f(A) = 2 lambda sum_(i in Q, j in A) S_ij - nu sum_(i < j in A) S_ij``. The first term is the mutual information: it has no
    diversity of its own, and alone it is a ranking by mean similarity to the queries.

    Args:
        queries: (Q, V), as in :func:`facility_location`.
        pictures: (V, V), as in :func:`covering_facility_location`; None where ``redundancy`` is 0.
        count: pictures to choose; more than V gives all.
        balance: lambda, 0 or more.
        redundancy: nu, 0 or more. Above 0 the function is not monotone, and greedy choice has no guarantee.

    Returns and raises as :func:`facility_location`.

    >>> twins = [[1.0, 1.0, 0.1], [1.0, 1.0, 0.1], [0.1, 0.1, 1.0]]
    >>> graph_cut([[0.9, 0.8, 0.6]], None, 2), graph_cut([[0.9, 0.8, 0.6]], twins, 2, redundancy=1)
    ([0, 1], [0, 2])
    """
    similarity = _checked(queries, balance, "balance")
    relevance = 2 * balance * similarity.sum(0)
    if not redundancy >= 0:
        raise ValueError(f"redundancy must be 0 or more, got {redundancy!r}")
    if redundancy == 0:
        return _greedy(lambda chosen: relevance, similarity.shape[1], count)
    if pictures is None:
        raise ValueError("pictures is None, but redundancy is above 0: it needs their similarities with one another")
    between = _checked_pictures(pictures, similarity.shape[1])
    return _greedy(lambda chosen: relevance - redundancy * between[:, chosen].sum(1), similarity.shape[1], count)


def _greedy(gains: Gains, total: int, count: int) -> list[int]:
    """Return ``count`` indices, each with the largest gain over those before it."""
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"count must be a whole number of at least 1, got {count!r}")
    chosen: list[int] = []
    for _ in range(min(count, total)):
        gain = gains(chosen).copy()
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
    return chosen


def _checked(queries: ArrayLike, weight: float, name: str) -> Array:
    if not weight >= 0:
        raise ValueError(f"{name} must be 0 or more, got {weight!r}")
    return _not_negative(queries, "queries", None)


def _checked_pictures(pictures: ArrayLike, total: int) -> Array:
    return _not_negative(pictures, "pictures", (total, total))


def _not_negative(values: ArrayLike, name: str, shape: tuple[int, int] | None) -> Array:
    matrix = np.asarray(values, float)
    expected = f"({shape[0]}, {shape[1]})" if shape else "(Q, V) with Q and V above 0"
    if matrix.ndim != 2 or not matrix.size or (shape is not None and matrix.shape != shape):
        raise ValueError(f"{name} has shape {matrix.shape}, expected {expected}")
    if not (matrix >= 0).all() or not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be finite and not negative: cut cosines at 0")
    return matrix
