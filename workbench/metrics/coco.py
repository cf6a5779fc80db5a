"""Average precision and recall of masks or boxes, as COCO counts them, all objects being of one class.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation with ``useCats = 0``; CorLoc after Deselaers
et al., "Weakly Supervised Localization and Learning with Generic Knowledge", IJCV 2012.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import ArrayLike, NDArray

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of area, pixels, both ends included."""
MOST = (1, 10, 100)
"""Detections of an image that count."""
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class InstanceSet:
    """Objects of one image: those that were found, with scores, or those that are there.

    Attributes:
        shapes: boolean masks (n, height, width), or boxes (n, 4) x0, y0, x1, y1, pixels.
        scores: (n,) of objects that were found; None for those that are there.
        crowd: (n,) whether what is there is a crowd, in which any number may be found and none need be; None for none.
        areas: (n,) pixels, that say whether an object is small; None for those of ``shapes``. COCO takes the area of the mask for
            boxes as well.

    Raises:
        ValueError: shapes do not fit each other, or a score is NaN.
    """

    shapes: ArrayLike
    scores: ArrayLike | None = None
    crowd: ArrayLike | None = None
    areas: ArrayLike | None = None

    def __post_init__(self) -> None:
        shapes = np.asarray(self.shapes)
        if shapes.ndim == 3:
            shapes = shapes.astype(bool)
        elif shapes.ndim == 2 and shapes.shape[1] == 4:
            shapes = shapes.astype(float)
        elif shapes.size == 0:
            shapes = np.zeros((0, 4))
        else:
            raise ValueError(f"shapes must be masks (n, height, width) or boxes (n, 4), got {shapes.shape}")
        object.__setattr__(self, "shapes", shapes)
        own = shapes.sum((1, 2)) if shapes.ndim == 3 else (shapes[:, 2:] - shapes[:, :2]).prod(1)
        for name, default in (("scores", np.ones(len(shapes))), ("crowd", np.zeros(len(shapes), bool)), ("areas", own)):
            value = getattr(self, name)
            value = default if value is None else np.asarray(value).reshape(-1)
            if len(value) != len(shapes):
                raise ValueError(f"{len(shapes)} shapes need as many {name}, got {len(value)}")
            object.__setattr__(self, name, value)
        if np.isnan(self.scores).any():
            raise ValueError("scores must be numbers, got NaN")


def coco_scores(found: Iterable[InstanceSet], truth: Iterable[InstanceSet]) -> dict[str, float]:
    """Return AP, AP50, AP75, AP and AR by area, and AR at 1, 10 and 100 detections an image, in 0 to 1.

    At each of ten overlaps, 0.5 to 0.95, detections by falling score take the free object that they overlap most. AP is the mean of
    the precision, made not to fall with recall, at 101 recalls, over overlaps; AR the mean of the greatest recall. An area range
    without any object has NaN. The images may be generators: masks are read once and not kept.

    Raises:
        ValueError: the two are not of equally many images, or hold masks of different sizes, or masks here and boxes there.

    >>> truth = [InstanceSet([[0, 0, 10, 10], [20, 0, 30, 10]])]
    >>> found = [InstanceSet([[0, 0, 10, 10], [50, 0, 60, 10]], scores=[0.9, 0.8])]
    >>> {name: round(value, 3) for name, value in coco_scores(found, truth).items() if name in ("AP", "AP50", "AR1", "AR100")}
    {'AP': 0.505, 'AP50': 0.505, 'AR1': 0.5, 'AR100': 0.5}
    """
    images = [_Image.of(mine, theirs) for mine, theirs in _pairs(found, truth)]
    precision, recall = {}, {}
    for name, limits in AREAS.items():
        matched = [image.verdicts(limits) for image in images]
        for most in MOST if name == "all" else MOST[-1:]:
            precision[name, most], recall[name, most] = _curves(images, matched, most)
    best = precision["all", MOST[-1]]
    scores = {"AP": float(best.mean()), "AP50": float(best[0]), "AP75": float(best[5])}
    scores |= {f"AP {name}": float(precision[name, MOST[-1]].mean()) for name in AREAS if name != "all"}
    scores |= {f"AR{most}": float(recall["all", most].mean()) for most in MOST}
    return scores | {f"AR {name}": float(recall[name, MOST[-1]].mean()) for name in AREAS if name != "all"}


