"""Figures of "How Much More Data Do I Need?" over many targets or tasks: ratios, the transfer of tau, the interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.how_much_data import CURVE_ORDER, Array, style
from workbench.figures.theme import DIVERGING, GRID, ROLES, TEMPLATE, new_figure


def ratio_figure(ratios: pd.DataFrame, rounds: int, title: str, published: pd.DataFrame | None = None) -> go.Figure:
    """Draw collected / needed for every function (rows) and target (columns) as a heat map.

    Args:
        ratios: columns ``curve``, ``target``, ``ratio``.
        rounds: number of rounds T, for the title.
        title: name of the task.
        published: the same columns with the paper's values, drawn as dots.
    """
    table = ratios.pivot(index="curve", columns="target", values="ratio").reindex(
        [c for c in CURVE_ORDER if c in set(ratios["curve"])]
    )
    figure = new_figure(
        f"{title}: collected / needed with at most {rounds} round{'s' if rounds > 1 else ''}",
        "Target (score points)",
        "Function (name)",
        height=360,
    )
    figure.add_heatmap(
        x=table.columns,
        y=table.index,
        z=np.clip(np.log2(table), -2, 2),
        text=[[f"{value:.2f}" if value < 9.95 else f"{value:.0f}" for value in row] for row in table.to_numpy()],
        texttemplate="%{text}",
        colorscale=DIVERGING,
        zmid=0,
        zmin=-2,
        zmax=2,
        xgap=1,
        ygap=1,
        colorbar={
            "tickvals": [-2, -1, 0, 1, 2],
            "ticktext": ["≤ ¼", "½", "1", "2", "≥ 4"],
            "title": "ratio",
            "thickness": 12,
        },
        hovertemplate="%{y}, target %{x}: collected / needed = %{text}<extra></extra>",
    )
    dots = published if published is not None else ratios.head(0)
    figure.add_scatter(
        x=dots["target"],
        y=dots["curve"],
        mode="markers",
        marker={"symbol": "circle-open", "size": 30, "color": "black", "line": {"width": 2}},
        customdata=dots["ratio"],
        hovertemplate="the paper reads %{customdata:.2f} here<extra></extra>",
        name="the paper gives a value here: "
        + ", ".join(f"{c} {r:.2f}" for c, r in zip(dots["curve"], dots["ratio"], strict=True)),
        showlegend=len(dots) > 0,
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(dtick=1 if table.shape[1] <= 24 else 2)
    return figure


def correction_figure(matrix: pd.DataFrame, curve: str, rounds: int, learned_on: str, used_on: str) -> go.Figure:
    """Draw failures and largest ratio for every pair (task that tau is learned on, task that it is used on).

    Args:
        matrix: columns ``learned_on``, ``used_on``, ``tau``, ``failures`` (% of targets), ``largest_ratio``.
        curve: the function, for the title.
        rounds: number of rounds T, for the title.
        learned_on, used_on: the pair that is framed.
    """
    tasks = list(dict.fromkeys(matrix["learned_on"]))
    tau = matrix.drop_duplicates("learned_on").set_index("learned_on")["tau"]
    rows = [f"{task}  (tau {tau[task]:g})" for task in tasks]
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.12,
        subplot_titles=("Targets missed (%)", "Largest collected / needed (ratio)"),
    )
    figure.update_layout(
        template=TEMPLATE,
        height=430,
        margin_t=92,
        title_text=f"tau learned on one task, used on another ({curve}, T = {rounds})",
    )
    panels = (("failures", "Cividis", 0, 100, ".0f", False), ("largest_ratio", "Cividis", 0, 4, ".3g", True))
    for column, (value, scale, low, high, form, log) in enumerate(panels, start=1):
        table = matrix.pivot(index="learned_on", columns="used_on", values=value).loc[tasks, tasks].to_numpy()
        figure.add_heatmap(
            x=tasks,
            y=rows,
            z=np.log2(np.maximum(table, 1e-9)) if log else table,
            zmin=low,
            zmax=high,
            text=[[format(cell, form) for cell in row] for row in table],
            texttemplate="%{text}",
            colorscale=scale,
            showscale=False,
            xgap=1,
            ygap=1,
            hovertemplate="learned on %{y}, used on %{x}: %{text}<extra></extra>",
            row=1,
            col=column,
        )
        i, j = tasks.index(used_on), tasks.index(learned_on)
        figure.add_shape(
            type="rect",
            x0=i - 0.5,
            x1=i + 0.5,
            y0=j - 0.5,
            y1=j + 0.5,
            line={"color": ROLES["target"], "width": 4},
            row=1,
            col=column,
        )
        figure.update_xaxes(title_text="Used on (task)", row=1, col=column)
    figure.update_yaxes(title_text="tau learned on (task)", row=1, col=1)
    figure.update_yaxes(autorange="reversed")
    return figure


def interval_figure(answers: pd.DataFrame, truth: Array, title: str) -> go.Figure:
    """Draw the band between the smallest and the largest of the four answers against the target, and the truth in it.

    Args:
        answers: column ``target`` and one column a function with its one-round answer.
        truth: (targets,) what is needed.
        title: title of the figure.
    """
    names = [name for name in CURVE_ORDER if name in answers]
    table = answers[names].to_numpy()
    finite = np.where(np.isfinite(table), table, np.nan)
    limit = 30 * np.nanmax(truth)
    low, high = np.nanmin(finite, 1), np.minimum(np.where(np.isinf(table).any(1), np.inf, np.nanmax(finite, 1)), limit)
    figure = new_figure(title, "Target (score points)", "Training samples (count)", height=430)
    figure.add_scatter(x=answers["target"], y=low, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=answers["target"],
        y=high,
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor=GRID,
        name="interval of the four",
        hoverinfo="skip",
    )
    for name in names:
        figure.add_scatter(
            x=answers["target"],
            y=np.minimum(np.where(np.isfinite(answers[name]), answers[name], limit), limit),
            mode="lines",
            name=name,
            **_line(name),
        )
    figure.add_scatter(
        x=answers["target"],
        y=truth,
        mode="lines+markers",
        line={"color": ROLES["truth"], "width": 3},
        marker={"symbol": "star", "size": 10, "color": ROLES["truth"]},
        name="needed (truth)",
    )
    figure.update_yaxes(type="log")
    return figure


def _line(curve: str) -> dict[str, object]:
    return {"line": style(curve)["line"]}
