"""How well a reconstructed point cloud fits a measured one: DTU's distances and the F-score of Tanks and Temples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

DTU_SPACING, DTU_CUT = 0.2, 20.0
"""Millimetres: least distance of two points that are compared, and from which on a distance does not count."""
TANKS_TAU = {
    "Barn": 0.01,
    "Caterpillar": 0.005,
    "Church": 0.025,
    "Courthouse": 0.025,
    "Ignatius": 0.003,
    "Meetingroom": 0.01,
    "Truck": 0.005,
}
"""Metres: how near a point of each training scene of Tanks and Temples must be to count as right."""
_BLOCK = 20_000
"""Points whose neighbours are held at a time."""
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ObservedVolume:
    """The part of space that DTU's scanner saw.

    Attributes:
        mask: boolean (X, Y, Z), one value for each cell.
        lower: (3,) the centre of the first cell, mm; the first row of ``BB``.
        cell: side of a cell, mm; ``Res``.
    """

    mask: NDArray[np.bool_]
    lower: ArrayLike
    cell: float

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Return whether each of points (N, 3) lies in a cell that was seen."""
        cells = np.rint((points - np.asarray(self.lower, float)) / self.cell).astype(np.int64)
        inside = ((cells >= 0) & (cells < self.mask.shape)).all(1)
        seen = np.zeros(len(points), bool)
        seen[inside] = self.mask[tuple(cells[inside].T)]
        return seen


