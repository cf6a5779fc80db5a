"""What the claims of a paper are judged by: the values of its results table, by setting and quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pandas as pd

NOT_MEASURED = "not measured"
COLUMNS = ("claim", "statement", "paper", "measured", "holds")


class Measured:
    """The values of a results table by setting and quantity.

    Args:
        results: has columns ``setting``, ``quantity``, ``value`` and ``spread``.
        quantity: the one that is meant where none is named.

    >>> rows = pd.DataFrame({"setting": ["FAN"], "quantity": ["accuracy"], "value": [0.76], "spread": [0.011]})
    >>> Measured(rows).text("FAN", "accuracy")
    '0.76 ± 0.01'
    """

    def __init__(self, results: pd.DataFrame, quantity: str | None = None) -> None:
        self._quantity = quantity
        self._rows = results.set_index(["setting", "quantity"])[["value", "spread"]].sort_index()

    def __call__(self, setting: str, quantity: str | None = None) -> float:
        """Return a value; raises KeyError."""
        return float(self._rows.loc[(setting, quantity or self._quantity), "value"])

    def spread(self, setting: str, quantity: str | None = None) -> float:
        """Return its standard deviation over seeds, 0 where there is one seed; raises KeyError."""
        spread = float(self._rows.loc[(setting, quantity or self._quantity), "spread"])
        return 0.0 if math.isnan(spread) else spread

    def text(self, setting: str, quantity: str | None = None, digits: int = 2) -> str:
        """Return value and spread, such as ``0.76 ± 0.01``; raises KeyError."""
        value, spread = self(setting, quantity), self.spread(setting, quantity)
        return f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread else "")

    def clear(self, setting: str, quantity: str | None = None) -> int:
        """Return 1 or -1 where a difference is more than two spreads above or below 0, else 0; raises KeyError."""
        value = self(setting, quantity)
        return 0 if abs(value) <= 2 * self.spread(setting, quantity) else 1 if value > 0 else -1

    def settings(self, start: str, quantity: str | None = None) -> list[str]:
        """Return the settings that begin so and have the quantity, in alphabetical order."""
        return [name for name, of in self._rows.index if of == (quantity or self._quantity) and name.startswith(start)]


Judge = Callable[[Measured], tuple[str, str]]
"""Returns what was measured, in words, and whether the claim holds: yes, partly or no."""


def judged(
    claims: Mapping[str, tuple[str, str, Judge]], results: pd.DataFrame, quantity: str | None = None
) -> pd.DataFrame:
    """Return the claims beside the measured numbers; those whose values are missing are "not measured".

    Args:
        claims: by name: what the abstract says, the paper's numbers, and the judge.
        results: the results table of the paper.
        quantity: the one that a judge means where it names none.

    Returns:
        The columns of :data:`COLUMNS`.
    """
    value, rows = Measured(results, quantity), []
    for claim, (statement, paper, judge) in claims.items():
        try:
            measured, holds = judge(value)
        except (KeyError, FileNotFoundError):  # a quick run leaves parts out
            measured, holds = "Not part of this run", NOT_MEASURED
        rows.append((claim, statement, paper, measured, holds))
    return pd.DataFrame(rows, columns=list(COLUMNS))
