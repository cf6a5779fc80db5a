"""Freed memory is used again without a page fault."""

from __future__ import annotations

import pytest
import torch

from workbench.training.allocator import keep_freed_memory

resource = pytest.importorskip("resource")


def faults(rounds: int = 20) -> float:
    """Return the page faults of filling 16 MB, when blocks of that size were freed before."""
    for _ in range(20):
        torch.ones(4, 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(4, 2**20)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / rounds


def test_large_blocks_are_kept():
    if not keep_freed_memory():
        pytest.skip("the C library has no mallopt")
    assert faults() < 100  # 4 096 pages otherwise


def test_asking_again_is_free():
    assert keep_freed_memory() is keep_freed_memory()
    assert keep_freed_memory.cache_info().hits > 0
