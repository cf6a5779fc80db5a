"""The view of notebook 03 on pools of millions of pictures: what they cost to keep and to search, beside what was measured here."""

from __future__ import annotations

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
SIZES = np.geomspace(10, 1e7, 25)
CANVAS = (544, 960)
MY_OWN = "my own"

KEPT = {
    "stride 16, 112 channels, half precision": (map_cells(*CANVAS, 16), 112, 2.0),
    "stride 8, 40 channels, half precision": (map_cells(*CANVAS, 8), 40, 2.0),
    "stride 8, projected to 24, int8": (map_cells(*CANVAS, 8), 24, 1.0),
    "stride 16, projected to 64, int8": (map_cells(*CANVAS, 16), 64, 1.0),
    "one GeM vector of 1280, half precision": (1, 1280, 2.0),
}
"""What may be kept of a picture of 960 x 544 pixels: cells, channels, bytes per value (section 5)."""

FIRST = "stride 8, projected to 24, int8"
MATCH, EMBED = (1.0, 1e5), (1e-3, 10.0)
"""Ranges of the times on one core: matching 1,000 cells, microseconds; embedding a picture, seconds."""


class ScaleViews(traitlets.HasTraits):
    """A calculator of storage, time and money; mixed into the panel of notebook 03.

    ``scale_images`` pictures are kept as ``scale_kept`` says, or as ``scale_cells``, ``scale_channels`` and ``scale_bytes`` do, and
    searched by ``scale_machines`` of ``scale_cores`` that read ``scale_disk`` GB/s each; ``scale_price`` is that of a TB of disk,
    ``scale_match`` and ``scale_embed`` are the times of 1,000 cells and of a picture on one core, in microseconds and seconds.
    :attr:`cost` is what comes out; :meth:`take_measured` sets what was measured.
    """

    scale_images = traitlets.Float(float(IMAGES_OF_THE_PAPER))
    scale_kept = traitlets.Unicode(FIRST)
    scale_cells = traitlets.Int(KEPT[FIRST][0])
    scale_channels = traitlets.Int(KEPT[FIRST][1])
    scale_bytes = traitlets.Float(KEPT[FIRST][2])
    scale_disk = traitlets.Float(3.0)
    scale_machines = traitlets.Int(1)
    scale_cores = traitlets.Int(8)
    scale_price = traitlets.Float(20.0)
    scale_match = traitlets.Float(100.0)
    scale_embed = traitlets.Float(0.1)

    def build_scale_view(self) -> None:
        """Make the controls, the two figures and the tab."""
        self._scale_table = load_results(TABLE)
        self._scale_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.scale_match = self._scale_match_measured
        log = {"log": True, "place": False}
        controls = [
            self.slider("scale_images", 1e3, 1e7, 0.01, "Pictures in the pool", "count", format=".2s", **log),
            self.dropdown("scale_kept", [*KEPT, MY_OWN], "Kept of a picture of 960 x 544", place=False),
            self.slider("scale_cells", 1, 10_000, 1, "Cells", "count per picture", place=False),
            self.slider("scale_channels", 1, 1280, 1, "Channels", "count", place=False),
            self.choice("scale_bytes", {"1 byte": 1.0, "2 bytes": 2.0, "4 bytes": 4.0}, "A value takes", place=False),
            self.slider("scale_disk", 0.1, 10, 0.01, "Disk of a machine", "GB/s", format=".2g", **log),
            self.slider("scale_machines", 1, 64, 1, "Machines", "count", place=False),
            self.slider("scale_cores", 1, 64, 1, "Cores of a machine", "count", place=False),
            self.slider("scale_price", 5, 200, 5, "Disk price", "EUR/TB", format=".0f", place=False),
            self.slider("scale_match", *MATCH, 0.01, "Matching 1,000 cells, all queries", "µs on one core", format=".3s", **log,
                        tooltip="Measured here with maps of 40 channels; a picture takes its number of cells in proportion"),
            self.slider("scale_embed", *EMBED, 0.01, "Embedding a picture", "s on one core", format=".2g", **log),
            self.button("As measured here", self.take_measured, place=False,
                        tooltip="Set maps and times to those of one core of this machine: the points then lie on the lines"),
        ]  # fmt: skip
        self._scale_live = [self.add_figure(self._draw_costs()), self.add_figure(self._draw_shortlist())]
        self.add_view(SCALE, self._scale_live, self._redraw_scale, [*controls, self._scale_text])

    @property
    def cost(self) -> Capacity:
        """What the pool costs."""
        return self._scale_cost(self._scale_count, *self._scale_maps)

    def take_measured(self) -> None:
        """Set maps and times to what was measured on one core of this machine, so that the points lie on the lines."""
        height, width = self._scale_table.attrs["record"]["config"]["cells"]
        values = float(self._scale_measured("bytes per image")["value"].iloc[0]) / (2 * height * width)
        with self.hold():
            self.scale_cells, self.scale_channels, self.scale_bytes = height * width, round(values), 2.0
            self.scale_machines = self.scale_cores = 1
            self.scale_match = self._scale_match_measured
            self.scale_embed = float(np.clip(self._scale_seconds("embedding"), *EMBED))

    def scale_frame(self) -> pd.DataFrame:
        """Return what the ways to keep a picture, and the chosen one, cost for the chosen pool."""
        images = self._scale_count
        kept = KEPT | ({MY_OWN: self._scale_maps} if self.scale_kept == MY_OWN else {})
        rows = []
        for name, maps in kept.items():
            cost = self._scale_cost(images, *maps)
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

    @property
    def _scale_count(self) -> int:
        """The pool's size to three digits; the step of the slider next to the paper's pool is the paper's."""
        near = abs(self.scale_images / IMAGES_OF_THE_PAPER - 1) < 0.01
        return IMAGES_OF_THE_PAPER if near else round(_digits(self.scale_images))

    @property
    def _scale_maps(self) -> tuple[int, int, float]:
        return self.scale_cells, self.scale_channels, self.scale_bytes

    def _scale_cost(self, images: int, cells: int, channels: int, bytes_per_value: float) -> Capacity:
        return capacity(
            images,
            cells,
            channels,
            bytes_per_value,
            _digits(self.scale_disk),
            self.scale_machines,
            self.scale_price,
            cores=self.scale_cores,
            match_seconds_per_image=1e-9 * cells * _digits(self.scale_match),
            embed_seconds_per_image=_digits(self.scale_embed),
        )

    def _scale_measured(self, measure: str) -> pd.DataFrame:
        """Return what one process measured of the first setting of a measure, by the size of the pool."""
        table = self._scale_table
        part = table[(table["measure"] == measure) & (table["processes"] == 1)]
        return part[part["setting"] == part["setting"].iloc[0]].sort_values("x")

    def _scale_seconds(self, measure: str) -> float:
        return 1 / float(self._scale_measured(measure)["value"].iloc[-1])

    @property
    def _scale_match_measured(self) -> float:
        """Microseconds of one core for 1,000 cells, as measured here."""
        height, width = self._scale_table.attrs["record"]["config"]["cells"]
        return float(np.clip(1e9 * self._scale_seconds("mining") / (height * width), *MATCH))

    # What is drawn

    def _redraw_scale(self, changed: frozenset[str]) -> None:
        if not any(name.startswith("scale_") for name in changed):
            return
        chosen = KEPT.get(self.scale_kept)
        if chosen is not None and chosen != self._scale_maps:
            with self.hold():
                if "scale_kept" in changed and not {"scale_cells", "scale_channels", "scale_bytes"} & changed:
                    self.scale_cells, self.scale_channels, self.scale_bytes = chosen
                else:
                    self.scale_kept = MY_OWN
        copy_into(self._scale_live[0], self._draw_costs())
        self._scale_text.value = self._scale_words()

    def _draw_costs(self) -> go.Figure:
        costs = [self._scale_cost(round(count), *self._scale_maps) for count in SIZES]
        mining, embedding, size = (self._scale_measured(name) for name in ("mining", "embedding", "bytes per image"))
        measured = {
            words: (part["x"].to_numpy(float), (part["x"] / part["value"]).to_numpy(float))
            for words, part in (("a pass, measured here", mining), ("embedding, measured here", embedding))
        }
        shown = draw.ScaleCurves(
            images=SIZES,
            seconds={name: np.array([getattr(cost, f"{name}_seconds") for cost in costs]) for name in draw.TIMES},
            gigabytes=np.array([cost.storage_bytes for cost in costs]) / 1e9,
            chosen=self._scale_count,
            euros_per_gb=self.scale_price / 1000,
            paper=float(IMAGES_OF_THE_PAPER),
            measured=measured,
            measured_gigabytes=(size["x"].to_numpy(float), (size["x"] * size["value"]).to_numpy(float) / 1e9),
        )
        said = f"{draw.storage(self.cost.storage_bytes / 1e9)}, one pass {draw.duration(self.cost.scan_seconds)}"
        return draw.cost_figure(shown, f"{short(self._scale_count)} pictures: {said}")

    def _draw_shortlist(self) -> go.Figure:
        part = self._scale_table[self._scale_table["measure"] == "shortlist recall"]
        return draw.shortlist_figure(part, list(part["setting"].unique()))

    def _scale_words(self) -> str:
        cost, count = self.cost, short(self._scale_count)
        speed = self._scale_table.loc[self._scale_table["measure"] == "two-stage speed-up", "value"]
        bound = "reading from disk" if cost.bound_by == "disk" else "arithmetic on the cores"
        lines = [
            f"<b>{count} pictures need {draw.storage(cost.storage_bytes / 1e9)} ({cost.euros:,.2f} EUR of disk); one pass takes "
            f"{draw.duration(cost.scan_seconds)}</b>, bound by {bound}: reading {draw.duration(cost.read_seconds)}, matching "
            f"{draw.duration(cost.match_seconds)}. Computing the features once takes {draw.duration(cost.embed_seconds)}. All open "
            "queries share the pass.",
            "A coarse pass over fewer dimensions reads less, and an exact one over its shortlist follows: the lower plot shows "
            f"what of the exact top 20 that keeps. Both together were measured {speed.min():.1f} to {speed.max():.1f} times as "
            f"fast as one full pass. Measured on {self._scale_table.attrs['record']['date']}.",
        ]
        body = "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines)
        return body + table_html(readable(self.scale_frame()))


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table of :meth:`ScaleViews.scale_frame` in the units of a person."""
    return pd.DataFrame(
        {
            "kept of a picture": frame["kept of a picture"],
            "a picture": [draw.storage(value / 1e6) for value in frame["kB per picture"]],
            "the pool": [draw.storage(value) for value in frame["storage (GB)"]],
            "disks": [f"{value:,.2f} EUR" for value in frame["disks (EUR)"]],
            "reading": [draw.duration(value) for value in frame["reading (s)"]],
            "one pass": [draw.duration(value) for value in frame["one pass (s)"]],
            "bound by": frame["bound by"],
        }
    )


def _digits(value: float) -> float:
    """Return a value with three digits: the page of a logarithmic slider rounds what code sets.

    >>> _digits(10**0.48)
    3.02
    """
    return float(f"{value:.3g}")
