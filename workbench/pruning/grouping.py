"""How many channels make one item of the knapsack: as many as one step of the latency staircase.

Shen et al., NeurIPS 2022 (arXiv 2210.06659), section 3.3: channels within a step are free, so they are kept or removed together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from workbench.pruning.channel_graph import ChannelGraph, ChannelGroup
from workbench.pruning.latency_table import LatencyTable

JUMP = 0.25
"""Of the largest rise between neighbouring widths, the share from which on a rise is a jump and not noise."""


def step_size(widths: Sequence[int], ms: ArrayLike) -> int:
    """Return the step of a staircase: the usual distance, in channels, between its jumps.

    Args:
        widths: evenly spaced, rising, from the smallest width that is looked at to the whole layer.
        ms: the latency at each.

    Returns:
        The median distance of neighbouring jumps up; the spacing of ``widths`` where each of them is a jump, and the whole width
        where there is none.

    Raises:
        ValueError: the widths are not evenly spaced and rising, or there are not as many ms.

    >>> step_size(range(4, 65, 4), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
    16
    """
    widths, ms = np.asarray(widths, int), np.asarray(ms, float)
    if widths.ndim != 1 or not len(widths) or widths.shape != ms.shape or len(set(np.diff(widths).tolist())) > 1:
        raise ValueError(
            f"widths must be evenly spaced with one ms each, got {widths.tolist()!r:.80} and shape {ms.shape}"
        )
    if len(widths) > 1 and widths[1] <= widths[0]:
        raise ValueError(f"widths must rise, got {widths.tolist()!r:.80}")
    rises = np.diff(ms)
    if not len(rises) or rises.max() <= 0:
        return int(widths[-1])
    jumps = widths[:-1][rises > JUMP * rises.max()]
    return int(np.median(np.diff(jumps))) if len(jumps) > 1 else int(jumps[0])


def latency_group_sizes(
    graph: ChannelGraph,
    table: LatencyTable,
    batch: int,
    granularity: int = 8,
    groups: Sequence[ChannelGroup] | None = None,
) -> dict[str, int]:
    """Return the item size of each group, in units: the largest step of its layers.

    The whole staircase of each layer is looked at, with all of its inputs, so the table is asked for each width.

    Args:
        graph: of the network.
        table: of the device.
        batch: images.
        granularity: the smallest step, and the spacing of the widths that are looked at.
        groups: which; None for all.

    Raises:
        KeyError: the table does not know one of these widths.
        ValueError: ``granularity`` is not positive.
    """
    if not isinstance(granularity, int) or granularity < 1:
        raise ValueError(f"granularity must be a positive whole number of channels, got {granularity!r}")
    everything = graph.widths(graph.everything())
    sizes = {}
    for group in graph.groups if groups is None else groups:
        steps = []
        for name in group.layers:
            layer, (inputs, outputs) = graph.layers[name], everything[name]
            members = (layer.outputs >= group.start) & (layer.outputs < group.start + group.size)
            wide = max(int(members.sum()) // group.size, 1)  # channels a unit
            widths = range(granularity, outputs // wide + 1, granularity)
            if not widths:
                steps.append(group.size)
                continue
            specs = [
                layer.spec(batch, inputs * width * wide // outputs if layer.groups > 1 else inputs, width * wide)
                for width in widths
            ]
            steps.append(step_size(widths, [table(spec) for spec in specs]))
        sizes[group.name] = min(max(steps), group.size)
    return sizes


def check_group_sizes(graph: ChannelGraph, sizes: int | Mapping[str, int], *, allow_ragged: bool) -> dict[str, int]:
    """Return the item size of each group, in units, of one size for all or of sizes by layer (the largest of a group's counts).

    Raises:
        ValueError: a size is not a positive whole number or does not divide the units of its group.
        KeyError: a group has none.
    """
    found = {}
    for group in graph.groups:
        if isinstance(sizes, Mapping):
            known = [
                sizes[name] for name in (*group.layers, *(f"module.{name}" for name in group.layers)) if name in sizes
            ]
            if not known:
                raise KeyError(f"group_size has no entry for {', '.join(group.layers)}")
        else:
            known = [sizes]
        for size in known:
            if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
                raise ValueError(f"the group size of {group.name} must be a positive whole number, got {size!r}")
        found[group.name] = size = min(int(max(known)), group.size)
        if group.size % size and not allow_ragged:
            fitting = ", ".join(str(part) for part in range(2, group.size) if group.size % part == 0 and part <= 128)
            raise ValueError(
                f"group size {size} does not divide {group.size} channels of {group.name}; use {fitting or 1} or allow_ragged=True"
            )
    return found
