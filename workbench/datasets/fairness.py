"""Tables of people with a yes/no label and protected attributes: what they hold, and what one must know before training on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

MISSING = "(missing)"
"""Name of the group of those whose protected attribute is not known."""


@dataclass(frozen=True)
class DataCard:
    """What a person should know of a data set before training on it, in plain words.

    Attributes:
        name: of the data set.
        people: who the rows are, where and when.
        label: what a label of 1 means.
        label_is_not: what the label must not be taken for.
        protected: how the protected attributes came about.
        source: where the data is from, and through what it came here.
        licence: under what it may be used.
        caveats: further things that change how a result may be read.

    >>> card = DataCard("Toy", "Ten made-up people.", "Paid back.", "Not trust.", "Assigned by a coin.", "Made up.", "MIT")
    >>> print(card.markdown())  # doctest: +ELLIPSIS
    **Toy**
    <BLANKLINE>
    | | |
    |---|---|
    | People | Ten made-up people. |
    | Label 1 | Paid back. |
    ...
    """

    name: str
    people: str
    label: str
    label_is_not: str
    protected: str
    source: str
    licence: str
    caveats: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Return the card as Markdown: a small table, then one line a caveat."""
        rows = {
            "People": self.people,
            "Label 1": self.label,
            "The label is not": self.label_is_not,
            "Protected attributes": self.protected,
            "Source": self.source,
            "Licence": self.licence,
        }
        lines = [f"**{self.name}**", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {text.replace('|', '&#124;')} |" for name, text in rows.items()]
        if self.caveats:
            lines += ["", *(f"- {caveat}" for caveat in self.caveats)]
        return "\n".join(lines)


def group_names(values: pd.Series) -> np.ndarray:
    """Return the name of each value as a group: object array of str, whole numbers without a point, :data:`MISSING` for none.

    >>> group_names(pd.Series([1.0, 2.5, None])).tolist()
    ['1', '2.5', '(missing)']
    """
    if pd.api.types.is_float_dtype(values):
        named = values.map(lambda value: f"{value:.0f}" if float(value).is_integer() else str(value))
    else:
        named = values.astype(object).map(str)
    return named.astype(object).where(values.notna(), MISSING).to_numpy(dtype=object)


@dataclass(frozen=True, eq=False)
class FairnessDataset:
    """People, one a row, with a yes/no label and one or more protected attributes.

    Attributes:
        frame: the features, protected ones included, without the label; index 0 to N-1.
        label: int64 Series (N,) of 0 and 1, both of which occur; its name says what a 1 means.
        protected: columns of ``frame`` that are protected attributes.
        references: by protected attribute, the group that the others are compared with.
        card: what the data is and is not.

    Raises:
        TypeError: ``frame`` is no DataFrame or ``label`` no Series.
        ValueError: lengths differ, labels are others than 0 and 1, or a column or group is not there.

    >>> frame = pd.DataFrame({"age": [30, 40, 50], "sex": ["F", "M", "M"]})
    >>> card = DataCard("Toy", "Three people.", "Paid back.", "Not trust.", "Asked.", "Made up.", "MIT")
    >>> toy = FairnessDataset(frame, pd.Series([1, 0, 1], name="paid"), ("sex",), {"sex": "M"}, card)
    >>> toy.group_table("sex")
      group  n  positives  rate
    0     M  2          1   0.5
    1     F  1          1   1.0
    """

    frame: pd.DataFrame
    label: pd.Series
    protected: tuple[str, ...]
    references: Mapping[str, str]
    card: DataCard

    def __post_init__(self) -> None:
        if not isinstance(self.frame, pd.DataFrame) or not isinstance(self.label, pd.Series):
            came = f"{type(self.frame).__name__} and {type(self.label).__name__}"
            raise TypeError(f"frame must be a DataFrame and label a Series, got {came}")
        if len(self.frame) != len(self.label):
            raise ValueError(f"frame has {len(self.frame)} rows, but label has {len(self.label)}")
        values = set(pd.unique(self.label))
        if not values <= {0, 1}:
            raise ValueError(f"label must be 0 or 1, found {sorted(map(str, values))[:5]}")
        if len(values) < 2:
            raise ValueError(f"label must hold both 0 and 1, found only {sorted(map(int, values))}")
        if not self.protected:
            raise ValueError("protected must name at least one column")
        if absent := [name for name in self.protected if name not in self.frame.columns]:
            raise ValueError(
                f"protected names {absent[0]!r}; the columns are {', '.join(map(str, self.frame.columns))}"
            )
        if set(self.references) != set(self.protected):
            raise ValueError(f"references must be of {list(self.protected)}, got {sorted(map(str, self.references))}")
        object.__setattr__(self, "frame", self.frame.reset_index(drop=True))
        object.__setattr__(self, "label", self.label.reset_index(drop=True).astype("int64"))
        object.__setattr__(self, "references", MappingProxyType(dict(self.references)))
        for column, reference in self.references.items():
            if reference not in (names := self.groups(column)):
                raise ValueError(f"no {column} is {reference!r}; the groups are {', '.join(sorted(set(names)))}")

    def __len__(self) -> int:
        return len(self.label)

    def groups(self, column: str) -> np.ndarray:
        """Return the group of each row by one column: object array (N,) of str; a missing value is :data:`MISSING`.

        Raises:
            ValueError: there is no such column.
        """
        if column not in self.frame.columns:
            raise ValueError(f"no column {column!r}; the columns are {', '.join(map(str, self.frame.columns))}")
        return group_names(self.frame[column])

    def group_table(self, column: str) -> pd.DataFrame:
        """Return one row a group of ``column``, the largest first: group, n, positives, rate (share with label 1)."""
        counts = self.label.groupby(self.groups(column)).agg(n="size", positives="sum", rate="mean")
        return (
            counts.rename_axis("group")
            .reset_index()
            .sort_values(["n", "group"], ascending=[False, True], ignore_index=True)
        )

    def subset(self, rows: ArrayLike) -> FairnessDataset:
        """Return the rows at these positions (integers) or where a boolean array (N,) is true, in that order."""
        rows = np.asarray(rows)
        if rows.dtype == bool and len(rows) != len(self):
            raise ValueError(f"rows is a boolean array of {len(rows)}, but the data set has {len(self)} rows")
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(self, frame=self.frame.iloc[rows], label=self.label.iloc[rows])

    def without_small_groups(self, column: str, least: int) -> FairnessDataset:
        """Return only people whose group of ``column`` counts at least ``least``.

        Raises:
            ValueError: the reference group is smaller than that, or too little is left.
        """
        groups = self.groups(column)
        names, counts = np.unique(groups.astype(str), return_counts=True)
        return self.subset(np.isin(groups.astype(str), names[counts >= least]))

    def proxies(self, protected: str, most_values: int = 100) -> pd.DataFrame:
        """Return how well each other column tells a person's group, as a warning that dropping ``protected`` hides nothing.

        From one column alone, everyone is guessed to be of the most frequent group among those with the same value. A share
        of 1 is the same attribute under another name or code.

        Args:
            protected: the attribute to guess.
            most_values: columns with more different values are left out, since they would tell people, not groups.

        Returns:
            Columns ``column``, ``share`` guessed right, ``base`` (share of the largest group), the best column first.
        """
        groups = pd.Series(self.groups(protected))
        base = groups.value_counts(normalize=True).iloc[0]
        rows = []
        for column in self.frame.columns.drop(protected):
            if (values := pd.Series(self.groups(column))).nunique() <= most_values:
                right = pd.crosstab(values, groups).max(axis=1).sum() / len(self)
                rows.append({"column": column, "share": right, "base": base})
        table = pd.DataFrame(rows, columns=["column", "share", "base"])
        return table.sort_values("share", ascending=False, ignore_index=True)
