"""Put what a freshly drawn figure shows into a live one, trace by trace, so that the page only gets what changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go


def copy_into(live: go.Figure, drawn: go.Figure) -> None:
    """Update the traces and layout of ``live`` in place to those of ``drawn``.

    Both figures come from one drawing function, so they have the same traces in the same order; properties that are equal
    are left alone.

    Raises:
        ValueError: the figures do not have the same number of traces.

    >>> live = go.Figure([go.Scatter(x=[1, 2], y=[1, 2])])
    >>> trace = live.data[0]
    >>> copy_into(live, go.Figure([go.Scatter(x=[1, 2], y=[3, 4], name="new")]))
    >>> live.data[0] is trace, live.data[0].y, live.data[0].name
    (True, (3, 4), 'new')
    """
    if len(live.data) != len(drawn.data):
        raise ValueError(f"the figures must have the same traces, got {len(live.data)} and {len(drawn.data)}")
    for old, new in zip(live.data, drawn.data, strict=True):
        _copy(old, new.to_plotly_json())
    layout = drawn.layout.to_plotly_json()
    layout.pop("template", None)
    for name in ("shapes", "annotations"):
        layout.setdefault(name, [])
    _copy(live.layout, layout)


def _copy(target: Any, values: dict[str, Any]) -> None:
    current = target.to_plotly_json()
    for name, value in values.items():
        if name in ("type", "uid"):
            continue
        if not _equal(current.get(name), value):
            target[name] = value


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return np.shape(first) == np.shape(second) and bool(np.array_equal(first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[name], second[name]) for name in first)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(_equal(a, b) for a, b in zip(first, second, strict=True))
    return bool(first == second)
