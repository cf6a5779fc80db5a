"""How much a network loses with a channel: the first-order Taylor importance of HALP, and others to compare it with.

Shen et al., NeurIPS 2022 (arXiv 2210.06659), Eq. 3, after Molchanov et al., "Importance Estimation for Neural Network
Pruning", CVPR 2019 (arXiv 1906.10771).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.pruning.channel_graph import ChannelGraph, ChannelGroup

Scores = NDArray[np.float64]

TAYLOR_KINDS = ("published", "squared", "absolute")
MAGNITUDE_KINDS = ("l2", "norm_scale")


class Importance(ABC):
    """Importances of the units of a network; a larger one is kept before a smaller one.

    Args:
        graph: of the network.
    """

    def __init__(self, graph: ChannelGraph) -> None:
        self.graph = graph

    def update(self, model: nn.Module) -> bool:
        """Take note of a batch, after ``backward()`` and before the optimiser's step; return whether it counts."""
        return True

    @abstractmethod
    def scores(self, model: nn.Module) -> Scores:
        """Return the importance (units,)."""

    def reset(self) -> None:
        """Forget all batches, as after each pruning step."""
        return

    def of_units(self, group: ChannelGroup, layer: str, channels: Tensor) -> Tensor:
        """Return the sums (size of the group,) over the channels (C_out,) of each unit of a layer."""
        units = self.graph.layers[layer].outputs - group.start
        if len(units) == group.size and np.array_equal(units, np.arange(group.size)):
            return channels
        inside = np.flatnonzero((units >= 0) & (units < group.size))
        channels = channels[torch.from_numpy(inside).to(channels.device)]
        return channels.new_zeros(group.size).index_add(
            0, torch.from_numpy(units[inside]).to(channels.device), channels
        )

    def has_norms(self, group: ChannelGroup) -> bool:
        """Whether each layer of a group is read by a batch norm with scale and shift, and by nothing else."""
        return all(self.graph.layers[layer].norm is not None for layer in group.layers)


class TaylorImportance(Importance):
    """The mean over batches of ``| sum over the layers of a group of (gamma dL/dgamma + beta dL/dbeta) |``, a unit.

    gamma and beta are scale and shift of the batch norm that alone reads a convolution.  In a group where a convolution has none
    (none at all, one without scale, or more that read it) the sum is ``w dL/dw`` over the rows of weights, for all its layers.
    The sum over coupled layers keeps its signs; the mean is arithmetic, over the batches since :meth:`reset`.  A batch with a
    score that is not finite, anywhere in the network, is left out.

    Args:
        graph: of the network.
        kind: ``"published"``; ``"squared"`` for the square in place of the absolute value; ``"absolute"`` for absolute values of
            each layer before they are summed.

    Attributes:
        batches: in the mean.
        skipped: left out because they were not finite.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 1, 1, bias=False))
    >>> graph = ChannelGraph.trace(net, torch.zeros(1, 1, 1, 1))
    >>> _ = net[0].weight.data.fill_(3.0), net[2].weight.data.copy_(torch.tensor([[[[1.0]], [[-2.0]]]]))
    >>> net(torch.ones(1, 1, 1, 1)).sum().backward()
    >>> importance = TaylorImportance(graph)
    >>> importance.update(net)
    True
    >>> importance.scores()
    array([3., 6.])
    """

    def __init__(self, graph: ChannelGraph, kind: str = "published") -> None:
        super().__init__(graph)
        if kind not in TAYLOR_KINDS:
            raise ValueError(f"kind must be one of {', '.join(TAYLOR_KINDS)}, got {kind!r}")
        self.kind = kind
        self._sum: Tensor | None = None
        self.batches = self.skipped = 0

    def update(self, model: nn.Module) -> bool:
        """Add a batch: called after ``backward()`` and before the optimiser changes weights or gradients.

        Returns:
            Whether the batch counts; False where a score is not finite.

        Raises:
            RuntimeError: a layer has no gradient.
        """
        scores = torch.cat([self._scores_of(model, group) for group in self.graph.groups])
        if not torch.isfinite(scores).all():
            self.skipped += 1
            return False
        self._sum = scores if self._sum is None else self._sum + scores
        self.batches += 1
        return True

    def scores(self, model: nn.Module | None = None) -> Scores:
        """Return the mean importance (units,); ``model`` does not matter.

        Raises:
            RuntimeError: no batch was added since :meth:`reset`, or all were left out.
        """
        if self._sum is None:
            left_out = f" ({self.skipped} were left out as not finite)" if self.skipped else ""
            raise RuntimeError(f"no batch was added{left_out}: run backward() and update(model) before scores()")
        return self._sum.double().cpu().numpy() / self.batches

    def reset(self) -> None:
        self._sum, self.batches, self.skipped = None, 0, 0

    def _scores_of(self, model: nn.Module, group: ChannelGroup) -> Tensor:
        by_norm = self.has_norms(group)
        parts = []
        for layer in group.layers:
            if by_norm:
                norm = model.get_submodule(self.graph.layers[layer].norm)
                channels = norm.weight.detach() * _gradient(norm.weight, layer)
                channels = channels + norm.bias.detach() * _gradient(norm.bias, layer)
            else:
                weight = model.get_submodule(layer).weight
                channels = (weight.detach() * _gradient(weight, layer)).flatten(1).sum(1)
            part = self.of_units(group, layer, channels)
            parts.append(part.abs() if self.kind == "absolute" else part)
        total = torch.stack(parts).sum(0)
        return total.square() if self.kind == "squared" else total.abs()


