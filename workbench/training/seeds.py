"""Seeds, the state of every random number generator, and settings that a run borrows and gives back."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, numpy and torch (CPU and CUDA), and return a torch generator with the same seed.

    Parameters:
        seed: from 0 to 2**32 - 1.

    Raises:
        ValueError: the seed is outside that range.

    >>> generator = seed_everything(3)
    >>> first = torch.rand(2), random.random()
    >>> _ = seed_everything(3)
    >>> bool((torch.rand(2) == first[0]).all()), random.random() == first[1]
    (True, True)
    """
    if not 0 <= seed <= 2**32 - 1:
        raise ValueError(f"seed is {seed}, expected a whole number from 0 to 2**32 - 1")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the global generator is what third-party augmentations draw from)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def derived_seed(seed: int, *path: int) -> int:
    """Return a seed that is independent for every ``path`` (a process, a purpose) and the same on every machine.

    >>> derived_seed(0, 1) == derived_seed(0, 1), derived_seed(0, 1) == derived_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence((seed, *path)).generate_state(1)[0])


def rng_state(generators: Mapping[str, torch.Generator] | None = None) -> dict[str, Any]:
    """Return the state of Python's, numpy's, torch's and the current CUDA device's generators, and of those named.

    The values are tensors, numbers, strings, lists and tuples only, so that ``torch.load(weights_only=True)`` reads them.
    """
    name, key, *rest = np.random.get_state()  # noqa: NPY002 (as above: the global generator)
    return {
        "python": random.getstate(),
        "numpy": (name, key.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        **{name: generator.get_state() for name, generator in (generators or {}).items()},
    }


def set_rng_state(state: Mapping[str, Any], generators: Mapping[str, torch.Generator] | None = None) -> None:
    """Put every generator back into a state that :func:`rng_state` returned.

    >>> state = rng_state()
    >>> drawn = torch.rand(1).item(), np.random.rand(), random.random()
    >>> set_rng_state(state)
    >>> drawn == (torch.rand(1).item(), np.random.rand(), random.random())
    True
    """
    random.setstate(state["python"])
    name, key, *rest = state["numpy"]
    np.random.set_state((name, np.asarray(key, dtype=np.uint32), *rest))  # noqa: NPY002 (the global generator)
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(state["cuda"])
    for generator_name, generator in (generators or {}).items():
        generator.set_state(state[generator_name])


@contextmanager
def preserved_settings() -> Iterator[None]:
    """Give back the random states, torch's thread count and its determinism flags as they were.

    >>> threads = torch.get_num_threads()
    >>> with preserved_settings():
    ...     torch.set_num_threads(1)
    >>> torch.get_num_threads() == threads
    True
    """
    state, threads = rng_state(), torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        set_rng_state(state)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark


def use_settings(*, num_threads: int | None, deterministic: bool) -> None:
    """Set torch's thread count (None: as it is) and choose deterministic algorithms where torch has them."""
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    if deterministic:
        # cuBLAS reads this once, before its first call, and is not deterministic without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
