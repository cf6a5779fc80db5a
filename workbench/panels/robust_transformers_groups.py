"""Two views of notebook 05 on grouping: the tokens of one picture, and the machine that draws points together."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.results import load_results
from workbench.experiments.robust_transformers_config import FAN
from workbench.experiments.robust_transformers_lab import SHIPPED, TokenGroups, token_groups
from workbench.experiments.robust_transformers_views import Run, draw_together
from workbench.figures.robust_transformers_groups import MOST_GROUPS, Machine, Tokens, machine_figure, tokens_figure
from workbench.figures.updates import copy_into
from workbench.models.fan.grouping import effective_rank, significant_count
from workbench.panels.robust_transformers_lab import P

GROUPS, MACHINE = "3 Grouping", "4 Bottleneck machine"
TAUS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
MODES = {"attention (softmax over keys)": "attention", "bottleneck (over clusters)": "bottleneck"}


class GroupViews(traitlets.HasTraits):
    """Groups of tokens and of points; mixed into the panel of notebook 05.

    ``network`` and ``depth`` choose the tokens of the shown picture, ``groups`` and ``tau`` how they are counted, ``noise`` is
    added to the network's input. ``mode``, ``beta``, ``iterations`` and ``spread`` drive the machine.
    """

    network = traitlets.Unicode(FAN)
    depth = traitlets.Int(4)
    groups = traitlets.Int(3)
    tau = traitlets.Float(0.01)
    noise = traitlets.Float(0.0)
    mode = traitlets.Unicode("attention")
    beta = traitlets.Float(8.0)
    iterations = traitlets.Int(3)
    spread = traitlets.Float(0.25)
    points_seed = traitlets.Int(0)

    def build_groups_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._grouping = load_results("robust_transformers_grouping")
        controls = [
            self.choice("network", SHIPPED, "Network", place=False),
            self.slider("depth", 0, 4, 1, "Depth", "block", place=False, tooltip="0 is behind the stem"),
            self.slider("groups", 1, MOST_GROUPS, 1, "Groups k", "count", place=False),
            self.steps("tau", TAUS, "Counts above τ", "of the largest", place=False),
            self.slider("noise", 0.0, 0.5, 0.02, "Noise σ", "of 1", format=".2f", place=False),
        ]
        self._groups_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._groups_figure = self.add_figure(self._draw_groups())
        self.add_view(GROUPS, [self._groups_figure], self._redraw_groups, [*controls, self._groups_text])

    def build_machine_view(self) -> None:
        """Make the controls, the figure and the tab."""
        player = widgets.Play(min=0, max=12, interval=600, tooltip="Step by step")
        player.observe(lambda change: setattr(self, "iterations", change["new"]), names="value")
        controls = [
            self.choice("mode", MODES, "Step", place=False),
            self.steps("beta", [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0], "Inverse temperature β", "1", place=False),
            self.slider("iterations", 0, 12, 1, "Steps", "count", place=False),
            player,
            self.slider("spread", 0.05, 0.6, 0.05, "Noise of the points", "unit length", format=".2f", place=False),
            self.slider("points_seed", 0, 19, 1, "Seed of the points", "number", place=False),
        ]
        self._machine_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._machine_figure = self.add_figure(self._draw_machine())
        self.add_view(MACHINE, [self._machine_figure], self._redraw_machine, [*controls, self._machine_text])

    # 3 Grouping

    def groups_frame(self) -> pd.DataFrame:
        """Return the spectrum of the picture's tokens."""
        spectrum = self._tokens().spectrum
        return pd.DataFrame({"place": np.arange(1, len(spectrum) + 1), "value": spectrum})

    def _tokens(self) -> TokenGroups:
        network = self.networks[self.network]
        return token_groups(network, self.seen().picture, self.depth, self.groups, self.tau, self.noise)

    def _redraw_groups(self, changed: frozenset[str]) -> None:
        copy_into(self._groups_figure, self._draw_groups())
        self._groups_text.value = self._groups_words()

    def _curves(self) -> pd.DataFrame:
        rows = self._grouping[self._grouping["network"] == self.network]
        return rows.groupby(["trained", "depth"], as_index=False).mean(numeric_only=True)

    def _draw_groups(self) -> go.Figure:
        found = self._tokens()
        spectrum = np.pad(found.spectrum, (0, max(0, 25 - len(found.spectrum))))[:25]
        tokens = Tokens(
            self.seen().picture,
            found.painted,
            spectrum,
            self.tau,
            self._curves(),
            self.depth,
            ["stem", "1", "2", "3", "4"],
        )
        where = "behind the stem" if not self.depth else f"behind block {self.depth}"
        return tokens_figure(tokens, f"{self.what()}: 49 tokens of {self.network} {where}")

    def _groups_words(self) -> str:
        found, curves = self._tokens(), self._curves()
        trained = curves[curves["trained"]].sort_values("depth")
        first, last = trained.iloc[0], trained.iloc[-1]
        return (
            f"{P}This picture: effective rank <b>{found.effective_rank:.1f}</b>, <b>{found.significant}</b> values "
            f"above τ. Mean over 100 pictures and three trainings of {self.network}: rank "
            f"{first['effective_rank']:.1f} behind the stem, {last['effective_rank']:.1f} behind the last block; noise "
            f"over signal {first['noise_ratio']:.2f} to {last['noise_ratio']:.2f}. The untrained network is the "
            "control: what it does too, training has not brought about. Add noise and watch whether the painted "
            "groups keep their shape.</p>"
        )

    # 4 Bottleneck machine

    def machine_frame(self) -> pd.DataFrame:
        """Return the spectra before and after."""
        run = self._run()
        return pd.DataFrame({"place": np.arange(1, len(run.before) + 1), "before": run.before, "after": run.after})

    def _run(self) -> Run:
        return draw_together(self.mode, self.beta, self.iterations, self.spread, self.points_seed)

    def _redraw_machine(self, changed: frozenset[str]) -> None:
        if changed and not changed & {"mode", "beta", "iterations", "spread", "points_seed"}:
            return
        copy_into(self._machine_figure, self._draw_machine())
        self._machine_text.value = self._machine_words()

    def _draw_machine(self) -> go.Figure:
        run = self._run()
        # The plane in which the three directions of the groups lie 120 degrees apart.
        plane = np.zeros((run.start.shape[1], 2))
        plane[:3] = np.array([[0.0, 1.0], [-np.sqrt(3) / 2, -0.5], [np.sqrt(3) / 2, -0.5]])
        machine = Machine(run.start @ plane, run.now @ plane, run.groups, run.centres @ plane, run.before, run.after)
        return machine_figure(machine, f"60 points after {self.iterations} steps of {self.mode}, β = {self.beta:g}")

    def _machine_words(self) -> str:
        run = self._run()
        counts = [significant_count(one) for one in (run.before, run.after)]
        ranks = [effective_rank(one) for one in (run.before, run.after)]
        return (
            f"{P}Values above a hundredth of the largest: {counts[0]} before, <b>{counts[1]}</b> after; effective rank "
            f"{ranks[0]:.1f} and <b>{ranks[1]:.1f}</b> (three centred groups span two directions). A small β draws "
            "everything to one point, a large one leaves each point alone; between them the noise goes and the groups "
            "stay. Attention normalises over keys and moves the points; the bottleneck of the paper's proposition "
            "normalises over clusters and moves their centres. They are twins, not the same.</p>"
        )
