"""The view of notebook 04 without data: one group, sample by sample, and the two sorts of bias."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.encoders import (
    bias_terms,
    encoding_distribution,
    expected_equal_opportunity,
    flip_probability,
    optimal_smoothing,
)
from workbench.figures.collection_marks import share
from workbench.figures.fair_encoding_lab import BiasLab, lab_figure
from workbench.figures.updates import copy_into

LAB = "1 Bias lab"
OWN_NUMBERS = ""
GROWING = tuple(int(n) for n in np.unique(np.round(np.geomspace(5, 5000, 31))))
"""Rows that the play button runs through."""

_OF_GROUP = {"lab_p", "lab_p_ref", "lab_n", "lab_prior"}


class LabViews(traitlets.HasTraits):
    """A group with known p; mixed into the panel of notebook 04.

    ``lab_p``, ``lab_n`` and ``lab_p_ref`` (shares of label 1 in the group and in the reference, and rows of the group),
    ``lab_prior`` (share overall) and ``lab_group``, a group of the data from which they are taken.
    """

    lab_p = traitlets.Float(0.58)
    lab_p_ref = traitlets.Float(0.32)
    lab_n = traitlets.Int(50)
    lab_n_ref = traitlets.Int(3600)
    lab_prior = traitlets.Float(0.43)
    lab_group = traitlets.Unicode(OWN_NUMBERS)

    def build_lab_view(self) -> None:
        """Make the controls, the figure and the tab."""
        shares = {"step": 0.01, "unit": "share", "format": ".2f", "place": False}
        player = widgets.Play(
            min=0, max=len(GROWING) - 1, interval=350, tooltip="Let the group grow from 5 to 5 000 rows"
        )
        player.observe(lambda change: setattr(self, "lab_n", GROWING[change["new"]]), names="value")
        controls = [
            self.dropdown("lab_group", {"numbers of my own": OWN_NUMBERS}, "Take the group", place=False),
            self.slider("lab_p", 0.01, 0.99, description="True share p of the group", **shares),
            self.slider("lab_p_ref", 0.01, 0.99, description="of the reference", **shares),
            self.slider("lab_prior", 0.01, 0.99, description="of all people (prior)", **shares),
            self.slider("lab_n", 2, 10_000, 0.01, "Rows n of the group", "count", log=True, format=",.0f", place=False),
            player,
        ]
        self._lab_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._lab_figure = self.add_figure(self._draw_lab())
        self.add_view(LAB, [self._lab_figure], self._redraw_lab, [*controls, self._lab_text])

    def lab_frame(self) -> pd.DataFrame:
        """Return what the group may be encoded to, and with which probability."""
        values, probabilities = encoding_distribution(self.lab_p, self.lab_n, self.m, self.lab_prior)
        return pd.DataFrame({"encoding": values, "probability": probabilities, "predicted": values > self.threshold})

    def take_group(self, group: str) -> None:
        """Set the numbers to those of a group of the data, on the training half."""
        rows, task = self.book.train, self.task
        names, labels = task.group[rows], task.label[rows]
        of_group, of_reference = labels[names == group], labels[names == task.reference]

        def inside(part: float) -> float:
            return float(np.clip(round(part, 2), 0.01, 0.99))

        self.update(
            lab_p=inside(of_group.mean()),
            lab_p_ref=inside(of_reference.mean()),
            lab_prior=inside(labels.mean()),
            lab_n=int(np.clip(len(of_group), 2, 10_000)),
            lab_n_ref=len(of_reference),
        )

    def _redraw_lab(self, changed: frozenset[str]) -> None:
        if self.lab_group != OWN_NUMBERS:
            if changed & {"lab_group", "question"}:
                self.take_group(self.lab_group)
            elif changed & _OF_GROUP and not self._is_of_group():
                self.lab_group = OWN_NUMBERS
        if self.fresh(
            LAB, *(getattr(self, name) for name in sorted(_OF_GROUP)), self.m, self.lam, self.threshold, self.scheme
        ):
            copy_into(self._lab_figure, self._draw_lab())
            self._lab_text.value = self._lab_words()

    def fit_lab_groups(self) -> None:
        """Offer the largest groups of the people that are shown."""
        names = pd.Series(self.task.group[self.book.train]).value_counts().index.drop(self.task.reference)
        self.set_options("lab_group", {"numbers of my own": OWN_NUMBERS} | {str(n): str(n) for n in names[:20]})

    def _is_of_group(self) -> bool:
        part = self.task.label[self.book.train][self.task.group[self.book.train] == self.lab_group]
        return abs(part.mean() - self.lab_p) < 0.011 and int(np.clip(len(part), 2, 10_000)) == self.lab_n

    def _flipped(self) -> float:
        return float(flip_probability(self.lab_p, self.lab_n, self.m, self.lab_prior, self.threshold))

    def _draw_lab(self) -> go.Figure:
        p, n, m, prior = self.lab_p, self.lab_n, self.m, self.lab_prior
        values, probabilities = encoding_distribution(p, n, m, prior)
        weight = self.lab_n_ref / (self.lab_n_ref + m)
        rows = n, self.lab_n_ref
        settings = {
            "plain, m = 0": (*rows, 0.0),
            f"as set, m = {m:,.0f} ": (*rows, m),
            "unlimited rows": (np.inf, np.inf, m),
        }
        lab = BiasLab(
            p=p,
            p_ref=self.lab_p_ref,
            prior=prior,
            values=values,
            probabilities=probabilities,
            reference=weight * self.lab_p_ref + (1 - weight) * prior,
            noise=self.lam,
            threshold=self.threshold,
            flipped=self._flipped(),
            terms={
                words: tuple(map(float, bias_terms(p, own, self.lab_p_ref, reference, smoothing, prior)))
                for words, (own, reference, smoothing) in settings.items()
            },
        )
        return lab_figure(lab, f"n = {n:,}, m = {m:,.0f}: {share(lab.flipped)} of samples flip")

    def _lab_words(self) -> str:
        p, n, m, prior, tau = self.lab_p, self.lab_n, self.m, self.lab_prior, self.threshold
        gap = float(expected_equal_opportunity(p, n, self.lab_p_ref, self.lab_n_ref, m, prior, tau))
        limit = float(expected_equal_opportunity(p, np.inf, self.lab_p_ref, np.inf, 0.0, prior, tau))
        best = float(optimal_smoothing(p, prior))
        lines = [
            f"The group is the model's only feature. Of all samples of {n:,} rows <b>{share(self._flipped())}</b> put "
            f"it on the other side of τ than its true share {p:.2f}; the expected |EOF| to the reference is "
            f"<b>{gap:.2f}</b>. With rows without end and no smoothing it would be {limit:.0f}: that part is "
            "irreducible, the rest is the chance of the sample.",
            f"The least mean squared error of this one encoding has m* = p(1 − p)/(p − prior)² = {best:,.1f}, whatever n. "
            + self._scheme_words(),
        ]
        return "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines)

    def _scheme_words(self) -> str:
        if self.scheme == "noise":
            return f"Noise λ = {self.noise:g} goes to training rows alone (dashed curve); what people are scored by stays the bars."
        if self.scheme == "smoothing":
            return "Smoothing moves the bars toward the prior and together: less chance, but maybe on the wrong side."
        return "With this feature alone, one-hot is the same as plain target encoding, m = 0; without the column all are alike."
