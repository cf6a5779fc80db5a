"""The view of notebook 10 in which blocks of channels are bought with milliseconds."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.figures.latency_pruning_knapsack import Blocks, blocks_figure, price_figure
from workbench.figures.updates import copy_into
from workbench.panels.views import beside
from workbench.pruning import (
    GroupItems,
    Plan,
    knapsack_items,
    solve_knapsack,
    solve_knapsack_greedy,
    solve_knapsack_published,
)

KNAPSACK = "2 Knapsack"
ORDERLESS = "ignore precedence"
SOLVERS = {"exact": "exact", "published heuristic": "published", "greedy": "greedy", ORDERLESS: ORDERLESS}
UNITS = 3_000
"""Units that the published heuristic divides a budget into here, so that it answers a slider."""

CURVE = np.arange(20, 101, 5)
P = "<p style='margin:2px 0;line-height:1.5'>"


def solve_by(
    solver: str, costs: list, values: list, budget: float, keep_one: list[bool], unit: float | None = None
) -> tuple[list[np.ndarray], Plan]:
    """Return which items each layer keeps (flags), and the plan, by one of :data:`SOLVERS`.

    Without precedence an item may be kept though a more important one of its layer is not.  ``unit`` is the ms that the published
    heuristic counts in; None for the budget over :data:`UNITS`.
    """
    if solver == ORDERLESS:
        single = [[cost] for row in costs for cost in row]
        worth = [[value] for row in values for value in row]
        first = [flag and not place for row, flag in zip(costs, keep_one, strict=True) for place in range(len(row))]
        plan = solve_knapsack(single, worth, budget, first)
        taken = np.array(plan.kept, bool)
        return np.split(taken, np.cumsum([len(row) for row in costs])[:-1]), plan
    if solver == "published":
        plan = solve_knapsack_published(costs, values, budget, keep_one, ms=unit or budget / UNITS)
    else:
        plan = (solve_knapsack if solver == "exact" else solve_knapsack_greedy)(costs, values, budget, keep_one)
    return [np.arange(len(row)) < count for row, count in zip(costs, plan.kept, strict=True)], plan


class KnapsackViews(traitlets.HasTraits):
    """One step of the method, taken apart; mixed into the panel of notebook 10.  ``solver`` is one of :data:`SOLVERS`."""

    solver = traitlets.Unicode("exact")

    def build_knapsack_view(self) -> None:
        """Make the controls, the figures and the tab."""
        self._found_items = lru_cache(maxsize=32)(self._find_items)
        self._found_curve = lru_cache(maxsize=32)(self._find_curve)
        self._solved = lru_cache(maxsize=256)(self._solve)
        choose = self.choice("solver", SOLVERS, "Solver", place=False)
        self._knapsack_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._blocks_figure = self.add_figure(self._draw_blocks())
        self._price_figure = self.add_figure(self._draw_price())
        both = [self._blocks_figure, self._price_figure]
        self.add_view(KNAPSACK, both, self._redraw_knapsack, [choose, self._knapsack_text], beside(*both))

    def knapsack_frame(self) -> pd.DataFrame:
        """Return the blocks, and whether each is kept."""
        blocks = self._blocks()
        names = np.array(blocks.names)[blocks.group]
        return pd.DataFrame({"group": names, "ms": blocks.costs, "importance": blocks.values, "kept": blocks.kept})

    def _key(self) -> tuple:
        return self.network, self.platform, self._generation

    def _items(self) -> tuple[list[GroupItems], float]:
        return self._found_items(*self._key())

    def _find_items(self, network: str, platform: str, generation: int) -> tuple[list[GroupItems], float]:
        subject, pruner = self.subject, self.pruner
        keep = subject.graph.everything()
        return knapsack_items(subject.graph, pruner.table, subject.batch, keep, subject.scores, pruner.sizes)

    def _needed(self) -> list[bool]:
        needed = dict(zip(self.subject.graph.groups, self.pruner.needed, strict=True))
        return [needed[part.group] for part in self._items()[0]]

    def _find_curve(self, network: str, platform: str, generation: int) -> tuple[np.ndarray, np.ndarray]:
        items, fixed = self._items()
        costs, values, must = [part.costs for part in items], [part.values for part in items], self._needed()
        whole = self.pruner.initial_latency
        total = sum(part.values.sum() for part in items)
        budgets, kept = [], []
        for share in CURVE:
            try:
                plan = solve_knapsack(costs, values, share / 100 * whole - fixed, must)
            except ValueError:
                continue
            budgets.append(share / 100 * whole)
            kept.append(100 * plan.value / total)
        return np.array(budgets), np.array(kept)

    def _solve(self, network: str, platform: str, budget: int, generation: int, solver: str) -> tuple[list, Plan]:
        items, fixed = self._items()
        costs, values = [part.costs for part in items], [part.values for part in items]
        return solve_by(solver, costs, values, self.target - fixed, self._needed())

    def _answer_of(self) -> tuple[list, Plan]:
        return self._solved(*self.state_key(), self.solver)

    def _total(self) -> float:
        return sum(float(part.values.sum()) for part in self._items()[0])

    def _blocks(self) -> Blocks:
        items, _ = self._items()
        flags, _ = self._answer_of()
        return Blocks(
            names=tuple(part.group.name for part in items),
            group=np.repeat(np.arange(len(items)), [len(part.costs) for part in items]),
            costs=np.concatenate([part.costs for part in items]),
            values=100 * np.concatenate([part.values for part in items]) / self._total(),
            kept=np.concatenate(flags),
        )

    def real_latency(self) -> float:
        """Return the ms of as many channels as the solver keeps, at the whole input width: what it really buys."""
        items, fixed = self._items()
        flags, _ = self._answer_of()
        return fixed + sum(float(part.costs[: flag.sum()].sum()) for part, flag in zip(items, flags, strict=True))

    def _redraw_knapsack(self, changed: frozenset[str]) -> None:
        if self.fresh(KNAPSACK, *self.state_key(), self.solver):
            copy_into(self._blocks_figure, self._draw_blocks())
            copy_into(self._price_figure, self._draw_price())
            self._knapsack_text.value = self._knapsack_words()

    def _draw_blocks(self) -> go.Figure:
        blocks = self._blocks()
        title = f"{self.network}: {blocks.kept.sum()} of {len(blocks.kept)} blocks kept<br><sub>{self.platform}</sub>"
        return blocks_figure(blocks, title)

    def _draw_price(self) -> go.Figure:
        _, plan = self._answer_of()
        fixed, total = self._items()[1], self._total()
        budgets, kept = self._found_curve(*self._key())
        at = plan.latency + fixed, 100 * plan.value / total
        words = f"λ = {100 * plan.price / total:.3g} % a ms"
        return price_figure(
            budgets, kept, at, 100 * plan.bound / total, 100 * plan.price / total, f"Price<br><sub>{words}</sub>"
        )

    def _knapsack_words(self) -> str:
        _, plan = self._answer_of()
        fixed, total, real = self._items()[1], self._total(), self.real_latency()
        lines = [
            f"<b>{100 * plan.value / total:.2f} %</b> of the importance for {plan.latency + fixed:.2f} of {self.target:.2f} ms, of "
            f"which {fixed:.2f} ms are of layers that are not pruned. No plan keeps more than {100 * plan.bound / total:.2f} %: "
            f"the certificate is a gap of {100 * plan.gap:.3f} %. One more ms is worth {100 * plan.price / total:.3g} %."
        ]
        if self.solver == ORDERLESS:
            over = real - self.target
            lines.append(
                f"Without precedence it buys cheap blocks and skips the dear first ones; as many channels really cost <b>{real:.2f}"
                f" ms</b>, {abs(over):.2f} ms {'over' if over > 0 else 'below'} the budget."
            )
        elif self.solver == "published":
            unit = self.target / UNITS
            lines.append(
                f"The published heuristic counts in whole units, here of {1000 * unit:.0f} µs so that it answers at once."
            )
        else:
            lines.append(
                "A star is a block within a step: it costs nothing, or saves time. Costs are those at the whole input width, so "
                "that the pruned network comes out faster than the sum says: see view 4."
            )
        return "".join(f"{P}{line}</p>" for line in lines)
