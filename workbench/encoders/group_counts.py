"""Counts of each group, from which every metric of thresholded scores follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.encoders.categories import Codes

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class GroupCounts:
    """Counts of each group, of shape (..., g): everything that a metric of thresholded scores depends on.

    Attributes:
        rows: rows of the group.
        positives: rows whose target is 1.
        true_positives: positives that are selected.
        false_positives: selected rows whose target is 0.
    """

    rows: Counts
    positives: Counts
    true_positives: Counts
    false_positives: Counts

    @classmethod
    def of(cls, target: NDArray[np.int8], selected: NDArray[np.bool_], codes: Codes, groups: int) -> GroupCounts:
        """Count (n,) targets and (..., n) selections in groups of (n,) codes: one pass over the rows."""
        cells = target.astype(np.intp) * groups + codes
        rows = np.bincount(cells, minlength=2 * groups)
        flat = selected.reshape(-1, len(cells))
        hits = np.stack([np.bincount(cells[row], minlength=2 * groups) for row in flat])
        hits = hits.reshape(*selected.shape[:-1], 2, groups)
        shape = (*hits.shape[:-2], groups)
        totals = [np.broadcast_to(part, shape) for part in (rows[:groups] + rows[groups:], rows[groups:])]
        return cls(*totals, hits[..., 1, :], hits[..., 0, :])

    @classmethod
    def stack(cls, counts: Sequence[GroupCounts]) -> GroupCounts:
        """Return counts of shape (k, ..., g) from ``k`` of shape (..., g)."""
        names = ("rows", "positives", "true_positives", "false_positives")
        return cls(*(np.stack([getattr(part, name) for part in counts]) for name in names))

    @property
    def negatives(self) -> Counts:
        """Rows whose target is 0."""
        return self.rows - self.positives

    @property
    def selected(self) -> Counts:
        """Rows above the threshold."""
        return self.true_positives + self.false_positives

    def shares(self) -> dict[str, tuple[Counts, Counts]]:
        """Return the successes and trials of each rate."""
        return {
            "selection_rate": (self.selected, self.rows),
            "tpr": (self.true_positives, self.positives),
            "fpr": (self.false_positives, self.negatives),
        }

    def published(self) -> GroupCounts:
        """Return the counts with the two classes exchanged: the published code takes its rates of class 0."""
        missed, refused = self.positives - self.true_positives, self.negatives - self.false_positives
        return GroupCounts(self.rows, self.negatives, refused, missed)
