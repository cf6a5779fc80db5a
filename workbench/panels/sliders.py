"""Sliders whose page hears of a range before it hears of the value in it."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets


class _RangeFirst:
    """Sends a state with the value last.

    A page applies a state in its order: a value that arrives before its range is moved into the old one and sent back, and
    then the kernel takes the old end for what the person wants.

    >>> list(FloatSlider(value=20, min=10, max=30).get_state({"value", "max", "min"}))[-1]
    'value'
    """

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        state = super().get_state(key, drop_defaults)
        if "value" in state:
            state["value"] = state.pop("value")
        return state


class IntSlider(_RangeFirst, widgets.IntSlider):
    """A slider of whole numbers."""


class FloatSlider(_RangeFirst, widgets.FloatSlider):
    """A slider of numbers."""


class FloatRangeSlider(_RangeFirst, widgets.FloatRangeSlider):
    """A slider of pairs of numbers."""


class FloatLogSlider(_RangeFirst, widgets.FloatLogSlider):
    """A slider of numbers that are spread by their logarithm."""
