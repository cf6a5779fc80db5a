"""A small panel that exercises everything the base offers; the browser tests copy it beside the notebook they write."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import traitlets

from workbench.figures.theme import ROLES, new_figure, series_style
from workbench.panels.base import Panel


def count_slowly(steps, seconds=0.1, *, progress, cancel):
    """Yield 1, 2, ... with a pause between."""
    for step in range(1, steps + 1):
        progress(step, steps, f"counting {step}")
        time.sleep(seconds)
        yield step
        cancel.raise_if_cancelled()


class DemoPanel(Panel):
    """Power laws of a made-up detector, six at a time."""

    title = "Demo of the base"
    exponent = traitlets.Float(0.4)
    images = traitlets.Int(1000)
    law = traitlets.Unicode("power law")
    show_target = traitlets.Bool(True)
    counted = traitlets.Int(0)

    def build(self):
        self.slider("exponent", 0.05, 1.0, 0.01, "Exponent of the law", tooltip="How fast the error falls")
        self.slider("images", 10, 100_000, 10, "Images that are labelled", "count")
        self.dropdown("law", ["power law", "logarithmic", "arctan"], "Family of curves")
        self.toggle("show_target", "Show the target")
        self.button("Count slowly", self.count, tooltip="A job that takes ten seconds", primary=True)
        self.button("Fail", lambda: self.run_job(fail, label="Failing on purpose"))
        self.add_upload(".csv", "Your learning curve", paste="pasted.csv", path="Folder")
        self.x = np.geomspace(10, 100_000, 400)
        self.curves = self.add_figure(
            new_figure("Error of six detectors", "Training images (count)", "Error (%)", xaxis_type="log")
        )
        for index in range(6):
            self.curves.add_scatter(x=self.x, name=f"detector number {index + 1}", mode="lines", **series_style(index))
        target = {"color": ROLES["target"], "dash": "dash"}
        self.curves.add_scatter(x=[10, 100_000], y=[20, 20], name="target of the product", mode="lines", line=target)
        self.bars = self.add_figure(new_figure("Counted so far", "Quantity (name)", "Steps (count)"))
        self.bars.add_bar(x=["steps"], y=[0], marker_color=series_style(0)["marker"]["color"])
        self.add_view("Curves", [self.curves], self.draw_curves)
        self.add_view("Counts", [self.bars], self.draw_counts)

    def draw_curves(self, changed):
        for index in range(6):
            self.curves.data[index].y = 100 * (self.x / 10) ** (-self.exponent / (1 + 0.3 * index))
        self.curves.data[6].visible = self.show_target

    def draw_counts(self, changed):
        self.bars.data[0].y = [self.counted]

    def frame(self):
        return pd.DataFrame({"images": self.x, "error": 100 * (self.x / 10) ** -self.exponent})

    def on_file(self, name, content):
        if not content.startswith(b"images,"):
            raise ValueError(
                "the first column must be called images, got " + repr(content[:20].decode(errors="replace"))
            )

    def count(self):
        self.run_job(count_slowly, 100, on_result=self.show_count, label="Counting")

    def show_count(self, value):
        self.counted = value


def fail(progress):
    """Go wrong after the first step."""
    progress(1, 2, "about to fail")
    raise RuntimeError("the file of weights is <damaged>")
