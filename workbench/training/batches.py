"""Batches whose order and content do not depend on how many processes share them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate as running_sum

import torch
from torch.utils.data import Sampler


def piece_sizes(samples: int, pieces: int) -> list[int]:
    """Return the sizes of ``pieces`` consecutive pieces of ``samples``, equal up to one, the larger ones first.

    >>> piece_sizes(10, 4), piece_sizes(1, 2)
    ([3, 3, 2, 2], [1, 0])
    """
    size, larger = divmod(samples, pieces)
    return [size + (piece < larger) for piece in range(pieces)]


class ShardedBatches(Sampler[list[int]]):
    """The sample indices that one process of several loads, piece by piece.

    All processes draw the same order of all samples and cut it into the same batches of ``batch_size``.  A batch is cut
    into ``accumulate * processes`` pieces; process ``rank`` takes every ``processes``-th.  When a batch has too few samples
    for all processes, one without samples loads the batch's first sample, which counts as 0 samples, because a step of
    DDP needs a backward pass in every process.

    Parameters:
        samples: length of the data set.
        batch_size: samples of a batch over all processes.
        accumulate: pieces of a batch that a process takes one after the other.
        processes: number of processes.
        rank: number of this process, from 0.
        shuffle: draw a new order each time that the sampler is iterated.
        drop_last: leave out a smaller last batch.
        generator: draws the order; in the same state in every process.

    Raises:
        ValueError: there is no batch to draw.

    >>> [list(ShardedBatches(5, 4, processes=2, rank=rank, shuffle=False)) for rank in (0, 1)]
    [[[0, 1], [4]], [[2, 3], [4]]]
    >>> [ShardedBatches(5, 4, processes=2, rank=rank).counts(step=1) for rank in (0, 1)]
    [[1], [0]]
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        *,
        accumulate: int = 1,
        processes: int = 1,
        rank: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self.samples, self.batch_size = samples, batch_size
        self.accumulate, self.processes, self.rank = accumulate, processes, rank
        self.shuffle, self.generator = shuffle, generator
        self.steps = samples // batch_size if drop_last else -(-samples // batch_size)
        if self.steps == 0:
            raise ValueError(
                f"the training data has {samples} samples, too few for one batch (batch_size {batch_size})"
            )

    def batch_samples(self, step: int) -> int:
        """Return how many samples batch ``step`` (from 0) holds over all processes."""
        return min(self.batch_size, self.samples - step * self.batch_size)

    def counts(self, step: int) -> list[int]:
        """Return how many samples count in each piece that this process takes of batch ``step``."""
        return [len(piece) for piece in self._own(range(self.batch_samples(step)))]

    def _own(self, batch: Sequence[int]) -> Iterator[Sequence[int]]:
        sizes = piece_sizes(len(batch), self.accumulate * self.processes)
        ends = list(running_sum(sizes))
        for first in range(0, len(sizes), self.processes):
            if sizes[first] == 0:
                break
            own = first + self.rank
            yield batch[ends[own] - sizes[own] : ends[own]]

    def __len__(self) -> int:
        return sum(len(self.counts(step)) for step in range(self.steps))

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self.samples, generator=self.generator).tolist() if self.shuffle else range(self.samples)
        for step in range(self.steps):
            start = step * self.batch_size
            batch = order[start : start + self.batch_size]
            for piece in self._own(batch):
                yield list(piece) or [batch[0]]
