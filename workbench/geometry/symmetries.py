"""Symmetries of objects: the rigid motions that leave one as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from workbench.geometry.cameras import Array
from workbench.geometry.pnp import Pose
from workbench.geometry.rotations import axis_rotation

CONTINUOUS_STEPS = math.ceil(math.pi / 0.01)
"""Rotations, 315, that a continuous symmetry is sampled in: at most 1 % of the diameter between neighbours on a surface."""


@dataclass(frozen=True, eq=False)
class Symmetries:
    """Rigid motions (S, 3, 3) and (S, 3) that leave an object as it is, the identity first.

    ``X' = R X + t`` in the object's frame and unit.
    """

    rotations: Array
    translations: Array

    @classmethod
    def none(cls) -> Symmetries:
        """Return the identity alone."""
        return cls(np.eye(3)[None], np.zeros((1, 3)))

    @classmethod
    def combine(
        cls,
        discrete: Sequence[ArrayLike] = (),
        continuous: Sequence[tuple[ArrayLike, ArrayLike]] = (),
        steps: int = CONTINUOUS_STEPS,
    ) -> Symmetries:
        """Return all discrete ones times all samples of the continuous ones, as BOP combines them.

        Args:
            discrete: motions as 4 x 4 matrices or 16 numbers in rows, without the identity.
            continuous: axis (3,) and a point (3,) on it.
            steps: samples of each continuous one.

        Raises:
            ValueError: a matrix of another shape, or fewer than one step.

        >>> half = np.diag([-1.0, -1, 1, 1])
        >>> len(Symmetries.combine([half], [((0, 0, 1), (0, 0, 0))]).rotations)
        630
        """
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps!r}")
        first = [np.eye(4)]
        for index, matrix in enumerate(discrete):
            if np.size(matrix) != 16:
                raise ValueError(f"discrete[{index}] has {np.size(matrix)} numbers, expected 16")
            first.append(np.reshape(np.asarray(matrix, float), (4, 4)))
        motions = np.stack(first)
        for axis, offset in continuous:
            turned = axis_rotation(np.asarray(axis, float), 2 * np.pi * np.arange(steps) / steps)
            around = np.tile(np.eye(4), (steps, 1, 1))
            around[:, :3, :3] = turned
            around[:, :3, 3] = np.asarray(offset, float) - turned @ np.asarray(offset, float)
            motions = (motions[:, None] @ around[None]).reshape(-1, 4, 4)
        return cls(motions[:, :3, :3], motions[:, :3, 3])

    def __len__(self) -> int:
        return len(self.rotations)

    def equivalents(self, truth: Pose) -> tuple[Array, Array]:
        """Return the poses (S, 3, 3) and (S, 3) that show the object as ``truth`` does."""
        return truth.rotation @ self.rotations, self.translations @ truth.rotation.T + truth.translation
