"""Remove channels for good: a smaller network of the same class, with the same outputs as the masked one."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from workbench.pruning._surgery import cut_dead_branches
from workbench.pruning.channel_graph import ChannelGraph, Keep
from workbench.pruning.channel_plan import ChannelPlan
from workbench.pruning.masking import parameter


def shrink(model: nn.Module, plan: ChannelPlan) -> nn.Module:
    """Return a network without the removed channels; the one given is not changed.

    In evaluation mode its outputs are those of the masked network, up to rounding.  It is of the same class, with the same names in
    its state dict and smaller tensors.  Where a branch has become a constant, the module around it is replaced by a traced one
    that adds this constant, a parameter ``add_bias`` (1, C, 1, 1) as in the published checkpoints: what a zero becomes on its way
    through the branch to the sum, norms and activations included.

    A new optimiser is needed, since the parameters are new.

    Args:
        model: the network that the plan's graph was traced from; whether it is masked makes no difference.
        plan: what is kept.

    Raises:
        ValueError: the network is another one, or would not be one any more: nothing of its input reaches its output.

    >>> from workbench.pruning import ChannelGraph
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    >>> plan = ChannelPlan.keeping(ChannelGraph.trace(net, torch.zeros(1, 3, 16, 16)), {"0": [5, 1]})
    >>> shrink(net, plan)
    Sequential(
      (0): Conv2d(3, 2, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
      (2): Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1))
    )
    """
    graph, keep = plan.graph, plan.keep
    liveness = graph.live(keep)
    if liveness.broken:
        raise ValueError(f"the network cannot be shrunk like this: {liveness.broken}")
    small = copy.deepcopy(model, _sliced(model, graph, keep))
    _set_widths(small, graph)
    if liveness.folds or liveness.dropped or liveness.needed != graph.live(graph.everything()).needed:
        small = cut_dead_branches(small, model, graph, keep, liveness)
    return small


def _sliced(model: nn.Module, graph: ChannelGraph, keep: Keep) -> dict[int, Tensor]:
    """Return the smaller tensors by the identity of those they replace: what ``deepcopy`` takes instead of copying."""
    kept = np.append(keep, True)
    sliced: dict[int, Tensor] = {}
    originals: dict[int, Tensor] = {}
    for axis, units in graph.axes.items():
        original = parameter(model, axis.module, axis.attribute, axis.dim, len(units))
        originals[id(original)] = original
        flags = kept[units]
        if not flags.all():
            index = torch.from_numpy(np.flatnonzero(flags)).to(original.device)
            tensor = sliced.get(id(original), original.detach())
            sliced[id(original)] = tensor.index_select(axis.dim, index)
    return {
        name: nn.Parameter(tensor, originals[name].requires_grad)
        if isinstance(originals[name], nn.Parameter)
        else tensor
        for name, tensor in sliced.items()
    }


def _set_widths(model: nn.Module, graph: ChannelGraph) -> None:
    """Let the modules say the widths that their tensors have."""
    for name in dict.fromkeys(axis.module for axis in graph.axes):
        module = model.get_submodule(name)
        if isinstance(module, nn.Conv2d):
            layer = graph.layers[name]
            module.out_channels = module.weight.shape[0]
            if module.groups == 1:
                module.in_channels = module.weight.shape[1]
            else:
                module.groups = module.groups * module.out_channels // len(layer.outputs)
                module.in_channels = module.groups * module.weight.shape[1]
        elif isinstance(module, nn.Linear):
            module.in_features = module.weight.shape[1]
        elif isinstance(module, nn.GroupNorm):
            module.num_groups = module.num_groups * len(module.weight) // module.num_channels
            module.num_channels = len(module.weight)
        elif isinstance(module, _NormBase):
            module.num_features = len(module.weight if module.affine else module.running_mean)
        elif isinstance(module, nn.PReLU):
            module.num_parameters = len(module.weight)
