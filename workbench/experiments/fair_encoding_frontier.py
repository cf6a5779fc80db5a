"""Performance against fairness, one point an encoding: from a table of many halves, or from the scores of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.encoders.fairness import Convention
from workbench.experiments.fair_encoding_measure import LEAST_POSITIVES
from workbench.experiments.fair_encoding_scores import ScoreBook

TOTALS = {"mean": "mean", "greatest": "max", "sum": "sum"}
"""How the gaps of all groups become one number; a sum grows with the number of groups."""

KEYS = ["scheme", "strength"]
HOVER_GROUPS = 8


class GapSize(NamedTuple):
    """The size of a gap over all groups.

    Attributes:
        sum, mean, max: of its absolute values; NaN where no group counts.
        groups: that are compared with the reference.
        skipped: those with fewer than ten positives, which do not count.
    """

    sum: float
    mean: float
    max: float
    groups: int
    skipped: int


def gap_size(table: pd.DataFrame, metric: str, least_positives: int = LEAST_POSITIVES) -> GapSize:
    """Return the size of a gap from a tidy table of one encoding.

    Args:
        table: of :meth:`workbench.experiments.fair_encoding_scores.ScoreBook.table`.
        metric: one of :data:`workbench.encoders.fairness.GAPS`.
        least_positives: groups with fewer do not count.
    """
    rows = table[table["metric"] == metric]
    return size_of(rows["value"].to_numpy(), rows["positives"].to_numpy(), least_positives)


def size_of(gaps: NDArray, positives: NDArray, least_positives: int = LEAST_POSITIVES) -> GapSize:
    """Return the size of the gaps (g,) of groups with so many positives (g,).

    >>> size_of(np.array([0.2, -0.4, 1.0]), np.array([50, 30, 1]))
    GapSize(sum=0.6..., mean=0.3..., max=0.4, groups=3, skipped=1)
    """
    kept = np.abs(gaps)[(positives >= least_positives) & np.isfinite(gaps)]
    if not len(kept):
        return GapSize(np.nan, np.nan, np.nan, len(gaps), len(gaps))
    return GapSize(float(kept.sum()), float(kept.mean()), float(kept.max()), len(gaps), len(gaps) - len(kept))


def auc_of(table: pd.DataFrame) -> float:
    """Return the AUC of all rows from a tidy table of one encoding."""
    return float(table.loc[table["metric"] == "auc", "value"].iloc[0])


def frontier(sweep: pd.DataFrame, task: str, attribute: str, model: str, metric: str, total: str) -> pd.DataFrame:
    """Return AUC and the size of a gap for each encoding, mean and standard deviation over the halves.

    Args:
        sweep: of :func:`workbench.experiments.fair_encoding_measure.summary`.
        task, attribute, model: which of its rows.
        metric: one of :data:`workbench.encoders.fairness.GAPS`.
        total: ``"sum"``, ``"mean"`` or ``"max"`` over the groups.

    Returns:
        Columns ``scheme``, ``strength``, ``auc``, ``auc_spread``, ``gap``, ``gap_spread`` and ``halves``.
    """
    rows = sweep[(sweep["task"] == task) & (sweep["attribute"] == attribute) & (sweep["model"] == model)]
    parts = rows.groupby(KEYS, sort=False, dropna=False)
    gap = f"{metric}_{total}"
    table = parts[["auc", gap]].mean().rename(columns={gap: "gap"})
    spread = parts[["auc", gap]].std()
    table["auc_spread"], table["gap_spread"], table["halves"] = spread["auc"], spread[gap], parts.size()
    return table.reset_index()


def frontier_of_book(
    book: ScoreBook,
    model: str,
    encodings: Iterable[tuple[str, float]],
    metric: str,
    total: str,
    threshold: float = 0.5,
    convention: Convention = "paper",
) -> pd.DataFrame:
    """Return the same of one half, at any threshold and in either convention."""
    rows = []
    for scheme, strength in encodings:
        gaps, positives = book.gaps(model, scheme, strength, metric, threshold, convention)
        size = getattr(size_of(gaps, positives), total)  # the reference has no gap, and does not count
        rows.append((scheme, strength, book.auc(model, scheme, strength), np.nan, size, np.nan, 1))
    return pd.DataFrame(rows, columns=[*KEYS, "auc", "auc_spread", "gap", "gap_spread", "halves"])


def group_lines(groups: pd.DataFrame, task: str, attribute: str, model: str) -> dict[tuple[str, float], str]:
    """Return for each encoding the rates of its largest groups, a line each, for the hover of a plot.

    Args:
        groups: of :func:`workbench.experiments.fair_encoding_measure.group_table`.
        task, attribute, model: which of its rows.

    Returns:
        (scheme, strength, -1 where it has none) -> text with line breaks of HTML.
    """
    rows = groups[(groups["task"] == task) & (groups["attribute"] == attribute) & (groups["model"] == model)]
    found = {}
    for (scheme, strength), part in rows.groupby(KEYS, sort=False, dropna=False):
        largest = part.nlargest(HOVER_GROUPS, "n")
        lines = [
            f"{row.group}: TPR {row.tpr:.2f}, FPR {row.fpr:.2f}, n {row.n:,.0f}"
            for row in largest.itertuples(index=False)
        ]
        if more := len(part) - len(largest):
            lines.append(f"and {more} smaller ones")
        found[scheme, -1.0 if np.isnan(strength) else float(strength)] = "<br>".join(lines)
    return found


def best_within(points: pd.DataFrame, loss: float = 0.01) -> pd.Series:
    """Return the encoding with the least gap among those whose AUC lies within ``loss`` of the best."""
    near = points[points["auc"] >= points["auc"].max() - loss]
    return near.loc[near["gap"].idxmin()]
