"""How the latency target falls over the pruning steps."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def exponential_schedule(initial: float, final: float, steps: int) -> NDArray[np.float64]:
    """Return the targets (steps,) in ms, ``C_t = C_0 (C_final / C_0)^(t / k)`` for t = 1 ... k; the last one is ``final``.

    Source: HALP, section 3.4, after de Jorge et al., "Progressive Skeletonization", ICLR 2021 (arXiv 2006.09081).

    Args:
        initial: latency of the whole network, in ms.
        final: latency wanted, in ms, not above ``initial``.
        steps: k.

    Raises:
        ValueError: a latency is not positive and finite, ``final`` is above ``initial``, or ``steps`` is no positive whole number.

    >>> exponential_schedule(100, 25, 2)
    array([50., 25.])
    """
    for name, value in (("initial", initial), ("final", final)):
        if not (isinstance(value, (int, float, np.floating)) and math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive finite ms, got {value!r}")
    if final > initial:
        raise ValueError(
            f"final is {final:g} ms, above the {initial:g} ms of the start: pruning only makes a network faster"
        )
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps must be a positive whole number, got {steps!r}")
    targets = initial * (final / initial) ** (np.arange(1, steps + 1) / steps)
    targets[-1] = final
    return targets