@dataclass(frozen=True, eq=False)
class CropVolume:
    """A prism: the points over a polygon, between two heights.

    Attributes:
        polygon: (n, 3) corners, of which the two coordinates beside ``axis`` count.
        axis: ``"X"``, ``"Y"`` or ``"Z"``, along which the prism stands.
        least, most: its heights along the axis.
    """

    polygon: ArrayLike
    axis: str
    least: float
    most: float

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Return whether each of points (N, 3) lies inside; a ray to one side crosses the outline an odd number of times."""
        if self.axis not in "XYZ" or len(self.axis) != 1:
            raise ValueError(f"axis must be 'X', 'Y' or 'Z', got {self.axis!r}")
        up = "XYZ".index(self.axis)
        beside = [axis for axis in range(3) if axis != up]
        x, y = points[:, beside].T
        corners = np.asarray(self.polygon, float)[:, beside]
        odd = np.zeros(len(points), bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 != y1:
                odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        return odd & (points[:, up] >= self.least) & (points[:, up] <= self.most)


def thin_points(points: ArrayLike, spacing: float, seed: int = 0) -> Array:
    """Return points (N, 3) without those nearer than ``spacing`` to one that was kept, in a random order, as DTU's evaluation does.

    >>> thin_points([[0.0, 0, 0], [0.1, 0, 0], [1, 0, 0]], 0.2).shape
    (2, 3)
    """
    points = _points(points, "points")
    if not spacing > 0:
        raise ValueError(f"spacing must be above 0, got {spacing!r}")
    shuffled = points[np.random.default_rng(seed).permutation(len(points))]
    keep, tree = np.ones(len(shuffled), bool), cKDTree(shuffled)
    for start in range(0, len(shuffled), _BLOCK):
        block = start + np.flatnonzero(keep[start : start + _BLOCK])
        for index, near in zip(block, tree.query_ball_point(shuffled[block], spacing), strict=True):
            if keep[index]:
                keep[near] = False
                keep[index] = True
    return shuffled[keep]


def dtu_scores(
    reconstruction: ArrayLike,
    reference: ArrayLike,
    observed: ObservedVolume | None = None,
    plane: Sequence[float] | None = None,
    *,
    spacing: float = DTU_SPACING,
    cut: float = DTU_CUT,
    seed: int = 0,
) -> dict[str, float]:
    """Return accuracy, completeness and their mean (``overall``), in mm; lower is better.

    Accuracy is the mean distance from the thinned reconstruction, as far as it was observed, to the reference; completeness that
    from the reference above the table to the thinned reconstruction; both over distances below ``cut``. NaN where no point counts.
    Aanæs et al., "Large-Scale Data for Multiple-View Stereopsis", IJCV 2016.

    Args:
        reconstruction, reference: (N, 3) and (M, 3), mm.
        observed: None to count every point.
        plane: a, b, c, d: reference points with ``a x + b y + c z + d > 0`` count; None for all.
        spacing: least distance of two points of the reconstruction.
        cut: from which on a distance does not count.
        seed: of the order in which points are thinned.

    >>> scores = dtu_scores([[0.0, 0, 0]], [[0.0, 0, 1], [0, 0, 3]])
    >>> scores
    {'accuracy': 1.0, 'completeness': 2.0, 'overall': 1.5}
    """
    thinned, reference = thin_points(reconstruction, spacing, seed), _points(reference, "reference")
    seen = thinned if observed is None else thinned[observed.contains(thinned)]
    above = reference
    if plane is not None:
        if len(plane) != 4:
            raise ValueError(f"plane must be of 4 numbers, got {len(plane)}")
        above = reference[reference @ np.asarray(plane[:3], float) + plane[3] > 0]
    accuracy = _mean_below(_distances(seen, reference), cut)
    completeness = _mean_below(_distances(above, thinned), cut)
    return {"accuracy": accuracy, "completeness": completeness, "overall": (accuracy + completeness) / 2}


def voxel_means(points: ArrayLike, side: float) -> Array:
    """Return the mean of the points (N, 3) in each occupied cube of a grid, by its cube.

    >>> voxel_means([[0.1, 0, 0], [0.3, 0, 0], [1.5, 0, 0]], 1.0).tolist()
    [[0.2, 0.0, 0.0], [1.5, 0.0, 0.0]]
    """
    points = _points(points, "points")
    if not side > 0:
        raise ValueError(f"side must be above 0, got {side!r}")
    cubes, cube = np.unique(np.floor(points / side).astype(np.int64), axis=0, return_inverse=True)
    sums = np.zeros((len(cubes), 3))
    np.add.at(sums, cube.ravel(), points)
    return sums / np.bincount(cube.ravel(), minlength=len(cubes))[:, None]


def f_score(
    reconstruction: ArrayLike,
    reference: ArrayLike,
    tau: float,
    *,
    transform: ArrayLike | None = None,
    crop: CropVolume | None = None,
) -> dict[str, float]:
    """Return precision, recall and their harmonic mean (``f_score``), in 0 to 1, as Tanks and Temples counts them.

    Both clouds are cropped and reduced to the means of cubes of side tau / 2. Precision is the share of the reconstruction nearer
    than tau to the reference, recall the share of the reference nearer than tau to the reconstruction; without points both are 0.
    Knapitsch et al., "Tanks and Temples", SIGGRAPH 2017, section 5.

    Args:
        reconstruction, reference: (N, 3) and (M, 3).
        tau: of :data:`TANKS_TAU`, in the unit of the reference.
        transform: (4, 4) that takes the reconstruction into the reference's frame.
        crop: what counts, in the reference's frame.

    >>> f_score([[0.0, 0, 0], [5, 0, 0]], [[0.0, 0, 0.01]], 0.1)
    {'precision': 0.5, 'recall': 1.0, 'f_score': 0.6666666666666666}
    """
    clouds = [_points(reconstruction, "reconstruction"), _points(reference, "reference")]
    if not tau > 0:
        raise ValueError(f"tau must be above 0, got {tau!r}")
    if transform is not None:
        matrix = np.asarray(transform, float)
        if matrix.shape != (4, 4):
            raise ValueError(f"transform must be (4, 4), got {matrix.shape}")
        clouds[0] = clouds[0] @ matrix[:3, :3].T + matrix[:3, 3]
    if crop is not None:
        clouds = [cloud[crop.contains(cloud)] for cloud in clouds]
    mine, truth = (voxel_means(cloud, tau / 2) for cloud in clouds)
    precision, recall = (
        float((_distances(one, other) < tau).mean()) if len(one) and len(other) else 0.0
        for one, other in ((mine, truth), (truth, mine))
    )
    total = precision + recall
    return {"precision": precision, "recall": recall, "f_score": 2 * precision * recall / total if total else 0.0}


def _distances(points: Array, to: Array) -> Array:
    if not len(to) or not len(points):
        return np.full(len(points), np.inf)
    return cKDTree(to).query(points)[0]


def _mean_below(distances: Array, cut: float) -> float:
    near = distances[distances < cut]
    return float(near.mean()) if len(near) else float("nan")


def _points(points: ArrayLike, name: str) -> Array:
    array = np.asarray(points, float)
    if array.size == 0:
        return np.zeros((0, 3))
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite points (N, 3), got {array.shape}")
    return array
