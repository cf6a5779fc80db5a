"""Made-up people of whom everything is known: groups with a given size and a given chance of a positive label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.datasets.fairness import DataCard, FairnessDataset

_CARD = DataCard(
    name="Synthetic groups",
    people="Nobody: rows drawn at random.",
    label="A coin with the chance that was given for the group came up heads.",
    label_is_not="Not a fact about anyone.",
    protected="The group, drawn first; nothing else is known of a row.",
    source="Drawn by workbench.datasets.synthetic_groups from a seed.",
    licence="MIT, as the workbench",
)


def synthetic_groups(
    p: Sequence[float],
    n: Sequence[int],
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> FairnessDataset:
    """Draw people of several groups: ``n[i]`` rows of group ``i``, each with label 1 with probability ``p[i]``.

    This is the setting of the theory (Section 4 of Mougan et al., AIES 2023): the group is the only feature, and the true
    ``p_i = P(Y=1 | Z=z_i)`` are known, so that irreducible and reducible bias can be told apart. Rows are shuffled; the first
    group is the reference. The first groups' rows do not change when a group is added.

    Args:
        p: chances in [0, 1], one a group.
        n: rows of each group, at least 1.
        names: of the groups; A, B, C, ... by default.
        seed: of the draw.

    Raises:
        ValueError: lengths differ or values are out of range, or all labels came out equal.

    >>> toy = synthetic_groups([0.3, 0.7], [1000, 50], seed=1)
    >>> toy.group_table("group")
      group     n  positives   rate
    0     A  1000        301  0.301
    1     B    50         39  0.780
    """
    if len(p) != len(n) or not len(p):
        raise ValueError(f"p and n must hold one value a group, got {len(p)} and {len(n)}")
    if bad := [value for value in p if not 0 <= value <= 1]:
        raise ValueError(f"p must lie in [0, 1], got {bad[0]!r}")
    if bad := [value for value in n if value < 1 or int(value) != value]:
        raise ValueError(f"n must be whole numbers of at least 1, got {bad[0]!r}")
    names = [_letters(index) for index in range(len(p))] if names is None else list(names)
    if len(names) != len(p) or len(set(names)) != len(names):
        raise ValueError(f"names must be {len(p)} different names, got {names}")
    shuffle, *streams = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(len(p) + 1))
    labels = [stream.random(size) < chance for stream, size, chance in zip(streams, n, p, strict=True)]
    frame = pd.DataFrame({"group": np.repeat(np.array(names, dtype=object), n)})
    order = shuffle.permutation(len(frame))
    label = pd.Series(np.concatenate(labels).astype("int64")[order], name="heads")
    return FairnessDataset(frame.iloc[order].astype(str), label, ("group",), {"group": str(names[0])}, _CARD)


def _letters(index: int) -> str:
    """Return A to Z, then AA, AB and so on, as a spreadsheet counts.

    >>> [_letters(index) for index in (0, 25, 26, 27)]
    ['A', 'Z', 'AA', 'AB']
    """
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
