"""How the C library treats memory that a network's layers free: it decides half of the time of a picture on a CPU."""

from __future__ import annotations

import ctypes
import functools

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 32 * 2**20
"""Blocks above so many bytes are given back when they are freed: the most that glibc allows."""

KEPT = 256 * 2**20
"""Freed bytes at the end of the heap from which on they are given back."""


@functools.cache
def keep_freed_memory() -> bool:
    """Tell this process to keep freed blocks for the next layer and the next picture, and return whether it can.

    By default glibc gives large blocks back to the system as soon as they are freed, and fetches zeroed pages for the next:
    some 15 000 page faults per picture of 512 x 320, as much time as the convolutions take. Up to 256 MB more stay here.
    Elsewhere than on glibc nothing happens.
    """
    try:
        change = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(change(_MMAP_THRESHOLD, LARGEST_KEPT)) and bool(change(_TRIM_THRESHOLD, KEPT))
