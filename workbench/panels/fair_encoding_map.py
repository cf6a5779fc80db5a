"""The view of notebook 04 on intersections: one cell a pair of groups, pale where people are few, hatched where no gap exists."""

from __future__ import annotations

from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets
from numpy.typing import NDArray

from workbench.encoders.fairness import gap_values
from workbench.encoders.group_counts import GroupCounts
from workbench.experiments.fair_encoding_measure import LEAST_POSITIVES
from workbench.experiments.fair_encoding_tasks import MARITAL, EncodingTask
from workbench.figures.fair_encoding_groups import GroupMap, map_figure
from workbench.figures.updates import copy_into

MAP = "6 Intersection map"
SEP = "|"
EVERYBODY = "everybody"


@dataclass(frozen=True)
class Crossing:
    """Two ways to group people.

    Attributes:
        names: of the two attributes; the one with more values first.
        values: values of each, the reference first, then by size.
        codes: (n,) place of each row's value among them.
    """

    names: tuple[str, str]
    values: tuple[list[str], list[str]]
    codes: tuple[NDArray[np.intp], NDArray[np.intp]]


def crossing(task: EncodingTask) -> Crossing:
    """Return the two attributes of a task: its two encoded columns, or the two parts of one crossed column, or one and everybody.

    >>> from workbench.experiments.fair_encoding_tasks import compas_task, two_years_task
    >>> crossing(compas_task()).names, crossing(two_years_task()).names
    (('MaritalStatus', 'Ethnicity'), ('race', 'everybody'))
    """
    if SEP in task.attribute and task.encoded == (task.attribute,):
        names, parts = task.attribute.split(SEP, 1), pd.Series(task.group).str.split(SEP, n=1, expand=True)
        pairs = [(name, parts[index].to_numpy(object)) for index, name in enumerate(names)]
        references = task.reference.split(SEP, 1)
    elif len(task.encoded) > 1:
        first, second = task.encoded[:2]
        pairs = [(name, task.frame[name].astype(str).to_numpy(object)) for name in (first, second)]
        split = task.reference.split(SEP)
        known = (
            dict(zip(task.encoded, split, strict=True))
            if len(split) == len(task.encoded)
            else {task.attribute: task.reference}
        )
        references = [known.get(name) or _reference(name, values) for name, values in pairs]
    else:
        pairs = [(task.attribute, task.group.astype(str)), (EVERYBODY, np.full(len(task.group), "all", object))]
        references = [task.reference, "all"]
    found = []
    for (name, values), reference in zip(pairs, references, strict=True):
        sizes = pd.Series(values).value_counts()
        order = [reference, *(value for value in sizes.index if value != reference)]
        found.append((name, [str(v) for v in order], pd.Index(order).get_indexer(values)))
    found.sort(key=lambda one: -len(one[1]))
    names, values, codes = zip(*found, strict=True)
    return Crossing(names, values, codes)


def _reference(name: str, values: NDArray) -> str:
    """Return the paper's reference where it is the paper's column, else the largest group."""
    sizes = pd.Series(values).value_counts()
    return "Married" if name == MARITAL and "Married" in sizes.index else str(sizes.index[0])


class MapViews(traitlets.HasTraits):
    """Gaps of intersections; mixed into the panel of notebook 04."""

    def build_map_view(self) -> None:
        """Make the figure and the tab."""
        self._map_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._crossings: dict[tuple[str, int], Crossing] = {}
        self._map_figure = self.add_figure(self._draw_map())
        self.add_view(MAP, [self._map_figure], self._redraw_map, [self._map_text])

    def map_frame(self) -> pd.DataFrame:
        """Return the gap of each intersection that occurs in the half that is measured."""
        shown, pair = self._group_map(), self._crossing()
        rows, columns = np.nonzero(shown.counts)
        return pd.DataFrame(
            {
                pair.names[0]: np.array(shown.rows)[rows],
                pair.names[1]: np.array(shown.columns)[columns],
                "equal_opportunity": shown.gaps[rows, columns],
                "n": shown.counts[rows, columns],
                "positives": shown.positives[rows, columns],
            }
        )

    def _crossing(self) -> Crossing:
        key = self.shown
        if key not in self._crossings:
            self._crossings = {key: crossing(self.task)}
        return self._crossings[key]

    def _group_map(self) -> GroupMap:
        pair, published = self._crossing(), self.convention == "published"
        rows = self.book.rows("train" if published else "test")
        shape = tuple(len(values) for values in pair.values)
        cells = np.ravel_multi_index([codes[rows] for codes in pair.codes], shape)
        selected = self.book.scores(*self.operating)[rows] > self.threshold
        target = self.task.label[rows].astype(np.int8)
        counts = GroupCounts.of(target, selected, cells, shape[0] * shape[1])
        gaps = gap_values(counts, 0, self.convention)["equal_opportunity"][0]
        return GroupMap(
            rows=pair.values[0],
            columns=pair.values[1],
            gaps=gaps.reshape(shape),
            counts=counts.rows.reshape(shape),
            positives=counts.positives.reshape(shape),
            reference=(0, 0),
            least=LEAST_POSITIVES,
        )

    def _redraw_map(self, changed: frozenset[str]) -> None:
        if self.fresh(MAP, *self.state_key()):
            copy_into(self._map_figure, self._draw_map())
            self._map_text.value = self._map_words()

    def _draw_map(self) -> go.Figure:
        pair = self._crossing()
        title = f"EOF to {pair.values[0][0]}, {pair.values[1][0]}: {self.encoding_words()}"
        return map_figure(self._group_map(), title[:66], pair.names)

    def _map_words(self) -> str:
        shown = self._group_map()
        there = shown.counts > 0
        there[shown.reference] = False
        defined = there & np.isfinite(shown.gaps)
        counted = defined & (shown.positives >= LEAST_POSITIVES)
        if not shown.positives[shown.reference]:
            words = "The reference intersection has nobody with label 1 in this half, so that no gap is defined."
        elif not counted.any():
            words = f"No intersection has {LEAST_POSITIVES} people with label 1 in this half: no gap says anything."
        else:
            sizes = np.abs(shown.gaps)
            worst = np.unravel_index(np.argmax(np.where(counted, sizes, -1)), sizes.shape)
            pale = np.where(defined, sizes, -1).max()
            words = (
                f"{there.sum()} intersections occur; <b>{counted.sum()}</b> have at least {LEAST_POSITIVES} people "
                f"with label 1. The greatest gap among these: <b>{shown.gaps[worst]:+.2f}</b> ({shown.rows[worst[0]]}, "
                f"{shown.columns[worst[1]]}), mean {sizes[counted].mean():.2f}. Among all {defined.sum()} with a gap, "
                f"however few, it is {pale:.2f}: with one or two people a rate is 0 or 1. {(there & ~defined).sum()} "
                "have nobody with label 1, and no gap."
            )
        if self._crossing().names[1] == EVERYBODY:
            words += " These people have one protected attribute: choose “COMPAS: ethnicity” or “Adult: race | country” for a map."
        return f"<p style='margin:2px 0;line-height:1.5'>{words}</p>"
