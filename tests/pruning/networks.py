"""Small networks that have what channel graphs must cope with, and random plans for them."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from workbench.pruning import ChannelGraph, ChannelPlan, mask, shrink


def settled(model, seed=0):
    """Return a network in double precision and evaluation mode, of which no scale, shift or statistic is trivial."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)) and module.weight is not None:
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.3, 0.3, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.double().eval()


def small_resnet(classes=5):
    """A residual network of one basic block a stage."""
    torch.manual_seed(0)
    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=classes)


def random_plan(graph, seed, share=0.6, emptied=0.0):
    """Keep each unit with a probability; empty a share of the groups that can be, as long as the network stays one."""
    rng = np.random.default_rng(seed)
    keep = rng.random(graph.units) < share
    for layer in graph.layers.values():
        units = layer.outputs[layer.outputs >= 0]
        if len(units) and not keep[units].any():
            keep[units[0]] = True
    for group in graph.groups:
        if rng.random() < emptied:
            without = keep.copy()
            without[group.units] = False
            keep = without if graph.live(without).broken is None else keep
    return ChannelPlan(graph, keep)


def difference(model, plan, images):
    """Return the largest difference between the outputs of the shrunk and of the masked network, and the shrunk one."""
    small = shrink(model, plan)
    with torch.no_grad():
        ours, masked = small(images), mask(copy.deepcopy(model), plan)(images)
    ours, masked = ((out,) if isinstance(out, torch.Tensor) else out for out in (ours, masked))
    return max(float((a - b).abs().max()) for a, b in zip(ours, masked, strict=True)), small


def graph_of(model, *shape):
    return ChannelGraph.trace(model, torch.zeros(shape or (1, 3, 16, 16)))


class Branches(nn.Module):
    """Two branches side by side: ``left`` may be emptied, or ``right``, but not both."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.left = nn.Sequential(nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 1))
        self.right = nn.Sequential(nn.Conv2d(6, 7, 3, padding=1), nn.ReLU(), nn.Conv2d(7, 4, 1))
        self.head = nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x):
        x = self.stem(x).relu()
        return self.head((self.left(x) + self.right(x)).relu())
