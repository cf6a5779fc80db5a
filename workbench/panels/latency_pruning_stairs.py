"""The view of notebook 10 that shows why counting multiplications fails: latency is a staircase."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.figures.latency_pruning import Stairs, faster, stairs_figure, surface_figure
from workbench.figures.updates import copy_into
from workbench.panels.latency_pruning_choice import MEASURED
from workbench.panels.views import beside
from workbench.pruning import MOBILENET_V1_ROWS, RESNET_ROWS, ConvSpec, LatencyTable, step_size

STAIRS = "1 Staircase"
ROWS = {f"MobileNetV1, {row.layer} (measured)": row for row in MOBILENET_V1_ROWS}
ROWED = frozenset(row.spec(count) for row in RESNET_ROWS for count in range(1, len(row.ms) + 1))
"""What was measured of ResNet-50 on a TITAN V."""

FIRST_SHOWN = "layer4.0.conv1"
AS_BUILT = 0
CELLS = 16
P = "<p style='margin:2px 0;line-height:1.5'>"


def milliseconds(table: LatencyTable, spec: ConvSpec) -> float:
    """Return ms of a convolution, NaN where the table does not know it."""
    if spec in table:
        return table[spec]
    if table.measure is None:
        return np.nan
    try:
        return table(spec)
    except KeyError:
        return np.nan


class StairsViews(traitlets.HasTraits):
    """One layer, width by width; mixed into the panel of notebook 10.

    ``stair_layer`` names it, ``stair_inputs`` is the share of its input channels that are left (%), ``stair_kernel`` another
    kernel (0: its own).
    """

    stair_layer = traitlets.Unicode("")
    stair_inputs = traitlets.Int(100)
    stair_kernel = traitlets.Int(AS_BUILT)

    def build_stairs_view(self) -> None:
        """Make the controls, the figures and the tab."""
        self._found_stairs = lru_cache(maxsize=128)(self._find_stairs)
        self._found_surface = lru_cache(maxsize=128)(self._find_surface)
        self.stair_layer = FIRST_SHOWN
        controls = [
            self.dropdown("stair_layer", self._layer_names(), "Layer", place=False),
            self.slider("stair_inputs", 10, 100, 5, "Input channels left", "%", place=False),
            self.dropdown(
                "stair_kernel", {"its own": AS_BUILT, "1 x 1": 1, "3 x 3": 3, "5 x 5": 5}, "Kernel", place=False
            ),
        ]
        self._stairs_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._stairs_figure = self.add_figure(self._draw_stairs())
        self._surface_figure = self.add_figure(self._draw_surface())
        both = [self._stairs_figure, self._surface_figure]
        self.add_view(STAIRS, both, self._redraw_stairs, [*controls, self._stairs_text], beside(*both))

    def fit_layers(self) -> None:
        """Offer the layers of the network."""
        self.set_options("stair_layer", self._layer_names())

    def stairs_frame(self) -> pd.DataFrame:
        """Return the latency of the layer at each width."""
        stairs = self._stairs()
        return pd.DataFrame({"channels": stairs.widths, "ms": stairs.ms, "macs": stairs.macs, "faster": faster(stairs)})

    def _layer_names(self) -> list[str]:
        return [*self.subject.graph.layers, *(ROWS if MEASURED in self.usable() else ())]

    def _specs(self) -> tuple[LatencyTable, list[ConvSpec]]:
        """Return the table, and the layer at each width."""
        if self.stair_layer in ROWS:
            row = ROWS[self.stair_layer]
            specs = [row.spec(count) for count in range(1, len(row.ms) + 1)]
            return LatencyTable(dict(zip(specs, row.ms, strict=True))), specs
        layer = self.subject.graph.layers[self.stair_layer]
        inputs, outputs = (len(units) for units in (layer.inputs, layer.outputs))
        inputs = max(1, round(inputs * self.stair_inputs / 100))
        every = max(1, outputs // 256)
        widths = range(every, outputs + 1, every)
        specs = [self._spec(inputs, width) for width in widths]
        return self.tables[self.platform], specs

    def _spec(self, inputs: int, outputs: int) -> ConvSpec:
        layer = self.subject.graph.layers[self.stair_layer]
        spec = layer.spec(self.subject.batch, int(outputs if layer.groups > 1 else inputs), int(outputs))
        return replace(spec, kernel=self.stair_kernel or spec.kernel)

    def _stairs(self) -> Stairs:
        key = self.network, self.platform, self._generation, self.stair_layer, self.stair_inputs, self.stair_kernel
        kept = None
        if self.stair_layer not in ROWS:
            kept = self.plan_for(self.platform, self.budget).widths[self.stair_layer][1]
        return replace(self._found_stairs(*key), kept=kept)

    def _find_stairs(self, *key: object) -> Stairs:
        table, specs = self._specs()
        ms = np.array([milliseconds(table, spec) for spec in specs])
        widths = np.array([spec.out_channels for spec in specs])
        known = np.isfinite(ms)
        even = known.all() and len(set(np.diff(widths).tolist())) <= 1
        step = step_size(widths, ms) if even and len(widths) > 1 else int(widths[-1])
        if step <= widths[0]:  # as fine as the widths that are looked at: a slope, no stairs
            step = int(widths[-1])
        rows = ROWED if self.platform == MEASURED else frozenset(() if table.measure is not None else table)
        measured = np.array([spec in rows or self.stair_layer in ROWS for spec in specs])
        return Stairs(widths, ms, np.array([float(spec.macs) for spec in specs]), measured, step, None)

    def _redraw_stairs(self, changed: frozenset[str]) -> None:
        if self.fresh(STAIRS, *self.state_key(), self.stair_layer, self.stair_inputs, self.stair_kernel):
            copy_into(self._stairs_figure, self._draw_stairs())
            copy_into(self._surface_figure, self._draw_surface())
            self._stairs_text.value = self._stairs_words()

    def _draw_stairs(self) -> go.Figure:
        device = "TITAN V" if self.stair_layer in ROWS else self.platform
        return stairs_figure(self._stairs(), f"{self.stair_layer}<br><sub>{device}</sub>")

    def _draw_surface(self) -> go.Figure:
        if self.stair_layer in ROWS:
            empty = np.empty(0, int)
            return surface_figure(empty, empty, np.empty((0, 0)), {}, "Only one input width<br><sub>was measured</sub>")
        layer, table = self.subject.graph.layers[self.stair_layer], self.tables[self.platform]
        full = len(layer.inputs), len(layer.outputs)
        key = self.network, self.platform, self._generation, self.stair_layer, self.stair_kernel
        inputs, outputs, ms = self._found_surface(*key)
        kept = self.plan_for(self.platform, self.budget).widths[self.stair_layer]
        points = {
            name: (*at, milliseconds(table, self._spec(*at)))
            for name, at in (("whole layer", full), ("kept by the plan", kept))
            if min(at) > 0
        }
        return surface_figure(inputs, outputs, ms, points, "Both widths<br><sub>the plan and the whole layer</sub>")

    def _find_surface(self, *key: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        layer, table = self.subject.graph.layers[self.stair_layer], self.tables[self.platform]
        full = len(layer.inputs), len(layer.outputs)
        inputs, outputs = (np.unique(np.linspace(1, size, CELLS + 1).round().astype(int)) for size in full)
        if layer.groups > 1:
            inputs = np.array([full[0]])
        ms = np.array([[milliseconds(table, self._spec(i, o)) for o in outputs] for i in inputs], float)
        return inputs, outputs, ms

    def _stairs_words(self) -> str:
        stairs = self._stairs()
        quick = stairs.widths[faster(stairs)]
        known = np.isfinite(stairs.ms)
        if not known.any():
            return f"{P}The table of {self.platform} has no row of this layer with that input width or kernel.</p>"
        lines = [
            f"Grey bands are {stairs.step} channels wide, the usual step of this layer: within a step channels are free."
            if stairs.step < stairs.widths[-1]
            else "No step stands out between the widths that are known."
        ]
        if len(quick):
            widths = "one width" if len(quick) == 1 else f"{len(quick)} widths"
            lines.append(
                f"At {widths} <b>more channels run faster</b> than fewer, at {int(quick[0])} for the first time: no count of "
                "multiplications foretells that."
            )
        if self.stair_layer not in ROWS and not stairs.measured.all():
            lines.append(
                "Widths without a dot are approximated, by lines between those that were measured."
                if self.platform == MEASURED
                else "A simulated device shows mechanisms (tiles, bandwidth, launch cost); its constants are illustrative."
                if "simulated" in self.platform
                else "A table that is measured on a busy machine has noise of its own: small steps down may be that."
                if self.tables[self.platform].measure is not None
                else "Widths without a dot are approximated from those that the table has."
            )
        return "".join(f"{P}{line}</p>" for line in lines if line)
