"""The kernel's memory of panels: a panel that is built again under the same key finds its state again."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Remembered:
    """What is kept of the panel of one class and key.

    Attributes:
        values: the last value of each trait that was ever changed.
        initial: the values that the constructor was given, to tell an edited cell from one that is merely run again.
        panel: the live panel, weakly.
    """

    values: dict[str, Any] = field(default_factory=dict)
    initial: dict[str, Any] = field(default_factory=dict)
    panel: weakref.ref | None = None


_PANELS: dict[tuple[str, str, str], Remembered] = {}


def recall(panel: object, key: str | None) -> Remembered:
    """Return the memory of ``panel``'s class and ``key``; a panel without a key gets a fresh one that nobody else reads."""
    if key is None:
        return Remembered()
    kind = type(panel)
    return _PANELS.setdefault((kind.__module__, kind.__qualname__, key), Remembered())


def forget() -> None:
    """Forget the state of all panels, as a restart of the kernel does."""
    _PANELS.clear()


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal, or one object where equality is not a yes or no (arrays, tables).

    >>> import numpy as np
    >>> same(1, 1.0), same(np.arange(3), np.arange(3))
    (True, False)
    """
    if left is right:
        return True
    try:
        return bool(left == right)
    except (TypeError, ValueError):
        return False


def same_number(first: Any, second: Any) -> bool:
    """Return whether two values are one number up to rounding: a page sends a slider's value back with an error in the last digit.

    >>> same_number(30.000000000000004, 30.0), same_number(30.25, 30.0), same_number("log", "power")
    (True, False, False)
    """
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(map(same_number, first, second))
    return isinstance(first, float) and isinstance(second, float) and math.isclose(first, second, rel_tol=1e-12)
