"""What a sweep measures of each model: every metric of every group at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.encoders.categories import Categories, Codes
from workbench.encoders.fairness import CONVENTIONS, GAPS, Convention, find_reference, gap_values, rate_values
from workbench.encoders.group_counts import GroupCounts
from workbench.encoders.score_metrics import auc_values, parity_values
from workbench.encoders.validation import Floats, check_choice, check_groups, check_target, check_threshold

METRICS = ("auc", "group_auc", "selection_rate", "tpr", "fpr", *GAPS)
"""What a sweep measures: ``auc`` of all rows, the others of each group."""

ALL = "all"
"""The group of ``auc``."""

PUBLISHED_AUC_ROWS = 11
"""The published code gives no AUC of a group with fewer rows."""


@dataclass(frozen=True)
class Scorecard:
    """Test rows, and what is measured on them for any scores.

    Attributes:
        target: (n,) zeros and ones.
        categories: the ``g`` groups.
        codes: (n,) group of each row.
        reference: position of the reference group.
        threshold: rows with a score above it are selected.
        convention: definitions of the gaps.
    """

    target: NDArray[np.int8]
    categories: Categories
    codes: Codes
    reference: int
    threshold: float
    convention: Convention

    @classmethod
    def of(cls, y: ArrayLike, group: ArrayLike, reference: Any, threshold: float, convention: Convention) -> Scorecard:
        """Check the rows; ValueError names what is not usable."""
        check_choice(convention, "convention", CONVENTIONS)
        target = check_target(y)
        categories, codes = check_groups(group, len(target))
        nobody = GroupCounts.of(target, np.zeros(len(target), bool), codes, len(categories))
        position = find_reference(categories.labels, reference, nobody)
        return cls(target, categories, codes, position, check_threshold(threshold), convention)

    def measure(self, scores: Floats) -> tuple[GroupCounts, Floats, Floats]:
        """Return counts, distances to the reference (g,), and the AUC of each group and of all rows (g + 1,)."""
        groups, selected = len(self.categories), scores > self.threshold
        counts = GroupCounts.of(self.target, selected, self.codes, groups)
        compared = selected.astype(float) if self.convention == "published" else scores
        parity = parity_values(compared, self.codes, groups, self.reference)
        auc = auc_values(self.target, scores, self.codes, groups)
        if self.convention == "published":
            auc[counts.rows < PUBLISHED_AUC_ROWS] = np.nan
        return counts, parity, np.append(auc, auc_values(self.target, scores, np.zeros_like(self.codes), 1))

    def table(self, runs: list[tuple], confidence: float) -> pd.DataFrame:
        """Return the tidy frame of :func:`workbench.encoders.sweep`.

        Args:
            runs: model, scheme, strength and the three parts of :meth:`measure` of each.
            confidence: level of the intervals.
        """
        names, schemes, strengths, counts, parity, auc = zip(*runs, strict=True)
        groups = len(self.categories)
        stacked = GroupCounts.stack(counts)
        estimates = rate_values(stacked, confidence) | gap_values(stacked, self.reference, self.convention, confidence)
        estimates["strong_parity"] = (np.stack(parity),)
        estimates["group_auc"] = (np.stack(auc)[:, :-1],)
        cube = np.full((len(runs), len(METRICS), groups + 1, 3), np.nan)
        kept = np.zeros(cube.shape[1:3], bool)
        for row, metric in enumerate(METRICS):
            if metric == "auc":
                cube[:, row, -1, 0], kept[row, -1] = np.stack(auc)[:, -1], True
                continue
            for part, values in enumerate(estimates[metric]):
                cube[:, row, :-1, part] = values
            kept[row, :-1] = True
            kept[row, self.reference] = metric not in GAPS
        metric_of, group_of = np.nonzero(kept)
        rows, positives = (np.append(part[0], part[0].sum()) for part in (stacked.rows, stacked.positives))
        repeats = len(group_of)
        frame = {
            "model": np.repeat(names, repeats),
            "scheme": np.repeat(schemes, repeats),
            "strength": np.repeat(strengths, repeats),
            "metric": np.tile(np.array(METRICS)[metric_of], len(runs)),
            "group": np.tile(np.array([*self.categories.labels, ALL], object)[group_of], len(runs)),
            **dict(zip(("value", "low", "high"), cube[:, kept].reshape(-1, 3).T, strict=True)),
            "n": np.tile(rows[group_of], len(runs)),
            "positives": np.tile(positives[group_of], len(runs)),
        }
        return pd.DataFrame(frame)
