"""The view of notebook 10 that carries plans from device to device, and takes a latency table from elsewhere."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.figures.latency_pruning_plans import matrix_figure
from workbench.figures.updates import copy_into
from workbench.panels.latency_pruning_choice import importance
from workbench.pruning import ChannelPlan, load_latency_table, save_specs
from workbench.training import CancelToken, Progress

DEVICES = "5 Device matrix"
HALVINGS = 7
HELP = (
    "<p style='margin:2px 0;line-height:1.5'>A table from elsewhere: a CSV or JSON with columns batch, cin, cout, fmap, kernel, "
    "stride, groups, ms, or the published pickle. Save the convolutions to measure, run measure_convolutions.py on the device, and "
    "bring the CSV back. Nothing in a file is executed.</p>"
)
P = "<p style='margin:2px 0;line-height:1.5'>"


@dataclass(frozen=True)
class Matrix:
    """Devices, (d, d) latency of plan i on device j in % of the whole network there, and (d,) importance of the plans (%)."""

    names: tuple[str, ...]
    relative: np.ndarray
    kept: tuple[float, ...]


class DeviceViews(traitlets.HasTraits):
    """Plans of equal importance, one a device, on every device; mixed into the panel of notebook 10."""

    def build_device_view(self) -> None:
        """Make the ways in, the figure and the tab."""
        self._matrices: dict[tuple, Matrix] = {}
        self.add_upload(".csv,.json,.pkl,.yaml,.yml", "A latency table from elsewhere", path="or its path")
        ways_in, self._inputs[:] = list(self._inputs), []
        compare = self.button("Compare the devices", self.compare, primary=True, place=False)
        ask = self.button("Save the convolutions to measure (CSV)", self.download_specs, place=False)
        self._device_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._device_figure = self.add_figure(matrix_figure(["…"], None, "Devices"))
        self.add_view(DEVICES, [self._device_figure], self._redraw_devices, [compare, *ways_in, ask, self._device_text])

    def on_file(self, name: str, content: bytes) -> None:
        """Read a latency table."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(content)
            try:
                self._take_table(path)
            except (ValueError, KeyError) as error:
                raise ValueError(str(error.args[0]).replace(f"{folder}/", "")) from None

    def on_path(self, path: str) -> None:
        """Read a latency table from the kernel's machine."""
        self._take_table(Path(path))

    def _take_table(self, path: Path) -> None:
        table = load_latency_table(path, missing="interpolate")
        self.add_table(path.name, table)
        self.say(f"{path.name}: {len(table):,} rows; it is now the device of all views", "good")

    def needed_specs(self) -> list:
        """Return the convolutions that a plan may ask a table of: eight widths of inputs and of outputs for each layer."""
        subject, found = self.subject, {}
        for layer in subject.graph.layers.values():
            inputs, outputs = (
                {max(1, size * part // 8) for part in range(1, 9)} for size in (len(layer.inputs), len(layer.outputs))
            )
            pairs = [(o, o) for o in sorted(outputs)] if layer.groups > 1 else [(i, o) for i in inputs for o in outputs]
            for i, o in pairs:
                found[layer.spec(subject.batch, i, o)] = None
        return list(found)

    def download_specs(self) -> None:
        """Hand over the list that ``measure_convolutions.py`` reads on the other device."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "needed.csv"
            specs = self.needed_specs()
            save_specs(specs, path)
            self._page.download("needed.csv", path.read_bytes(), "text/csv")
        self.say(
            f"Saved needed.csv, {len(specs)} convolutions; measure them with workbench/pruning/measure_convolutions.py",
            "good",
        )

    def plan_of_importance(self, platform: str, least: float) -> ChannelPlan:
        """Return the fastest plan found on a device that keeps at least so much importance (%)."""
        subject, pruner = self.subject, self.pruner_for(platform)
        low, high = 0.0, pruner.initial_latency
        best = pruner.plan
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            try:
                plan = pruner.solve(middle, subject.scores, refill=True)
            except ValueError:
                low = middle
                continue
            if importance(subject, plan) >= least:
                high, best = middle, plan if plan.latency < best.latency else best
            else:
                low = middle
        return best

    def compare(self) -> None:
        """Make a plan for each device in the background, and carry it to the others."""
        key, names, subject = self._matrix_key(), self.usable(), self.subject
        least = importance(subject, self.plan_for(self.platform, self.budget))

        def work(progress: Progress, cancel: CancelToken) -> Matrix:
            plans = []
            for number, name in enumerate(names):
                progress(number, len(names), f"a plan for {name}")
                plans.append(self.plan_of_importance(name, least))
            relative = [[self._share(plan, on) for on in names] for plan in plans]
            return Matrix(tuple(names), np.array(relative), tuple(importance(subject, plan) for plan in plans))

        def done(found: Matrix) -> None:
            self._matrices[key] = found
            self._drawn.pop(DEVICES, None)
            self._redraw_devices(frozenset())
            self.say("Each device's plan has run on every device", "good")

        self.run_job(work, on_done=done, label="Comparing devices")

    def devices_frame(self) -> pd.DataFrame:
        """Return the latency of each device's plan on each device, in % of the whole network there.

        Raises:
            ValueError: they were not compared yet.
        """
        found = self._matrices.get(self._matrix_key())
        if found is None:
            raise ValueError("the devices were not compared at this setting yet: press the button first")
        index = pd.Index(found.names, name="plan made for")
        table = pd.DataFrame(found.relative, index=index, columns=list(found.names))
        return table.assign(importance=found.kept).reset_index()

    def _matrix_key(self) -> tuple:
        return *self.state_key(), *self.usable()

    def _share(self, plan: ChannelPlan, device: str) -> float:
        subject = self.subject
        ms = subject.graph.latency(self.tables[device], subject.batch, plan.keep)
        return 100 * ms / self.pruner_for(device).initial_latency

    def _redraw_devices(self, changed: frozenset[str]) -> None:
        if not self.fresh(DEVICES, *self.state_key()):
            return
        found = self._matrices.get(self._matrix_key())
        if found is None:
            copy_into(self._device_figure, self._draw_plan())
            self._device_text.value = (
                f"{P}This is the plan above alone, on every device, in % of the whole network there. Press "
                f"<i>Compare the devices</i> for a plan of equal importance for each, which takes some seconds.</p>{HELP}"
            )
            return
        copy_into(self._device_figure, self._draw_devices(found))
        self._device_text.value = self._device_words(found)

    def _draw_plan(self) -> go.Figure:
        names, plan = self.usable(), self.plan_for(self.platform, self.budget)
        relative = np.full((len(names), len(names)), np.nan)
        relative[names.index(self.platform)] = [self._share(plan, on) for on in names]
        return matrix_figure(names, relative, f"Latency left by one plan<br><sub>{self.network}, {self.budget} %</sub>")

    def _draw_devices(self, found: Matrix) -> go.Figure:
        title = (
            f"Latency left, at {min(found.kept):.1f} to {max(found.kept):.1f} % of the importance"
            f"<br><sub>{self.network}; ★: the fastest plan of a column</sub>"
        )
        return matrix_figure(found.names, found.relative, title)

    def _device_words(self, found: Matrix) -> str:
        relative, names = found.relative, found.names
        best = relative.min(axis=0)
        own = int((np.diag(relative) <= best + 1e-9).sum())
        away = relative - np.diag(relative)
        worst = np.unravel_index(np.argmax(away), relative.shape)
        return (
            f"{P}In % of the whole network on the same device. Each plan keeps at least as much importance as the one for "
            f"{self.platform} at {self.budget} %. In <b>{own} of {len(names)}</b> columns the plan made for the device is the "
            f"fastest. Farthest off: the plan for {names[worst[0]]} takes {away[worst]:.1f} points more on {names[worst[1]]} than "
            f"that device's own. Simulated devices are illustrative, and no measurements.</p>{HELP}"
        )