def corloc(found: Iterable[InstanceSet], truth: Iterable[InstanceSet], overlap: float = 0.5) -> float:
    """Return the share of images with objects whose best box overlaps one of them by more than ``overlap``; NaN without any.

    Raises:
        ValueError: the two are not of equally many images, or ``overlap`` lies outside 0 to 1.

    >>> corloc([InstanceSet([[0, 0, 9, 10]], [0.4])], [InstanceSet([[0, 0, 10, 10], [50, 50, 60, 60]])])
    1.0
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must lie in 0 to 1, got {overlap!r}")
    hits = []
    for mine, theirs in _pairs(found, truth):
        if len(theirs.shapes):
            best = mine.shapes[np.argsort(-mine.scores, kind="stable")[:1]]
            hits.append(bool((_overlaps(best, theirs.shapes, np.zeros(len(theirs.shapes), bool)) > overlap).any()))
    return float(np.mean(hits)) if hits else float("nan")


def _pairs(found: Iterable[InstanceSet], truth: Iterable[InstanceSet]) -> Iterator[tuple[InstanceSet, InstanceSet]]:
    for number, (mine, theirs) in enumerate(zip_longest(found, truth)):
        if mine is None or theirs is None:
            name = "found" if mine is None else "truth"
            raise ValueError(f"found and truth must be of the same images, got only {number} in {name}")
        yield mine, theirs


@dataclass(frozen=True, eq=False)
class _Image:
    """What evaluation keeps of an image: detections by falling score, at most 100."""

    overlaps: Array
    scores: Array
    areas: Array
    crowd: NDArray[np.bool_]
    true_areas: Array

    @classmethod
    def of(cls, found: InstanceSet, truth: InstanceSet) -> _Image:
        order = np.argsort(-found.scores, kind="stable")[: MOST[-1]]
        crowd = truth.crowd.astype(bool)
        overlaps = _overlaps(found.shapes[order], truth.shapes, crowd)
        return cls(overlaps, found.scores[order], found.areas[order], crowd, truth.areas)

    def verdicts(self, limits: tuple[float, float]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
        """Return whether each detection hits and whether it is left out, (overlaps, n), and how many objects count."""
        outside = (self.true_areas < limits[0]) | (self.true_areas > limits[1])
        left_out = self.crowd | outside
        order = np.argsort(left_out, kind="stable")  # objects that count come first
        counts = int((~left_out).sum())
        hit, ignored = (np.zeros((len(OVERLAPS), len(self.scores)), bool) for _ in range(2))
        far = (self.areas < limits[0]) | (self.areas > limits[1])
        for level, least in enumerate(OVERLAPS):
            free = np.ones(len(order), bool)
            for index in range(len(self.scores)):
                shares = np.where(free, self.overlaps[index, order], -1.0)
                choice = _choice(shares[:counts], least)
                if choice is None:
                    choice = _choice(shares[counts:], least)
                    choice = None if choice is None else choice + counts
                if choice is None:
                    ignored[level, index] = far[index]
                else:
                    hit[level, index], ignored[level, index] = True, choice >= counts
                    free[choice] = self.crowd[order[choice]]  # a crowd stays free
        return hit, ignored, counts


def _choice(shares: Array, least: float) -> int | None:
    if not len(shares) or shares.max() < min(least, 1 - 1e-10):
        return None
    return len(shares) - 1 - int(shares[::-1].argmax())  # of equals the last, as the reference does


def _curves(
    images: list[_Image], verdicts: list[tuple[NDArray[np.bool_], NDArray[np.bool_], int]], most: int
) -> tuple[Array, Array]:
    """Return the mean precision and the greatest recall at each overlap."""
    count = sum(one[2] for one in verdicts)
    if not count:
        return np.full(len(OVERLAPS), np.nan), np.full(len(OVERLAPS), np.nan)
    order = np.argsort(-np.concatenate([image.scores[:most] for image in images]), kind="stable")
    hit, ignored = (np.concatenate([one[part][:, :most] for one in verdicts], 1)[:, order] for part in (0, 1))
    right, wrong = ((mark & ~ignored).cumsum(1) for mark in (hit, ~hit))
    precisions, recalls = np.zeros(len(OVERLAPS)), np.zeros(len(OVERLAPS))
    for level in range(len(OVERLAPS)):
        recall = right[level] / count
        precision = right[level] / np.maximum(right[level] + wrong[level], np.spacing(1))
        envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
        precisions[level] = envelope[np.searchsorted(recall, RECALLS, side="left")].mean()
        recalls[level] = recall[-1] if len(recall) else 0.0
    return precisions, recalls


def _overlaps(found: NDArray, truth: NDArray, crowd: NDArray[np.bool_]) -> Array:
    """Return intersection over union (n, m), over a crowd the share of the detection that lies in it."""
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    if found.shape[1:] != truth.shape[1:]:
        raise ValueError(f"shapes of one image must be alike, got {found.shape[1:]} found and {truth.shape[1:]} there")
    if found.ndim == 3:
        mine, theirs = (part.reshape(len(part), -1).astype(np.float32) for part in (found, truth))
        common = (mine @ theirs.T).astype(float)
        own, there = mine.sum(1, dtype=float), theirs.sum(1, dtype=float)
        union = own[:, None] + there[None] - common
    else:
        own = (found[:, 2:] - found[:, :2]).prod(1)
        sides = np.minimum(found[:, None, 2:], truth[None, :, 2:]) - np.maximum(found[:, None, :2], truth[None, :, :2])
        common = np.maximum(sides, 0).prod(2)
        union = own[:, None] + (truth[:, 2:] - truth[:, :2]).prod(1)[None] - common
    union = np.where(crowd[None], own[:, None], union)
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
