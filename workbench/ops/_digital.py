"""Contrast, colour, warping and compression of ImageNet-C; images are float32 (N, H, W, C) in [0, 1], the caller clips."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from workbench.ops._filters import Sources, gaussian, luminance, sample

_CONTRAST = ((0.4, 0.3, 0.2, 0.1, 0.05), (0.75, 0.5, 0.4, 0.3, 0.15))
_SATURATE = (((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)), ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)))
_ELASTIC_IMAGENET = (12.5, 16.25, 21.25, 25, 30)
_ELASTIC_CIFAR = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
_PIXELATE = ((0.6, 0.5, 0.4, 0.3, 0.25), (0.95, 0.9, 0.85, 0.75, 0.65))
_JPEG_QUALITY = ((25, 18, 15, 10, 7), (80, 65, 58, 50, 40))


def contrast(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Shrink the distance from the mean of each channel."""
    mean = np.stack([image.mean((0, 1), np.float64) for image in images])[:, None, None].astype(np.float32)
    return (images - mean) * np.float32(_CONTRAST[cifar][level]) + mean


def saturate(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Scale and shift the saturation of HSV; what is grey counts as red, so that grey images are darkened by a shift."""
    scale, shift = _SATURATE[cifar][level]
    colours = np.broadcast_to(images, (*images.shape[:3], 3))
    value, least = colours.max(3, keepdims=True), colours.min(3, keepdims=True)
    span = value - least
    saturation = span / np.where(value > 0, value, 1)
    wanted = np.clip(saturation * np.float32(scale) + np.float32(shift), 0, 1)
    fallback = np.array([0, 1, 1], np.float32)
    below = np.where(span > 0, (value - colours) / np.where(span > 0, span, 1), fallback)
    found = value * (1 - wanted * below)
    return found if images.shape[3] == 3 else luminance(found)


def elastic_transform(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Move every pixel by a smooth random field; with CIFAR's constants behind a random affine map."""
    height, width = images.shape[1:3]
    if cifar:
        alpha, sigma, affine = (value * min(height, width) for value in _ELASTIC_CIFAR[level])
        images = _affine(images, affine, sources)
        reach = (1.0, 1.0)
    else:
        alpha, sigma = _ELASTIC_IMAGENET[level], 0.01 * min(height, width)
        reach = (0.005 * height, 0.005 * width)
    grid = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    moved = []
    for axis in range(2):
        drawn = np.stack([source.uniform(-reach[axis], reach[axis], (height, width)) for source in sources])
        smooth = gaussian(drawn, sigma, "reflect", 3.0) if sigma > 0 else drawn
        moved.append(grid[axis] + alpha * smooth)
    return sample(images, *moved)


def _affine(images: np.ndarray, reach: float, sources: Sources) -> np.ndarray:
    """Move three points about the centre by at most ``reach`` pixels, and the image with them."""
    height, width = images.shape[1:3]
    row, column, size = height // 2, width // 2, min(height, width) // 3
    before = np.array([[column + size, row + size], [column + size, row - size], [column - size, row - size]], float)
    after = before + np.stack([source.uniform(-reach, reach, (3, 2)) for source in sources])
    ones = np.ones((len(images), 3, 1))
    back = np.linalg.solve(np.concatenate([after, ones], 2), np.broadcast_to(before, after.shape))  # (N, 3, 2)
    places = np.stack([*np.meshgrid(np.arange(width), np.arange(height)), np.ones((height, width))], 2)
    source_x, source_y = np.moveaxis(places @ back[:, None], 3, 0)
    return sample(images, source_y, source_x, turn_at_pixel=True)


def pixelate(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Shrink by averaging, and enlarge again."""
    factor = _PIXELATE[cifar][level]
    back = Image.Resampling.BOX if cifar else Image.Resampling.NEAREST

    def small_and_large(image: Image.Image) -> Image.Image:
        size = tuple(max(1, int(side * factor)) for side in image.size)
        return image.resize(size, Image.Resampling.BOX).resize(image.size, back)

    return _through_pictures(images, small_and_large)


def jpeg_compression(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Write and read JPEG."""

    def written_and_read(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY[cifar][level])
        return Image.open(buffer)

    return _through_pictures(images, written_and_read)


def _through_pictures(images: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    pixels = np.rint(images * 255).astype(np.uint8)
    squeezed = pixels if images.shape[3] == 3 else pixels[..., 0]
    changed = np.stack([np.asarray(change(Image.fromarray(one))) for one in squeezed])
    return changed.reshape(images.shape).astype(np.float32) / 255
