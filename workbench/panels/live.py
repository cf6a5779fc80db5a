"""Figures that stay on the page and are updated in place."""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go
from plotly.basedatatypes import Undefined


def _value_at(trace: dict[str, Any], path: str) -> Any:
    """Return what a trace has at a path such as ``marker.color`` or ``dimensions[0].values``, None when it has nothing."""
    at: Any = trace
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            at = at[int(part)] if isinstance(at, list) else at[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return at


class LiveFigure(go.FigureWidget):
    """A FigureWidget of which a batch of edits reaches every trace as it was meant.

    Where a batch edits a property of some traces only, plotly marks the others with a sentinel that its page part takes for
    a value: a curve that is not in the batch loses its ``y``.  Here those others are sent what they already have.

    >>> figure = LiveFigure(data=[{"y": [1, 2]}, {"y": [3, 4], "name": "kept"}])
    >>> with figure.batch_update():
    ...     figure.data[0].y = [5, 6]
    ...     figure.data[1].name = "new"
    >>> figure.data[0].y, figure.data[1].y, figure.data[1].name
    ((5, 6), (3, 4), 'new')
    """

    def _send_update_msg(
        self,
        restyle_data: dict[str, Any],
        relayout_data: dict[str, Any],
        trace_indexes: Any = None,
        source_view_id: str | None = None,
    ) -> None:
        indexes = self._normalize_trace_indexes(trace_indexes)
        whole = {
            path: [
                _value_at(self._data[index], path) if value is Undefined else value
                for index, value in zip(indexes, values, strict=True)
            ]
            if isinstance(values, list) and any(value is Undefined for value in values)
            else values
            for path, values in restyle_data.items()
        }
        super()._send_update_msg(whole, relayout_data, indexes, source_view_id)
