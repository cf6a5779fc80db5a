"""What tracing collects: which channels of which tensors must be kept or removed together, and which may not be removed.

Every channel of every output has a number of its own; 0 stands for all that can never be removed, such as the colours of an image.
An operation that needs two channels to be kept together joins their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Numbers = NDArray[np.int64]

KEPT = 0
"""The number of what is always kept."""


@dataclass(frozen=True)
class Value:
    """A tensor: its shape and, where it has channels that may be removed, in which dimension and their numbers.

    ``zero`` says that a channel is exactly zero here once all that makes it (rows of weights, scales and shifts) is set to zero;
    only then does a layer that reads it not miss it.
    """

    shape: tuple[int, ...]
    dim: int | None = None
    numbers: Numbers | None = None
    zero: bool = False


@dataclass(frozen=True)
class Axis:
    """One dimension of a parameter or buffer that is divided into channels.

    ``makes`` says that these channels are made here (a row of weights, a scale), and so are set to zero in a masked network.
    """

    module: str
    attribute: str
    dim: int
    makes: bool


@dataclass
class ConvRecord:
    """A convolution as met in tracing; ``sizes`` of its input, one each time it is called, and the batch norms that read it."""

    inputs: Numbers
    outputs: Numbers
    sizes: list[tuple[int, int]]
    norms: set[str | None] = field(default_factory=set)


@dataclass
class Collection:
    """Numbers given out, joined and frozen; the axes of parameters they belong to; the convolutions."""

    count: int = 1
    joined: list[tuple[Numbers, Numbers]] = field(default_factory=list)
    frozen: list[tuple[Numbers, str]] = field(default_factory=list)
    axes: dict[Axis, Numbers] = field(default_factory=dict)
    convs: dict[str, ConvRecord] = field(default_factory=dict)

    def fresh(self, count: int) -> Numbers:
        """Return so many new numbers."""
        self.count += count
        return np.arange(self.count - count, self.count)

    def join(self, a: Numbers, b: Numbers) -> None:
        """Keep ``a[i]`` and ``b[i]`` together."""
        if a is not b:
            self.joined.append((a, b))

    def join_blocks(self, numbers: Numbers, blocks: int, others: Numbers | None = None) -> None:
        """Keep the channels of each of ``blocks`` equal parts together, and with those of the same part of ``others``."""
        parts = numbers.reshape(blocks, -1)
        first = (parts if others is None else others.reshape(blocks, -1))[:, :1]
        self.join(parts.ravel(), np.broadcast_to(first, parts.shape).ravel())

    def freeze(self, numbers: Numbers, reason: str) -> None:
        """Never remove these channels."""
        self.frozen.append((numbers, reason))

    def axis(self, module: str, attribute: str, dim: int, numbers: Numbers, *, makes: bool) -> Numbers:
        """Note that a dimension of a parameter has these channels, or join them with those that it was found to have before."""
        known = self.axes.setdefault(Axis(module, attribute, dim, makes), numbers)
        self.join(known, numbers)
        return known

    def components(self) -> tuple[Numbers, dict[int, str]]:
        """Return the component of each number, and why a component is frozen."""
        a, b = (np.concatenate([np.zeros(1, np.int64), *(pair[side] for pair in self.joined)]) for side in (0, 1))
        graph = coo_array((np.ones(len(a)), (a, b)), shape=(self.count, self.count))
        _, labels = connected_components(graph, directed=False)
        reasons = {int(labels[KEPT]): "it reaches back to the input of the network"}
        for numbers, reason in self.frozen:
            for label in np.unique(labels[numbers]):
                reasons.setdefault(int(label), reason)
        return labels.astype(np.int64), reasons