class MagnitudeImportance(Importance):
    """The size of weights, for which no batch is needed.

    Args:
        graph: of the network.
        kind: ``"l2"``: the norm of a unit's rows of weights in all layers of the group, over the root of their number;
            ``"norm_scale"``: the sum of ``|gamma|`` where all layers of a group have a batch norm, and ``"l2"`` elsewhere.
    """

    def __init__(self, graph: ChannelGraph, kind: str = "l2") -> None:
        super().__init__(graph)
        if kind not in MAGNITUDE_KINDS:
            raise ValueError(f"kind must be one of {', '.join(MAGNITUDE_KINDS)}, got {kind!r}")
        self.kind = kind

    def scores(self, model: nn.Module) -> Scores:
        """Return the importance (units,) of the weights as they are."""
        return torch.cat([self._scores_of(model, group) for group in self.graph.groups]).double().cpu().numpy()

    def _scores_of(self, model: nn.Module, group: ChannelGroup) -> Tensor:
        if self.kind == "norm_scale" and self.has_norms(group):
            norms = {layer: model.get_submodule(self.graph.layers[layer].norm) for layer in group.layers}
            return sum(self.of_units(group, layer, norm.weight.detach().abs()) for layer, norm in norms.items())
        weights = {layer: model.get_submodule(layer).weight.detach() for layer in group.layers}
        squares = sum(
            self.of_units(group, layer, weight.flatten(1).square().sum(1)) for layer, weight in weights.items()
        )
        counts = sum(
            self.of_units(group, layer, weight.new_full((len(weight),), weight[0].numel()))
            for layer, weight in weights.items()
        )
        return (squares / counts).sqrt()


class RandomImportance(Importance):
    """Importances drawn evenly from 0 to 1, anew after each :meth:`reset`: the least that a criterion must beat.

    Args:
        graph: of the network.
        seed: of the draws.
    """

    def __init__(self, graph: ChannelGraph, seed: int = 0) -> None:
        super().__init__(graph)
        self._rng = np.random.default_rng(seed)
        self.reset()

    def scores(self, model: nn.Module | None = None) -> Scores:
        """Return the importance (units,); ``model`` does not matter."""
        return self._scores

    def reset(self) -> None:
        self._scores = self._rng.random(self.graph.units)


def _gradient(parameter: Tensor, layer: str) -> Tensor:
    if parameter.grad is None:
        raise RuntimeError(f"the parameters of {layer} have no gradient: run backward() before update()")
    return parameter.grad
