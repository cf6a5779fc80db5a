"""Two views of notebook 05 on the block: its gates under the microscope, and a block put together from its parts."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.robust_transformers import robustness
from workbench.experiments.robust_transformers_config import DESIGNS, FAN
from workbench.experiments.robust_transformers_measure import freeze_gates, predict
from workbench.experiments.robust_transformers_views import block_gates, built_block, woken_gates
from workbench.figures.robust_transformers_blocks import BAND, Gates, gates_figure, parts_figure
from workbench.figures.updates import copy_into
from workbench.models.fan import ChannelDesign
from workbench.panels.robust_transformers_lab import P

GATES, BUILDER = "5 Gate microscope", "6 Block builder"
ADDED = np.linspace(0, 40, 41)
TOKENS = 49
FORMS = {"none": "none", "SE": "se", "CA (eq. 6)": "ca", "ECA (eq. 7)": "eca"}
WIDTHS, HEADS = (24, 48, 96, 192), (1, 2, 4, 8, 12)  # every width divides into every number of heads


class BlockViews(traitlets.HasTraits):
    """The parts of a block; mixed into the panel of notebook 05.

    ``constant`` is added to one token before the first gate, ``zoomed`` shows the gates alone. ``form``, ``depthwise``,
    ``value_norm``, ``width`` and ``heads`` put a block together.
    """

    constant = traitlets.Float(0.0)
    zoomed = traitlets.Bool(False)
    form = traitlets.Unicode("eca")
    depthwise = traitlets.Bool(True)
    value_norm = traitlets.Bool(True)
    width = traitlets.Int(48)
    heads = traitlets.Int(4)

    def build_gates_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._all_gates = block_gates(self.networks[FAN], self.held_out.images[:100])
        self._frozen_words = ""
        controls = [
            self.slider("constant", 0.0, 40.0, 1.0, "Added to one token", "1", format=".0f", place=False),
            self.toggle("zoomed", "Zoom to the gates", place=False),
            self.button(
                "Freeze all gates",
                self.freeze,
                primary=True,
                place=False,
                tooltip="Set each to sigmoid(1/49) and look again",
            ),
        ]
        self._gates_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._gates_figure = self.add_figure(self._draw_gates())
        self.add_view(GATES, [self._gates_figure], self._redraw_gates, [*controls, self._gates_text])

    def build_builder_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._sizes = lru_cache(maxsize=64)(built_block)
        controls = [
            self.choice("form", FORMS, "Channel processing", place=False),
            self.toggle("depthwise", "Depthwise convolutions", place=False),
            self.toggle("value_norm", "LayerNorm behind the MLP", place=False),
            self.steps("width", WIDTHS, "Channels", "count", place=False),
            self.steps("heads", HEADS, "Heads", "count", place=False),
        ]
        self._builder_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._builder_figure = self.add_figure(self._draw_builder())
        self.add_view(BUILDER, [self._builder_figure], self._redraw_builder, [*controls, self._builder_text])

    # 5 Gate microscope

    def freeze(self) -> None:
        """Freeze every gate of the FAN, and count what changes on the held-out pictures."""
        images, labels = self.held_out.images, self.held_out.labels
        before, after = (predict(one, images) for one in (self.networks[FAN], freeze_gates(self.networks[FAN])))
        right = [100 * float((logits.argmax(1).numpy() == labels).mean()) for logits in (before, after)]
        changed = 100 * float((before.argmax(1) != after.argmax(1)).float().mean())
        self._frozen_words = (
            f"{P}All gates frozen: accuracy {right[0]:.1f} % → <b>{right[1]:.1f} %</b>, {changed:.1f} % of the "
            f"predictions changed, a logit by at most {float((before - after).abs().max()):.3f}.</p>"
        )
        self._redraw_gates(frozenset())

    def gates_frame(self) -> pd.DataFrame:
        """Return the range of each block's gates."""
        rows = [(index + 1, gates.min(), gates.mean(), gates.max()) for index, gates in enumerate(self._all_gates)]
        return pd.DataFrame(rows, columns=["block", "low", "mean", "high"])

    def _redraw_gates(self, changed: frozenset[str]) -> None:
        copy_into(self._gates_figure, self._draw_gates())
        self._gates_text.value = self._gates_words()

    def _draw_gates(self) -> go.Figure:
        even = 1 / (1 + np.exp(-1 / TOKENS))
        woken = woken_gates(self.networks[FAN], self.clean_picture(), ADDED)
        gates = Gates(self._all_gates, even, ADDED, woken, self.constant, self.zoomed)
        return gates_figure(gates, "Gates of the trained FAN: 100 pictures, 48 channels, 4 blocks")

    def _gates_words(self) -> str:
        values = np.concatenate(self._all_gates)
        return (
            f"{P}The gate of the published code is a sigmoid of a number from 0 to 1, so that it lies between "
            f"{BAND[0]:g} and {BAND[1]:.4f} (dashed), and is {1 / (1 + np.exp(-1 / TOKENS)):.4f} where all {TOKENS} "
            f"tokens agree (purple). Trained gates lie in <b>{values.min():.4f} to {values.max():.4f}</b>: a constant "
            "in all but name. It wakes up when one token stands out by some ten units, which no picture "
            "does.</p>" + self._frozen_words
        )

    # 6 Block builder

    def builder_frame(self) -> pd.DataFrame:
        """Return accuracy of every network, mean and spread over seeds."""
        table = 100 * robustness(self.errors)[["clean", "corrupted"]]
        seeds = table.groupby(level="network", sort=False)
        frame = seeds.mean().join(seeds.std().fillna(0.0).add_suffix("_spread")).reset_index()
        return frame.sort_values("corrupted", ascending=False, ignore_index=True)

    def _design(self) -> ChannelDesign:
        return ChannelDesign(self.form, depthwise=self.depthwise, value_norm=self.value_norm)

    def _built(self) -> str:
        """Return the name of the trained network with this block, or an empty text."""
        names = [name for name, design in DESIGNS.items() if design == self._design()]
        return names[0] if names and self.width == 48 and self.heads == 4 else ""

    def _redraw_builder(self, changed: frozenset[str]) -> None:
        if changed and not changed & {"form", "depthwise", "value_norm", "width", "heads"}:
            return
        copy_into(self._builder_figure, self._draw_builder())
        self._builder_text.value = self._builder_words()

    def _draw_builder(self) -> go.Figure:
        return parts_figure(self.builder_frame(), self._built(), "Small networks of equal size, three trainings each")

    def _builder_words(self) -> str:
        parameters, macs = self._sizes(self._design(), self.width, self.heads)
        built = self._built()
        table = self.builder_frame().set_index("network")
        if built:
            row = table.loc[built]
            worth = (
                f"It is <b>{built}</b>: {row['clean']:.1f} ± {row['clean_spread']:.1f} % clean, {row['corrupted']:.1f} "
                f"± {row['corrupted_spread']:.1f} % corrupted."
            )
        else:
            worth = "No network with this block, 48 channels and 4 heads was trained here."
        return (
            f"{P}Four such blocks of {self.width} channels and {self.heads} heads, with an MLP of four times that "
            f"width: <b>{parameters:,}</b> parameters, {macs:.1f} million multiply-adds a picture. {worth} All that "
            "were trained have as many parameters as FAN: the MLP is made wider where a part is missing.</p>"
        )
