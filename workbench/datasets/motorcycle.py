"""The motorcycle pair of Middlebury: two real photographs, calibrated, with measured depth."""

from __future__ import annotations

import os

import numpy as np

from workbench.datasets.extras import MOTORCYCLE, MOTORCYCLE_FILES
from workbench.datasets.image_files import read_image
from workbench.datasets.multi_view import MultiViewSample
from workbench.geometry.camera_text import MultiViewCamera

FOCAL, CENTRE, OFFSET, BASELINE = 994.978, (311.193, 254.877), 31.086, 193.001
"""Pixels of the pair as it is packed, a quarter of the original; how far the right principal point lies to the right;
millimetres."""
DEPTH_RANGE = (2000.0, 5200.0)


def load_motorcycle(folder: str | os.PathLike[str] | None = None) -> MultiViewSample:
    """Return the left photograph as reference, the right one as source, and the depth of 92.65 % of the left one's pixels, mm.

    The pixel (x, y) of the left one is (x - disparity, y) of the right one, and ``Z = f B / (disparity + offset)``, 2110 to 5017
    mm. Nothing of it ships with the workbench: ``python -m workbench.datasets.build motorcycle`` fetches it into the cache.
    Scharstein et al., "High-Resolution Stereo Datasets with Subpixel-Accurate Ground Truth", GCPR 2014.

    Args:
        folder: with ``motorcycle_left.png``, ``motorcycle_right.png`` and ``motorcycle_disp.npz``. None for
            ``WORKBENCH_MOTORCYCLE``, and without that the cache.

    Raises:
        NotInstalledError: a FileNotFoundError; the folder lacks a file, and the message says how to get it.
        ValueError: the three are not of one size, or a file is damaged.
    """
    left, right, disparities = (MOTORCYCLE.file(name, folder) for name in MOTORCYCLE_FILES)
    images = read_image(left), read_image(right)
    try:
        with np.load(disparities, allow_pickle=False) as held:
            disparity = np.asarray(held["arr_0"], float)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{disparities} holds no array of disparities ({error})") from None
    if not images[0].shape[:2] == images[1].shape[:2] == disparity.shape:
        raise ValueError(
            f"{left.parent}: the photographs are {images[0].shape[:2]} and {images[1].shape[:2]}, the disparity {disparity.shape}"
        )
    known = np.isfinite(disparity)
    depth = np.where(known, FOCAL * BASELINE / (np.where(known, disparity, 0) + OFFSET), 0).astype(np.float32)
    cameras = []
    for shift, place in ((0.0, 0.0), (OFFSET, -BASELINE)):
        intrinsics = np.array([[FOCAL, 0, CENTRE[0] + shift], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
        pose = np.eye(4)
        pose[0, 3] = place
        cameras.append(MultiViewCamera(intrinsics, pose, *DEPTH_RANGE))
    return MultiViewSample("motorcycle", (0, 1), images, tuple(cameras), depth)
