"""From joined numbers of channels to units, which are kept or removed whole, and groups of layers that share them."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workbench.pruning._channel_values import Collection, Numbers

NEVER = -1
"""The unit of channels that are never removed."""


def units_of(found: Collection) -> tuple[Numbers, list[tuple[tuple[str, ...], int, int]], dict[str, str]]:
    """Return the unit of each number, the groups (names of their layers, first unit, units), and why a layer is frozen."""
    labels, reasons = found.components()
    is_frozen = np.zeros(labels.max() + 1, bool)
    is_frozen[list(reasons)] = True
    names = list(found.convs)
    outputs = [labels[found.convs[name].outputs] for name in names]
    frozen = {
        name: reasons[int(out[is_frozen[out]][0])]
        for name, out in zip(names, outputs, strict=True)
        if is_frozen[out].any()
    }
    unit_of_label, groups, count = np.full(len(is_frozen), NEVER), [], 0
    for members in _sharing(outputs, is_frozen):
        together = np.concatenate([outputs[member] for member in members])
        together = together[~is_frozen[together]]
        _, first = np.unique(together, return_index=True)
        in_order = together[np.sort(first)]
        unit_of_label[in_order] = np.arange(count, count + len(in_order))
        groups.append((tuple(names[member] for member in members), count, len(in_order)))
        count += len(in_order)
    return unit_of_label[labels], groups, frozen


def _sharing(outputs: list[Numbers], is_frozen: np.ndarray) -> list[list[int]]:
    """Return the layers that share channels that may be removed, in order; layers without any are left out."""
    layer = np.concatenate([np.full(len(out), index) for index, out in enumerate(outputs)] or [np.zeros(0, int)])
    label = np.concatenate(outputs or [np.zeros(0, int)])
    layer, label = layer[~is_frozen[label]], label[~is_frozen[label]]
    size = len(outputs) + len(is_frozen)
    graph = coo_array((np.ones(len(layer)), (layer, len(outputs) + label)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for member in dict.fromkeys(layer.tolist()):
        groups.setdefault(int(component[member]), []).append(member)
    return list(groups.values())
