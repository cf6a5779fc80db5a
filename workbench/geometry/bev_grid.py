"""A grid of voxels around the car, and the cells of the ground that lie under it.

One frame of reference for everything: the car's own (ego), x forward, y left, z up, metres, the ground at 0. Maps seen from above
are (rows, columns) with y along rows and x along columns: row 0 is the farthest to the right, column 0 the farthest behind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

ANCHORS = ("centre", "corner")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class BevGrid:
    """Voxels in the car's frame; the defaults are the paper's, 100 x 100 x 6 m.

    Xie et al., "M2BEV", 2022, section 3.2.

    Attributes:
        cells: voxels along x, y, z.
        voxel: size of one, metres.
        low: least x, y, z, metres.

    Raises:
        ValueError: a number of cells below 1, a size not above 0, or a corner that is not finite.
    """

    cells: tuple[int, int, int] = (400, 400, 12)
    voxel: tuple[float, float, float] = (0.25, 0.25, 0.5)
    low: tuple[float, float, float] = (-50.0, -50.0, -1.0)

    def __post_init__(self) -> None:
        for name, fits, wanted in (
            ("cells", lambda value: value >= 1, "at least 1"),
            ("voxel", lambda value: value > 0, "above 0"),
            ("low", math.isfinite, "finite"),
        ):
            values = getattr(self, name)
            if len(values) != 3 or not all(fits(value) for value in values):
                raise ValueError(f"{name} must be three numbers, each {wanted}, got {values}")

    @property
    def high(self) -> tuple[float, float, float]:
        """Greatest x, y, z, metres."""
        return tuple(low + count * size for low, count, size in zip(self.low, self.cells, self.voxel, strict=True))  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (y) and columns (x) of a map."""
        return self.cells[1], self.cells[0]

    def points(self, anchor: str = "centre") -> Array:
        """Return the point of each voxel (X, Y, Z, 3), metres.

        Args:
            anchor: ``"centre"``, or ``"corner"`` for the lower corner, which the published code projects instead: half a voxel off.

        >>> BevGrid((2, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)).points()[:, 0, 0].tolist()
        [[0.5, 0.5, 0.5], [1.5, 0.5, 0.5]]
        """
        if anchor not in ANCHORS:
            raise ValueError(f"anchor must be one of {', '.join(ANCHORS)}, got {anchor!r}")
        shift = 0.5 if anchor == "centre" else 0.0
        axes = [
            low + size * (np.arange(count) + shift)
            for low, size, count in zip(self.low, self.voxel, self.cells, strict=True)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1)

    def coarser(self, factor: int) -> BevGrid:
        """Return the grid of the same ground whose cells are ``factor`` times as long and wide.

        Raises:
            ValueError: the cells along x or y cannot be divided.
        """
        x, y, z = self.cells
        if factor < 1 or x % factor or y % factor:
            raise ValueError(f"factor must divide the {x} x {y} cells, got {factor!r}")
        voxel = (self.voxel[0] * factor, self.voxel[1] * factor, self.voxel[2])
        return replace(self, cells=(x // factor, y // factor, z), voxel=voxel)

    def map_coordinates(self, points: ArrayLike) -> Array:
        """Return column and row (..., 2) of points (..., 2 or 3), metres: a cell's centre has whole numbers.

        >>> BevGrid().coarser(2).map_coordinates([[0.25, 0.25], [-50.0, 50.0]]).tolist()
        [[100.0, 100.0], [-0.5, 199.5]]
        """
        plane = np.asarray(points, float)[..., :2]
        return (plane - self.low[:2]) / self.voxel[:2] - 0.5

    def distances(self) -> Array:
        """Return the distance of each cell's centre from the car (rows, columns), metres."""
        x, y = (self.low[axis] + self.voxel[axis] * (np.arange(self.cells[axis]) + 0.5) for axis in (0, 1))
        return np.hypot(y[:, None], x[None])
