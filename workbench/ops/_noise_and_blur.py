"""Noise and blur of ImageNet-C: what each does to float32 images (N, H, W, C) in [0, 1]; the caller clips."""

from __future__ import annotations

import numpy as np

from workbench.ops._filters import Sources, convolve, gaussian, streak, zoom_centre

_GAUSSIAN_NOISE = ((0.08, 0.12, 0.18, 0.26, 0.38), (0.04, 0.06, 0.08, 0.09, 0.10))
_SHOT_NOISE = ((60, 25, 12, 5, 3), (500, 250, 100, 75, 50))
_IMPULSE_NOISE = ((0.03, 0.06, 0.09, 0.17, 0.27), (0.01, 0.02, 0.03, 0.05, 0.07))
_SPECKLE_NOISE = ((0.15, 0.2, 0.35, 0.45, 0.6), (0.06, 0.1, 0.12, 0.16, 0.2))
_GAUSSIAN_BLUR = ((1, 2, 3, 4, 6), (0.4, 0.6, 0.7, 0.8, 1))
_DEFOCUS_BLUR = (
    ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
)
_GLASS_BLUR = (
    ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
)
_MOTION_BLUR = (((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)))
_ZOOM_BLUR = (
    ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
)


def _normal(images: np.ndarray, sources: Sources) -> np.ndarray:
    return np.stack([source.standard_normal(images.shape[1:], np.float32) for source in sources])


def gaussian_noise(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Add normal noise."""
    return images + _GAUSSIAN_NOISE[cifar][level] * _normal(images, sources)


def speckle_noise(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Add normal noise in proportion to the value."""
    return images + images * _SPECKLE_NOISE[cifar][level] * _normal(images, sources)


def shot_noise(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Count photons: Poisson of so many at white."""
    photons = _SHOT_NOISE[cifar][level]
    counts = [source.poisson(image * photons) for image, source in zip(images, sources, strict=True)]
    return np.stack(counts).astype(np.float32) / photons


def impulse_noise(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Make a share of the values 0 or 1, channel by channel."""
    share = _IMPULSE_NOISE[cifar][level]
    drawn = np.stack([source.random(images.shape[1:], np.float32) for source in sources])
    return np.where(drawn < share / 2, np.float32(0), np.where(drawn < share, np.float32(1), images))


def gaussian_blur(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Blur with a Gaussian."""
    return gaussian(images, _GAUSSIAN_BLUR[cifar][level])


def defocus_blur(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Blur with a disk whose edge is softened."""
    return convolve(images, disk(*_DEFOCUS_BLUR[cifar][level]))


def disk(radius: float, alias_sigma: float) -> np.ndarray:
    """Return the kernel of a lens out of focus: a disk, softened by a Gaussian of 3x3 or, above a radius of 8, of 5x5 pixels.

    The softening mirrors at the rim of the array, as the published one does: a radius of 8 or 10 touches it, and the kernel adds up
    to 1.013 or 1.011.
    """
    reach, half = (8, 1) if radius <= 8 else (int(radius), 2)
    place = np.arange(-reach, reach + 1)
    kernel = ((place[:, None] ** 2 + place**2) <= radius**2).astype(np.float64)
    steps = np.arange(-half, half + 1)
    soft = np.exp(-(steps**2) / (2 * alias_sigma**2))
    padded = np.pad(kernel / kernel.sum(), half, mode="reflect")
    for axis in (0, 1):
        padded = np.apply_along_axis(np.convolve, axis, padded, soft / soft.sum(), "valid")
    return padded


def glass_blur(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Blur, let each pixel in turn take the value of a near one, blur again.

    Pixels are visited from the bottom right. As in the published sets, colour pixels copy the other's value; grey ones swap.
    """
    sigma, reach, rounds = _GLASS_BLUR[cifar][level]
    blurred = np.floor(gaussian(images, sigma) * 255) / np.float32(255)
    count, height, width, channels = images.shape
    rows, columns = (np.arange(side - reach, reach, -1) for side in (height, width))
    here = (rows[:, None] * width + columns).ravel()
    drawn = [source.integers(-reach, reach, (rounds, len(here), 2)) for source in sources]
    there = np.stack([here + one[..., 0] * width + one[..., 1] for one in drawn], 2)  # (rounds, pixels, N)
    origin = np.repeat(np.arange(height * width)[:, None], count, 1)
    every = np.arange(count)
    for one_round in there:
        for pixel, others in zip(here, one_round, strict=True):
            if channels == 3:
                origin[pixel] = origin[others, every]
            else:
                taken = origin[others, every]
                origin[others, every] = origin[pixel]
                origin[pixel] = taken
    flat = blurred.reshape(count, height * width, channels)
    mixed = np.take_along_axis(flat, origin.T[..., None], 1).reshape(images.shape)
    return gaussian(mixed, sigma)


def motion_blur(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Blur along a line of at most 45 degrees from the horizontal."""
    radius, sigma = _MOTION_BLUR[cifar][level]
    angles = [source.uniform(-45, 45) for source in sources]
    return np.stack([streak(image, radius, sigma, angle) for image, angle in zip(images, angles, strict=True)])


def zoom_blur(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Average the image and enlargements of its middle."""
    factors = np.arange(1, *_ZOOM_BLUR[cifar][level])
    return (images + sum(zoom_centre(images, factor) for factor in factors)) / np.float32(len(factors) + 1)
