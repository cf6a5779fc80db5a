"""The plan made for one platform, run on another: latency at equal importance, by the knapsack and by looking at all widths."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.experiments.latency_pruning_methods import REFILL, Keep, Subject, prune_to, subject
from workbench.experiments.latency_pruning_task import pruning_task
from workbench.pruning import PLATFORMS, ChannelGraph, ChannelGroup, ConvLayer, LatencyTable, simulate_latency_table
from workbench.training import Progress, no_progress

EXACT = "all widths"
SWEPT = 61
"""Budgets from 95 to 20 % of the latency that the knapsack is solved at, to find the fastest plan of an importance."""
GRID = 8
"""Channels between the widths that are looked at."""

Array = NDArray[np.float64]


def fastest_by_knapsack(of: Subject, importance: float) -> Keep:
    """Return the fastest of the refilled plans, over :data:`SWEPT` budgets, that keep a share of the importance.

    Args:
        of: network and platform.
        importance: share, above 0 and at most 1.

    Raises:
        ValueError: ``importance`` is not in range.
    """
    _check(importance)
    enough = []
    for share in (1.0, *np.linspace(0.95, 0.2, SWEPT)):
        try:
            plan = prune_to(float(share), REFILL, of)
        except ValueError:  # it is not reached, nor are those below
            break
        if plan.importance >= importance * of.taylor.sum() * (1 - 1e-12):
            enough.append(plan)
    return min(enough, key=lambda plan: (plan.latency, -plan.importance)).keep


def fastest_of_all(of: Subject, importance: float, grid: int = GRID) -> Keep:
    """Return the fastest plan that keeps a share of the importance, of all whose widths are multiples of ``grid``.

    Groups with a branch beside them may be emptied, and of each the most important channels are kept.  The latency of a layer
    depends on the widths of the group that it reads and of that which it writes, so the sum over the layers is one array with an
    axis a group.

    Args:
        of: network and platform; each layer reads and writes the channels of one group, or those of no group.
        importance: share, above 0 and at most 1.
        grid: channels between widths.

    Raises:
        ValueError: ``importance`` is not in range, or a layer reads or writes several groups.
    """
    _check(importance)
    graph = of.graph
    widths = [_widths(graph, group, grid) for group in graph.groups]
    ranked = [group.start + np.argsort(-of.taylor[group.units], kind="stable") for group in graph.groups]
    shape = tuple(len(options) for options in widths)
    latency, kept = np.zeros(shape), np.zeros(shape)
    for place, (order, options) in enumerate(zip(ranked, widths, strict=True)):
        kept += _along(np.append(0.0, np.cumsum(of.taylor[order]))[options], (place,), len(shape))
    for layer in graph.layers.values():
        axes, sizes = zip(*(_axis(of, layer.name, units) for units in (layer.inputs, layer.outputs)), strict=True)
        choices = [widths[axis] if axis is not None else [size] for axis, size in zip(axes, sizes, strict=True)]
        ms = np.array([[_ms(of, layer, int(i), int(o)) for o in choices[1]] for i in choices[0]])
        latency += _along(ms, axes, len(shape))
    enough = kept >= importance * of.taylor.sum() * (1 - 1e-12)
    fastest = latency[enough].min() * (1 + 1e-12)
    best = np.unravel_index(np.where(enough & (latency <= fastest), kept, -1.0).argmax(), shape)
    keep = np.zeros(graph.units, bool)
    for order, options, chosen in zip(ranked, widths, best, strict=True):
        keep[order[: options[chosen]]] = True
    return keep


def _widths(graph: ChannelGraph, group: ChannelGroup, grid: int) -> NDArray[np.int64]:
    least = 0 if graph.can_be_emptied(group) else grid
    return np.unique(np.append(np.arange(least, group.size, grid), group.size))


def _ms(of: Subject, layer: ConvLayer, inputs: int, outputs: int) -> float:
    return of.table(layer.spec(of.batch, inputs, outputs)) if inputs and outputs else 0.0


def _check(importance: float) -> None:
    if not 0 < importance <= 1:
        raise ValueError(f"importance must be above 0 and at most 1, a share, got {importance!r}")


def _axis(of: Subject, layer: str, units: NDArray[np.int64]) -> tuple[int | None, int]:
    """Return the place of the group whose channels these are, None where they are never removed, and their number."""
    if (units < 0).all():
        return None, len(units)
    for place, group in enumerate(of.graph.groups):
        if np.array_equal(np.sort(units), np.arange(group.start, group.start + group.size)):
            return place, group.size
    raise ValueError(f"{layer} must read and write one group each, got channels of several")


def _along(values: Array, axes: tuple[int | None, ...], dims: int) -> Array:
    """Return values with one axis a group, of length 1 but for ``axes`` (None: an axis of length 1 that is dropped)."""
    values = values[tuple(0 if axis is None else slice(None) for axis in axes)]
    present = [axis for axis in axes if axis is not None]
    if len(set(present)) < len(present):  # reads and writes the same group
        values, present = values.diagonal(), present[:1]
    values = values.transpose(np.argsort(present))
    shape = [1] * dims
    for axis, length in zip(sorted(present), values.shape, strict=True):
        shape[axis] = length
    return values.reshape(shape)


def measure_platforms(
    seeds: tuple[int, ...] = (0, 1, 2),
    importance: float = 0.8,
    batch: int = 64,
    platforms: tuple[str, ...] = tuple(PLATFORMS),
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Plan for each platform the fastest network that keeps a share of the importance, and run it on each.

    Args:
        seeds: of the networks.
        importance: share that every plan keeps at least.
        batch: images at once.
        platforms: simulated, with illustrative constants.
        progress: called for each seed.

    Returns:
        Columns ``seed``, ``solver`` (the refilled knapsack or :data:`EXACT`), ``planned_for``, ``run_on``, ``latency`` (share of
        the whole network's there) and ``importance`` (share kept).
    """
    rows, solvers = [], {REFILL: fastest_by_knapsack, EXACT: fastest_of_all}
    for done, seed in enumerate(seeds):
        progress(done, len(seeds), f"platforms, seed {seed}")
        task = pruning_task(seed)
        tables: dict[str, LatencyTable] = {name: simulate_latency_table(name) for name in platforms}
        subjects = {name: subject(task, table, batch) for name, table in tables.items()}
        for solver, fastest in solvers.items():
            for planned, of in subjects.items():
                keep = fastest(of, importance)
                share = float(of.taylor[of.graph.effective(keep)].sum() / of.taylor.sum())
                for run, there in subjects.items():
                    rows.append((seed, solver, planned, run, there.latency(keep) / there.dense, share))
    return pd.DataFrame(rows, columns=["seed", "solver", "planned_for", "run_on", "latency", "importance"])
