"""Weather of ImageNet-C: what each does to float32 images (N, H, W, C) in [0, 1]; the caller clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.datasets.frost import frost_textures
from workbench.ops._filters import Sources, luminance, streak, zoom_centre

_SNOW = (
    (
        *((0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7)),
        *((0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)),
    ),
    (
        *((0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9)),
        *((0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
    ),
)
_FROST = (
    ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
)
_FOG = (((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)), ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)))
_BRIGHTNESS = ((0.1, 0.2, 0.3, 0.4, 0.5), (0.05, 0.1, 0.15, 0.2, 0.3))
_CIFAR_FROST_SCALE = 5
"""By how much the textures shrink for images of 32 pixels."""
_FIRST_WIBBLE = 100.0


def snow(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Whiten, and add flakes that fall within 45 degrees of straight down, and the same turned by half a turn."""
    mean, spread, zoom, threshold, radius, sigma, mix = _SNOW[cifar][level]
    flakes = np.stack([source.normal(mean, spread, images.shape[1:3]) for source in sources]).astype(np.float32)
    flakes = zoom_centre(flakes[..., None], zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1).astype(np.float32)
    angles = [source.uniform(-135, -45) for source in sources]
    fallen = np.stack([streak(one, radius, sigma, angle) for one, angle in zip(flakes, angles, strict=True)])
    whitened = mix * images + (1 - mix) * np.maximum(images, luminance(images) * 1.5 + 0.5)
    return whitened + fallen + fallen[:, ::-1, ::-1]


def frost(
    images: np.ndarray, level: int, cifar: bool, sources: Sources, textures: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Add a cut of a photograph of frost.

    Raises:
        ValueError: a texture is no uint8 RGB, or smaller than the images.
    """
    own, added = _FROST[cifar][level]
    textures = frost_textures() if textures is None else textures
    if cifar:
        textures = [_shrunk(texture, _CIFAR_FROST_SCALE) for texture in textures]
    height, width = images.shape[1:3]
    for texture in textures:
        if texture.dtype != np.uint8 or texture.ndim != 3 or texture.shape[2] != 3:
            raise ValueError(f"textures must be uint8 (h, w, 3), got {texture.dtype} {texture.shape}")
    large = [_covering(texture, height, width) for texture in textures]
    cuts = []
    for source in sources:
        texture = large[source.integers(len(large))]
        row, column = (
            source.integers(size - side + 1) for size, side in zip(texture.shape, (height, width), strict=False)
        )
        cuts.append(texture[row : row + height, column : column + width])
    layer = np.stack(cuts).astype(np.float32) / 255
    return own * images + added * (layer if images.shape[3] == 3 else luminance(layer))


def _covering(texture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the texture, continued by its mirror image where the images are larger."""
    rows, columns = (max(side - size, 0) for side, size in zip((height, width), texture.shape, strict=False))
    return np.pad(texture, ((0, rows), (0, columns), (0, 0)), mode="symmetric") if rows or columns else texture


def _shrunk(texture: np.ndarray, factor: int) -> np.ndarray:
    height, width = (side // factor for side in texture.shape[:2])
    blocks = texture[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8)


def fog(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Add a cloud and shrink the sum to the image's brightest value."""
    amount, decay = _FOG[cifar][level]
    height, width = images.shape[1:3]
    size = max(32 if cifar else 256, 1 << (max(height, width) - 1).bit_length())
    cloud = cloud_maps(size, decay, sources)[:, :height, :width, None].astype(np.float32)
    brightest = images.max((1, 2, 3), keepdims=True)
    return (images + amount * cloud) * brightest / (brightest + amount)


def cloud_maps(size: int, decay: float, sources: Sources) -> np.ndarray:
    """Return periodic diamond-square maps in [0, 1], (N, size, size), ``size`` a power of two.

    Each point is the mean of its four neighbours of the coarser grid, plus uniform noise of at most ``w^2``; ``w`` is 100, and is
    divided by ``decay`` with each halving of the grid.
    """
    maps = np.zeros((len(sources), size, size))
    step, wibble = size, _FIRST_WIBBLE
    while step >= 2:
        half = step // 2
        corners = maps[:, ::step, ::step]
        count = corners.shape[1]
        noise = np.stack([source.uniform(-(wibble**2), wibble**2, (3, count, count)) for source in sources])
        beside, below = np.roll(corners, -1, 2), np.roll(corners, -1, 1)
        centres = (corners + beside + below + np.roll(beside, -1, 1)) / 4 + noise[:, 0]
        maps[:, half::step, half::step] = centres
        maps[:, ::step, half::step] = (corners + beside + centres + np.roll(centres, 1, 1)) / 4 + noise[:, 1]
        maps[:, half::step, ::step] = (corners + below + centres + np.roll(centres, 1, 2)) / 4 + noise[:, 2]
        step, wibble = half, wibble / decay
    maps -= maps.min((1, 2), keepdims=True)
    return maps / maps.max((1, 2), keepdims=True)


def brightness(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Add to the value of HSV: the brightest channel rises to at most 1, the others in proportion."""
    value = images.max(3, keepdims=True)
    raised = np.minimum(value + np.float32(_BRIGHTNESS[cifar][level]), 1)
    return np.where(value > 0, images * (raised / np.where(value > 0, value, 1)), raised)
