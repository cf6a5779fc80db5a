"""The search for the best plan of a latency-saliency knapsack: Lagrangian bounds, division, and lists of undominated sums.

A price of a ms bounds every plan from above and says how much each length gives away under it; lengths that give away more than
the bound lies above the best plan known are in no better plan (Pisinger, "A minimal algorithm for the multiple-choice knapsack
problem", 1995).  Those left are merged layer by layer into the undominated sums of latency and importance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.pruning._knapsack_input import ROUNDING, Array

Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]
Steps = list[tuple[int, Indices, Indices]]
"""Of each merge: the layer, and of each state kept the state that it continues and the length that it adds."""

NEGLIGIBLE = 1e-9
"""A plan is the best when no other is worth more by this share of all importance."""

WIDE = 0.01
"""A step of at least this share of the budget divides the plans, one part a length of its layer: in each the bound is tighter."""
MANY = 100
WORTHWHILE = 0.02
DEEPEST = 3


def undominated(cost: Array, value: Array, allowed: Flags) -> Flags:
    """Return which lengths (L, n + 1) cost less than every longer one, and are worth more than every shorter one left."""
    longer = np.minimum.accumulate(np.where(allowed, cost, np.inf)[:, ::-1], axis=1)[:, ::-1]
    left = allowed & np.concatenate([cost[:, :-1] < longer[:, 1:], np.ones((len(cost), 1), bool)], axis=1)
    shorter = np.maximum.accumulate(np.where(left, value, -np.inf), axis=1)
    left[:, 1:] &= value[:, 1:] > shorter[:, :-1]
    return left


@dataclass(frozen=True)
class Relaxation:
    """The Lagrangian bound of the plans with certain lengths: ``price budget + sum_l max_p (V_l(p) - price W_l(p))``.

    Attributes:
        bound: no plan of these is worth more.
        price: at which this bound is least.
        base: (L,) the best lengths at this price, of a plan within the budget.
        given_away: (L, n + 1) by how much a length lowers the bound; ``inf`` for lengths that may not be chosen.
        divided: the layer whose item the linear relaxation keeps a fraction of an item.
        step: ms between the two lengths around that fraction.
    """

    bound: float
    price: float
    base: Indices
    given_away: Array
    divided: int
    step: float


def relax(cost: Array, value: Array, left: Flags, budget: float) -> Relaxation:
    """Return the relaxation of the plans with the undominated lengths ``left``, the cheapest of which is within the budget.

    The bound is convex and piecewise linear in the price.  Of two plans, one above and one within the budget, each gives a line
    below it; the plan that is best where these cross replaces one of the two, until it is no better there than they are.
    """
    layers = np.arange(len(cost))
    heavy, light = left.shape[1] - 1 - left[:, ::-1].argmax(1), left.argmax(1)
    if cost[layers, heavy].sum() <= budget:
        light = heavy
    price, worth = 0.0, np.where(left, value, -np.inf)
    rounding = ROUNDING * float(worth.max(1).sum())
    while light is not heavy:
        span = cost[layers, heavy].sum() - cost[layers, light].sum()
        price = float((value[layers, heavy].sum() - value[layers, light].sum()) / span)
        worth = np.where(left, value - price * cost, -np.inf)
        plan, known = worth.argmax(1), worth[layers, light].sum()
        if worth[layers, plan].sum() <= known + rounding:
            break
        if cost[layers, plan].sum() > budget:
            heavy = plan
        else:
            light = plan
    most, steps = worth.max(1), cost[layers, heavy] - cost[layers, light]
    divided = int(steps.argmax())
    bound = float(most.sum()) + (price * budget if price else 0.0)
    return Relaxation(bound, price, light, most[:, None] - worth, divided, float(steps[divided]))


class Search:
    """The best plan known, and what is known of the plans that were looked through.

    Attributes:
        best: (L,) lengths of the best plan.
        best_value: its importance.
        bound: the greatest bound of a part of the plans that was looked through.
        lost: the greatest bound of a plan that was given up because there were too many.
    """

    def __init__(self, cost: Array, value: Array, budget: float, most_sums: int) -> None:
        self.cost, self.value, self.limit = cost, value, budget
        self.most_sums, self.layers = most_sums, np.arange(len(cost))
        self.negligible = NEGLIGIBLE * float(value.max(1, initial=0.0).sum())
        self.best, self.best_value = np.zeros(len(cost), np.intp), -np.inf
        self.bound = self.lost = -np.inf

    def look_through(self, relaxation: Relaxation, depth: int = 0) -> None:
        """Find the best plan of a part: divide it while its bound is loose, then merge the layers."""
        self._change_single_layers(relaxation)
        left = self._can_be_better(relaxation)
        if relaxation.bound <= self.best_value + self.negligible:
            return
        parts = []
        if relaxation.step > WIDE * self.limit and np.count_nonzero(left) - len(left) > MANY and depth < DEEPEST:
            parts = self._divide(left, relaxation.divided)
        bound = max((part.bound for part in parts), default=np.inf)
        if relaxation.bound - bound > WORTHWHILE * (relaxation.bound - self.best_value):
            for part in sorted(parts, key=lambda part: -part.bound):
                self.look_through(part, depth + 1)
            return
        self.bound = max(self.bound, relaxation.bound)
        self._merge(relaxation)

    def _divide(self, left: Flags, layer: int) -> list[Relaxation]:
        """Return the relaxation of each part in which a layer has one length only, of those with a plan within the budget."""
        parts = []
        for length in np.flatnonzero(left[layer]):
            part = left.copy()
            part[layer] = np.arange(left.shape[1]) == length
            if np.where(part, self.cost, np.inf).min(1).sum() <= self.limit:
                parts.append(relax(self.cost, self.value, part, self.limit))
        return parts

    @property
    def proved(self) -> bool:
        """Whether no plan is worth more than the best one known."""
        return self.lost <= self.best_value + self.negligible

    def _can_be_better(self, relaxation: Relaxation) -> Flags:
        return relaxation.given_away < relaxation.bound - self.best_value - self.negligible

    def _change_single_layers(self, relaxation: Relaxation) -> None:
        """Improve the plan of the relaxation by the change of one layer that gains most, again and again."""
        cost, value = (
            np.where(np.isfinite(relaxation.given_away), table, filler)
            for table, filler in ((self.cost, np.inf), (self.value, -np.inf))
        )
        plan = relaxation.base.copy()
        used, worth = float(cost[self.layers, plan].sum()), float(value[self.layers, plan].sum())
        while True:
            dearer, gain = cost - cost[self.layers, plan, None], value - value[self.layers, plan, None]
            gain = np.where(used + dearer <= self.limit, gain, -np.inf)
            layer, length = divmod(int(gain.argmax()), gain.shape[1])
            if gain[layer, length] <= self.negligible:
                break
            used, worth = used + dearer[layer, length], worth + gain[layer, length]
            plan[layer] = length
        if worth > self.best_value:
            self.best, self.best_value = plan, worth

    def _merge(self, relaxation: Relaxation) -> None:
        """Merge layer by layer, those first whose lengths differ least in worth.

        A state is a plan: the layers merged so far, and all others at the lengths of the relaxation's base, at which they give
        away nothing.  So no plan that continues it is worth more than the bound less what the state gives away.
        """
        base, forgone = relaxation.base, np.where(np.isfinite(relaxation.given_away), relaxation.given_away, np.inf)
        cost = self.cost - self.cost[self.layers, base, None]
        value = self.value - self.value[self.layers, base, None]
        others = np.where(np.arange(cost.shape[1]) == base[:, None], np.inf, forgone)
        order = np.argsort(others.min(1), kind="stable")
        cheapest = np.where(np.isfinite(forgone), cost, np.inf).min(1)[order]
        cheapest = np.concatenate([np.cumsum(cheapest[::-1])[::-1][1:], [0.0]])  # of the layers that follow
        states = np.array([[self.cost[self.layers, base].sum()], [self.value[self.layers, base].sum()], [0.0]])
        steps: Steps = []
        for layer, later in zip(order, cheapest, strict=True):
            lengths = np.flatnonzero(self._can_be_better(relaxation)[layer])
            if not len(lengths) or (len(lengths) == 1 and lengths[0] == base[layer]):
                continue
            room = relaxation.bound - self.best_value - self.negligible
            before = self._most_promising(states, max(2, self.most_sums // len(lengths)), relaxation.bound)
            parent, choice = np.nonzero(states[2][before, None] + forgone[layer, lengths] < room)
            parent, choice = before[parent], lengths[choice]
            change = np.stack([cost[layer, choice], value[layer, choice], forgone[layer, choice]])
            states = states[:, parent] + change
            self._take_if_better(states, base, [*steps, (int(layer), parent, choice)])
            room = relaxation.bound - self.best_value - self.negligible
            kept = _undominated_states(states, self.limit - later, room)
            steps.append((int(layer), parent[kept], choice[kept]))
            states = states[:, kept]

    def _most_promising(self, states: Array, most: int, bound: float) -> Indices:
        """Return at most ``most`` states, half of them those that give away least and half spread over the latencies."""
        if states.shape[1] <= most:
            return np.arange(states.shape[1])
        promising = np.argpartition(states[2], most // 2)[: most // 2]
        spread = np.linspace(0, states.shape[1] - 1, most - most // 2).astype(np.intp)
        chosen = np.union1d(promising, spread)
        self.lost = max(self.lost, bound - float(np.delete(states[2], chosen).min()))
        return chosen

    def _take_if_better(self, states: Array, base: Indices, steps: Steps) -> None:
        worth = np.where(states[0] <= self.limit, states[1], -np.inf)
        if not worth.size or worth.max() <= self.best_value + self.negligible:
            return
        state = int(worth.argmax())
        self.best, self.best_value = base.copy(), float(worth[state])
        for layer, parent, choice in reversed(steps):
            self.best[layer], state = choice[state], int(parent[state])


def _undominated_states(states: Array, limit: float, room: float) -> Indices:
    """Return the states that can lead to a better plan, by latency, of which each is worth more than all before it."""
    kept = np.flatnonzero((states[0] <= limit) & (states[2] < room))
    kept = kept[np.lexsort((-states[1, kept], states[0, kept]))]
    before = np.maximum.accumulate(np.concatenate([[-np.inf], states[1, kept]]))[:-1]
    return kept[states[1, kept] > before]
