"""Intersection over union of maps seen from above, counted over a whole set of samples, also by distance from the car.

Xie et al., "M2BEV", 2022: drivable area and lane boundaries on 200 x 200 cells of 0.5 m.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


class BevIoU:
    """Adds up intersections and unions, so that the IoU is of all cells of all samples and not a mean over samples.

    Args:
        names: of the layers, such as road and lane.
        distance: (rows, columns) metres of each cell from the car; None to leave rings out.
        rings: edges of rings of distance, rising, metres.
        threshold: probability above which a cell belongs to a layer.

    Raises:
        ValueError: no layer, edges that do not rise, or a threshold outside 0 to 1.

    >>> metric = BevIoU(("road",))
    >>> metric.update([[[0.9, 0.2]]], [[[1, 1]]])
    >>> metric.update([[[0.9, 0.6]]], [[[1, 0]]])
    >>> metric.iou()
    {'road': 0.5}
    """

    def __init__(
        self,
        names: Sequence[str],
        distance: ArrayLike | None = None,
        rings: Sequence[float] = (),
        threshold: float = 0.5,
    ) -> None:
        if not names or not 0 <= threshold <= 1 or list(rings) != sorted(set(rings)):
            raise ValueError(
                f"expected a layer, rising rings and a threshold in 0 to 1, got {names}, {rings}, {threshold}"
            )
        if len(rings) == 1 or (len(rings) > 1) != (distance is not None):
            raise ValueError("rings need two edges or more, and the distance of each cell")
        self.names, self.threshold, self.rings = tuple(names), threshold, tuple(rings)
        self._cells = self._ring_cells(distance)
        self._common, self._either = (np.zeros((len(self._cells), len(names)), np.int64) for _ in range(2))

    def _ring_cells(self, distance: ArrayLike | None) -> list[NDArray[np.bool_] | slice]:
        """Return what is counted: everything, then each ring."""
        if distance is None:
            return [slice(None)]
        far = np.asarray(distance, float)
        edges = zip(self.rings, self.rings[1:], strict=False)
        return [np.ones(far.shape, bool), *((far >= least) & (far < most) for least, most in edges)]

    def update(self, probability: ArrayLike, target: ArrayLike) -> None:
        """Add maps (..., layers, rows, columns): probabilities in 0 to 1 against 0 or 1.

        Raises:
            ValueError: shapes that differ, another number of layers, or probabilities outside 0 to 1, such as logits.
        """
        guess, truth = np.asarray(probability), np.asarray(target)
        if guess.shape != truth.shape or guess.ndim < 3 or guess.shape[-3] != len(self.names):
            raise ValueError(
                f"maps must be (..., {len(self.names)}, rows, columns), got {guess.shape} and {truth.shape}"
            )
        if guess.size and not (guess.min() >= 0 and guess.max() <= 1):
            raise ValueError(
                f"probability must lie in 0 to 1, got {guess.min():g} to {guess.max():g}: take the sigmoid"
            )
        ours, theirs = guess > self.threshold, truth > 0.5
        for row, cells in enumerate(self._cells):
            place = (..., cells) if isinstance(cells, np.ndarray) else (..., slice(None), slice(None))
            axes = tuple(axis for axis in range(ours[place].ndim) if axis != ours.ndim - 3)
            self._common[row] += (ours & theirs)[place].sum(axes)
            self._either[row] += (ours | theirs)[place].sum(axes)

    def iou(self) -> dict[str, float]:
        """Return the IoU by layer; NaN for a layer that is neither there nor found anywhere."""
        return self._shares(0)

    def mean(self) -> float:
        """Return the mean over layers, the paper's mIoU."""
        return float(np.mean(list(self.iou().values())))

    def by_ring(self) -> dict[tuple[float, float], dict[str, float]]:
        """Return the IoU by layer within each ring (from, to), metres; ``from`` belongs to it."""
        edges = zip(self.rings, self.rings[1:], strict=False)
        return {edge: self._shares(row) for row, edge in enumerate(edges, start=1)}

    def _shares(self, row: int) -> dict[str, float]:
        with np.errstate(invalid="ignore"):
            shares = self._common[row] / self._either[row]
        return dict(zip(self.names, shares.tolist(), strict=True))
