"""Two views of notebook 05 on many pictures: all errors of two networks, and what was published of large ones."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.results import load_results
from workbench.experiments.robust_transformers_config import FAN, LINEAR, NETWORKS, VIT
from workbench.experiments.robust_transformers_paper import PUBLISHED
from workbench.experiments.robust_transformers_views import NORMALISERS, error_grid, ranking, reference_errors
from workbench.figures.robust_transformers import ErrorMaps, error_maps_figure, published_figure
from workbench.figures.updates import copy_into
from workbench.ops.corruptions import CORRUPTIONS
from workbench.panels.robust_transformers_lab import P

ERRORS, PUBLISHED_VIEW = "2 All errors", "7 As published"
UNITS = {"own reference": "mCE, linear reference (%)", "AlexNet": "mCE, by AlexNet (%)", "none": "Mean error (%)"}


class ErrorViews(traitlets.HasTraits):
    """Errors of networks; mixed into the panel of notebook 05.

    ``first`` and ``second`` are compared, ``normaliser`` is what errors are divided by; ``published`` has the ring in view 7.
    :meth:`show_errors` replaces the stored measurements.
    """

    first = traitlets.Unicode(VIT)
    second = traitlets.Unicode(FAN)
    normaliser = traitlets.Unicode("own reference")
    published = traitlets.Unicode("FAN-S-ViT")

    def build_errors_view(self) -> None:
        """Make the controls, the figure and the tab."""
        controls = [
            self.dropdown("first", NETWORKS, "Compare", place=False),
            self.dropdown("second", NETWORKS, "with", place=False),
            self.choice(
                "normaliser", NORMALISERS, "Errors divided by those of", place=False,
                tooltip="AlexNet's are of ImageNet-C: with them a number here looks like one of the paper, and is none",
            ),
        ]  # fmt: skip
        self._errors_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._errors_figure = self.add_figure(self._draw_errors())
        self.add_view(ERRORS, [self._errors_figure], self._redraw_errors, [*controls, self._errors_text])

    def build_published_view(self) -> None:
        """Make the control, the figure and the tab."""
        self._published_rows = published_rows()
        chosen = self.dropdown("published", list(PUBLISHED), "Network", place=False)
        self._published_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._published_figure = self.add_figure(self._draw_published())
        self.add_view(PUBLISHED_VIEW, [self._published_figure], self._redraw_published, [chosen, self._published_text])

    def load_errors(self) -> None:
        """Read the stored errors."""
        self.errors = load_results("robust_transformers_errors")

    def show_errors(self, errors: pd.DataFrame) -> None:
        """Show these errors of some networks instead of those that are there."""
        kept = self.errors[~self.errors["network"].isin(errors["network"])]
        self.errors = pd.concat([kept, errors], ignore_index=True)
        self._redraw_errors(frozenset())

    def errors_frame(self) -> pd.DataFrame:
        """Return mCE or mean error of every network."""
        return ranking(self.errors, self.normaliser).assign(normaliser=self.normaliser)

    def published_frame(self) -> pd.DataFrame:
        """Return the published numbers."""
        return self._published_rows

    def _redraw_errors(self, changed: frozenset[str]) -> None:
        if changed and not changed & {"first", "second", "normaliser"}:
            return
        copy_into(self._errors_figure, self._draw_errors())
        self._errors_text.value = self._errors_words()

    def _draw_errors(self) -> go.Figure:
        reference = reference_errors(self.errors, self.normaliser)
        by = None if reference is None else np.array([reference[name] for name in CORRUPTIONS])[:, None]
        values, hover, radar = [], [], []
        for network in (self.first, self.second):
            grid = error_grid(self.errors, network)
            values.append(100 * grid if by is None else 100 * grid / by)
            radar.append(100 * (1 - grid.mean(1)))
            words = np.empty(grid.shape, object)
            for row, column in np.ndindex(grid.shape):
                name = CORRUPTIONS[row].replace("_", " ")
                words[row, column] = (
                    f"{network}<br>{name}, severity {column + 1}: error {100 * grid[row, column]:.1f} %"
                )
                if by is not None:
                    words[row, column] += (
                        f"<br>reference {100 * by[row, 0]:.1f} %, ratio {values[-1][row, column]:.0f} %"
                    )
            hover.append(words)
        maps = ErrorMaps(
            (self.first, self.second), CORRUPTIONS, tuple(values), tuple(hover), tuple(radar),
            ranking(self.errors, self.normaliser), UNITS[self.normaliser],
        )  # fmt: skip
        return error_maps_figure(maps, "Errors under 15 corruptions, mean of the seeds")

    def _errors_words(self) -> str:
        orders = {name: ranking(self.errors, name)["network"].tolist() for name in NORMALISERS}
        same = orders["own reference"] == orders["AlexNet"]
        plain, first, second = ranking(self.errors, "none").set_index("network")["value"], self.first, self.second
        change = "the order stays" if same else "networks change places"
        return (
            f"{P}Mean error {first} {plain[first]:.1f} %, {second} {plain[second]:.1f} %. An mCE is a sum of ratios: a "
            f"corruption on which the reference hardly errs counts most. Divide by AlexNet's errors, and {change}; the "
            "level moves in any case, from "
            f"{ranking(self.errors, 'own reference').set_index('network').loc[second, 'value']:.0f} to "
            f"{ranking(self.errors, 'AlexNet').set_index('network').loc[second, 'value']:.0f} for {second}. So an mCE "
            f"without its reference is no number. The reference here is a linear classifier of pixels ({LINEAR}), "
            "which is hard to beat at 28 pixels.</p>"
        )

    def _redraw_published(self, changed: frozenset[str]) -> None:
        if changed and "published" not in changed:
            return
        copy_into(self._published_figure, self._draw_published())
        self._published_text.value = self._published_words()

    def _draw_published(self) -> go.Figure:
        return published_figure(
            self._published_rows, self.published, "ImageNet at 224 pixels, as published: size, clean, corrupted"
        )

    def _published_words(self) -> str:
        row = self._published_rows.set_index("network").loc[self.published]
        mce = "no mCE was published" if np.isnan(row["mce"]) else f"mCE {row['mce']:.1f} %"
        return (
            f"{P}<b>{self.published}</b>: {row['parameters']:.1f} million parameters, {row['clean']:.1f} % clean, "
            f"{row['corrupted']:.1f} % corrupted ({100 * row['corrupted'] / row['clean']:.0f} % kept), {mce}. None of "
            "these was measured here: that takes the published weights, which are free for research alone, and "
            "ImageNet-C. Accuracy on ImageNet-C is most likely a mean over 19 corruptions, mCE one over 15; the 87.1 "
            "% of the abstract are at 384 pixels, its 35.8 % at 224.</p>"
        )


def published_rows() -> pd.DataFrame:
    """Return what the paper and its code report, with the family of each network."""
    rows = []
    for name, (parameters, clean, corrupted, mce) in PUBLISHED.items():
        family = "FAN, more data" if "22k" in name else "FAN" if name.startswith("FAN") else "other"
        rows.append((name, family, parameters, clean, corrupted, np.nan if mce is None else mce))
    return pd.DataFrame(rows, columns=["network", "family", "parameters", "clean", "corrupted", "mce"])
