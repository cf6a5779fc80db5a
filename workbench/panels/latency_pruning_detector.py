"""The view of notebook 10 with a detector: the same scene, what the whole network finds in it, and what the pruned one finds."""

from __future__ import annotations

from functools import cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
import traitlets

from workbench.experiments.latency_pruning import measured_in_turn
from workbench.experiments.latency_pruning_detector import WHOLE, DetectorConfig
from workbench.experiments.latency_pruning_methods import LAYERS
from workbench.experiments.latency_pruning_pair import Comparison, measured_pair, shipped_pair
from workbench.experiments.latency_pruning_scenes import NAMES, SIDE
from workbench.figures.latency_pruning_detector import detector_figure
from workbench.figures.updates import copy_into
from workbench.training import CancelToken, Progress

DETECTOR = "7 Detector"
LAST_SCENE = 99
BATCH = DetectorConfig.batch
P = "<p style='margin:2px 0;line-height:1.5'>"


@cache
def compared(scene: int, least_score: float) -> Comparison:
    """Return what the two detectors that ship find in a scene."""
    return shipped_pair().compare(scene, least_score)


class DetectorViews(traitlets.HasTraits):
    """A detector before and after pruning to half its latency; mixed into the panel of notebook 10.

    ``detector_scene`` is the number of the scene, ``least_score`` the score from which on a box is shown.
    """

    detector_scene = traitlets.Int(5)
    least_score = traitlets.Float(0.4)

    def build_detector_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._detector_ms: tuple[float, float] | None = None
        controls = [
            self.slider("detector_scene", 0, LAST_SCENE, 1, "Scene", tooltip="None was trained on", place=False),
            self.slider(
                "least_score",
                0.1,
                0.9,
                0.05,
                "Least score",
                format=".2f",
                tooltip="Of boxes that are shown",
                place=False,
            ),
            self.button("Measure both on this machine", self.measure_detectors_now, primary=True, place=False),
        ]
        self._detector_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._detector_figure = self.add_figure(self._blank_detector())
        self.add_view(DETECTOR, [self._detector_figure], self._redraw_detector, [*controls, self._detector_text])

    def detector_frame(self) -> pd.DataFrame:
        """Return the boxes that are there and that each network finds, in pixels of the scene."""
        found, rows = compared(self.detector_scene, self.least_score), []
        for who, boxes in (("truth", found.truth), ("whole", found.whole), ("pruned", found.small)):
            for (x0, y0, x1, y1), name, score in zip(boxes.corners, boxes.names, boxes.scores, strict=True):
                rows.append((who, name, score, x0, y0, x1, y1))
        return pd.DataFrame(rows, columns=["network", "class", "score", "x0", "y0", "x1", "y1"])

    def measure_detectors_now(self) -> None:
        """Measure both networks on this machine, in the background."""

        def work(progress: Progress, cancel: CancelToken) -> tuple[float, float]:
            pair = shipped_pair()
            progress(0, 1, "measuring in turn")
            whole, small = measured_in_turn((pair.whole, pair.small), torch.zeros(BATCH, 3, SIDE, SIDE))
            return whole / BATCH, small / BATCH

        def done(found: tuple[float, float]) -> None:
            self._detector_ms = found
            self._show_detector()
            self.say(f"Measured here: {found[0]:.2f} ms an image whole, {found[1]:.2f} ms pruned", "good")

        self.run_job(work, on_done=done, label="Measuring the detectors")

    def _redraw_detector(self, changed: frozenset[str]) -> None:
        if changed & {"detector_scene", "least_score"}:
            self._show_detector()

    def _show_detector(self) -> None:
        with self.guard():
            copy_into(self._detector_figure, self._draw_detector())
            self._detector_text.value = self._detector_words()

    def _draw_detector(self) -> go.Figure:
        found, stored = compared(self.detector_scene, self.least_score), measured_pair()
        ms = self._detector_ms or tuple(stored.loc[LAYERS, ["whole_ms", "ms"]])
        drawn = []
        for words, method, boxes, took in zip(
            ("Whole", "Pruned"), (WHOLE, LAYERS), (found.whole, found.small), ms, strict=True
        ):
            precision = stored.loc[method, "precision"]
            drawn.append(
                (f"<b>{words}</b>: {took:.2f} ms<br>mAP {precision:.1f} %", boxes.corners, boxes.names, boxes.scores)
            )
        title = f"Scene {self.detector_scene}: the same image, two networks"
        return detector_figure(found.image, found.truth.corners, drawn, NAMES, title)

    def _blank_detector(self) -> go.Figure:
        nothing = ("…", np.zeros((0, 4)), (), np.zeros(0))
        return detector_figure(
            np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((0, 4)), [nothing, nothing], NAMES, "Detector"
        )

    def _detector_words(self) -> str:
        stored, found = measured_pair(), compared(self.detector_scene, self.least_score)
        whole, small = stored.loc[WHOLE], stored.loc[LAYERS]
        where = "measured just now on this machine" if self._detector_ms else "stored, one CPU"
        ms = self._detector_ms or (small["whole_ms"], small["ms"])  # measured in turn
        lines = [
            f"SSD of {whole['parameters'] / 1e3:.0f} thousand parameters on street scenes that neither network was trained on; "
            f"pruned to {small['reached']:.0%} of its latency by HALP that keeps every layer, then tuned: "
            f"{small['parameters'] / 1e3:.0f} thousand are left.",
            f"An image ({where}, one thread, {BATCH} at once): {ms[0]:.2f} ms → <b>{ms[1]:.2f} ms</b>, "
            f"<b>{ms[0] / ms[1]:.2f} times</b> as fast; the table foretold {1 / small['reached']:.2f}. Mean average precision at "
            f"half overlap: {whole['precision']:.1f} % → <b>{small['precision']:.1f} %</b>.",
            f"Here are {len(found.truth.names)} objects of the three classes (dotted); with a score of at least "
            f"{self.least_score:.2f} the whole network gives {len(found.whole.names)} boxes, the pruned one "
            f"{len(found.small.names)}. Dogs, barriers, trees and signs are background.",
        ]
        return "".join(f"{P}{line}</p>" for line in lines)
