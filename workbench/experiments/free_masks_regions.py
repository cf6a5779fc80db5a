"""Object proposals from before networks: regions of even colour, merged step by step; each region on the way is a proposal.

Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 2004; Uijlings et al., "Selective Search for Object
Recognition", IJCV 2013. Written here because no dependency of the workbench has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter

from workbench.metrics.coco import InstanceSet
from workbench.models.freesolo.losses import rgb_to_lab

Labels = NDArray[np.int64]
Float = NDArray[np.float64]
BINS = 16
"""Of the histogram of each channel of a region."""


@dataclass(frozen=True)
class RegionConfig:
    """How regions are made and which are proposed.

    Attributes:
        scale: preference for large first regions: an edge may be ``scale / size`` stronger, in grey levels, than the strongest
            inside.
        blur: standard deviation of the smoothing before it, pixels.
        least: smaller first regions join a neighbour, pixels.
        keep: most proposals of an image.
        largest: regions of at least this share of the image are not proposed.

    Raises:
        ValueError: a field lies outside its range.
    """

    scale: float = 100.0
    blur: float = 0.8
    least: int = 20
    keep: int = 100
    largest: float = 0.9

    def __post_init__(self) -> None:
        if not self.scale > 0 or self.blur < 0:
            raise ValueError(f"scale must be above 0 and blur at least 0, got {self.scale} and {self.blur}")
        if self.least < 1 or self.keep < 1:
            raise ValueError(f"least and keep must be at least 1, got {self.least} and {self.keep}")
        if not 0 < self.largest <= 1:
            raise ValueError(f"largest must lie in 0 to 1, got {self.largest}")


def graph_regions(image: NDArray[np.uint8], config: RegionConfig | None = None) -> Labels:
    """Return the region (height, width), from 0, of each pixel of an image (height, width, 3).

    By rising difference of colour, an edge between neighbours (of eight) joins its two regions if it is at most
    ``min(Int(a) + k / |a|, Int(b) + k / |b|)``, Int being the strongest edge that was needed inside. Section 3 of the first paper.

    Raises:
        ValueError: no uint8 RGB image.

    >>> halves = np.zeros((8, 8, 3), np.uint8)
    >>> halves[:, 4:] = 200
    >>> graph_regions(halves, RegionConfig(blur=0, least=1))[0].tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    config = config or RegionConfig()
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be uint8 (height, width, 3), got {image.dtype} {image.shape}")
    smooth = gaussian_filter(image.astype(float), (config.blur, config.blur, 0))
    weights, first, second = _edges(smooth)
    order = np.argsort(weights, kind="stable")
    forest = _Forest(image.shape[0] * image.shape[1], config.scale)
    for weight, a, b in zip(weights[order].tolist(), first[order].tolist(), second[order].tolist(), strict=True):
        forest.join_if_alike(a, b, weight)
    for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True):
        forest.join_if_small(a, b, config.least)
    roots = np.array([forest.root(node) for node in range(image.shape[0] * image.shape[1])])
    return np.unique(roots, return_inverse=True)[1].reshape(image.shape[:2])


def merged_regions(image: NDArray[np.uint8], labels: Labels) -> list[frozenset[int]]:
    """Return every region of the hierarchy as the set of first regions in it, in the order in which they came to be.

    The two neighbours that are most alike merge, until one is left. Likeness is the intersection of their histograms of L*a*b*,
    plus how small both are, plus how well one fills the other's box; equation 6 of the second paper without its texture.
    """
    size, parts = labels.size, _first_regions(image, labels)
    members = {index: frozenset([index]) for index in parts}
    likeness = {pair: parts[pair[0]].likeness(parts[pair[1]], size) for pair in _neighbours(labels)}
    found = list(members.values())
    while likeness:
        a, b = max(likeness, key=likeness.get)
        new = len(found)
        parts[new], members[new] = parts[a].merged(parts[b]), members[a] | members[b]
        found.append(members[new])
        around = {one for pair in likeness if {a, b} & set(pair) for one in pair} - {a, b}
        likeness = {pair: value for pair, value in likeness.items() if not {a, b} & set(pair)}
        likeness |= {(one, new): parts[one].likeness(parts[new], size) for one in sorted(around)}
    return found


def region_proposals(image: NDArray[np.uint8], config: RegionConfig | None = None, seed: int = 0) -> InstanceSet:
    """Return regions of the hierarchy as masks, at most ``keep``.

    Regions are ranked as published: the place in the hierarchy, the whole image first, times a random number, the least first;
    section 4.1 of the second paper. Nothing is learned, so that a score says no more than that rank.

    Args:
        image: uint8 (height, width, 3).
        config: None for the defaults.
        seed: of the random numbers.
    """
    config = config or RegionConfig()
    labels = graph_regions(image, config)
    hierarchy = merged_regions(image, labels)[::-1]
    rank = np.random.default_rng(seed).random(len(hierarchy)) * np.arange(1, len(hierarchy) + 1)
    sizes = np.bincount(labels.ravel())
    wanted = [sum(sizes[list(region)]) < config.largest * labels.size for region in hierarchy]
    order = [index for index in np.argsort(rank, kind="stable") if wanted[index]][: config.keep]
    masks = np.stack([np.isin(labels, list(hierarchy[index])) for index in order]) if order else np.zeros((0, 0, 0))
    return InstanceSet(masks.astype(bool).reshape(len(order), *labels.shape), 1 / (1 + rank[order]))


