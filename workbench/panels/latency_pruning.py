"""The panel of notebook 10: one question, which channels to keep so that a network is fast enough on a device?"""

from __future__ import annotations

import html

import ipywidgets as widgets
import pandas as pd

from workbench.panels.base import Panel
from workbench.panels.latency_pruning_budgets import BUDGETS, BudgetViews
from workbench.panels.latency_pruning_choice import PruningChoice, importance, macs
from workbench.panels.latency_pruning_detector import DETECTOR, DetectorViews
from workbench.panels.latency_pruning_devices import DEVICES, DeviceViews
from workbench.panels.latency_pruning_film import FILM, FilmViews
from workbench.panels.latency_pruning_knapsack import KNAPSACK, KnapsackViews
from workbench.panels.latency_pruning_stairs import STAIRS, StairsViews
from workbench.panels.latency_pruning_surgery import SURGERY, SurgeryViews
from workbench.panels.latency_pruning_trap import TRAP, TrapViews

VIEWS = (STAIRS, KNAPSACK, BUDGETS, FILM, DEVICES, SURGERY, DETECTOR, TRAP)


class LatencyPruningPanel(
    StairsViews,
    KnapsackViews,
    BudgetViews,
    FilmViews,
    DeviceViews,
    SurgeryViews,
    DetectorViews,
    TrapViews,
    PruningChoice,
    Panel,
):
    """Fit a network into a latency budget, and see what that costs.

    Every control is an attribute: ``panel.network``, ``panel.platform``, ``panel.budget``, ``panel.view``; each view has its own,
    named in its class.  A network of your own comes in by :meth:`add_network`, a latency table by an upload, a path or
    :meth:`add_table`.

    >>> panel = LatencyPruningPanel(budget=60)
    >>> plan = panel.plan_for(panel.platform, 60)
    >>> plan.latency <= panel.target
    True
    """

    title = "latency pruning"

    def build(self) -> None:
        """Make the controls, the answer and the views."""
        self.build_choice()
        self._answer_box = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.build_stairs_view()
        self.build_knapsack_view()
        self.build_budget_view()
        self.build_film_view()
        self.build_device_view()
        self.build_surgery_view()
        self.build_detector_view()
        self.build_trap_view()
        self._inputs.append(self._answer_box)
        self.view = KNAPSACK

    def redraw(self, changed: frozenset[str]) -> None:
        """Bring the choice up to date, and say what the plan comes to."""
        if "network" in changed:
            self.fit_platforms()
            self.fit_layers()
        if self.fresh("answer", *self.state_key()):
            self._answer_box.value = self._answer()

    def reset(self) -> None:
        """Go back to the defaults; first to their network, whose layers and devices the others are."""
        self.network = self._defaults["network"]
        super().reset()

    def _answer(self) -> str:
        plan, whole, subject = self.plan_for(self.platform, self.budget), self.pruner.initial_latency, self.subject
        origin = self.tables[self.platform].about.get("device", self.platform)
        met = (
            ""
            if self.target <= self.budget / 100 * whole * 1.001
            else (f" <b>No plan was found at {self.budget} %</b>; this one is for {100 * self.target / whole:.0f} %.")
        )
        right = self.accuracy()
        accurate = (
            ""
            if right is None
            else f" Accuracy with renewed statistics, not tuned: <b>{right:.1f} %</b> of {len(subject.task.test_images):,} test "
            f"images; whole network {subject.dense:.1f} %."
        )
        return (
            f"<div style='line-height:1.6;max-width:85em'><b>{html.escape(self.network)}: {whole:.1f} ms → {plan.latency:.1f} ms "
            f"({100 * plan.latency / whole:.1f} %)</b> of the convolutions for {subject.batch} images, by the table; it keeps "
            f"{importance(subject, plan):.1f} % of the importance and {macs(subject, plan):.1f} % of the multiplications."
            f"{accurate}{met}<br>"
            f"Device: {html.escape(origin)}. Importances: {html.escape(subject.origin)}.</div>"
        )

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the visible view."""
        return {
            STAIRS: self.stairs_frame,
            KNAPSACK: self.knapsack_frame,
            BUDGETS: self.budgets_frame,
            FILM: self.film_frame,
            DEVICES: self.devices_frame,
            SURGERY: self.surgery_frame,
            DETECTOR: self.detector_frame,
            TRAP: self.trap_frame,
        }[self.view]()
