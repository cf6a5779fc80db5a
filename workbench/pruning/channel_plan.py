"""Which channels of a network are kept: what a pruner decides, and what shrinking carries out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.pruning.channel_graph import ChannelGraph, Keep


@dataclass(frozen=True)
class ChannelPlan:
    """The channels that are kept, and what a solver knows of them.

    Attributes:
        graph: of the network.
        keep: (units,) whether each unit is kept.
        latency: sum of ms over the table once the network is shrunk, None where no table was asked.
        budget: ms that were allowed.
        importance: of what is kept and still has an effect.
        bound: no plan within the budget that the solver was given keeps more.
    """

    graph: ChannelGraph
    keep: Keep = field(repr=False)
    latency: float | None = None
    budget: float | None = None
    importance: float | None = None
    bound: float | None = None

    def __post_init__(self) -> None:
        keep = np.asarray(self.keep)
        if keep.dtype != bool or keep.shape != (self.graph.units,):
            raise ValueError(
                f"keep must be {self.graph.units} flags, one a unit, got shape {keep.shape} of type {keep.dtype}"
            )

    @classmethod
    def keeping(cls, graph: ChannelGraph, kept: Mapping[str, Iterable[int]]) -> ChannelPlan:
        """Return the plan that keeps certain units of some groups, and all of the others.

        Args:
            graph: of the network.
            kept: indices of units, by the name of any layer of a group.

        Raises:
            KeyError: a layer is in no group.
            ValueError: an index is none of its units.

        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3))
        >>> plan = ChannelPlan.keeping(ChannelGraph.trace(net, torch.zeros(1, 3, 16, 16)), {"0": [6, 1, 2]})
        >>> plan.kept, plan.widths
        ({'0': array([1, 2, 6])}, {'0': (3, 3), '2': (3, 4)})
        """
        keep = graph.everything()
        for layer, indices in kept.items():
            group, chosen = graph.group(layer), np.asarray(list(indices), np.int64)
            wrong = (chosen < 0) | (chosen >= group.size)
            if wrong.any():
                raise ValueError(f"{layer} has units 0 to {group.size - 1}, and {chosen[wrong][0]} was to be kept")
            keep[group.units] = False
            keep[group.start + chosen] = True
        return cls(graph, keep)

    @classmethod
    def from_masks(cls, graph: ChannelGraph, masks: Mapping[tuple[str, ...], ArrayLike]) -> ChannelPlan:
        """Return the plan of masks, such as those of the published code: 0 or 1 a channel, by the names of a group's layers.

        Groups without a mask are kept whole.

        Raises:
            KeyError: a layer is in no group.
            ValueError: the layers of a mask are not one group, or it has another length or other values.
        """
        kept = {}
        for layers, mask in masks.items():
            group, flags = graph.group(layers[0]), np.asarray(mask)
            if set(layers) != set(group.layers):
                raise ValueError(f"a mask is of {', '.join(layers)}, but the network couples {', '.join(group.layers)}")
            if flags.shape != (group.size,) or not np.isin(flags, (0, 1)).all():
                raise ValueError(
                    f"the mask of {group.name} must be {group.size} numbers 0 or 1, got shape {flags.shape}"
                )
            kept[group.name] = np.flatnonzero(flags)
        return cls.keeping(graph, kept)

    @property
    def kept(self) -> dict[str, NDArray[np.int64]]:
        """Return the kept units of each group, rising, by its name."""
        return {group.name: np.flatnonzero(self.keep[group.units]) for group in self.graph.groups}

    @property
    def widths(self) -> dict[str, tuple[int, int]]:
        """Return the input and output channels that each layer has left."""
        return self.graph.widths(self.keep)

    @property
    def dead(self) -> tuple[str, ...]:
        """Return the convolutions that are not computed any more: they are empty, read nothing, or nothing reads them."""
        return tuple(name for name, calls in self.graph.calls(self.keep).items() if not calls)
