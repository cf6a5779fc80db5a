"""HALP: prune a network in steps while it is trained, each time by the best knapsack under a falling latency target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from workbench.pruning.channel_graph import ChannelGraph, Keep
from workbench.pruning.channel_plan import ChannelPlan
from workbench.pruning.grouping import check_group_sizes, latency_group_sizes
from workbench.pruning.importance import Importance, Scores, TaylorImportance
from workbench.pruning.knapsack import Plan, solve_knapsack
from workbench.pruning.knapsack_items import GroupItems, knapsack_items
from workbench.pruning.latency_table import LatencyTable
from workbench.pruning.masking import Masks
from workbench.pruning.schedule import exponential_schedule

Solver = Callable[..., Plan]
HALVINGS = 14
"""Of the interval in which the capacity of a refilled step is looked for."""


@dataclass(frozen=True)
class HALPConfig:
    """The published schedule (configuration of the official repository).

    Attributes:
        share: of the latency by the table that remains: 0.55 is HALP-55%.
        start: iteration at which importances are first collected.
        interval: iterations from one pruning step to the next.
        steps: pruning steps, k.
        group_size: units an item: ``"latency"`` for the steps of the staircase, a number, or numbers by layer.
        granularity: spacing of the widths at which ``"latency"`` looks.
        allow_ragged: whether the last item of a group may be smaller where the size does not divide; always with ``"latency"``.
        keep_one: whether no group at all may be emptied; those without a branch beside them never are.
        refill: False for the published step, which comes out faster than its target, as what the next layers save is not counted;
            True to raise the knapsack's capacity until the latency by the table just meets the target.
    """

    share: float = 0.55
    start: int = 0
    interval: int = 40
    steps: int = 30
    group_size: str | int | Mapping[str, int] = "latency"
    granularity: int = 8
    allow_ragged: bool = False
    keep_one: bool = False
    refill: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.share, (int, float)) and 0 < self.share <= 1):
            raise ValueError(f"share must be above 0 and at most 1 of the latency, got {self.share!r}")
        for name, least in (("start", 0), ("interval", 1), ("steps", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


class UnreachableError(ValueError):
    """No plan is that fast."""


class HALPPruner:
    """Prunes a network while it is trained.

    In each iteration call :meth:`collect` after ``backward()`` and :meth:`step` after the optimiser's step::

        loss.backward()
        pruner.collect()
        optimiser.step()
        pruner.step()

    or let the optimiser do both (:meth:`attach`); and call :func:`workbench.pruning.shrink` with ``pruner.plan`` when
    ``pruner.done``.  For a plan without training, :meth:`solve`.

    Args:
        model: the network; its removed channels are kept at zero, and nothing else of it is changed.
        graph: of the network.
        table: of the device.
        batch: images in a batch on the device.
        config: the schedule.
        importance: of channels; None for the published one.
        solver: ``solve_knapsack``, or another with its arguments, such as ``solve_knapsack_published``.

    Attributes:
        plan: what is kept now.
        targets: (steps,) ms by the table.
        history: the plan after each step.

    Raises:
        ValueError: a group size does not fit its group.
        KeyError: the table does not know a layer of the network.
    """

    def __init__(
        self,
        model: nn.Module,
        graph: ChannelGraph,
        table: LatencyTable,
        batch: int,
        config: HALPConfig | None = None,
        *,
        importance: Importance | None = None,
        solver: Solver = solve_knapsack,
    ) -> None:
        self.model, self.graph, self.table, self.batch = model, graph, table, batch
        self.config = config or HALPConfig()
        self.importance = importance or TaylorImportance(graph)
        self.solver = solver
        self.sizes = self._sizes()
        self.needed = tuple(self.config.keep_one or not graph.can_be_emptied(group) for group in graph.groups)
        whole = graph.everything()
        self.initial_latency = graph.latency(table, batch, whole)
        self.targets = exponential_schedule(
            self.initial_latency, self.config.share * self.initial_latency, self.config.steps
        )
        self.plan = ChannelPlan(graph, whole, latency=self.initial_latency)
        self.history: list[ChannelPlan] = []
        self.iteration = 0
        self._masks = Masks(model, self.plan)

    @property
    def done(self) -> bool:
        """Whether all steps are over."""
        return len(self.history) == self.config.steps

    def attach(self, optimiser: Optimizer) -> tuple[RemovableHandle, RemovableHandle]:
        """Let an optimiser call :meth:`collect` before each of its steps and :meth:`step` after it; return handles to end that.

        Gradients that were accumulated over several batches before the optimiser's step count as one batch.
        """

        def before(*_: Any) -> None:
            self.collect()

        def after(*_: Any) -> None:
            self.step()

        return optimiser.register_step_pre_hook(before), optimiser.register_step_post_hook(after)

    def collect(self) -> bool:
        """Take note of the gradients of a batch, while pruning goes on; return whether it counts (its scores are finite).

        Raises:
            RuntimeError: there are no gradients.
        """
        return not self.done and self.iteration >= self.config.start and self.importance.update(self.model)

    def step(self) -> ChannelPlan | None:
        """End an iteration: prune if its time has come, and set all removed channels to zero.

        Returns:
            The new plan in an iteration that prunes, else None.

        Raises:
            RuntimeError: no batch was collected since the step before.
            ValueError: the target cannot be met; the message names the least latency that can be reached.
        """
        self.iteration += 1
        since = self.iteration - self.config.start
        new = None
        if not self.done and since > 0 and since % self.config.interval == 0:
            new = self.solve(float(self.targets[len(self.history)]), self.importance.scores(self.model))
            self.importance.reset()
            self.plan, self._masks = new, Masks(self.model, new)
            self.history.append(new)
        self._masks.apply()
        return new

    def solve(
        self, target: float, scores: Scores, keep: Keep | None = None, *, refill: bool | None = None
    ) -> ChannelPlan:
        """Return the best plan for a target; the network and the pruner stay as they are.

        Args:
            target: ms by the table.
            scores: (units,) importances.
            keep: (units,) what may be kept; None for what is kept now.
            refill: as in :class:`HALPConfig`; None for what it says.

        Raises:
            ValueError: the target is not positive, or below the least latency that can be reached, which the message names.
        """
        keep = self.plan.keep if keep is None else keep
        now = self.graph.latency(self.table, self.batch, keep)
        if not target > 0:
            raise ValueError(f"target must be positive ms, got {target!r}")
        if now <= target:
            importance = float(np.asarray(scores, float)[self.graph.effective(keep)].sum())
            return ChannelPlan(self.graph, keep.copy(), now, target, importance, importance)
        items, fixed = knapsack_items(self.graph, self.table, self.batch, keep, scores, self.sizes)
        scores = np.asarray(scores, float)
        if self.config.refill if refill is None else refill:
            return self._refilled(items, fixed, scores, target, now)
        return self._connected(items, fixed, scores, target, target)

    def _refilled(
        self, items: Sequence[GroupItems], fixed: float, scores: Scores, target: float, now: float
    ) -> ChannelPlan:
        """Bisect the capacity between the target and the latency now, for the most important plan that meets the target."""
        best, fastest, low, high, capacity = None, now, target, now, target
        for _ in range(HALVINGS):
            try:
                plan = self._connected(items, fixed, scores, capacity, target)
            except UnreachableError:
                low = capacity
            else:
                fastest = min(fastest, plan.latency)
                if plan.latency <= target:
                    low, best = capacity, plan if best is None or plan.importance > best.importance else best
                else:
                    high = capacity
            capacity = (low + high) / 2
        if best is None:
            raise UnreachableError(
                f"a latency of {target:g} ms cannot be reached in one step: the least that was found is {fastest:g} ms, of which "
                f"{fixed:g} ms are of layers that are not pruned"
            )
        return best

    def _connected(
        self, items: Sequence[GroupItems], fixed: float, scores: Scores, capacity: float, target: float
    ) -> ChannelPlan:
        """Solve the knapsack so that the network stays one: two groups may each be dispensable, but not both."""
        needed = dict(zip(self.graph.groups, self.needed, strict=True))
        must = [needed[part.group] for part in items]
        while True:
            least = fixed + sum(_least(part, flag) for part, flag in zip(items, must, strict=True))
            if capacity - fixed <= 0 or least > capacity * (1 + 1e-12):
                raise UnreachableError(
                    f"a latency of {capacity:g} ms cannot be reached in one step: the least is {least:g} ms, of which {fixed:g} ms "
                    "are of layers that are not pruned"
                )
            solved = self.solver(
                [part.costs for part in items], [part.values for part in items], capacity - fixed, must
            )
            keep = np.zeros(self.graph.units, bool)
            for part, count in zip(items, solved.kept, strict=True):
                keep[part.order[: part.ends[count - 1] if count else 0]] = True
            if self.graph.live(keep).broken is None:
                break
            empty = [place for place, count in enumerate(solved.kept) if not count and not must[place]]
            must[max(empty, key=lambda place: items[place].values.sum())] = True
        latency = self.graph.latency(self.table, self.batch, keep)
        importance = float(scores[self.graph.effective(keep)].sum())
        return ChannelPlan(self.graph, keep, latency, target, importance, solved.bound)

    def _sizes(self) -> dict[str, int]:
        size = self.config.group_size
        if size == "latency":
            return latency_group_sizes(self.graph, self.table, self.batch, self.config.granularity)
        if isinstance(size, str):
            raise ValueError(f"group_size must be 'latency', a number or numbers by layer, got {size!r}")
        return check_group_sizes(self.graph, size, allow_ragged=self.config.allow_ragged)


def _least(items: GroupItems, flag: bool) -> float:
    """Return the least ms of a group."""
    totals = np.concatenate([[0.0], np.cumsum(items.costs)])
    return float(totals[1:].min() if flag else totals.min())
