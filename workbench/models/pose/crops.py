"""Zoomed crops: a square around an object's box, warped to the size that the network sees.

Li et al., "CDPN", ICCV 2019 (dynamic zoom-in), with the numbers of Guo et al., CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from workbench.models.pose.network import PIXEL_MEAN, PIXEL_STD

CROP_SIZE = 256
PADDING = 1.5
"""Side of the crop over the longer side of the box."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A square of an image and where it goes.

    Attributes:
        affine: float64 (2, 3), from pixels of the image to those of the crop.
        side: of the square, pixels of the image.
        size: of the crop, pixels.
    """

    affine: NDArray[np.float64]
    side: float
    size: int

    def image(self, image: NDArray[np.uint8]) -> Tensor:
        """Return what the network sees (3, size, size) of an image (H, W, 3), uint8, red first: normalised, then 0 beside it."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image must be uint8 (height, width, 3), got {image.dtype} {image.shape}")
        normal = ((image / np.float32(255)) - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_STD)
        warped = cv2.warpAffine(normal.astype(np.float32), self.affine, (self.size, self.size), flags=cv2.INTER_LINEAR)
        return torch.from_numpy(np.ascontiguousarray(warped.transpose(2, 0, 1)))

    def mask(self, mask: ArrayLike) -> Tensor:
        """Return a mask (H, W) in the crop (size, size), bool, of the nearest pixels."""
        warped = cv2.warpAffine(
            np.asarray(mask, np.uint8), self.affine, (self.size, self.size), flags=cv2.INTER_NEAREST
        )
        return torch.from_numpy(warped > 0)


def crop_around(
    box: Sequence[float] | NDArray[np.float64],
    image_size: tuple[int, int],
    *,
    size: int = CROP_SIZE,
    generator: np.random.Generator | None = None,
) -> Crop:
    """Return the crop around a box.

    The square has 1.5 times the longer side of the box, and at most that of the image. For training its centre moves by up to a
    quarter of the box's sides and its side is multiplied by 0.75 to 1.25.

    Args:
        box: x0, y0, x1, y1 in pixels of the image.
        image_size: width and height.
        size: of the crop, pixels.
        generator: of the jitter of training; None for none.

    Raises:
        ValueError: the box has no area or is not finite, as where a key point lies behind the camera.

    >>> crop_around((100, 100, 200, 150), (640, 480), size=150).affine.tolist()
    [[1.0, 0.0, -75.0], [0.0, 1.0, -50.0]]
    """
    x0, y0, x1, y1 = (float(one) for one in box)
    width, height = x1 - x0, y1 - y0
    if not (width > 0 and height > 0 and np.isfinite([x0, y0, x1, y1]).all()):
        raise ValueError(f"box must be x0 < x1, y0 < y1 in finite pixels, got {(x0, y0, x1, y1)}")
    centre = np.array([x0 + x1, y0 + y1]) / 2
    side = PADDING * max(width, height)
    if generator is not None:
        centre = centre + generator.uniform(-0.25, 0.25, 2) * (width, height)
        side *= generator.uniform(0.75, 1.25)
    side = min(side, float(max(image_size)))
    scale = size / side
    return Crop(np.column_stack([np.eye(2) * scale, size / 2 - scale * centre]), side, size)


def box_of(pixels: ArrayLike) -> NDArray[np.float64]:
    """Return x0, y0, x1, y1 (4,) around pixels (N, 2); NaN where one is."""
    pixels = np.asarray(pixels, float)
    return np.concatenate([pixels.min(0), pixels.max(0)])
