"""Groups at the intersection of several protected attributes, and attributes that hide in other columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.encoders.categories import Categories

CHANCE = 1e-6
"""A column that tells a group in every repeated value is reported where that would be luck with less than this probability."""


def cross_columns(frame: pd.DataFrame, columns: Sequence[str], sep: str = "|") -> pd.Series:
    """Return the intersection of columns as one category per row, such as ``"White|Cuba"``.

    Args:
        frame: (n, d) rows.
        columns: two or more of its columns; a missing value is written ``(missing)``.
        sep: what stands between the values.

    Returns:
        (n,) Categorical named by the columns, with the index of ``frame``: only intersections that occur are categories.

    Raises:
        ValueError: ``frame`` lacks a column, fewer than two are named, or two different intersections would have the same text.

    >>> frame = pd.DataFrame({"race": ["White", "Black", None], "country": ["Cuba", "Haiti", "Cuba"]})
    >>> cross_columns(frame, ["race", "country"]).tolist()
    ['White|Cuba', 'Black|Haiti', '(missing)|Cuba']
    """
    absent = [name for name in columns if name not in frame]
    if isinstance(columns, str) or len(set(columns)) < 2 or absent:
        raise ValueError(f"columns must be two or more of {list(frame)}, got {columns!r}")
    parts = [Categories.of(frame[name], f"column {name!r}") for name in columns]
    cells = np.ravel_multi_index([codes for _, codes in parts], [len(categories) for categories, _ in parts])
    used, codes = np.unique(cells, return_inverse=True)
    rows = np.unravel_index(used, [len(categories) for categories, _ in parts])
    words = [[str(categories.labels[i]) for i in row] for (categories, _), row in zip(parts, rows, strict=True)]
    texts = [sep.join(values) for values in zip(*words, strict=True)]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise ValueError(
            f"different intersections would both be called {twice!r}; choose another sep than {sep!r}, or rename values"
        )
    return pd.Series(pd.Categorical.from_codes(codes, texts), index=frame.index, name=sep.join(map(str, columns)))


def recoded_columns(frame: pd.DataFrame, group: ArrayLike) -> list[str]:
    """Return the columns that tell the group of every row: a protected attribute that is still there under another name or code.

    A column is reported when each of its values goes with one group alone, and that would be luck with a probability below
    1e-6: rows that repeat a value agree by chance with the probability that two rows are of one group.  A column of names or
    numbers that hardly repeat is therefore not reported.

    Args:
        frame: (n, d) the columns that a model sees.
        group: (n,) the protected attribute, at the same positions.

    >>> frame = pd.DataFrame({"RAC1P": [1, 2, 3] * 20, "age": range(60)})
    >>> recoded_columns(frame, ["White", "Black", "Black"] * 20)
    ['RAC1P']
    """
    groups, codes = Categories.of(group, "group")
    if len(codes) != len(frame):
        raise ValueError(f"frame has {len(frame)} rows, group has {len(codes)}; expected one group per row")
    shares = np.bincount(codes) / len(codes)
    found = []
    for position, name in enumerate(frame):
        values, value_codes = Categories.of(frame.iloc[:, position], f"column {name!r}")
        pairs = len(np.unique(value_codes * len(groups) + codes))
        repeats = len(codes) - len(values)
        if pairs == len(values) and repeats * np.log(np.square(shares).sum()) < np.log(CHANCE):
            found.append(name)
    return found
