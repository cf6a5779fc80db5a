"""Set removed channels to zero, in place: the network that a shrunk one is equal to, and that is trained while pruning."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from workbench.pruning._channel_values import Axis
from workbench.pruning.channel_plan import ChannelPlan


class Masks:
    """The removed channels of a network: rows of weights and biases, and scale, shift and statistics of norms.

    An optimiser with momentum revives them, so :meth:`apply` is called after each of its steps (section 3.4 of HALP).

    Args:
        model: the network, on any device.
        plan: what is kept.

    Raises:
        ValueError: the network is not the one that the plan is of.
    """

    def __init__(self, model: nn.Module, plan: ChannelPlan) -> None:
        kept = np.append(plan.keep, True)
        self._model = model
        self._removed: dict[Axis, Tensor] = {}
        for axis, units in plan.graph.axes.items():
            tensor = parameter(model, axis.module, axis.attribute, axis.dim, len(units))
            removed = np.flatnonzero(~kept[units])
            if axis.makes and len(removed):
                self._removed[axis] = torch.from_numpy(removed).to(tensor.device)

    @torch.no_grad()
    def apply(self) -> None:
        """Set them to zero, wherever the network is now."""
        for axis, removed in self._removed.items():
            tensor = getattr(self._model.get_submodule(axis.module), axis.attribute)
            if removed.device != tensor.device:
                self._removed[axis] = removed = removed.to(tensor.device)
            tensor.index_fill_(axis.dim, removed, 0)


def mask(model: nn.Module, plan: ChannelPlan) -> nn.Module:
    """Set the removed channels of a network to zero, in place, and return it.

    >>> from workbench.pruning import ChannelGraph
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    >>> plan = ChannelPlan.keeping(ChannelGraph.trace(net, torch.zeros(1, 3, 16, 16)), {"0": [0, 1]})
    >>> mask(net, plan)[0].weight.abs().sum((1, 2, 3)).count_nonzero()
    tensor(2)
    """
    Masks(model, plan).apply()
    return model


def parameter(model: nn.Module, module: str, attribute: str, dim: int, size: int) -> Tensor:
    """Return a parameter or buffer; raise ValueError where the network has none of that size."""
    try:
        tensor = getattr(model.get_submodule(module), attribute)
    except AttributeError:
        tensor = None
    if not isinstance(tensor, Tensor) or tensor.dim() <= dim or tensor.shape[dim] != size:
        came = f"shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else "none"
        raise ValueError(
            f"the plan is of another network: {module}.{attribute} must have {size} channels in dimension {dim}, got {came}"
        )
    return tensor
