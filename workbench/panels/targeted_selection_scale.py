"""The view of notebook 03 on pools of millions of pictures: what they cost to keep and to search, beside what was measured here."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.results import load_results
from workbench.experiments.targeted_selection_scale import IMAGES_OF_THE_PAPER, Capacity, capacity, map_cells
from workbench.figures import targeted_selection_scale as draw
from workbench.figures.how_much_data import short
from workbench.figures.updates import copy_into
from workbench.panels.run import table_html

SCALE = "8 Scale"
TABLE = "targeted_selection_scale"
SIZES = np.geomspace(1e3, 1e7, 41)
CANVAS = (544, 960)
OWN = "my own"

KEPT = {
    "stride 16, 112 channels, half precision": (map_cells(*CANVAS, 16), 112, 2.0),
    "stride 8, 40 channels, half precision": (map_cells(*CANVAS, 8), 40, 2.0),
    "stride 8, projected to 24, int8": (map_cells(*CANVAS, 8), 24, 1.0),
    "stride 16, projected to 64, int8": (map_cells(*CANVAS, 16), 64, 1.0),
    "one GeM vector of 1280, half precision": (1, 1280, 2.0),
}
"""What may be kept of a picture of 960 x 544 pixels: cells, channels, bytes per value."""


class ScaleViews(traitlets.HasTraits):
    """A calculator of storage, time and money; mixed into the panel of notebook 03.

    ``scale_images`` pictures are kept as ``scale_kept`` says, or as ``scale_cells``, ``scale_channels`` and ``scale_bytes`` do, and
    searched by ``scale_machines`` of ``scale_cores`` that read ``scale_disk`` GB/s each; ``scale_price`` is that of a TB of disk,
    ``scale_match`` and ``scale_embed`` are the times of a picture on one core.  :attr:`cost` is what comes out.
    """

    scale_images = traitlets.Float(float(IMAGES_OF_THE_PAPER))
    scale_kept = traitlets.Unicode(list(KEPT)[2])
    scale_cells = traitlets.Int(KEPT[list(KEPT)[2]][0])
    scale_channels = traitlets.Int(KEPT[list(KEPT)[2]][1])
    scale_bytes = traitlets.Float(KEPT[list(KEPT)[2]][2])
    scale_disk = traitlets.Float(3.0)
    scale_machines = traitlets.Int(1)
    scale_cores = traitlets.Int(8)
    scale_price = traitlets.Float(20.0)
    scale_match = traitlets.Float(100.0)
    scale_embed = traitlets.Float(0.1)

    def build_scale_view(self) -> None:
        """Make the controls, the two figures and the tab."""
        self._scale_table = load_results(TABLE)
        self._scale_curves = lru_cache(maxsize=8)(self._curves_for)
        self._scale_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        log = {"log": True, "place": False}
        controls = [
            self.slider("scale_images", 1e3, 1e7, 0.01, "Pictures in the pool", "count", format=".3s", **log),
            self.dropdown("scale_kept", [*KEPT, OWN], "Kept of a picture of 960 x 544", place=False),
            self.slider("scale_cells", 1, 10_000, 1, "Cells", "count per picture", place=False),
            self.slider("scale_channels", 1, 1280, 1, "Channels", "count", place=False),
            self.choice("scale_bytes", {"int8": 1.0, "half": 2.0, "single": 4.0}, "A value is", place=False),
            self.slider("scale_disk", 0.1, 10, 0.05, "Disk of a machine", "GB/s", format=".2g", **log),
            self.slider("scale_machines", 1, 64, 1, "Machines", "count", place=False),
            self.slider("scale_cores", 1, 64, 1, "Cores of a machine", "count", place=False),
            self.slider("scale_price", 5, 200, 5, "Disk price", "EUR/TB", format=".0f", place=False),
            self.slider(
                "scale_match", 1, 1e5, 0.05, "Matching a picture, all queries", "µs on one core", format=".3s", **log
            ),
            self.slider("scale_embed", 0.001, 10, 0.05, "Embedding a picture", "s on one core", format=".2g", **log),
            self.button(
                "Times of this machine", self.take_measured, place=False, tooltip="Set both times as measured here"
            ),
        ]
        self._scale_live = [self.add_figure(self._draw_costs()), self.add_figure(self._draw_shortlist())]
        self.add_view(SCALE, self._scale_live, self._redraw_scale, [*controls, self._scale_text])

    @property
    def cost(self) -> Capacity:
        """What the pool costs."""
        return self._cost_of(round(self._scale_count), self.scale_cells, self.scale_channels, self.scale_bytes)

    @property
    def _scale_count(self) -> float:
        """The pool's size with three digits: the slider's page rounds what code sets."""
        return float(f"{self.scale_images:.3g}")

    def _cost_of(self, images: int, cells: int, channels: int, bytes_per_value: float) -> Capacity:
        return capacity(
            images,
            cells,
            channels,
            bytes_per_value,
            self.scale_disk,
            self.scale_machines,
            self.scale_price,
            cores=self.scale_cores,
            match_seconds_per_image=1e-6 * self.scale_match,
            embed_seconds_per_image=self.scale_embed,
        )

    def take_measured(self) -> None:
        """Set the times of matching and embedding a picture to those measured on one core of this machine."""
        with self.hold():
            self.scale_match = float(np.clip(1e6 * self._seconds_per_image("mining"), 1, 1e5))
            self.scale_embed = float(np.clip(self._seconds_per_image("embedding"), 0.001, 10))

    def _seconds_per_image(self, measure: str) -> float:
        """Return the seconds of a picture on one process, in the largest pool of the first setting that was measured."""
        part = self._measured(measure)
        part = part[part["setting"] == part["setting"].iloc[0]]
        return 1 / float(part.sort_values("x")["value"].iloc[-1])

    def _measured(self, measure: str) -> pd.DataFrame:
        table = self._scale_table
        return table[(table["measure"] == measure) & (table["processes"] == 1)]

    def scale_frame(self) -> pd.DataFrame:
        """Return what the preset ways to keep a picture, and the chosen one, cost for the chosen pool."""
        images = round(self._scale_count)
        kept = KEPT | (
            {OWN: (self.scale_cells, self.scale_channels, self.scale_bytes)} if self.scale_kept == OWN else {}
        )
        rows = []
        for name, (cells, channels, width) in kept.items():
            cost = self._cost_of(images, cells, channels, width)
            rows.append(
                {
                    "kept of a picture": name,
                    "kB per picture": cost.storage_bytes / images / 1e3,
                    "storage (GB)": cost.storage_bytes / 1e9,
                    "disks (EUR)": cost.euros,
                    "reading (s)": cost.read_seconds,
                    "one pass (s)": cost.scan_seconds,
                    "bound by": cost.bound_by,
                }
            )
        return pd.DataFrame(rows)

    # What is drawn

    def _redraw_scale(self, changed: frozenset[str]) -> None:
        chosen = KEPT.get(self.scale_kept)
        now = (self.scale_cells, self.scale_channels, self.scale_bytes)
        if chosen is not None and chosen != now:
            with self.hold():
                if "scale_kept" in changed:
                    self.scale_cells, self.scale_channels, self.scale_bytes = chosen
                else:
                    self.scale_kept = OWN
        copy_into(self._scale_live[0], self._draw_costs())
        self._scale_text.value = self._scale_words()

    def _curves_for(self, *setting: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
        costs = [
            self._cost_of(round(count), self.scale_cells, self.scale_channels, self.scale_bytes) for count in SIZES
        ]
        seconds = {name: np.array([getattr(cost, f"{name}_seconds") for cost in costs]) for name in draw.TIMES}
        return seconds, np.array([cost.storage_bytes for cost in costs]) / 1e9

    def _draw_costs(self) -> go.Figure:
        kept = (self.scale_cells, self.scale_channels, self.scale_bytes)
        rate = (self.scale_disk, self.scale_machines, self.scale_cores, self.scale_match, self.scale_embed)
        seconds, gigabytes = self._scale_curves(*kept, *rate)
        measured = {}
        for measure, words in (("mining", "searching, measured here"), ("embedding", "embedding, measured here")):
            part = self._measured(measure)
            measured[words] = (part["x"].to_numpy(float), (part["x"] / part["value"]).to_numpy(float))
        shown = draw.ScaleCurves(
            images=SIZES,
            seconds=seconds,
            gigabytes=gigabytes,
            chosen=self._scale_count,
            euros_per_gb=self.scale_price / 1000,
            paper=float(IMAGES_OF_THE_PAPER),
            measured=measured,
        )
        cost = self.cost
        words = f"{draw.storage(cost.storage_bytes / 1e9)}, one pass {draw.duration(cost.scan_seconds)}"
        return draw.cost_figure(shown, f"{short(self._scale_count)} pictures: {words}")

    def _draw_shortlist(self) -> go.Figure:
        part = self._scale_table[self._scale_table["measure"] == "shortlist recall"]
        return draw.shortlist_figure(part, list(part["setting"].unique()))

    def _scale_words(self) -> str:
        cost, count = self.cost, short(self._scale_count)
        bound = "reading from disk" if cost.bound_by == "disk" else "arithmetic on the cores"
        lines = [
            f"<b>{count} pictures need {draw.storage(cost.storage_bytes / 1e9)} ({cost.euros:,.2f} EUR of disk); one pass takes "
            f"{draw.duration(cost.scan_seconds)}</b>, bound by {bound}: reading {draw.duration(cost.read_seconds)}, matching "
            f"{draw.duration(cost.match_seconds)}. Computing the features once takes {draw.duration(cost.embed_seconds)}. All open "
            "queries share the pass.",
            "A coarse pass reads less: the lower plot shows what of the exact top 20 it keeps, and the rest is searched exactly.",
        ]
        table = self.scale_frame()
        return "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines) + table_html(table)
