"""Checks of what a person hands to an encoder or a metric: a clear error names what came and what was expected."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d

from workbench.encoders.categories import Categories, Codes

Floats = NDArray[np.float64]

SHOWN = 5
"""How many values an error message lists."""


def check_target(y: ArrayLike, rows: int | None = None, one_class: bool = False) -> NDArray[np.int8]:
    """Return a binary target as (n,) zeros and ones, by position: an index of pandas is not looked at.

    Args:
        y: (n,) or (n, 1) of 0 and 1, or of booleans.
        rows: how many rows ``X`` has; ``None`` where there is no ``X``.
        one_class: whether a target of a single class will do.

    Raises:
        ValueError: lengths differ, a value is missing or is not 0 or 1, or there is a single class.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    values = column_or_1d(y, warn=True)
    if rows is not None and len(values) != rows:
        raise ValueError(f"X has {rows} rows, y has {len(values)}; expected one target per row")
    absent = np.asarray(pd.isna(values))
    if absent.any():
        raise ValueError(f"target has no value in row {int(absent.argmax())}; expected 0 or 1")
    distinct = pd.unique(values)
    if not all(isinstance(value, (bool, int, float, np.bool_, np.number)) and value in (0, 1) for value in distinct):
        raise ValueError(f"target must be binary 0/1, found {listed(distinct)}")
    if len(distinct) == 1 and not one_class:
        raise ValueError(f"target has a single class, {distinct[0]}, in {len(values)} sample(s); expected both 0 and 1")
    return values.astype(np.int8)


def check_scores(score: ArrayLike, rows: int | None = None) -> Floats:
    """Return (n,) finite scores; raise ValueError naming the first row that has none, or the two lengths that differ."""
    values = np.asarray(score, np.float64)
    if values.ndim != 1 or (rows is not None and len(values) != rows):
        expected = "one number per row" if rows is None else f"one number for each of {rows} rows"
        raise ValueError(f"score has shape {values.shape}; expected {expected}")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"score[{bad[0]}] is {values[bad[0]]}; expected a finite number")
    return values


def check_groups(group: ArrayLike, rows: int) -> tuple[Categories, Codes]:
    """Return the groups that occur and the code (n,) of each row; ValueError where there is not one group for each row."""
    categories, codes = Categories.of(group, "group")
    if len(codes) != rows:
        raise ValueError(f"group has {len(codes)} rows, y has {rows}; expected one group per row")
    return categories, codes


def check_threshold(value: float) -> float:
    """Return a number; raise ValueError where it is NaN."""
    if np.isnan(value):
        raise ValueError("threshold is NaN; expected a number")
    return float(value)


def check_strength(value: ArrayLike, name: str, infinite: bool = False) -> Floats:
    """Return regularisation strengths as floats of any shape; ValueError where one is negative, NaN or (not allowed) infinite."""
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    good = (numbers >= 0) & (infinite | np.isfinite(numbers))
    if not good.all():
        bound = "at least 0" if infinite else "finite and at least 0"
        raise ValueError(f"{name} must be {bound}, got {numbers[~good].flat[0]:g}")
    return numbers


def check_share(value: ArrayLike, name: str) -> Floats:
    """Return probabilities as floats of any shape; raise ValueError where one is outside [0, 1]."""
    numbers = np.asarray(value, np.float64)
    good = (numbers >= 0) & (numbers <= 1)
    if not good.all():
        raise ValueError(f"{name} must be between 0 and 1, got {numbers[~good].flat[0]:g}")
    return numbers


def check_confidence(value: float) -> float:
    """Return a confidence level strictly between 0 and 1; raise ValueError otherwise."""
    if not 0 < value < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {value}")
    return float(value)


def check_whole(value: int, name: str, least: int) -> int:
    """Return a whole number; raise ValueError naming the argument if it is not one or is below ``least``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def check_choice(value: str, name: str, choices: Collection[str]) -> str:
    """Return ``value``; raise ValueError naming the argument if it is none of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def listed(values: ArrayLike) -> str:
    """Return the first few values for an error message.

    >>> listed([2, 0, 1]), listed(range(9))
    ('{0, 1, 2}', '{0, 1, 2, 3, 4, ... 4 more}')
    """
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    with suppress(TypeError):  # of several types
        plain = sorted(plain)
    more = f", ... {len(plain) - SHOWN} more" if len(plain) > SHOWN else ""
    return "{" + ", ".join(map(repr, plain[:SHOWN])) + more + "}"
