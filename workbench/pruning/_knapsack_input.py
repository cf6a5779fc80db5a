"""What a knapsack is given: checked, and summed to the cost and value of every number of items that a layer may keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

ROUNDING = 1e-12
"""Sums of ms are compared up to this share of the sum of the magnitudes of their terms."""


@dataclass(frozen=True)
class Instance:
    """One knapsack.

    Attributes:
        cost: (L, n + 1) ms of the first 0 ... n items of each layer, constant past the layer's own number.
        value: (L, n + 1) their importance.
        lengths: (L,) items of each layer.
        allowed: (L, n + 1) how many of them a layer may keep.
        budget: in ms.
        limit: the budget and what rounding may add to a sum.
        everything_fits: whether all items are within the budget.
    """

    cost: Array
    value: Array
    lengths: NDArray[np.intp]
    allowed: NDArray[np.bool_]
    budget: float
    limit: float
    everything_fits: bool


def read_instance(
    costs: Sequence[ArrayLike], values: Sequence[ArrayLike], budget: float, keep_one: bool | Sequence[bool]
) -> Instance:
    """Check what :func:`workbench.pruning.solve_knapsack` is given; its errors are documented there."""
    if len(costs) != len(values):
        raise ValueError(f"costs and values must have as many layers, got {len(costs)} and {len(values)}")
    cost, value = _table(costs, "costs"), _table(values, "values")
    lengths = np.array([len(row) for row in costs], np.intp)
    for layer, row in enumerate(values):
        if len(row) != lengths[layer]:
            raise ValueError(
                f"costs[{layer}] and values[{layer}] must be of one length, got {lengths[layer]} and {len(row)} items"
            )
    if (value < 0).any():
        layer, item = np.argwhere(value < 0)[0]
        raise ValueError(f"values[{layer}][{item - 1}] is {value[layer, item]:g}; importances must not be negative")
    rounding = ROUNDING * float(np.abs(cost).sum())
    cost, value = np.cumsum(cost, axis=1), np.cumsum(value, axis=1)
    allowed = _allowed(lengths, keep_one, cost.shape[1])
    budget = _positive(budget)
    least = float(np.where(allowed, cost, np.inf).min(1).sum())
    if least > budget + rounding:
        raise ValueError(
            f"no plan is within the budget of {budget:g} ms: the least latency that can be reached is {least:g} ms"
        )
    everything = float(cost[:, -1].sum())
    return Instance(cost, value, lengths, allowed, budget, budget + rounding, everything <= budget + rounding)


def _table(rows: Sequence[ArrayLike], name: str) -> Array:
    """Return (L, n + 1) numbers, 0 before the first item and after the last one of a layer."""
    arrays = []
    for layer, row in enumerate(rows):
        try:
            array = np.asarray(row, dtype=float)
        except (TypeError, ValueError):
            raise ValueError(f"{name}[{layer}] must be numbers, got {row!r:.80}") from None
        if array.ndim != 1:
            raise ValueError(f"{name}[{layer}] must be one-dimensional, got shape {array.shape}")
        arrays.append(array)
    table = np.zeros((len(arrays), 1 + max(map(len, arrays), default=0)))
    for layer, array in enumerate(arrays):
        table[layer, 1 : 1 + len(array)] = array
    if not np.isfinite(table).all():
        layer, item = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(f"{name}[{layer}][{item - 1}] is {table[layer, item]}, expected a finite number")
    return table


def _allowed(lengths: NDArray[np.intp], keep_one: bool | Sequence[bool], columns: int) -> NDArray[np.bool_]:
    flags = np.asarray(keep_one)
    if flags.dtype != bool or flags.shape not in {(), lengths.shape}:
        raise ValueError(f"keep_one must be True, False or a list of {len(lengths)} of these, got {keep_one!r:.80}")
    empty = flags & (lengths == 0)
    if empty.any():
        raise ValueError(f"keep_one asks layer {int(empty.argmax())} to keep an item, but it has none")
    allowed = np.arange(columns) <= lengths[:, None]
    allowed[:, 0] &= ~flags
    return allowed


def _positive(budget: float) -> float:
    try:
        number = float(budget)
    except (TypeError, ValueError):
        number = np.nan
    if not number > 0:
        raise ValueError(f"budget must be a positive number of ms, got {budget!r}")
    return number
