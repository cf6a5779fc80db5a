"""Cameras in the text files of MVSNet: world to camera, intrinsics, and two to four numbers that say which depths there are."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

MVSNET_PLANES, NP_CVP_PLANES = 192, 256
"""Intervals from the least to the greatest depth, where a file tells only the interval."""
_ORTHONORMAL = 1e-2


@dataclass(frozen=True, eq=False)
class MultiViewCamera:
    """One calibrated view and the depths that it can see.

    Attributes:
        intrinsics: float64 (3, 3); a pixel's centre is at whole coordinates.
        cam_from_world: float64 (4, 4), x right, y down, z forward, in the unit of the depths.
        depth_min, depth_max: the range of depths.
        rule: how the range was read from the file, in words.
    """

    intrinsics: np.ndarray
    cam_from_world: np.ndarray
    depth_min: float
    depth_max: float
    rule: str = "given"

    @property
    def centre(self) -> np.ndarray:
        """The camera's place in the world, (3,)."""
        return -self.cam_from_world[:3, :3].T @ self.cam_from_world[:3, 3]


def check_camera(intrinsics: ArrayLike, cam_from_world: ArrayLike, view: str) -> None:
    """Raise a ValueError that names the view when its camera cannot be one.

    The rotation must be orthonormal with determinant +1 (to 1 %), the focal lengths above 0, everything finite.

    >>> check_camera([[0, 0, 5], [0, 9, 5], [0, 0, 1]], np.eye(4), "view 3")
    Traceback (most recent call last):
    ValueError: view 3: the focal lengths must be above 0, got 0 and 9
    """
    intrinsics, pose = np.asarray(intrinsics, float), np.asarray(cam_from_world, float)
    if intrinsics.shape != (3, 3) or pose.shape != (4, 4):
        raise ValueError(
            f"{view}: expected intrinsics (3, 3) and a pose (4, 4), got {intrinsics.shape} and {pose.shape}"
        )
    if not (np.isfinite(intrinsics).all() and np.isfinite(pose).all()):
        raise ValueError(f"{view}: the camera holds numbers that are not finite")
    if not (intrinsics[0, 0] > 0 and intrinsics[1, 1] > 0):
        raise ValueError(
            f"{view}: the focal lengths must be above 0, got {intrinsics[0, 0]:g} and {intrinsics[1, 1]:g}"
        )
    if not np.allclose(intrinsics[2], [0, 0, 1]) or intrinsics[1, 0] != 0:
        raise ValueError(f"{view}: intrinsics must be [fx s cx; 0 fy cy; 0 0 1], got {intrinsics.tolist()}")
    rotation = pose[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _ORTHONORMAL or np.linalg.det(rotation) < 0:
        raise ValueError(
            f"{view}: the rotation is not orthonormal: determinant {np.linalg.det(rotation):.4g}, expected 1 "
            "(is it camera to world, or scaled?)"
        )
    if not np.allclose(pose[3], [0, 0, 0, 1]):
        raise ValueError(f"{view}: the last row of the pose must be 0 0 0 1, got {pose[3].tolist()}")


def check_depth_range(depth_min: float, depth_max: float, where: str) -> None:
    """Raise a ValueError that names the file or the view unless 0 < min < max, both finite."""
    if not (0 < depth_min < depth_max < math.inf):
        raise ValueError(f"{where}: depth range must satisfy 0 < min < max, got {depth_min:g} and {depth_max:g}")


def depth_range(
    numbers: list[float], *, planes: int = MVSNET_PLANES, interval_scale: float = 1.0
) -> tuple[float, float, str]:
    """Return least and greatest depth, and in words how two to four numbers of a camera file were read.

    Four: min, interval, planes, max. Three: min, interval, planes. Two: min and max where the second is the greater, else min and
    interval, with ``planes`` intervals.

    Args:
        numbers: of the last line of the file.
        planes: intervals of the range where only the interval is told: 192 of MVSNet, 256 of NP-CVP-MVSNet.
        interval_scale: multiplies the interval; 1.06 in CasMVSNet.

    Raises:
        ValueError: another number of numbers.

    >>> depth_range([425.0, 2.5])
    (425.0, 905.0, 'min interval: max = 425 + 192 x 2.5')
    >>> depth_range([425.0, 935.0])[2], depth_range([425.0, 2.5, 192.0, 933.8])[1]
    ('min max', 933.8)
    """
    if len(numbers) == 4:
        return numbers[0], numbers[3], "min interval planes max"
    if len(numbers) == 3 or (len(numbers) == 2 and numbers[1] < numbers[0]):
        count = numbers[2] if len(numbers) == 3 else planes
        interval = numbers[1] * interval_scale
        name = "min interval planes" if len(numbers) == 3 else "min interval"
        return numbers[0], numbers[0] + count * interval, f"{name}: max = {numbers[0]:g} + {count:g} x {interval:g}"
    if len(numbers) == 2:
        return numbers[0], numbers[1], "min max"
    raise ValueError(f"expected 2, 3 or 4 numbers for the range of depths, got {len(numbers)}: {numbers}")


def read_camera_text(
    path: str | os.PathLike[str],
    *,
    depth_min: float | None = None,
    depth_max: float | None = None,
    planes: int = MVSNET_PLANES,
    interval_scale: float = 1.0,
) -> MultiViewCamera:
    """Return the camera of a ``*_cam.txt``.

    The words ``extrinsic`` and ``intrinsic`` are looked for, and numbers read after them whatever the line ends and blanks.

    Args:
        path: the file.
        depth_min, depth_max: put in the place of what the file says.
        planes, interval_scale: as :func:`depth_range`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a word or number is missing, the camera cannot be one, or the range is not 0 < min < max; the file is named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no camera file {path}")
    words = path.read_text(errors="replace").split()
    try:
        first, second = words.index("extrinsic"), words.index("intrinsic")
    except ValueError:
        raise ValueError(f"{path} lacks the word 'extrinsic' or 'intrinsic'") from None
    pose = _numbers(words[first + 1 : first + 17], 16, path, "extrinsic").reshape(4, 4)
    intrinsics = _numbers(words[second + 1 : second + 10], 9, path, "intrinsic").reshape(3, 3)
    rest = words[second + 10 :]
    if depth_min is not None and depth_max is not None:
        least, most, rule = depth_min, depth_max, "given"
    else:
        try:
            least, most, rule = depth_range(
                _numbers(rest, len(rest), path, "depth").tolist(), planes=planes, interval_scale=interval_scale
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if depth_min is not None or depth_max is not None:
            least, most = (least if depth_min is None else depth_min), (most if depth_max is None else depth_max)
            rule += f"; {'min' if depth_max is None else 'max'} given"
    check_camera(intrinsics, pose, str(path))
    check_depth_range(least, most, str(path))
    return MultiViewCamera(intrinsics, pose, float(least), float(most), rule)


def write_camera_text(path: str | os.PathLike[str], camera: MultiViewCamera, planes: int = MVSNET_PLANES) -> None:
    """Write a ``*_cam.txt`` with four numbers: min, interval, planes, max."""
    interval = (camera.depth_max - camera.depth_min) / planes
    rows = [" ".join(repr(float(value)) for value in row) for row in (*camera.cam_from_world, *camera.intrinsics)]
    depths = f"{float(camera.depth_min)!r} {interval!r} {planes} {float(camera.depth_max)!r}"
    lines = ["extrinsic", *rows[:4], "", "intrinsic", *rows[4:], "", depths, ""]
    Path(path).write_text("\n".join(lines))


def _numbers(words: list[str], count: int, path: Path, name: str) -> np.ndarray:
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        raise ValueError(f"{path}: {name} holds {' '.join(words)[:60]!r}; expected {count} numbers") from None
    if len(values) != count:
        raise ValueError(f"{path}: {name} has {len(values)} numbers; expected {count}")
    return values
