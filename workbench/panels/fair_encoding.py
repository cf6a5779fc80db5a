"""The panel of notebook 04: nine views of one question, what does the encoding of a protected column do to people?"""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd

from workbench.experiments.fair_encoding_frontier import TOTALS, auc_of, gap_size
from workbench.panels.base import Panel
from workbench.panels.fair_encoding_choice import WORDS, EncodingChoice
from workbench.panels.fair_encoding_frontier import FRONTIER, FrontierViews
from workbench.panels.fair_encoding_lab import LAB, LabViews
from workbench.panels.fair_encoding_ladder import LADDER, TREES, LadderViews
from workbench.panels.fair_encoding_map import MAP, MapViews
from workbench.panels.fair_encoding_own import OWN, OwnViews
from workbench.panels.fair_encoding_relabel import RELABEL, RelabelViews
from workbench.panels.fair_encoding_report import answer_html
from workbench.panels.fair_encoding_scores import CONVENTIONS, RIDGES, ScoreViews

VIEWS = (LAB, LADDER, FRONTIER, RIDGES, TREES, MAP, RELABEL, CONVENTIONS, OWN)


class FairEncodingPanel(
    LabViews, LadderViews, FrontierViews, ScoreViews, MapViews, RelabelViews, OwnViews, EncodingChoice, Panel
):
    """Encode a protected column in several ways, and see what it does to performance and to each group.

    Every control is an attribute: ``panel.question`` (whose label is learned), ``panel.model``, ``panel.scheme`` with
    ``panel.smoothing`` and ``panel.noise``, ``panel.threshold``, ``panel.metric``, ``panel.total``, ``panel.convention``,
    ``panel.view``; each view has its own, named in its class.  A person's own table comes in by :meth:`receive_file`, an upload,
    pasted text or a path.

    >>> panel = FairEncodingPanel(scheme="one-hot")
    >>> size = gap_size(panel.gaps_table(), "equal_opportunity")
    >>> size.groups, size.skipped, size.max > 0.7
    (5, 0, True)
    """

    title = "fair encoding"

    def build(self) -> None:
        """Make the controls, the answer and the nine views."""
        self.build_choice()
        self._answer_box = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.build_lab_view()
        self.build_ladder_view()
        self.build_frontier_view()
        self.build_ridges_view()
        self.build_tree_view()
        self.build_map_view()
        self.build_relabel_view()
        self.build_convention_view()
        self.build_own_view()
        self._inputs.append(self._answer_box)
        self.view = FRONTIER

    def redraw(self, changed: frozenset[str]) -> None:
        """Bring the choice up to date, and say what the chosen encoding is worth."""
        self.fit_choice(changed)
        if "question" in changed:
            self.fit_people()
        if self.fresh("answer", *self.state_key(), self.metric, self.total):
            self._answer_box.value = self._answer()

    def fit_people(self) -> None:
        """Offer the models, columns and groups of the people that are shown."""
        self.fit_models()
        self.fit_column()
        self.fit_groups()
        self.fit_lab_groups()

    def reset(self) -> None:
        """Go back to the defaults; first to their people, whose groups and columns the others are."""
        self.question = self._defaults["question"]
        super().reset()

    def _answer(self) -> str:
        rows, task, book = {}, self.task, self.book
        half = book.test
        chosen = (self.scheme, self.strength)
        others = [(scheme, np.nan) for scheme in ("drop", "one-hot") if scheme != self.scheme]
        for scheme, strength in (chosen, *others):
            table = self.gaps_table(scheme, strength)
            right = (book.scores(self.model, scheme, strength)[half] > self.threshold) == (task.label[half] == 1)
            name = {"drop": "not encoded"}.get(scheme, WORDS[scheme])
            rows[name] = auc_of(table), float(right.mean()), gap_size(table, self.metric)
        how = {value: words for words, value in TOTALS.items()}[self.total]
        whose = {
            "paper": "the paper's definitions, on the test half",
            "published": "the published code's definitions, on the training half",
        }[self.convention]
        rule = f"Selected: score above τ = {self.threshold:g}. Convention: {self.convention}, {whose}."
        tail = f"{rule} Reference: {task.reference}."
        return answer_html(f"{self.model}, {self.encoding_words()}", rows, self.metric, how, tail, self.card)

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the visible view."""
        return {
            LAB: self.lab_frame,
            LADDER: self.ladder_frame,
            FRONTIER: self.frontier_frame,
            RIDGES: self.ridges_frame,
            TREES: self.tree_frame,
            MAP: self.map_frame,
            RELABEL: self.relabel_frame,
            CONVENTIONS: self.convention_frame,
            OWN: self.own_frame,
        }[self.view]()
