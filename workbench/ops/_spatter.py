"""Drops of water and mud on the lens, of ImageNet-C's validation set; images are float32 (N, H, W, C) in [0, 1]."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve as convolve_one
from scipy.ndimage import correlate, distance_transform_edt, label, uniform_filter

from workbench.ops._filters import Sources, gaussian, luminance

_SPATTER = (
    (
        *((0.65, 0.3, 4, 0.69, 0.6, False), (0.65, 0.3, 3, 0.68, 0.6, False), (0.65, 0.3, 2, 0.68, 0.5, False)),
        *((0.65, 0.3, 1, 0.65, 1.5, True), (0.67, 0.4, 1, 0.65, 1.5, True)),
    ),
    (
        *((0.62, 0.1, 0.7, 0.7, 0.5, False), (0.65, 0.1, 0.8, 0.7, 0.5, False), (0.65, 0.3, 1, 0.69, 0.5, False)),
        *((0.65, 0.1, 0.7, 0.69, 0.6, True), (0.65, 0.1, 0.5, 0.68, 0.6, True)),
    ),
)
WATER = np.array([175, 238, 238], np.float32) / 255
MUD = np.array([63, 42, 20], np.float32) / 255
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
_LOW, _HIGH = 50, 150
_FARTHEST = 20


def spatter(images: np.ndarray, level: int, cifar: bool, sources: Sources) -> np.ndarray:
    """Add translucent drops of water with light edges, or cover with mud."""
    mean, spread, sigma, threshold, strength, mud = _SPATTER[cifar][level]
    liquid = np.stack([source.normal(mean, spread, images.shape[1:3]) for source in sources])
    liquid = gaussian(liquid, sigma)
    if mud:
        cover = gaussian((liquid > threshold).astype(np.float64), strength)
        cover[cover < 0.8] = 0
        layer, images = cover, images * (1 - cover[..., None]).astype(np.float32)
    else:
        levels = np.floor(np.clip(np.where(liquid < threshold, 0, liquid), 0, 1) * 255)
        layer = np.stack([one * _relief(one) for one in levels])
        greatest = layer.max((1, 2), keepdims=True)
        layer = strength * layer / np.where(greatest > 0, greatest, 1)
    colour = MUD if mud else WATER
    added = layer[..., None].astype(np.float32) * colour
    return images + (added if images.shape[3] == 3 else luminance(added))


def _relief(levels: np.ndarray) -> np.ndarray:
    """Return light and shadow at the rims of drops, (H, W) in 0..255, from their thickness in 0..255."""
    rims = edges(levels)
    distance = distance_transform_edt(~rims) if rims.any() else np.full(levels.shape, float(_FARTHEST))
    near = np.floor(uniform_filter(np.minimum(distance, _FARTHEST), 3, mode="mirror") + 1e-6).astype(int)
    counts = np.cumsum(np.bincount(near.ravel()))
    first = counts[counts > 0][0]
    equalised = np.rint((counts - first) / max(counts[-1] - first, 1) * 255)[near]
    embossed = np.clip(correlate(equalised, _EMBOSS, mode="mirror"), 0, 255)
    return uniform_filter(embossed, 3, mode="mirror")


def edges(levels: np.ndarray) -> np.ndarray:
    """Return Canny's edges of one grey image, bool (H, W): local maxima of the gradient above 50 that touch one above 150.

    Canny, "A Computational Approach to Edge Detection", IEEE TPAMI 1986; the gradient is Sobel's, its size ``|x| + |y|``.
    """
    across = convolve_one(levels, _SOBEL, mode="nearest")
    down = convolve_one(levels, _SOBEL.T, mode="nearest")
    size = np.abs(across) + np.abs(down)
    steps = np.round(np.arctan2(down, across) / (np.pi / 4)).astype(int) % 4
    padded = np.pad(size, 1)
    height, width = size.shape
    highest = np.zeros(size.shape, bool)
    for step, (row, column) in enumerate([(0, 1), (1, 1), (1, 0), (1, -1)]):
        ahead = padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        behind = padded[1 - row : 1 - row + height, 1 - column : 1 - column + width]
        highest |= (steps == step) & (size > ahead) & (size >= behind)
    weak = highest & (size > _LOW)
    pieces, _ = label(weak, np.ones((3, 3)))
    strong = np.unique(pieces[weak & (size > _HIGH)])
    return np.isin(pieces, strong[strong > 0])
