"""A person's own table as tasks of paper 10: checked, made fit for a model, and every change to it said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workbench.datasets import FairnessDataset, people_dataset
from workbench.encoders import Encoding, cross_columns, recoded_columns
from workbench.experiments.fair_encoding_measure import LEAST_POSITIVES, group_table, measure_half, summary
from workbench.experiments.fair_encoding_scores import LINEAR, encoder_named
from workbench.experiments.fair_encoding_tasks import EncodingTask
from workbench.training import CancelToken, Progress, no_progress

LEAST_ROWS = 40
LIKE_NAMES = 0.5
"""Share of rows with a value of their own from which on a column of words tells people, not kinds of people."""

TELLS = 0.95
"""Share of people whose group another column tells from which on it is reported."""

ROWS_A_VALUE = 10
"""A column with fewer rows a value tells groups by chance."""

SEP = "|"
OWN_SEEDS = (0, 1, 2)
OWN_ENCODINGS = (
    ("drop", np.nan), ("one-hot", np.nan),
    *(("smoothing", float(m)) for m in (0, 10, 1e2, 1e3, 1e4, 1e5)),
    *(("noise", value) for value in (0.1, 0.2, 0.3, 0.5, 1.0)),
)  # fmt: skip


@dataclass(frozen=True)
class OwnPeople:
    """A person's table, ready to be measured.

    Attributes:
        data: the table with its roles.
        tasks: by protected attribute, and by all of them together where there are several.
        notes: what was changed, left out, or must be known, one sentence each.
    """

    data: FairnessDataset
    tasks: Mapping[str, EncodingTask]
    notes: tuple[str, ...]


def own_people(
    frame: pd.DataFrame,
    *,
    label: str,
    protected: Sequence[str],
    positive: object = None,
    above: float | None = None,
    references: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
    name: str = "your data",
) -> OwnPeople:
    """Turn a table into tasks: missing numbers get the median and a column that says so, names and ids are left out.

    Args:
        frame: as :func:`workbench.datasets.read_people` returns it.
        label, protected, positive, above, references, drop: as for :func:`workbench.datasets.people_dataset`.
        name: of the table.

    Raises:
        ValueError: what is wrong, in plain words.

    >>> people = pd.DataFrame({"sex": ["F", "M"] * 40, "age": range(80), "paid": [0, 1, 1, 0] * 20})
    >>> own = own_people(people, label="paid", protected=["sex"])
    >>> list(own.tasks), own.notes
    (['sex'], ())
    """
    data = people_dataset(
        frame, label=label, protected=protected, positive=positive, above=above, references=references, drop=drop
    )
    return own_tasks(data, name)


def own_tasks(data: FairnessDataset, name: str = "your data") -> OwnPeople:
    """Return the same of a table whose roles are known, such as :func:`workbench.datasets.read_acs_pums` reads it.

    Raises:
        ValueError: what is wrong, in plain words.
    """
    if len(data) < LEAST_ROWS:
        raise ValueError(
            f"the table has {len(data)} people; expected at least {LEAST_ROWS}, to learn from half of them"
        )
    features, notes = _fit_for_models(data)
    named = features.assign(**{column: data.groups(column) for column in data.protected})
    data = replace(data, frame=named)
    notes += [sentence for column in data.protected for sentence in _group_notes(data, column)]
    tasks = {
        column: _task(name, data, column, data.groups(column), data.references[column]) for column in data.protected
    }
    if len(data.protected) > 1:
        crossed = cross_columns(data.frame, data.protected, SEP).astype(str)
        reference = SEP.join(data.references[column] for column in data.protected)
        if reference not in set(crossed):
            largest = str(crossed.value_counts().index[0])
            notes.append(f"nobody is {reference}, so intersections are compared with the largest, {largest}")
            reference = largest
        tasks[str(crossed.name)] = _task(name, data, str(crossed.name), crossed.to_numpy(object), reference)
    for attribute, task in tasks.items():
        notes += _small_groups(attribute, task)
    return OwnPeople(data, tasks, tuple(notes))


def _task(name: str, data: FairnessDataset, attribute: str, group: np.ndarray, reference: str) -> EncodingTask:
    return EncodingTask(name, attribute, data.frame, data.label.to_numpy(), data.protected, group, reference)


def _fit_for_models(data: FairnessDataset) -> tuple[pd.DataFrame, list[str]]:
    """Return the features without names and ids, missing numbers filled, and what was done to them."""
    frame, notes = data.frame.copy(), []
    for column in data.frame.columns.drop(list(data.protected)):
        values = data.frame[column]
        words = not pd.api.types.is_numeric_dtype(values)
        if words and values.nunique() > LIKE_NAMES * len(values):
            notes.append(
                f"column {column!r} has {values.nunique()} values in {len(values)} rows, as names have: left out"
            )
            frame = frame.drop(columns=column)
        elif not words and (missing := values.isna()).any():
            notes.append(
                f"column {column!r} is missing in {int(missing.sum())} rows: they get the median, and a column says which"
            )
            frame[column] = values.fillna(values.median())
            frame[f"{column} is missing"] = missing.astype("int64")
    if frame.shape[1] == len(data.protected):
        raise ValueError(
            "there is no column left to learn from but the protected ones; expected at least one more, such as age or hours"
        )
    return frame, notes


def _group_notes(data: FairnessDataset, column: str) -> list[str]:
    """Say whose group is not known, and which other columns tell it."""
    notes, names = [], data.groups(column)
    if missing := int((names == "(missing)").sum()):
        notes.append(f"{column!r} is missing in {missing} rows, who are a group of their own, (missing)")
    rest = data.frame.drop(columns=list(data.protected))
    same = recoded_columns(rest, names)
    found = data.proxies(column)
    for row in found[found["column"].isin(rest.columns)].itertuples():
        if row.column in same:
            notes.append(
                f"column {row.column!r} is {column!r} under another name: without {column!r} a model still sees it"
            )
        elif row.share >= max(TELLS, (1 + row.base) / 2) and rest[row.column].nunique(
            dropna=False
        ) * ROWS_A_VALUE <= len(rest):
            notes.append(
                f"column {row.column!r} tells {column!r} of {100 * row.share:.0f} % of the people: dropping {column!r} hides little"
            )
    return notes


def _small_groups(attribute: str, task: EncodingTask) -> list[str]:
    """Say how many groups have too few positives in a half for their gaps to count."""
    positives = pd.Series(task.label).groupby(task.group).sum() / 2
    few = positives[(positives < LEAST_POSITIVES) & (positives.index != task.reference)]
    if few.empty:
        return []
    return [
        f"{len(few)} of {len(positives) - 1} groups of {attribute!r} have fewer than {LEAST_POSITIVES} people with label 1 in a "
        "half: their gaps are drawn pale and not counted"
    ]


def measure_own(
    task: EncodingTask, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure logistic regression with each of :data:`OWN_ENCODINGS` on three halves of a task.

    Returns:
        One row a fit, and the rates of each group averaged over the halves, as
        :func:`workbench.experiments.fair_encoding_measure.measure` returns them.

    Raises:
        ValueError: the reference group has no positives or no negatives in a half.
        Cancelled: Stop was asked for.
    """
    tables = []
    for done, seed in enumerate(OWN_SEEDS):
        progress(done, len(OWN_SEEDS), f"{task.attribute}, half {done + 1}")
        encoded = [
            Encoding(scheme, strength, encoder_named(list(task.encoded), scheme, strength, seed))
            for scheme, strength in OWN_ENCODINGS
        ]
        tables.append(measure_half(task, (LINEAR,), encoded, seed, cancel=cancel))
    progress(len(OWN_SEEDS), len(OWN_SEEDS), "done")
    table = pd.concat(tables, ignore_index=True)
    return summary(table), group_table(table)