class _Forest:
    """Disjoint sets of pixels, each with its size and how strong an edge it may still take in."""

    def __init__(self, count: int, scale: float) -> None:
        self.scale = scale
        self.parent = list(range(count))
        self.size = [1] * count
        self.limit = [scale] * count

    def root(self, node: int) -> int:
        parent = self.parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join_if_alike(self, a: int, b: int, weight: float) -> None:
        a, b = self.root(a), self.root(b)
        if a != b and weight <= min(self.limit[a], self.limit[b]):
            self._join(a, b)
            self.limit[a] = weight + self.scale / self.size[a]  # edges come by rising weight: this one is the strongest

    def join_if_small(self, a: int, b: int, least: int) -> None:
        a, b = self.root(a), self.root(b)
        if a != b and min(self.size[a], self.size[b]) < least:
            self._join(a, b)

    def _join(self, a: int, b: int) -> None:
        self.parent[b] = a
        self.size[a] += self.size[b]


@dataclass(frozen=True, eq=False)
class _Region:
    """A region: pixels, histogram (3 channels x BINS) that sums to 1 a channel, and box x0, y0, x1, y1."""

    size: int
    histogram: Float
    box: tuple[int, int, int, int]

    def likeness(self, other: _Region, pixels: int) -> float:
        colour = np.minimum(self.histogram, other.histogram).sum() / 3
        together = self.size + other.size
        x0, y0, x1, y1 = self._hull(other)
        return colour + (1 - together / pixels) + (1 - ((x1 - x0) * (y1 - y0) - together) / pixels)

    def merged(self, other: _Region) -> _Region:
        size = self.size + other.size
        histogram = (self.size * self.histogram + other.size * other.histogram) / size
        return _Region(size, histogram, self._hull(other))

    def _hull(self, other: _Region) -> tuple[int, int, int, int]:
        (a, b, c, d), (e, f, g, h) = self.box, other.box
        return min(a, e), min(b, f), max(c, g), max(d, h)


def _first_regions(image: NDArray[np.uint8], labels: Labels) -> dict[int, _Region]:
    lab = rgb_to_lab(torch.from_numpy(image.transpose(2, 0, 1).copy())).numpy()
    edges = ((0, 100), (-128, 128), (-128, 128))
    bins = [
        ((values - low) / (high - low) * BINS).astype(int).clip(0, BINS - 1)
        for values, (low, high) in zip(lab, edges, strict=True)
    ]
    count = int(labels.max()) + 1
    sizes = np.bincount(labels.ravel(), minlength=count)
    histograms = [np.bincount((labels * BINS + one).ravel(), minlength=count * BINS) for one in bins]
    histogram = np.concatenate([one.reshape(count, BINS) for one in histograms], 1) / sizes[:, None]
    boxes = find_objects(labels + 1)
    return {
        index: _Region(int(sizes[index]), histogram[index], (across.start, down.start, across.stop, down.stop))
        for index, (down, across) in enumerate(boxes)
    }


def _edges(image: Float) -> tuple[Float, Labels, Labels]:
    """Return difference of colour and both pixels of every pair of neighbours, of eight."""
    numbers = np.arange(image.shape[0] * image.shape[1]).reshape(image.shape[:2])
    parts = []
    for here, there in _pairs():
        parts.append((np.linalg.norm(image[here] - image[there], axis=2).ravel(), numbers[here], numbers[there]))
    weights, first, second = zip(*parts, strict=True)
    return np.concatenate(weights), *(np.concatenate([one.ravel() for one in part]) for part in (first, second))


def _neighbours(labels: Labels) -> list[tuple[int, int]]:
    """Return the pairs of regions that touch, the lower number first."""
    found = []
    for here, there in _pairs():
        found.append(np.stack([labels[here].ravel(), labels[there].ravel()], 1))
    pairs = np.sort(np.concatenate(found), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return [(int(a), int(b)) for a, b in pairs]


def _pairs() -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Return how to cut an image so that the two cuts hold neighbours: to the right, below, and on both diagonals."""
    whole, early, late = slice(None), slice(None, -1), slice(1, None)
    return [
        ((whole, early), (whole, late)),
        ((early, whole), (late, whole)),
        ((early, early), (late, late)),
        ((early, late), (late, early)),
    ]
