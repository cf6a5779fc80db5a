"""Which channels of a network are kept or removed together, which layers read them, and what that makes of each convolution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.pruning._channel_values import Axis, Collection
from workbench.pruning._flow import Step, steps_of
from workbench.pruning._liveness import Liveness, follow
from workbench.pruning._tracing import trace_channels
from workbench.pruning._units import units_of
from workbench.pruning.conv_spec import ConvSpec, Size
from workbench.pruning.latency_table import LatencyTable

Units = NDArray[np.int64]
Keep = NDArray[np.bool_]


@dataclass(frozen=True)
class ConvLayer:
    """A convolution, and the units that its channels belong to; a unit of -1 is never removed.

    Attributes:
        name: of its module.
        inputs: (C_in,) units.
        outputs: (C_out,) units.
        kernel: one number, or height and width where they differ; so are ``stride`` and ``dilation``.
        stride: see there.
        dilation: see there.
        groups: of the whole layer.
        sizes: height and width of its input, once for each time that it is called.
        norm: the batch norm that alone reads it, None where there is none.
    """

    name: str
    inputs: Units
    outputs: Units
    kernel: Size
    stride: Size
    dilation: Size
    groups: int
    sizes: tuple[tuple[int, int], ...]
    norm: str | None

    def spec(self, batch: int, inputs: int, outputs: int, call: int = 0) -> ConvSpec:
        """Return the convolution with other widths; a grouped one has fewer groups, each of its own width."""
        groups = self.groups * inputs // len(self.inputs) if self.groups > 1 else 1
        return ConvSpec(
            batch, inputs, outputs, self.sizes[call], self.kernel, self.stride, max(groups, 1), self.dilation
        )


@dataclass(frozen=True)
class ChannelGroup:
    """Convolutions whose output channels are kept or removed together.

    Attributes:
        layers: their names; the first names the group.
        start: its units are ``start ... start + size - 1``, in the order of the channels of the first layer.
        size: how many units it has.
    """

    layers: tuple[str, ...]
    start: int
    size: int

    @property
    def name(self) -> str:
        """Name of the first layer."""
        return self.layers[0]

    @property
    def units(self) -> slice:
        """The place of its units among all."""
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class ChannelGraph:
    """The convolutions of a network in the order in which they run, and the groups of their channels.

    What is kept is said by (units,) flags, one a unit; ``everything()`` keeps all.

    Attributes:
        layers: by name.
        groups: whose channels may be removed.
        units: in all groups.
        frozen: of each layer with channels that may not be removed, why not.
        axes: of each dimension of a parameter that has channels, their units; -1 is never removed.
        steps: the operations of the network.
    """

    layers: dict[str, ConvLayer]
    groups: tuple[ChannelGroup, ...]
    units: int
    frozen: dict[str, str]
    axes: dict[Axis, Units] = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)

    @classmethod
    def trace(
        cls,
        model: nn.Module,
        example: Tensor | Sequence[Tensor],
        *,
        protect: Iterable[str] = (),
        couple: Iterable[Sequence[str]] = (),
    ) -> ChannelGraph:
        """Follow the channels of a network from its inputs to its outputs; nothing is computed, and nothing of it changed.

        Channels that are added or multiplied are kept together, as are those that a depthwise convolution passes on; a grouped
        convolution or norm keeps or loses whole groups.  What reaches the output, or an operation that is not known to keep
        channels apart, is not removed, and ``frozen`` says why.

        Args:
            model: any network that torch.fx can trace, in evaluation mode.
            example: its input, or several, of the shapes that they will have: they decide the sizes of the feature maps.
            protect: convolutions whose output channels are not to be removed.
            couple: names of convolutions of equal width that are to be kept together although they need not be.

        Raises:
            ValueError: it cannot be traced, a name is no convolution that it runs, or coupled ones differ in width.
            TypeError: ``example`` holds no tensors.

        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> graph = ChannelGraph.trace(net, torch.zeros(1, 3, 16, 16))
        >>> [(group.layers, group.size) for group in graph.groups], graph.frozen
        ([(('0',), 8)], {'2': 'its channels reach the output of the network'})
        """
        inputs = [example] if isinstance(example, Tensor) else list(example)
        if not inputs or not all(isinstance(tensor, Tensor) for tensor in inputs):
            raise TypeError(f"example must be a tensor or several, got {example!r:.80}")
        flow, tracer = trace_channels(model, inputs)
        _protect(tracer.found, protect, couple)
        unit_of, groups, frozen = units_of(tracer.found)
        numbered = {node: value.numbers for node, value in tracer.values.items() if value.numbers is not None}
        return cls(
            layers={name: _layer(model, name, tracer.found, unit_of) for name in tracer.found.convs},
            groups=tuple(ChannelGroup(*group) for group in groups),
            units=sum(size for _, _, size in groups),
            frozen=frozen,
            axes={axis: unit_of[numbers] for axis, numbers in tracer.found.axes.items()},
            steps=steps_of(model, flow, {node: unit_of[numbers] for node, numbers in numbered.items()}),
        )

    def everything(self) -> Keep:
        """Return the flags (units,) that keep all."""
        return np.ones(self.units, bool)

    def group(self, layer: str) -> ChannelGroup:
        """Return the group of a layer.

        Raises:
            KeyError: its channels are in none; the message says why.
        """
        for group in self.groups:
            if layer in group.layers:
                return group
        raise KeyError(
            f"{layer} is in no group: {self.frozen.get(layer, 'the network runs no convolution of this name')}"
        )

    def widths(self, keep: Keep) -> dict[str, tuple[int, int]]:
        """Return how many input and output channels each layer has left."""
        kept = np.append(keep, True)
        return {
            name: (int(kept[layer.inputs].sum()), int(kept[layer.outputs].sum())) for name, layer in self.layers.items()
        }

    def live(self, keep: Keep) -> Liveness:
        """Return which operations are still needed, and where a branch has become a constant."""
        return follow(self.steps, keep)

    def calls(self, keep: Keep) -> dict[str, tuple[int, ...]]:
        """Return the calls of each layer that are still needed; a layer of a dead branch has none."""
        needed = self.live(keep).needed
        seen: dict[str, int] = dict.fromkeys(self.layers, 0)
        calls: dict[str, list[int]] = {name: [] for name in self.layers}
        for index, step in enumerate(self.steps):
            if step.kind in {"conv", "padded conv"} and step.target in calls:
                if index in needed:
                    calls[step.target].append(seen[step.target])
                seen[step.target] += 1
        return {name: tuple(numbers) for name, numbers in calls.items()}

    def effective(self, keep: Keep) -> Keep:
        """Return the flags without the groups of which no layer is computed any more: what they keep has no effect."""
        calls, flags = self.calls(keep), keep.copy()
        for group in self.groups:
            if not any(calls[name] for name in group.layers):
                flags[group.units] = False
        return flags

    def specs(self, batch: int, keep: Keep | None = None) -> list[ConvSpec]:
        """Return the convolutions that the network computes, those of dead branches left out."""
        keep = self.everything() if keep is None else keep
        widths = self.widths(keep)
        return [
            self.layers[name].spec(batch, *widths[name], call)
            for name, calls in self.calls(keep).items()
            for call in calls
        ]

    def latency(self, table: LatencyTable, batch: int, keep: Keep | None = None) -> float:
        """Return the sum of ms over the convolutions that the network computes (section 3.3 of HALP)."""
        return float(sum(table(spec) for spec in self.specs(batch, keep)))

    def can_be_emptied(self, group: ChannelGroup) -> bool:
        """Whether the network is one without this group: another branch runs beside what it makes constant."""
        keep = self.everything()
        keep[group.units] = False
        return self.live(keep).broken is None


def _layer(model: nn.Module, name: str, found: Collection, unit_of: Units) -> ConvLayer:
    conv, record = model.get_submodule(name), found.convs[name]
    kernel, stride, dilation = (
        size[0] if len(set(size)) == 1 else tuple(size) for size in (conv.kernel_size, conv.stride, conv.dilation)
    )
    return ConvLayer(
        name=name,
        inputs=unit_of[record.inputs],
        outputs=unit_of[record.outputs],
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        groups=conv.groups,
        sizes=tuple(record.sizes),
        norm=next(iter(record.norms)) if len(record.norms) == 1 else None,
    )


def _protect(found: Collection, protect: Iterable[str], couple: Iterable[Sequence[str]]) -> None:
    """Freeze the outputs of some convolutions and join those of others."""
    together = [tuple(layers) for layers in couple]
    protect = [protect] if isinstance(protect, str) else list(protect)
    for name in (*protect, *(name for layers in together for name in layers)):
        if name not in found.convs:
            raise ValueError(f"{name!r} is no convolution that the network runs; it has {', '.join(found.convs)[:200]}")
    for name in protect:
        found.freeze(found.convs[name].outputs, "it is protected")
    for first, *others in together:
        for other in others:
            a, b = (found.convs[name].outputs for name in (first, other))
            if len(a) != len(b):
                raise ValueError(f"{first} with {len(a)} channels and {other} with {len(b)} cannot be kept together")
            found.join(a, b)
