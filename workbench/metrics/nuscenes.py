"""The nuScenes detection metric: mAP by centre distance, five true positive errors, and the detection score (NDS).

Caesar et al., "nuScenes: A Multimodal Dataset for Autonomous Driving", CVPR 2020, section 3.1, with the constants of the
benchmark's configuration ``detection_cvpr_2019``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.geometry.quaternions import quaternion_yaw
from workbench.metrics.nuscenes_boxes import DETECTION_NAMES, DetectionBoxes

DISTANCES = (0.5, 1.0, 2.0, 4.0)
"""Metres between centres, seen from above, below which a box is found."""
ERROR_DISTANCE = 2.0
"""The one of them at which errors are measured."""
ERRORS = ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err")
"""Translation (m), 1 - IoU of aligned boxes, orientation (rad), velocity (m/s), 1 - accuracy of the attribute."""
NO_ERROR = {"traffic_cone": ("orient_err", "vel_err", "attr_err"), "barrier": ("vel_err", "attr_err")}
"""Errors that a class does not have."""
RECALLS = np.linspace(0, 1, 101)
LEAST_RECALL = LEAST_PRECISION = 0.1
MAP_WEIGHT = 5
_FIRST = round(100 * LEAST_RECALL) + 1
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MatchCurve:
    """One class at one distance: all (101,), by recall 0 to 1.

    Attributes:
        precision, confidence: 0 beyond the recall that is reached.
        errors: by name, the mean over the matches whose score is at least the confidence; 1 without any match.
    """

    precision: Array
    confidence: Array
    errors: dict[str, Array]

    def average_precision(self) -> float:
        """Return the mean precision above recall and precision 0.1, in 0 to 1."""
        return float(np.maximum(self.precision[_FIRST:] - LEAST_PRECISION, 0).mean()) / (1 - LEAST_PRECISION)

    def error(self, name: str) -> float:
        """Return an error's mean from recall 0.11 to the greatest that is reached; 1 when that is 0.1 or less."""
        reached = np.flatnonzero(self.confidence)
        last = reached[-1] if len(reached) else 0
        return float(self.errors[name][_FIRST : last + 1].mean()) if last >= _FIRST else 1.0


@dataclass(frozen=True, eq=False)
class NuScenesScores:
    """What the benchmark reports.

    Attributes:
        aps: average precision by class and distance.
        errors: by class and name; NaN where the class has no such error.
        present: classes that the ground truth has; any other counts as AP 0 and errors 1.
        curves: by class and distance; errors are measured at ``ERROR_DISTANCE`` only.
    """

    aps: dict[str, dict[float, float]]
    errors: dict[str, dict[str, float]]
    present: tuple[str, ...]
    curves: dict[tuple[str, float], MatchCurve]

    @property
    def class_aps(self) -> dict[str, float]:
        """Mean over distances, by class."""
        return {name: float(np.mean(list(row.values()))) for name, row in self.aps.items()}

    @property
    def mean_ap(self) -> float:
        """Mean over distances, then over all ten classes."""
        return float(np.mean(list(self.class_aps.values())))

    @property
    def mean_ap_present(self) -> float:
        """Mean over the classes that the ground truth has, which the benchmark does not report; NaN without any."""
        return float(np.mean([self.class_aps[name] for name in self.present])) if self.present else float("nan")

    @property
    def mean_errors(self) -> dict[str, float]:
        """Mean over the classes that have the error, by its name."""
        return {name: float(np.nanmean([row[name] for row in self.errors.values()])) for name in ERRORS}

    @property
    def nds(self) -> float:
        """``(5 mAP + sum of max(0, 1 - error)) / 10``."""
        scores = [max(0.0, 1 - error) for error in self.mean_errors.values()]
        return float(MAP_WEIGHT * self.mean_ap + np.sum(scores)) / (MAP_WEIGHT + len(scores))

    def summary(self) -> dict[str, object]:
        """Return the numbers by the names of the benchmark's ``metrics_summary.json``."""
        return {
            "label_aps": {name: {str(distance): ap for distance, ap in row.items()} for name, row in self.aps.items()},
            "mean_dist_aps": self.class_aps,
            "mean_ap": self.mean_ap,
            "label_tp_errors": self.errors,
            "tp_errors": self.mean_errors,
            "tp_scores": {name: max(0.0, 1 - error) for name, error in self.mean_errors.items()},
            "nd_score": self.nds,
        }


