"""A detector that labels can improve within a second: logistic regression on the cells of frozen feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import max_pool2d

from workbench.experiments.selection_pool import Pool
from workbench.metrics.retrieval import average_precision
from workbench.retrieval import Features, coverage_of_box

STRIDE = 8
LEAST_VISIBLE = 0.3
"""Share of an object that must show for it to be learned from, and to count in the test."""

INVERSE_PENALTY = 0.01
"""C of the logistic regression."""

RANDOM_CELLS, HARD_CELLS = 100, 3000
"""Background cells that are learned from: so many of each scene at random, then the hardest of all scenes together."""

PEAK_WINDOW = 5
"""Cells a side in which a detection must be the highest: 40 pixels, about an object."""

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Scenes:
    """Labelled scenes as the detector sees them.

    Attributes:
        cells: float32 (N, h, w, D), channels of mean 0 and spread 1 in the unlabelled pool.
        objects: of the N scenes: columns scene (0 to N - 1), category, visible, x0, y0, x1, y1.
        size: (height, width) of every picture, pixels.
    """

    cells: Array
    objects: pd.DataFrame
    size: tuple[int, int]

    def select(self, indices: Sequence[int]) -> Scenes:
        """Return some of the scenes, in that order."""
        indices = np.asarray(indices, int)
        place = {int(scene): new for new, scene in enumerate(indices)}
        objects = self.objects[self.objects["scene"].isin(indices)]
        return Scenes(self.cells[indices], objects.assign(scene=objects["scene"].map(place).astype(int)), self.size)

    def join(self, other: Scenes) -> Scenes:
        """Return the scenes of both."""
        moved = other.objects.assign(scene=other.objects["scene"] + len(self.cells))
        return Scenes(np.concatenate([self.cells, other.cells]), pd.concat([self.objects, moved]), self.size)

    def of(self, category: str) -> pd.DataFrame:
        """Return the objects of a class."""
        return self.objects[self.objects["category"] == category]

    def cover(self, one: object) -> Array:
        """Return the share of each cell (h, w) that an object's box covers."""
        box = (one.x0, one.y0, one.x1, one.y1)
        return coverage_of_box(box, self.size, STRIDE, self.cells.shape[1:3]).numpy()


@dataclass(frozen=True, eq=False)
class Standardiser:
    """What makes a detector's cells of feature maps: stride 8, beside it the cell of stride 16 above, each channel standardised.

    Attributes:
        mean, deviation: (D,) of the cells of a pool; no label is needed.
    """

    mean: Array
    deviation: Array

    @classmethod
    def fit(cls, features: Features) -> Standardiser:
        """Learn from the cells of a pool."""
        cells = _stacked(features)
        return cls(cells.mean((0, 1, 2)), cells.std((0, 1, 2)) + 1e-6)

    def scenes(self, pool: Pool) -> Scenes:
        """Return the scenes of a pool as the detector sees them."""
        places = {name: index for index, name in enumerate(pool.image_ids)}
        objects = pool.objects.assign(scene=pool.objects["image_id"].map(places))
        cells = (_stacked(pool.features) - self.mean) / self.deviation
        return Scenes(cells, objects, pool.features.letterboxes[0].image_size)


@dataclass(frozen=True, eq=False)
class Detector:
    """A linear score of each cell, trained for one class.

    Attributes:
        weights: (D,).
        intercept: of the log odds.
    """

    weights: Array
    intercept: float

    @classmethod
    def train(cls, scenes: Scenes, category: str, seed: int = 0) -> Detector:
        """Fit to scenes whose objects are known, at least one of them of the class with enough in sight.

        Positives are the cells that an object covers at least half as much as its best covered one; background is what no
        object of the class touches. Of that, random cells come first and then those that the first fit finds hardest
        (Felzenszwalb et al., PAMI 2010): without these more positives do not help.

        Raises:
            ValueError: no object of the class shows enough.
        """
        touched = np.zeros(scenes.cells.shape[:3], bool)
        positives = []
        for one in scenes.of(category).itertuples():
            cover = scenes.cover(one)
            touched[one.scene] |= cover > 0
            if one.visible > LEAST_VISIBLE:
                positives.append(scenes.cells[one.scene][cover >= 0.5 * cover.max()])
        if not positives:
            raise ValueError(f"no scene shows more than {LEAST_VISIBLE:g} of an object of {category!r}")
        generator = np.random.default_rng(seed)
        drawn = [
            cells[~seen][generator.choice(int((~seen).sum()), min(RANDOM_CELLS, int((~seen).sum())), replace=False)]
            for cells, seen in zip(scenes.cells, touched, strict=True)
        ]
        positives, easy = np.concatenate(positives), np.concatenate(drawn)
        first = _fit(positives, easy)
        scores = np.where(touched, -np.inf, scenes.cells @ first.weights).ravel()
        hard = np.argpartition(-scores, min(HARD_CELLS, len(scores) - 1))[:HARD_CELLS]
        hard = hard[np.isfinite(scores[hard])]
        return _fit(positives, np.concatenate([easy, scenes.cells.reshape(-1, scenes.cells.shape[3])[hard]]))

    def maps(self, scenes: Scenes) -> Array:
        """Return the log odds of every cell, float32 (N, h, w)."""
        return (scenes.cells @ self.weights + self.intercept).astype(np.float32)


def scene_precision(maps: Array, scenes: Scenes, category: str) -> float:
    """Return the average precision of scenes ranked by their best cell; a scene is wanted if it shows enough of the class."""
    shown = scenes.of(category)
    wanted = np.isin(np.arange(len(maps)), shown["scene"][shown["visible"] > LEAST_VISIBLE])
    return average_precision(maps.max((1, 2)), wanted)


def detection_precision(maps: Array, scenes: Scenes, category: str) -> float:
    """Return the average precision of detections: the peaks of the maps, of which the first in an object's box finds it.

    Later peaks in a box are false; peaks on objects that hardly show count neither way, as "difficult" ones in VOC. A detector of
    cells has no extent, so a detection is right where its cell's centre lies in the box, not by overlap.
    """
    field = torch.from_numpy(maps)[:, None]
    scene, row, column = np.nonzero((max_pool2d(field, PEAK_WINDOW, 1, PEAK_WINDOW // 2) == field)[:, 0].numpy())
    x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
    order = np.argsort(-maps[scene, row, column], kind="stable")
    hit, counted, objects = np.zeros(len(scene), bool), np.ones(len(scene), bool), 0
    for one in scenes.of(category).itertuples():
        inside = (scene == one.scene) & (x >= one.x0) & (x < one.x1) & (y >= one.y0) & (y < one.y1)
        if one.visible <= LEAST_VISIBLE:
            counted &= ~inside
            continue
        objects += 1
        if inside.any():
            hit[order[inside[order]][0]] = True
    ranks = np.flatnonzero(hit[order][counted[order]]) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).sum() / objects) if objects else float("nan")


def _fit(positives: Array, background: Array) -> Detector:
    model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=200)
    truth = np.r_[np.ones(len(positives)), np.zeros(len(background))]
    model.fit(np.concatenate([positives, background]), truth)
    return Detector(model.coef_[0].astype(np.float32), float(model.intercept_[0]))


def _stacked(features: Features) -> Array:
    """Return float32 (N, h, w, D): the cells of stride 8, each with the cell of stride 16 that lies over it."""
    fine, coarse = features[8], features[16]
    coarse = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, : fine.shape[2], : fine.shape[3]]
    return torch.cat([fine, coarse], 1).permute(0, 2, 3, 1).contiguous().numpy()
