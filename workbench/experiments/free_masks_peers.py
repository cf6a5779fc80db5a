"""Other ways to find objects without a label, from the same features: a normalised cut, and the growth of a seed.

Wang et al., "Self-Supervised Transformers for Unsupervised Object Discovery Using Normalized Cut" (TokenCut), CVPR 2022; Wang et
al., "Cut and Learn for Unsupervised Object Detection and Instance Segmentation" (MaskCut), CVPR 2023; Siméoni et al., "Localizing
Objects with Self-Supervised Transformers and no Labels" (LOST), BMVC 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.ndimage import label
from torch import Tensor
from torch.nn import functional

from workbench.metrics.coco import InstanceSet

Mask = NDArray[np.bool_]
Float = NDArray[np.float64]
_EIGHT = np.ones((3, 3))
_FOUR = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
CORNERS = 3
"""A part that holds at least so many corners of the image is its background."""


@dataclass(frozen=True)
class CutConfig:
    """Constants of the normalised cut.

    Attributes:
        tau: cosine from which two places are joined; 0.2 in TokenCut and 0.15 in MaskCut, for the keys of DINO.
        weak: weight of all other pairs.
        objects: cuts of an image, each of what the ones before have left; TokenCut has one, MaskCut three.
        centred: whether the mean over the image is taken off the features first; the papers do not.

    Raises:
        ValueError: a field lies outside its range.
    """

    tau: float = 0.2
    weak: float = 1e-5
    objects: int = 1
    centred: bool = False

    def __post_init__(self) -> None:
        if not -1 < self.tau < 1:
            raise ValueError(f"tau must lie in -1 to 1, got {self.tau}")
        if not 0 < self.weak < 1:
            raise ValueError(f"weak must lie in 0 to 1, got {self.weak}")
        if self.objects < 1:
            raise ValueError(f"objects must be at least 1, got {self.objects}")


def cosines(keys: Tensor, centred: bool = False) -> Float:
    """Return the cosine (N, N) of each pair of the N places of keys (channels, height, width).

    Raises:
        ValueError: another shape, a map of one place, or NaN or infinity.
    """
    if keys.ndim != 3 or keys.shape[1] * keys.shape[2] < 2:
        raise ValueError(f"keys must be (channels, height, width) of at least two places, got {tuple(keys.shape)}")
    if not bool(keys.isfinite().all()):
        raise ValueError("keys must be finite, got NaN or infinity")
    flat = keys.flatten(1).double()
    if centred:
        flat = flat - flat.mean(1, keepdim=True)
    unit = functional.normalize(flat, dim=0)
    return (unit.T @ unit).numpy()


def second_eigenvector(weights: Float) -> Float:
    """Return the second smallest solution y, (N,), of ``(D - W) y = lambda D y``, D the diagonal of W's sums: the relaxed cut.

    Shi and Malik, "Normalized Cuts and Image Segmentation", PAMI 2000, equation 11. Its sign means nothing.

    >>> weights = np.full((4, 4), 1e-5)
    >>> weights[:2, :2] = weights[2:, 2:] = 1
    >>> (second_eigenvector(weights) > 0).tolist() in ([True, True, False, False], [False, False, True, True])
    True
    """
    degrees = weights.sum(1)
    return eigh(np.diag(degrees) - weights, np.diag(degrees), subset_by_index=[1, 1])[1][:, 0]


def normalised_cut(keys: Tensor, image_size: tuple[int, int], config: CutConfig | None = None) -> InstanceSet:
    """Return the objects that cuts of the graph of like features give, at most ``objects``, the first cut with the highest score.

    A cut splits places at the mean of the eigenvector. The object is the side of its most extreme place, or the other where that
    side holds three corners of the image; of it the connected part around the most extreme place. The next cut does without it.

    Args:
        keys: (channels, height, width), float.
        image_size: height and width, pixels.
        config: None for TokenCut's constants.

    Raises:
        ValueError: ``keys`` has another shape.
    """
    config = config or CutConfig()
    similar = cosines(keys, config.centred)
    size = tuple(keys.shape[1:])
    free = np.ones(size[0] * size[1], bool)
    found: list[Mask] = []
    for _ in range(config.objects):
        linked = (similar >= config.tau) & free[:, None] & free[None]
        vector = second_eigenvector(np.where(linked, 1.0, config.weak))
        vector = np.where(free, vector - vector[free].mean(), 0)
        mask = _object_side(vector, free, size)
        found.append(mask)
        free &= ~mask.ravel()
        if free.sum() < 2:
            break
    scores = 1 / np.arange(1, len(found) + 1)
    return InstanceSet(at_image_size(np.stack(found), image_size), scores)


def lost(keys: Tensor, image_size: tuple[int, int], most: int = 100, centred: bool = False) -> InstanceSet:
    """Return the one object that LOST grows from a seed; its box is what the method gives, its mask what the box is made of.

    The seed is the place with the fewest positive similarities: objects are smaller than the background. The ``most`` places of
    lowest degree that are like the seed join it, and the mask is every place whose summed similarity to all of these is above 0,
    of it the connected part that holds the seed. Section 3.2.

    Args:
        keys: (channels, height, width), float.
        image_size: height and width, pixels.
        most: places that may be added to the seed, k of the paper.
        centred: as in :class:`CutConfig`; features behind a ReLU are all alike without it, as no cosine lies below 0.

    Raises:
        ValueError: ``keys`` has another shape, or ``most`` is below 1.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    similar = cosines(keys, centred)
    order = np.argsort((similar >= 0).sum(1), kind="stable")
    seed = order[0]
    added = [place for place in order[:most] if similar[seed, place] >= 0]
    grown = (similar[added].sum(0) >= 0).reshape(keys.shape[1:])
    mask = _part_around(grown, int(seed), _FOUR)
    return InstanceSet(at_image_size(mask[None], image_size), [1.0])


def at_image_size(masks: Mask, image_size: tuple[int, int]) -> Mask:
    """Return masks (n, h, w) of the feature map at the size of the image: bilinear, and set where at least half is."""
    if not len(masks):
        return np.zeros((0, *image_size), bool)
    large = functional.interpolate(torch.from_numpy(masks)[:, None].float(), image_size, mode="bilinear")
    return (large[:, 0] >= 0.5).numpy()


def _object_side(vector: Float, free: Mask, size: tuple[int, int]) -> Mask:
    seed = int(np.abs(vector).argmax())
    side = (np.sign(vector) == np.sign(vector[seed])) & free
    grid = side.reshape(size)
    if sum(bool(grid[corner]) for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1))) >= CORNERS:
        side = ~side & free
        if side.any():
            seed = int(np.where(side, np.abs(vector), -1).argmax())
        grid = side.reshape(size)
    return _part_around(grid, seed, _EIGHT)


def _part_around(mask: Mask, place: int, structure: NDArray) -> Mask:
    parts, _ = label(mask, structure)
    number = parts.ravel()[place]
    return parts == number if number else np.zeros_like(mask)