def nuscenes_scores(found: DetectionBoxes, truth: DetectionBoxes) -> NuScenesScores:
    """Return the scores of boxes that were found, both sides already cut down by :func:`judged`.

    By falling score over all samples, a box takes the nearest ground truth of its class and sample that is not taken yet, if its
    centre is nearer than the distance. Of equal scores that of the later sample, then the later box, comes first.

    >>> def car(x, score=None):
    ...     return DetectionBoxes([0], [0], [[x, 0, 1]], [[2, 4, 1.5]], [[1, 0, 0, 0]], [[0, 0]], [5], score)
    >>> scores = nuscenes_scores(car(0.7, [0.9]), car(0.0))
    >>> {distance: round(ap, 6) for distance, ap in scores.aps["car"].items()}
    {0.5: 0.0, 1.0: 1.0, 2.0: 1.0, 4.0: 1.0}
    >>> round(scores.errors["car"]["trans_err"], 6), round(scores.mean_ap, 6), round(scores.mean_ap_present, 6)
    (0.7, 0.075, 0.75)
    """
    curves, aps, errors = {}, {}, {}
    for label, name in enumerate(DETECTION_NAMES):
        mine, theirs = _of_class(found, label), truth.take(truth.label == label)
        pairs = _pairs(mine, theirs)
        for distance in DISTANCES:
            curves[name, distance] = _curve(mine, theirs, pairs, distance, name)
        aps[name] = {distance: curves[name, distance].average_precision() for distance in DISTANCES}
        judged_by = curves[name, ERROR_DISTANCE]
        skipped = NO_ERROR.get(name, ())
        errors[name] = {error: float("nan") if error in skipped else judged_by.error(error) for error in ERRORS}
    present = tuple(name for label, name in enumerate(DETECTION_NAMES) if (truth.label == label).any())
    return NuScenesScores(aps, errors, present, curves)


def _of_class(found: DetectionBoxes, label: int) -> DetectionBoxes:
    """Return the boxes of a class by falling score, of equals first the one of the later sample, then the later one."""
    index = np.flatnonzero(found.label == label)
    return found.take(index[np.lexsort((index, found.sample[index], found.score[index]))[::-1]])


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Found and true boxes of one sample nearer than the largest distance: by found box, then by distance, then by true box."""

    found: NDArray[np.int64]
    truth: NDArray[np.int64]
    distance: Array


def _pairs(found: DetectionBoxes, truth: DetectionBoxes) -> _Pairs:
    order = np.argsort(truth.sample, kind="stable")
    starts, ends = (np.searchsorted(truth.sample[order], found.sample, side) for side in ("left", "right"))
    counts = ends - starts
    mine = np.repeat(np.arange(len(found)), counts)
    within = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts)
    theirs = order[np.repeat(starts, counts) + within] if len(mine) else np.zeros(0, np.int64)
    offset = found.centre[mine, :2] - truth.centre[theirs, :2]
    distance = np.sqrt((offset**2).sum(1))
    near = distance < max(DISTANCES)
    mine, theirs, distance = mine[near], theirs[near], distance[near]
    order = np.lexsort((theirs, distance, mine))
    return _Pairs(mine[order], theirs[order], distance[order])


def _matches(pairs: _Pairs, distance: float, found: int, truth: int) -> NDArray[np.int64]:
    """Return the true box that each found box takes, -1 for none."""
    near = pairs.distance < distance
    takes, taken = [-1] * found, [False] * truth
    for mine, theirs in zip(pairs.found[near].tolist(), pairs.truth[near].tolist(), strict=True):
        if takes[mine] < 0 and not taken[theirs]:
            takes[mine], taken[theirs] = theirs, True
    return np.array(takes, np.int64)


def _curve(found: DetectionBoxes, truth: DetectionBoxes, pairs: _Pairs, distance: float, name: str) -> MatchCurve:
    takes = _matches(pairs, distance, len(found), len(truth))
    hit = takes >= 0
    if not hit.any():
        return MatchCurve(np.zeros(101), np.zeros(101), {error: np.ones(101) for error in ERRORS})
    right = hit.cumsum().astype(float)
    precision, recall = right / np.arange(1, len(hit) + 1), right / len(truth)
    confidence = np.interp(RECALLS, recall, found.score, right=0)
    curves = {}
    if distance == ERROR_DISTANCE:
        own, there = found.take(hit), truth.take(takes[hit])
        for error, values in _errors(own, there, name).items():
            # By confidence, which links the matches to recall; np.interp wants it to rise.
            curves[error] = np.interp(confidence[::-1], own.score[::-1], _running_mean(values)[::-1])[::-1]
    return MatchCurve(np.interp(RECALLS, recall, precision, right=0), confidence, curves)


def _errors(found: DetectionBoxes, truth: DetectionBoxes, name: str) -> dict[str, Array]:
    common = np.minimum(found.size, truth.size).prod(1)
    period = np.pi if name == "barrier" else 2 * np.pi
    turn = (quaternion_yaw(truth.rotation) - quaternion_yaw(found.rotation) + period / 2) % period - period / 2
    attribute = np.where(truth.attribute < 0, np.nan, truth.attribute != found.attribute)
    return {
        "trans_err": np.sqrt(((found.centre - truth.centre)[:, :2] ** 2).sum(1)),
        "scale_err": 1 - common / (found.size.prod(1) + truth.size.prod(1) - common),
        "orient_err": np.abs(turn),
        "vel_err": np.sqrt(((found.velocity - truth.velocity) ** 2).sum(1)),
        "attr_err": attribute,
    }


def _running_mean(values: Array) -> Array:
    """Return the mean of the values so far that are numbers, 0 before the first; 1 everywhere when none is."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    count = known.cumsum()
    return np.divide(np.nancumsum(values), count, out=np.zeros(len(values)), where=count > 0)
