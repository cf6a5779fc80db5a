"""From the sum over a latency table to the latency of a real network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata


@dataclass(frozen=True)
class Calibration:
    """``real = slope * table + intercept``: sums over convolutions leave out the other layers, and what runs side by side.

    Attributes:
        slope: ms of the network a ms of the table.
        intercept: ms that no convolution accounts for.
        correlation: of table and reality over the networks that were measured.
        rank_correlation: whether the faster by the table is the faster in reality (Spearman).
        networks: how many were measured.
    """

    slope: float
    intercept: float
    correlation: float
    rank_correlation: float
    networks: int

    def __call__(self, table: ArrayLike) -> NDArray[np.float64]:
        """Return ms of networks whose convolutions sum to ``table`` ms."""
        return self.slope * np.asarray(table, float) + self.intercept


def calibrate(table: ArrayLike, real: ArrayLike) -> Calibration:
    """Fit a line to the measured latencies of networks, by least squares.

    Args:
        table: (n,) ms, the sums over a table.
        real: (n,) ms, measured.

    Raises:
        ValueError: shapes differ, a number is not positive and finite, or there are not two different sums.

    >>> line = calibrate([10, 20, 30], [15, 27, 39])
    >>> round(line.slope, 6), round(line.intercept, 6), float(line(40).round(6))
    (1.2, 3.0, 51.0)
    """
    table, real = np.asarray(table, float), np.asarray(real, float)
    if table.ndim != 1 or table.shape != real.shape:
        raise ValueError(
            f"table and real must be one-dimensional and of one length, got shapes {table.shape} and {real.shape}"
        )
    for name, values in (("table", table), ("real", real)):
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            raise ValueError(f"{name}[{wrong.argmax()}] is {values[wrong.argmax()]}, expected positive finite ms")
    if len(np.unique(table)) < 2:
        raise ValueError(f"a line needs networks of two different sums over the table at least, got {np.unique(table)}")
    slope, intercept = np.polyfit(table, real, 1)
    ranks = [rankdata(values) for values in (table, real)]
    correlations = (
        float(np.corrcoef(a, b)[0, 1]) if np.ptp(b) else 0.0 for a, b in ((table, real), (ranks[0], ranks[1]))
    )
    return Calibration(float(slope), float(intercept), *correlations, len(table))
