"""Filters and resamplings that several corruptions share; images are float32 (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve

Sources = Sequence[np.random.Generator]
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in Rec. 601 luminance."""


def gaussian(images: np.ndarray, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> np.ndarray:
    """Blur rows and columns of (N, H, W, ...) with one standard deviation in pixels."""
    for axis in (1, 2):
        images = gaussian_filter1d(images, sigma, axis, mode=mode, truncate=truncate)
    return images


def convolve(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate each channel with one odd square kernel; the image goes on mirrored at its border pixel."""
    half = len(kernel) // 2
    padded = np.pad(images, ((0, 0), (half, half), (half, half), (0, 0)), mode="reflect")
    turned = kernel[::-1, ::-1, None].astype(np.float32)
    # image by image: a Fourier transform of many at once may round differently than one of few
    return np.stack([fftconvolve(image, turned, "valid", axes=(0, 1)) for image in padded])


def zoom_centre(images: np.ndarray, factor: float) -> np.ndarray:
    """Return the middle of (N, H, W, C) enlarged ``factor`` times, bilinearly, in the old size."""
    for axis in (1, 2):
        side = images.shape[axis]
        cut = ceil(side / factor)
        large = max(round(cut * factor), side)
        places = np.arange(large)[(large - side) // 2 :][:side] * ((cut - 1) / max(large - 1, 1))
        low = np.minimum(places.astype(int), max(cut - 2, 0))
        share = (places - low).astype(np.float32)
        first = (side - cut) // 2
        shape = [1, 1, 1, 1]
        shape[axis] = side
        share = share.reshape(shape)
        before = np.take(images, first + low, axis)
        after = np.take(images, first + np.minimum(low + 1, cut - 1), axis)
        images = before + share * (after - before)
    return images


def streak(image: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    """Blur one image (H, W, C) along a line: half a Gaussian of ``2 radius + 1`` steps, each a whole pixel; the border goes on."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    angle = np.deg2rad(degrees)
    right = np.ceil(steps * np.cos(angle) - 0.5).astype(int)
    down = np.ceil(steps * np.sin(angle) - 0.5).astype(int)
    height, width = image.shape[:2]
    left, above = max(0, -right.min()), max(0, -down.min())
    margins = ((above, max(0, down.max())), (left, max(0, right.max())), (0, 0))
    padded = np.pad(image, margins, mode="edge")
    found = np.zeros_like(image)
    for weight, row, column in zip(weights, above + down, left + right, strict=True):
        found += weight * padded[row : row + height, column : column + width]
    return found


def sample(images: np.ndarray, rows: np.ndarray, columns: np.ndarray, turn_at_pixel: bool = False) -> np.ndarray:
    """Read (N, H, W, C) bilinearly at places (N, H', W'); the image goes on mirrored.

    Args:
        images: to read.
        rows, columns: where; whole numbers are pixel centres.
        turn_at_pixel: mirror at the centre of the border pixel, else at its outer edge.
    """
    height, width = images.shape[1:3]
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = (rows - top)[..., None].astype(np.float32), (columns - left)[..., None].astype(np.float32)
    batch = np.arange(len(images))[:, None, None]
    upper, lower = (_mirrored(top + step, height, turn_at_pixel) for step in (0, 1))
    first, second = (_mirrored(left + step, width, turn_at_pixel) for step in (0, 1))
    above = images[batch, upper, first] * (1 - right) + images[batch, upper, second] * right
    below = images[batch, lower, first] * (1 - right) + images[batch, lower, second] * right
    return above * (1 - down) + below * down


def _mirrored(index: np.ndarray, size: int, turn_at_pixel: bool) -> np.ndarray:
    period = 2 * (size - 1) if turn_at_pixel else 2 * size
    index = index % period
    return np.minimum(index, (period if turn_at_pixel else period - 1) - index)


def luminance(images: np.ndarray) -> np.ndarray:
    """Return (N, H, W, 1): the luminance of three channels, or the only one."""
    if images.shape[3] == 1:
        return images
    return sum(np.float32(weight) * images[..., index, None] for index, weight in enumerate(GREY))
