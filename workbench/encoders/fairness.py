"""Who gets which errors: rates of each group, and their gaps to a reference group.

Mougan et al., "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023: equal opportunity, average
absolute odds and their sums over the groups.  A row is selected when its score is above the threshold; a score at the threshold
is not.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.encoders.group_counts import GroupCounts
from workbench.encoders.intervals import difference_interval, magnitude_interval, share, wilson_interval
from workbench.encoders.validation import (
    Floats,
    check_choice,
    check_confidence,
    check_groups,
    check_scores,
    check_target,
    check_threshold,
    listed,
)

Convention = Literal["paper", "published"]
CONVENTIONS = ("paper", "published")

GAPS = ("equal_opportunity", "average_absolute_odds", "strong_parity", "selection_gap")
"""The gaps to a reference group; :func:`strong_parity` has a function of its own, as it needs the scores."""

KEYS = ("model", "scheme", "strength", "metric")
"""Columns of a tidy frame of gaps that tell apart what must not be added up."""

Estimate = tuple[Floats, Floats, Floats]
"""A value with the lower and upper bound of its interval."""


def group_rates(
    y: ArrayLike, score: ArrayLike, group: ArrayLike, threshold: float = 0.5, confidence: float = 0.95
) -> pd.DataFrame:
    """Return the rates of each group when rows with ``score > threshold`` are selected.

    Args:
        y: (n,) of 0 and 1 or booleans.
        score: (n,) numbers, higher is more positive; for decisions that are made, 0 and 1.
        group: (n,) group of each row; missing values are a group, written ``(missing)``.
        threshold: a score at the threshold is not selected.
        confidence: level of the intervals (Wilson's).

    Returns:
        One row per group: ``group``, the counts ``n``, ``positives``, ``negatives``, ``selected``, ``true_positives`` and
        ``false_positives``, and ``selection_rate``, ``tpr`` = P(selected | y = 1) and ``fpr`` = P(selected | y = 0), each with
        ``<rate>_low`` and ``<rate>_high``.  A rate of no rows is NaN.

    Raises:
        ValueError: lengths differ, or an argument is not usable; the message names it.

    >>> rates = group_rates([1, 1, 0, 1, 0], [0.9, 0.5, 0.1, 0.8, 0.7], ["a", "a", "a", "b", "b"])
    >>> rates[["group", "n", "positives", "tpr", "fpr", "selection_rate"]].round(2)
      group  n  positives  tpr  fpr  selection_rate
    0     a  3          2  0.5  0.0            0.33
    1     b  2          1  1.0  1.0            1.00
    """
    target = check_target(y, one_class=True)
    scores = check_scores(score, len(target))
    categories, codes = check_groups(group, len(target))
    counts = GroupCounts.of(target, scores > check_threshold(threshold), codes, len(categories))
    columns = {
        "group": categories.labels,
        "n": counts.rows,
        "positives": counts.positives,
        "negatives": counts.negatives,
        "selected": counts.selected,
        "true_positives": counts.true_positives,
        "false_positives": counts.false_positives,
    }
    for name, (value, low, high) in rate_values(counts, confidence).items():
        columns |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(columns)


def gaps(
    rates: pd.DataFrame, reference: Any, convention: Convention = "paper", confidence: float = 0.95
) -> pd.DataFrame:
    """Return the gaps of each group to a reference group.

    ``equal_opportunity`` = TPR - TPR of the reference; ``average_absolute_odds`` = (|FPR - FPR of the reference| + |TPR - TPR
    of the reference|) / 2; ``selection_gap`` = selection rate - that of the reference.

    The published code differs from the paper, and ``convention="published"`` does as it does, for comparison alone: its rates are
    those of class 0 (TPR is the share of true zeros that are not selected, FPR the share of true ones that are not), and its
    average absolute odds are twice the absolute gap of that FPR alone.

    Args:
        rates: of :func:`group_rates`.
        reference: the group that the others are compared with.
        convention: which definitions.
        confidence: level of the intervals.  Of a difference they are Newcombe's; of average absolute odds they are the least
            and greatest value over the rectangle of the two gaps' intervals: wide rather than narrow.

    Returns:
        One row per metric and group, with ``metric``, ``group``, ``value``, ``low``, ``high``, ``n`` and ``positives`` of the
        group, and ``reference``.  A gap is NaN where the group lacks the rows that it is about.

    Raises:
        ValueError: the reference is not among the groups, or lacks positives or negatives, so that no gap is defined.

    >>> rates = group_rates([1, 1, 0, 1, 0, 0], [0.9, 0.5, 0.1, 0.8, 0.7, 0.1], ["a", "a", "a", "b", "b", "b"])
    >>> gaps(rates, "a")[["metric", "group", "value", "n", "positives"]].round(2)
                      metric group  value  n  positives
    0      equal_opportunity     b   0.50  3          1
    1  average_absolute_odds     b   0.50  3          1
    2          selection_gap     b   0.33  3          1
    """
    counts = GroupCounts(*(rates[name].to_numpy() for name in ("n", "positives", "true_positives", "false_positives")))
    position = find_reference(list(rates["group"]), reference, counts)
    parts = []
    for name, (value, low, high) in gap_values(counts, position, convention, confidence).items():
        part = pd.DataFrame({"metric": name, "group": rates["group"], "value": value, "low": low, "high": high})
        part[["n", "positives"]] = rates[["n", "positives"]].to_numpy()
        parts.append(part.drop(index=part.index[position]))
    return pd.concat(parts, ignore_index=True).assign(reference=reference)


def overall(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return the size of a metric over all groups: the paper's sum ``L`` of |gap|, the mean and the greatest.

    A sum grows with the number of groups: between attributes compare means or greatest gaps.  Groups whose gap is not defined are
    left out and counted.

    Args:
        gaps: of :func:`gaps`, :func:`strong_parity` or a sweep; other metrics in it are ignored.

    Returns:
        One row per metric (and model, scheme and strength, where there are such columns): ``sum``, ``mean``, ``max``,
        ``groups``, ``skipped`` and ``note``, which says how many were skipped.

    >>> frame = pd.DataFrame({"metric": "equal_opportunity", "group": ["b", "c", "d"], "value": [0.2, -0.4, None]})
    >>> overall(frame).round(2)
                  metric  sum  mean  max  groups  skipped                    note
    0  equal_opportunity  0.6   0.3  0.4       3        1  1 of 3 groups skipped
    """
    kept = gaps[gaps["metric"].isin(GAPS)]
    keys = [name for name in KEYS if name in kept]
    sizes = kept.assign(value=kept["value"].abs()).groupby(keys, sort=False, dropna=False)["value"]
    table = sizes.agg(["sum", "mean", "max", "count", "size"]).reset_index()
    table.loc[table["count"] == 0, "sum"] = np.nan
    table["groups"], table["skipped"] = table["size"], table["size"] - table["count"]
    table["note"] = [
        f"{skipped} of {groups} groups skipped" if skipped else ""
        for skipped, groups in zip(table["skipped"], table["groups"], strict=True)
    ]
    return table.drop(columns=["count", "size"])


def rate_values(counts: GroupCounts, confidence: float = 0.95) -> dict[str, Estimate]:
    """Return value, lower and upper bound (..., g) of each rate."""
    check_confidence(confidence)
    return {
        name: (share(hits, trials), *wilson_interval(hits, trials, confidence))
        for name, (hits, trials) in counts.shares().items()
    }


def gap_values(
    counts: GroupCounts, reference: int, convention: Convention = "paper", confidence: float = 0.95
) -> dict[str, Estimate]:
    """Return value, lower and upper bound (..., g) of each gap to the group at position ``reference``."""
    published = check_choice(convention, "convention", CONVENTIONS) == "published"
    shares = (counts.published() if published else counts).shares()

    def gap(name: str, level: float) -> Estimate:
        hits, trials = shares[name]
        of_reference = hits[..., [reference]], trials[..., [reference]]
        low, high = difference_interval(hits, trials, *of_reference, level)
        return share(hits, trials) - share(*of_reference), low, high

    if published:
        value, low, high = gap("fpr", confidence)
        odds = [2 * part for part in (abs(value), *magnitude_interval(low, high))]
    else:  # both gaps lie in their intervals with at least this probability, for they rest on different rows
        level = check_confidence(confidence) ** 0.5
        sizes = [
            (abs(value), *magnitude_interval(low, high)) for value, low, high in (gap("fpr", level), gap("tpr", level))
        ]
        odds = [(of_negatives + of_positives) / 2 for of_negatives, of_positives in zip(*sizes, strict=True)]
    return {
        "equal_opportunity": gap("tpr", confidence),
        "average_absolute_odds": tuple(odds),
        "selection_gap": gap("selection_rate", confidence),
    }


def find_reference(groups: list[Any], reference: Any, counts: GroupCounts) -> int:
    """Return the position of the reference; ValueError where it is not there or lacks a class, so that no gap is defined."""
    if reference not in groups:
        raise ValueError(f"reference {reference!r} is not among the groups {listed(groups)}")
    position = groups.index(reference)
    rows, positives = int(counts.rows[..., position].max()), int(counts.positives[..., position].max())
    if positives in (0, rows):
        missing = "positives" if not positives else "negatives"
        raise ValueError(f"reference {reference!r} has {rows} rows without {missing}: no gap to it is defined")
    return position
