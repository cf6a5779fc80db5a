"""Average precision of detections, as Pascal VOC counts it.

Everingham et al., "The Pascal Visual Object Classes Challenge", IJCV 2010 (section 4.2) and IJCV 2015 (section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

INTERPOLATIONS = ("area", "11 points")
RECALLS = np.linspace(0, 1, 11)
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BoxSet:
    """Boxes of one image: those that were found, with scores, or those that are there.

    Attributes:
        boxes: (n, 4) x0, y0, x1, y1, in any unit.
        labels: (n,) classes.
        scores: (n,) of boxes that were found; None for those that are there.
        difficult: (n,) whether a box that is there neither counts when found nor when missed; None for none.

    Raises:
        ValueError: shapes do not fit each other.
    """

    boxes: ArrayLike
    labels: ArrayLike
    scores: ArrayLike | None = None
    difficult: ArrayLike | None = None

    def __post_init__(self) -> None:
        boxes, labels = np.asarray(self.boxes, float).reshape(-1, 4), np.asarray(self.labels).reshape(-1)
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "labels", labels)
        for name, default in (("scores", 1.0), ("difficult", False)):
            value = getattr(self, name)
            value = np.full(len(boxes), default) if value is None else np.asarray(value).reshape(-1)
            object.__setattr__(self, name, value)
            if not len(boxes) == len(labels) == len(value):
                raise ValueError(
                    f"{len(boxes)} boxes need as many labels and {name}, got {len(labels)} and {len(value)}"
                )


def voc_average_precision(
    found: Sequence[BoxSet],
    truth: Sequence[BoxSet],
    *,
    overlap: float = 0.5,
    interpolation: str = "area",
) -> dict[object, float]:
    """Return the average precision of each class that is there, in 0 to 1.

    Detections of a class, over all images and by falling score, each take the box of greatest intersection over union; it is a true
    positive from ``overlap`` on if that box was not taken before, and a false positive if it was or there is none.  Difficult boxes
    count neither way.

    Args:
        found: of each image.
        truth: of each image.
        overlap: least intersection over union.
        interpolation: ``"area"`` under the precision that never falls with recall, as from VOC2010 on, or ``"11 points"``, the mean
            of the greatest precision from recall 0, 0.1, ... 1 on, as until VOC2009.

    Raises:
        ValueError: another interpolation, lists of different lengths, or an ``overlap`` outside 0 to 1.

    >>> truth = [BoxSet([[0, 0, 10, 10], [20, 0, 30, 10]], [1, 1])]
    >>> found = [BoxSet([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 8]], [1, 1, 1], [0.9, 0.8, 0.7])]
    >>> {label: round(value, 3) for label, value in voc_average_precision(found, truth).items()}  # 1/2 * 1 + 1/2 * 2/3
    {1: 0.833}
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}")
    if len(found) != len(truth):
        raise ValueError(f"found and truth must be of the same images, got {len(found)} and {len(truth)}")
    if not 0 < overlap <= 1:
        raise ValueError(f"overlap must lie in 0 to 1, got {overlap!r}")
    there = np.concatenate([one.labels[~one.difficult.astype(bool)] for one in truth] or [np.zeros(0, int)])
    labels, counts = np.unique(there, return_counts=True)
    precisions = {}
    for label, count in zip(labels.tolist(), counts, strict=True):
        scores, right, wrong = _verdicts(found, truth, label, overlap)
        order = np.argsort(-scores, kind="stable")
        hits, misses = np.cumsum(right[order]), np.cumsum(wrong[order])
        precision = hits / np.maximum(hits + misses, 1)
        precisions[label] = _interpolated(hits / count, precision, interpolation)
    return precisions


def _verdicts(
    found: Sequence[BoxSet], truth: Sequence[BoxSet], label: object, overlap: float
) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return score, whether it is a true positive, and whether a false one, of each detection of a class."""
    scores, rights, wrongs = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, bool)]
    for mine, theirs in zip(found, truth, strict=True):
        chosen = mine.labels == label
        order = np.argsort(-mine.scores[chosen], kind="stable")
        boxes, score = mine.boxes[chosen][order], mine.scores[chosen][order]
        real = theirs.labels == label
        shares, difficult = intersection_over_union(boxes, theirs.boxes[real]), theirs.difficult[real].astype(bool)
        right, wrong, taken = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool), np.zeros(int(real.sum()), bool)
        for place, share in enumerate(shares):
            best = int(share.argmax()) if len(share) else -1
            if best < 0 or share[best] < overlap:
                wrong[place] = True
            elif not difficult[best]:
                right[place], wrong[place] = not taken[best], taken[best]
                taken[best] = True
        scores.append(score)
        rights.append(right)
        wrongs.append(wrong)
    return np.concatenate(scores), np.concatenate(rights), np.concatenate(wrongs)


def intersection_over_union(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the shares (n, m) of boxes (n, 4) and (m, 4), x0, y0, x1, y1.

    >>> intersection_over_union([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(3)
    array([[0.333, 0.   ]])
    """
    a, b = (np.asarray(boxes, float).reshape(-1, 4) for boxes in (a, b))
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    common = np.maximum(sides, 0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def _interpolated(recall: Array, precision: Array, interpolation: str) -> float:
    best = np.maximum.accumulate(precision[::-1])[::-1]  # never falls with recall
    if interpolation == "11 points":
        places = np.searchsorted(recall, RECALLS - 1e-12)
        return float(np.append(best, 0.0)[places].mean())
    return float((np.diff(recall, prepend=0.0) * best).sum())
