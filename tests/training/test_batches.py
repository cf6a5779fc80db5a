"""Batches are the same however many processes and pieces share them."""

from __future__ import annotations

from itertools import chain

import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.training.batches import ShardedBatches, piece_sizes

counts = st.integers(1, 5)


@given(samples=st.integers(0, 100), pieces=st.integers(1, 20))
def test_pieces_are_even_and_lose_nothing(samples, pieces):
    sizes = piece_sizes(samples, pieces)
    assert sum(sizes) == samples
    assert len(sizes) == pieces
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@given(
    samples=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    accumulate=counts,
    processes=counts,
    shuffle=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_together_the_processes_take_the_batches_of_one(samples, batch_size, accumulate, processes, shuffle, seed):
    def batches(rank, processes, accumulate):
        return ShardedBatches(
            samples,
            batch_size,
            accumulate=accumulate,
            processes=processes,
            rank=rank,
            shuffle=shuffle,
            generator=torch.Generator().manual_seed(seed),
        )

    alone = list(batches(0, 1, 1))
    assert sorted(chain.from_iterable(alone)) == list(range(samples))
    shared = [batches(rank, processes, accumulate) for rank in range(processes)]
    pieces = [iter(list(sampler)) for sampler in shared]
    for step, whole in enumerate(alone):
        assert shared[0].batch_samples(step) == len(whole)
        per_process = [sampler.counts(step) for sampler in shared]
        assert len({len(own) for own in per_process}) == 1, "every process takes as many pieces, or DDP would hang"
        together = []
        for piece in range(len(per_process[0])):
            for rank in range(processes):
                indices, count = next(pieces[rank]), per_process[rank][piece]
                assert len(indices) == max(count, 1)
                assert set(indices) <= set(whole)
                together += indices[:count]
        assert together == whole
    assert all(next(left, None) is None for left in pieces)
    assert all(len(sampler) == sum(map(len, map(sampler.counts, range(len(alone))))) for sampler in shared)


def test_each_epoch_draws_a_new_order_and_the_generator_repeats_it():
    sampler = ShardedBatches(50, 50, generator=torch.Generator().manual_seed(1))
    first, second = next(iter(sampler)), next(iter(sampler))
    again = ShardedBatches(50, 50, generator=torch.Generator().manual_seed(1))
    assert first != second
    assert [next(iter(again)), next(iter(again))] == [first, second]
