"""Figures that stay on the page and are updated in place."""

from __future__ import annotations

import gzip
import re
from typing import Any

import anywidget
import plotly
import plotly.graph_objects as go
import traitlets
from plotly.basedatatypes import Undefined

_USE_SCRIPT = """
function script(model) {
  const key = `plotly ${model.get("_version")} of the workbench`;
  globalThis[key] ??= (async () => {
    const holder = await model.widget_manager.get_model(model.get("_script"));
    const unpacked = new Blob([holder.get("packed")]).stream().pipeThrough(new DecompressionStream("gzip"));
    const url = URL.createObjectURL(new Blob([await new Response(unpacked).blob()], { type: "text/javascript" }));
    return import(url).finally(() => URL.revokeObjectURL(url));
  })().catch(error => { delete globalThis[key]; throw error; });
  return globalThis[key];
}

export default () => {
  let figure;
  return {
    async initialize(context) {
      figure = (await script(context.model)).default();
      await figure.initialize(context);
    },
    render(context) { return figure.render(context); },
  };
};
"""


class PlotlyScript(anywidget.AnyWidget):
    """Holds plotly's page part, some 5 MB of JavaScript, for all figures of a kernel."""

    _esm = "export default {};"
    packed = traitlets.Bytes().tag(sync=True)

    _shared: PlotlyScript | None = None

    @classmethod
    def shared(cls) -> PlotlyScript:
        """Return the one of this kernel, anew when its connection to the page was closed."""
        if cls._shared is None or cls._shared.comm is None:
            cls._shared = cls(packed=gzip.compress(str(go.FigureWidget._esm).encode(), compresslevel=3))
        return cls._shared


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
    """A FigureWidget that is light to make, and of which a batch of edits reaches every trace as it was meant.

    plotly sends its page part along with each single figure, 5 MB that the page reads each time; here the figures share one.

    Where a batch edits a property of some traces only, plotly marks the others with a sentinel that its page part takes for
    a value: a curve that is not in the batch loses its ``y``.  Here those others are sent what they already have.

    >>> figure = LiveFigure(data=[{"y": [1, 2]}, {"y": [3, 4], "name": "kept"}])
    >>> with figure.batch_update():
    ...     figure.data[0].y = [5, 6]
    ...     figure.data[1].name = "new"
    >>> figure.data[0].y, figure.data[1].y, figure.data[1].name
    ((5, 6), (3, 4), 'new')
    """

    _esm = _USE_SCRIPT
    _script = traitlets.Unicode().tag(sync=True)
    _version = traitlets.Unicode(plotly.__version__).tag(sync=True)

    @traitlets.default("_script")
    def _default_script(self) -> str:
        return PlotlyScript.shared().model_id

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the widget's state; the whole of it, which a page that opens later asks for, holds the traces as they are.

        plotly's own keeps the traces of the moment when the figure was made, so that a reloaded page or a dashboard, which
        opens after the notebook has run, would show a figure without its curves.
        """
        state = super().get_state(key=key, drop_defaults=drop_defaults)
        if key is None and getattr(self, "_data_objs", None) is not None:
            to_json = self.trait_metadata("_widget_data", "to_json")
            state["_widget_data"] = to_json([trace.to_plotly_json() for trace in self._data_objs], self)
            state["_widget_layout"] = to_json(self._layout_obj.to_plotly_json(), self)
        return state

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
