"""The items of the knapsack: blocks of channels by falling importance, and the ms that each adds to the layers of its group.

Shen et al., NeurIPS 2022 (arXiv 2210.06659), Eq. 5: ``c_l^j = T_l(p_{l-1}, j) - T_l(p_{l-1}, j - 1)`` at the input width that a
layer has now.  What the next layer saves with a narrower input is left out, so that the network comes out faster than the sum says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.pruning.channel_graph import ChannelGraph, ChannelGroup, ConvLayer, Keep
from workbench.pruning.latency_table import LatencyTable

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GroupItems:
    """The items of one group, the most important first.

    Attributes:
        group: whose.
        order: its kept units, by falling importance; of equal ones the first comes first.
        ends: after how many of these each item ends; the first item reaches as far as gives each layer a channel.
        costs: (n,) ms that each adds.
        values: (n,) importance that each adds.
    """

    group: ChannelGroup
    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    costs: Array
    values: Array


def knapsack_items(
    graph: ChannelGraph, table: LatencyTable, batch: int, keep: Keep, scores: Array, sizes: Mapping[str, int]
) -> tuple[list[GroupItems], float]:
    """Return the items of the groups that keep anything, and the ms of what is not removed.

    A layer of which several groups hold channels pays for those of the groups before first, so that the costs of all its items add
    up to its latency.  Layers of dead branches cost nothing, and groups of nothing else are worth nothing.

    Args:
        graph: of the network.
        table: of the device.
        batch: images.
        keep: (units,) what is kept now; what is not cannot come back.
        scores: (units,) importances.
        sizes: units an item, by group; the last, least important item may be smaller.

    Raises:
        ValueError: a score is negative or not finite.
    """
    scores = np.asarray(scores, float)
    if scores.shape != (graph.units,) or not (np.isfinite(scores) & (scores >= 0)).all():
        raise ValueError(
            f"scores must be {graph.units} numbers that are finite and not negative, got shape {scores.shape}"
        )
    calls, widths = graph.calls(keep), graph.widths(keep)
    items = []
    fixed = 0.0
    for layer in graph.layers.values():
        always = int((layer.outputs < 0).sum())
        fixed += sum(_ms(table, layer, batch, widths[layer.name][0], always, call) for call in calls[layer.name])
    for group in graph.groups:
        units = group.start + np.flatnonzero(keep[group.units])
        if not len(units):
            continue
        order = units[np.argsort(-scores[units], kind="stable")]
        ends = np.append(np.arange(0, len(order), sizes[group.name]), len(order))
        ends = np.append(0, ends[ends >= _reaching_all(graph, group, order)])
        total = np.zeros(len(ends))
        for name in group.layers:
            layer = graph.layers[name]
            before = int((layer.outputs < 0).sum()) + int(
                np.append(keep, False)[layer.outputs][layer.outputs < group.start].sum()
            )
            outputs = before + _counts(layer.outputs, order, ends)
            inputs = np.full(len(ends), widths[name][0])
            if layer.groups > 1:  # its inputs go with its outputs
                inputs = inputs - _counts(layer.inputs, order, ends)[-1] + _counts(layer.inputs, order, ends)
            for call in calls[name]:
                total += [_ms(table, layer, batch, int(i), int(o), call) for i, o in zip(inputs, outputs, strict=True)]
        worth = scores[order] if any(calls[name] for name in group.layers) else np.zeros(len(order))
        values = np.concatenate([[0.0], np.cumsum(worth)])[ends]
        items.append(GroupItems(group, order, ends[1:], np.diff(total), np.maximum(np.diff(values), 0.0)))
    return items, fixed


def _reaching_all(graph: ChannelGraph, group: ChannelGroup, order: NDArray[np.int64]) -> int:
    """Return how many units of ``order`` leave each layer a channel: 1, but where a layer has channels of some units only."""
    first = [np.isin(order, graph.layers[name].outputs) for name in group.layers]
    return 1 + max(int(found.argmax()) for found in first if found.any())


def _counts(channels: NDArray[np.int64], order: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many channels of a layer the first ``ends`` units of ``order`` have."""
    each = np.bincount(channels[channels >= 0], minlength=int(order.max()) + 1)
    return np.concatenate([[0], np.cumsum(each[order])])[ends]


def _ms(table: LatencyTable, layer: ConvLayer, batch: int, inputs: int, outputs: int, call: int) -> float:
    return table(layer.spec(batch, inputs, outputs, call)) if inputs and outputs else 0.0
