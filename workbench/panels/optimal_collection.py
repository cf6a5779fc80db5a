"""The panel of notebook 02: seven views of one question, how much data should be bought, and when?"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.estimators import CURVES, CampaignLog, LocPolicy
from workbench.estimators.planning import SOLVERS
from workbench.experiments.optimal_collection import PENALTIES
from workbench.experiments.tasks import Task, make_task
from workbench.figures.optimal_collection_risk import newsvendor_risk
from workbench.figures.updates import copy_into
from workbench.panels.base import Panel
from workbench.panels.curve_choice import CurveChoice, points_of
from workbench.panels.optimal_collection_campaign import CampaignViews
from workbench.panels.optimal_collection_report import answer_html, log_sentence, order_sentence, risk_html
from workbench.panels.optimal_collection_sources import SourcesViews
from workbench.panels.optimal_collection_tables import TablesViews
from workbench.panels.optimal_collection_views import MOST_ROUNDS, N_BOOT, CollectionViews

VIEWS = ("1 Landscape", "2 Risk dial", "3 Rounds", "4 Campaign", "5 Ensemble", "6 Two sources", "7 Table 1")
MIXTURES = ("power+log+root", "power+power_saturating", "power+arctan+log+root")
OWN_DATA = "Bring your own learning curve or campaign log"
LOG_HEAD = b"# campaign:"
COSTS, PENALTY_RANGE, RISKS = (1e-3, 1e2), (1e3, 1e10), (1e-6, 10**-0.1)


class OptimalCollectionPanel(CollectionViews, CampaignViews, SourcesViews, TablesViews, CurveChoice, Panel):
    """Learn the law of the data requirement from a learning curve, and plan the orders of least expected cost.

    Every control is an attribute: ``panel.task``, ``panel.target``, ``panel.owned`` (distinct sizes measured so far),
    ``panel.seeds``, ``panel.cost``, ``panel.penalty``, ``panel.rounds``, ``panel.family`` (a curve, or several joined by
    ``+``), ``panel.weights``, ``panel.min_distinct``, ``panel.cap``, ``panel.risk``, ``panel.solver``, ``panel.reveal``,
    ``panel.view``.  :attr:`law` is the law, :attr:`best` the plan, and :attr:`answer` the plan in words.  A person's own table
    or campaign log comes in by :meth:`receive_file`, an upload or pasted text.

    >>> panel = OptimalCollectionPanel(task="CIFAR-100", target=65.0, family="power", rounds=1)
    >>> panel.best.status, bool(panel.best.orders[0] > panel.regression_answer() - 5000)
    ('collect', True)
    """

    title = "optimal collection"
    task = traitlets.Unicode("CIFAR-100")
    target = traitlets.Float(65.0)
    owned = traitlets.Int(5)
    weights = traitlets.Unicode("doubling")
    cost = traitlets.Float(1.0)
    penalty = traitlets.Float(1e7)
    rounds = traitlets.Int(3)
    family = traitlets.Unicode("power+power_saturating")
    min_distinct = traitlets.Int(4)
    cap = traitlets.Int(20)
    risk = traitlets.Float(0.001)
    solver = traitlets.Unicode("dp")

    def build(self) -> None:
        """Make the controls, the seven views, the upload and the answer."""
        self.remember()
        self._limits: dict[str, float] = {}
        self.log: CampaignLog | None = None
        self.build_curve_controls()
        self.slider(
            "cost",
            *COSTS,
            0.1,
            "Cost of a sample c",
            "cost units",
            log=True,
            format=".3g",
            tooltip="Only P / c matters",
        )
        self.slider(
            "penalty",
            *PENALTY_RANGE,
            0.1,
            "Penalty for a miss P",
            "cost units",
            log=True,
            format=".3s",
            tooltip="What it costs, once, to miss the target after the last round",
        )
        self.slider("rounds", 1, MOST_ROUNDS, 1, "Rounds T", "count", tooltip="Orders that can still be placed")
        families = {name.replace("+", " + "): name for name in (*CURVES, *MIXTURES)}
        self.dropdown("family", families, "Family", tooltip="Functions that are fitted; several together are a mixture")
        self.toggle("reveal", "Reveal the truth", tooltip="Show what was measured later")
        self._build_plan_views()
        self.build_campaign_view()
        self._build_ensemble_view()
        self.build_sources_view()
        self.build_tables_view()
        self.build_own_data(OWN_DATA, "Your learning curve or campaign log (CSV)")
        self._answer_box = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._inputs.append(self._answer_box)
        self.page_for(self.tasks[self.task], frozenset(self.trait_names()))

    def _build_plan_views(self) -> None:
        risk = self.slider(
            "risk", *RISKS, 0.1, "Risk I accept", "probability", log=True, format=".2g", place=False,
            tooltip="Of missing the target with one order",
        )  # fmt: skip
        solvers = dict(zip(("exact (dynamic programme)", "gradient descent (the paper's)"), SOLVERS, strict=True))
        solver = self.choice("solver", solvers, "Solver", place=False)
        self._risk_box = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._live = {
            "landscape": self.add_figure(self._landscape_figure()),
            "risk": self.add_figure(self._risk_figure()),
            "rounds": self.add_figure(self._rounds_figure()),
        }
        self.add_view(
            VIEWS[0],
            [self._live["landscape"]],
            self._redraw_with(self._landscape_figure, "landscape", "cost penalty reveal"),
        )
        self.add_view(VIEWS[1], [self._live["risk"]], self._redraw_risk, [risk, self._risk_box])
        self.add_view(
            VIEWS[2],
            [self._live["rounds"]],
            self._redraw_with(self._rounds_figure, "rounds", "cost penalty rounds solver"),
            [solver],
        )

    def _build_ensemble_view(self) -> None:
        weights = self.choice(
            "weights", ["uniform", "doubling"], "Weights", place=False, tooltip="Doubling: the newest point counts most"
        )
        distinct = self.choice(
            "min_distinct", [3, 4], "Distinct sizes in a resample, at least", place=False,
            tooltip="Three points determine three parameters exactly, and such curves have absurd tails",
        )  # fmt: skip
        cap = self.slider(
            "cap", 2, 100, 1, "Most ever owned", "times now", place=False,
            tooltip="Requirements above count as out of reach",
        )  # fmt: skip
        figure = self._live["ensemble"] = self.add_figure(self._ensemble_figure())
        figure._config = {**figure._config, "edits": {"shapePosition": True}}
        figure.layout.on_change(self._target_dragged, "shapes")
        draw = self._redraw_with(self._ensemble_figure, "ensemble", "reveal")
        self.add_view(VIEWS[4], [figure], draw, [weights, distinct, cap])

    # State that belongs together

    def redraw(self, changed: frozenset[str]) -> None:
        """Fit the controls to the learning curve that is shown, and say what to order."""
        self.fit_page(changed)
        self._answer_box.layout.display = "none" if self.view == VIEWS[3] and self.plays_blind else None
        if changed - {"view", "reveal", "risk", "solver"}:
            self._answer_box.value = answer_html(
                self.best, self.law, self.penalty, self.break_even, self.regression_answer()
            )

    def page_for(self, task: Task, keep: frozenset[str], target: float | None = None) -> None:
        """Set the ranges for a learning curve; the penalty follows it as well."""
        super().page_for(task, keep, target)
        self.controls["cap"].disabled = task.name in self._limits
        if "penalty" not in keep:
            self.penalty = default_penalty(task)

    def default_target(self, task: Task) -> float:
        """Return the target two thirds up those of the published sweep that the curve reaches."""
        targets = task.published_targets
        return float(targets[2 * len(targets) // 3]) if len(targets) else super().default_target(task)

    def _redraw_with(
        self, figure: Callable[[], go.Figure], name: str, traits: str = ""
    ) -> Callable[[frozenset[str]], None]:
        """Return a view's draw function: it draws when one of ``traits`` or of the law's own changed."""
        watched = set(traits.split()) | {"task", "seeds", "owned", "target", "family", "weights", "min_distinct", "cap"}

        def redraw(changed: frozenset[str]) -> None:
            if watched & changed:
                copy_into(self._live[name], figure())

        return redraw

    def _redraw_risk(self, changed: frozenset[str]) -> None:
        if changed <= {"view", "reveal", "rounds", "solver"}:
            return
        copy_into(self._live["risk"], self._risk_figure())
        dial, once = self.dial(), self.plan_for(1)
        wrong = newsvendor_risk(self.cost, dial.penalty)
        order = float(self.law.isf(wrong)) if wrong > 0 else np.inf
        self._risk_box.value = risk_html(dial, self.law, self.penalty, once, order)

    def _target_dragged(self, layout: object, shapes: tuple) -> None:
        self.drag_target(shapes[0].y0 if shapes else None)

    # What it answers

    @property
    def answer(self) -> str:
        """What to order now, in words."""
        return order_sentence(self.best, self.law, self.penalty)

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the visible view."""
        tables = {VIEWS[3]: self.campaign_frame, VIEWS[5]: self.sources_frame, VIEWS[6]: self.tables_frame}
        if self.view in tables:
            return tables[self.view]()
        if self.view == VIEWS[2]:
            return self.rounds_table()
        if self.view == VIEWS[4]:
            names = np.repeat(self.families, N_BOOT)
            return pd.DataFrame({"family": names, "required samples": self.law.requirements.ravel()})
        sizes = self._grid()
        costs = self.cost * (sizes - sizes[0]) + self.penalty * self.law.sf(sizes)
        columns = {"samples": sizes, "density": self.law.pdf(sizes), "risk": self.law.sf(sizes), "expected cost": costs}
        return pd.DataFrame(columns)

    # A person's own data

    def on_file(self, name: str, content: bytes) -> None:
        """Read a learning curve or a campaign log of the person's, and say what to order next."""
        if content.lstrip(b'\xef\xbb\xbf "').startswith(LOG_HEAD):
            self.resume(name, CampaignLog.open(content))
            return
        new = self.own_tasks(name, content)
        self.show_own(new, VIEWS[0])
        level = "good" if self.best.status == "collect" else "warning"
        self.say(f"{name}: {points_of(new)} points, {len(new)} curve(s). {self.answer}", level)

    def resume(self, name: str, log: CampaignLog) -> None:
        """Go on with a campaign: show what it has measured, with its own target, prices and rounds, and say its next order.

        Raises:
            ValueError: the log has several sources.
        """
        if log.sizes.shape[1] != 1:
            raise ValueError(
                f"this log has {log.sizes.shape[1]} sources, and the panel plans for one: use "
                "CampaignLog.open(path).decide(policy) with a policy of several sources"
            )
        label, problem = f"{name} (round {log.rounds[-1]:.0f} of {log.problem.rounds})", log.problem
        points = pd.DataFrame({"n": log.sizes[:, 0], "score": log.scores})
        task = make_task(label, points).with_subsets(points["n"].nunique())
        policy = LocPolicy(self.families, self.weights, N_BOOT, self.min_distinct)
        said, level = log_sentence(log, policy)
        self.log, self._limits[label] = log, float(log.q_max[0])
        asked = {"target": problem.target, "cost": float(problem.prices[0]), "penalty": problem.penalty}
        with self.hold():
            self.add_tasks({label: task}, problem.target)
            self.cost, self.penalty = _step(asked["cost"], COSTS), _step(asked["penalty"], PENALTY_RANGE)
            self.rounds = int(np.clip(log.rounds_left, 1, MOST_ROUNDS))
            self.view = VIEWS[2]
        moved = [name for name, value in asked.items() if not np.isclose(getattr(self, name), value, rtol=1e-6)]
        near = f" (The sliders hold the nearest values that they can: {', '.join(moved)}.)" if moved else ""
        self.say(f"{name}: {said}{near}", level)


def default_penalty(task: Task) -> float:
    """Return the paper's penalty of a task, or about what a hundred times a tenfold collection costs at one a sample.

    >>> from workbench.experiments.tasks import load_task
    >>> default_penalty(load_task("VOC")), default_penalty(load_task("CIFAR-10").with_subsets(2))
    (1000000.0, 10000000.0)
    """
    return PENALTIES.get(task.name, 10.0 ** round(np.log10(1000 * task.initial_size)))


def _step(value: float, bounds: tuple[float, float]) -> float:
    """Return the nearest value that a logarithmic slider of steps of a tenth can hold."""
    return float(np.clip(10 ** (round(10 * np.log10(value)) / 10), *bounds)) if value > 0 else bounds[0]
