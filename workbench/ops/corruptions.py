"""The corruptions of ImageNet-C and CIFAR-10-C, batched and reproducible image by image.

Hendrycks, Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019: 15 corruptions
that its metric counts, 4 more for validation, each at 5 severities, with the published constants for photographs of 224 pixels and
for images of 32.  What is random is drawn for each image from a generator of its own, so an image looks the same in any batch.
"""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from workbench.ops import _digital, _noise_and_blur, _spatter, _weather

CORRUPTIONS = (
    *(
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "snow",
    ),
    *("frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
"""The 15 that the mean corruption error is of."""
EXTRA_CORRUPTIONS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The 4 for validation, which the mean corruption error leaves out."""
SEVERITIES = (1, 2, 3, 4, 5)
LEAST_SIDE = MappingProxyType({"imagenet": 32, "cifar": 16})
"""Shortest side in pixels that each set of constants is taken for."""

_FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "gaussian_noise": _noise_and_blur.gaussian_noise,
    "shot_noise": _noise_and_blur.shot_noise,
    "impulse_noise": _noise_and_blur.impulse_noise,
    "speckle_noise": _noise_and_blur.speckle_noise,
    "gaussian_blur": _noise_and_blur.gaussian_blur,
    "defocus_blur": _noise_and_blur.defocus_blur,
    "glass_blur": _noise_and_blur.glass_blur,
    "motion_blur": _noise_and_blur.motion_blur,
    "zoom_blur": _noise_and_blur.zoom_blur,
    "snow": _weather.snow,
    "frost": _weather.frost,
    "fog": _weather.fog,
    "brightness": _weather.brightness,
    "spatter": _spatter.spatter,
    "contrast": _digital.contrast,
    "elastic_transform": _digital.elastic_transform,
    "pixelate": _digital.pixelate,
    "jpeg_compression": _digital.jpeg_compression,
    "saturate": _digital.saturate,
}


def corrupt(
    images: ArrayLike,
    corruption: str,
    severity: int,
    *,
    seed: int = 0,
    indices: Sequence[int] | None = None,
    constants: str = "imagenet",
    textures: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Corrupt a batch of images.

    Args:
        images: (N, H, W) or (N, H, W, 1) grey or (N, H, W, 3) RGB; uint8, or floating-point in [0, 1].
        corruption: one of :data:`CORRUPTIONS` or :data:`EXTRA_CORRUPTIONS`.
        severity: 1 to 5.
        seed: with the corruption, the severity and the image's index it decides what is drawn.
        indices: (N,) of the images, such as their places in the data set; default 0 to N - 1.
        constants: ``"imagenet"`` for photographs of about 224 pixels, ``"cifar"`` for images of about 32.
        textures: of frost, uint8 (h, w, 3); default those of :func:`workbench.datasets.frost.frost_textures`.

    Returns:
        An array of the shape and dtype of ``images``; uint8 is cut off below the point as the published sets are. Floating-point
        images are not rounded, but for pixelate and JPEG, which work on 8 bits.

    Raises:
        TypeError: another dtype.
        ValueError: an unknown corruption, severity or set of constants, another shape, a side that is too short, values outside of
            [0, 1], or another number of indices.

    >>> corrupt(np.full((2, 32, 32), 128, np.uint8), "contrast", 5)[0, 0, :3]
    array([128, 128, 128], dtype=uint8)
    >>> float(corrupt(np.zeros((1, 32, 32)), "brightness", 2).max().round(6))
    0.2
    """
    if corruption not in _FUNCTIONS:
        near = difflib.get_close_matches(str(corruption), _FUNCTIONS, 1, 0.0)
        raise ValueError(
            f"unknown corruption {corruption!r}; did you mean {near[0]!r}? There are {', '.join(_FUNCTIONS)}"
        )
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise ValueError(f"severity must be 1, 2, 3, 4 or 5, got {severity!r}")
    if constants not in LEAST_SIDE:
        raise ValueError(f"constants must be 'imagenet' or 'cifar', got {constants!r}")
    images = np.asarray(images)
    batch = _as_batch(images, LEAST_SIDE[constants], constants)
    indices = range(len(images)) if indices is None else [int(index) for index in indices]
    if len(indices) != len(images) or any(index < 0 for index in indices):
        raise ValueError(f"indices must be {len(images)} whole numbers from 0, one an image, got {len(indices)}")
    if len(images) == 0:
        return images.copy()
    sources = [np.random.default_rng([seed, zlib.crc32(corruption.encode()), severity, index]) for index in indices]
    extra = {"textures": textures} if corruption == "frost" else {}
    result = np.clip(_FUNCTIONS[corruption](batch, severity - 1, constants == "cifar", sources, **extra), 0, 1)
    if images.dtype == np.uint8:
        result = (result * 255 + 1e-3).astype(np.uint8)  # what is whole but for rounding stays whole
    return result.reshape(images.shape).astype(images.dtype, copy=False)


def _as_batch(images: np.ndarray, least: int, constants: str) -> np.ndarray:
    """Return float32 (N, H, W, C) in [0, 1]."""
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise ValueError(f"images has shape {images.shape}, expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    if min(images.shape[1:3]) < least:
        advice = "; constants='cifar' are for small images" if constants == "imagenet" else ""
        raise ValueError(
            f"images are {images.shape[1]}x{images.shape[2]}, expected sides of at least {least} pixels for constants="
            f"{constants!r}{advice}"
        )
    if images.dtype == np.uint8:
        batch = images.astype(np.float32) / np.float32(255)
    elif images.dtype.kind == "f":
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(f"images holds values {images.min()} to {images.max()}, expected 0 to 1")
        batch = images.astype(np.float32)
    else:
        raise TypeError(f"images is {images.dtype}, expected uint8, or floating-point in [0, 1]")
    return batch if images.ndim == 4 else batch[..., None]
