"""The view of notebook 10 with seven blocks, on which the published solver fails."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.figures.latency_pruning_knapsack import Row, trap_figure
from workbench.figures.updates import copy_into
from workbench.panels.latency_pruning_knapsack import ORDERLESS, SOLVERS, P, solve_by

TRAP = "8 Greedy trap"
EXAMPLE = "6/9 1/9 1/7; 3/9 6/8 5/2"
UNIT = 0.01
"""Ms that the published heuristic counts in here: costs of two digits are exact."""
MOST_LAYERS, MOST_BLOCKS = 4, 12


def read_blocks(text: str) -> tuple[list[list[float]], list[list[float]]]:
    """Return costs (ms) and importances of each layer, from ``cost/importance`` a block, layers apart by semicolons.

    Raises:
        ValueError: a block is no pair of numbers, there are too many, or an importance is negative.

    >>> read_blocks("6/9 1/7; 3/9")
    ([[6.0, 1.0], [3.0]], [[9.0, 7.0], [9.0]])
    """
    costs, values = [], []
    for layer in text.split(";"):
        pairs = []
        for block in layer.split():
            try:
                cost, value = map(float, block.split("/"))
            except ValueError:
                raise ValueError(f"a block must be cost/importance such as 6/9, got {block!r}") from None
            if not (np.isfinite(cost) and np.isfinite(value) and cost >= 0 and value >= 0):
                raise ValueError(f"cost and importance must be finite and not negative, got {block!r}")
            pairs.append((cost, value))
        if not pairs or len(pairs) > MOST_BLOCKS:
            raise ValueError(f"a layer must have 1 to {MOST_BLOCKS} blocks, got {len(pairs)} in {layer.strip()!r}")
        costs.append([cost for cost, _ in pairs])
        values.append([value for _, value in pairs])
    if len(costs) > MOST_LAYERS:
        raise ValueError(f"there is room for {MOST_LAYERS} layers, got {len(costs)}")
    return costs, values


class TrapViews(traitlets.HasTraits):
    """A knapsack to edit by hand; mixed into the panel of notebook 10.

    ``trap_blocks`` holds cost/importance of each block, ``trap_budget`` the ms.
    """

    trap_blocks = traitlets.Unicode(EXAMPLE)
    trap_budget = traitlets.Float(8.0)

    def build_trap_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._trap_rows = self._solve_trap()
        controls = [
            self.text(
                "trap_blocks",
                "Blocks, ms/importance",
                tooltip="The most important first; a semicolon ends a layer",
                place=False,
            ),
            self.slider("trap_budget", 1, 20, 0.5, "Budget", "ms", format=".1f", place=False),
            self.button("Back to the trap", self.reset_trap, place=False),
        ]
        self._trap_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._trap_figure = self.add_figure(self._draw_trap())
        self.add_view(TRAP, [self._trap_figure], self._redraw_trap, [*controls, self._trap_text])

    def reset_trap(self) -> None:
        """Go back to the example."""
        self.update(trap_blocks=EXAMPLE, trap_budget=8.0)

    def trap_frame(self) -> pd.DataFrame:
        """Return the blocks that each solver keeps."""
        return pd.DataFrame(
            [
                {"solver": row.name, "layer": "ABCD"[layer], "block": number, "ms": cost, "importance": value}
                for row in self._trap_rows
                for layer, number, cost, value in row.blocks
            ]
        )

    def _solve_trap(self) -> list[Row]:
        costs, values = read_blocks(self.trap_blocks)
        every = [
            (layer, number + 1, costs[layer][number], values[layer][number])
            for layer in range(len(costs))
            for number in range(len(costs[layer]))
        ]
        rows = [
            Row("on offer", every, f"{sum(block[2] for block in every):g} ms, importance {sum(b[3] for b in every):g}")
        ]
        for name, solver in SOLVERS.items():
            flags, _ = solve_by(solver, costs, values, self.trap_budget, [False] * len(costs), UNIT)
            kept = [block for block, flag in zip(every, np.concatenate(flags), strict=True) if flag]
            words = f"importance {sum(block[3] for block in kept):g} in {sum(block[2] for block in kept):g} ms"
            if solver == ORDERLESS:
                real = sum(sum(row[: int(flag.sum())]) for row, flag in zip(costs, flags, strict=True))
                words += f"; so many channels really cost {real:g} ms"
            rows.append(Row(name, kept, words))
        return rows

    def _redraw_trap(self, changed: frozenset[str]) -> None:
        if not self.fresh(TRAP, self.trap_blocks, self.trap_budget):
            return
        with self.guard():
            self._trap_rows = self._solve_trap()
            copy_into(self._trap_figure, self._draw_trap())
            self._trap_text.value = self._trap_words()

    def _draw_trap(self) -> go.Figure:
        layers = 1 + max(block[0] for block in self._trap_rows[0].blocks)
        return trap_figure(self._trap_rows, self.trap_budget, layers, f"Four ways to spend {self.trap_budget:g} ms")

    def _trap_words(self) -> str:
        worth = {row.name: sum(block[3] for block in row.blocks) for row in self._trap_rows[1:]}
        lost = worth["exact"] - worth["published heuristic"]
        lines = [
            "The numbers in the blocks are importances, the widths milliseconds. A layer keeps its most important blocks first.",
            "The published programme remembers one best plan for each number of ms, and block 2 of a layer may join only where "
            "block 1 has won alone. "
            + (
                f"Here a first block does not win alone, and <b>{lost:g}</b> of importance behind it is never seen."
                if lost > 1e-9
                else "Here it finds the best plan."
            ),
        ]
        return "".join(f"{P}{line}</p>" for line in lines)
