"""The figure of accuracy over what is left of a network, by each method."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.figures.theme import GREY, ROLES, TEMPLATE, series_style


def budgets_figure(
    points: pd.DataFrame,
    dense: float,
    left: str,
    title: str,
    order: tuple[str, ...],
    plan: tuple[float, float] | None = None,
) -> go.Figure:
    """Draw accuracy over what is left, a line a method, with the spread over the seeds.

    Args:
        points: columns ``method``, ``share`` (budget, %), ``left`` (%), ``accuracy`` (%) and ``spread`` (points, NaN for one seed).
        dense: accuracy of the whole network (%).
        left: what the axis measures.
        title: of the figure.
        order: all methods, whose places give colour and dash.
        plan: what is left and accuracy of the plan that is shown, None where there is none.
    """
    traces = [
        {
            "type": "scatter", "x": [0, 104], "y": [dense, dense], "mode": "lines", "name": "whole network",
            "line": {"color": GREY, "width": 1.5, "dash": "dot"}, "hovertemplate": "whole network: %{y:.1f} %<extra></extra>",
        }
    ]  # fmt: skip
    for place, method in enumerate(order):
        own = points[points["method"] == method].sort_values("share")
        style = series_style(place)
        traces.append(
            {
                "type": "scatter", "x": own["left"].to_numpy(), "y": own["accuracy"].to_numpy(), "mode": "lines+markers",
                "name": method, "showlegend": bool(len(own)), **style,
                "error_y": {"type": "data", "array": np.nan_to_num(own["spread"].to_numpy(float)), "thickness": 1, "width": 3},
                "customdata": [f"budget {share:g} % of the latency" for share in own["share"]],
                "hovertemplate": f"{method}, %{{customdata}}: %{{x:.1f}} % left, %{{y:.1f}} %<extra></extra>",
            }
        )  # fmt: skip
    traces.append(
        {
            "type": "scatter", "x": [] if plan is None else [plan[0]], "y": [] if plan is None else [plan[1]], "mode": "markers",
            "name": "plan shown above", "showlegend": plan is not None,
            "marker": {"color": ROLES["target"], "symbol": "diamond", "size": 14, "line": {"color": "white", "width": 1}},
            "hovertemplate": "this plan: %{x:.1f} % left, %{y:.1f} %<extra></extra>",
        }
    )  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 500,
        "xaxis": {"title": {"text": f"{left} left (%)"}, "range": [0, 102]},
        "yaxis": {"title": {"text": "Accuracy on test images (%)"}, "range": [0, 100]},
    }  # fmt: skip
    return go.Figure(traces, layout)
