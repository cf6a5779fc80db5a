"""Published beside measured: the paper's Table 1 as a coloured table, and its Figure 2 as overlaid curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.campaigns import player_style
from workbench.figures.theme import DIVERGING, ROLES, TEMPLATE, TEXT

ROUNDS = (1, 3, 5)
POLICIES = ("regression", "LOC")

MEASURES = (
    ("failures", "Targets missed (%)", 50.0, "50", "{:.0f}"),
    ("cost", "Cost above the least (ratio)", 1.0, "1", "{:.2f}"),
)
"""Column, heading, difference at which the colour is full and how it is said, and how a number is written."""


def table_figure(table: pd.DataFrame) -> go.Figure:
    """Draw Table 1: every cell reads "published | measured", and its colour is the difference.

    Args:
        table: columns ``task``, ``policy``, ``rounds``, ``failures``, ``paper_failures``, ``cost``, ``paper_cost``, as
            :func:`workbench.experiments.collection_tables.table_1` returns them.
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=[heading for _, heading, *_ in MEASURES],
    )
    rows = [f"{task}, {policy}" for task in dict.fromkeys(table["task"]) for policy in POLICIES]
    named = table.assign(row=table["task"] + ", " + table["policy"])
    for column, (name, _, full, said, form) in enumerate(MEASURES, start=1):
        ours, paper = (named.pivot(index="row", columns="rounds", values=v).loc[rows] for v in (name, f"paper_{name}"))
        _add_cells(figure, column, ours, paper, full, said, form)
    figure.update_layout(
        template=TEMPLATE,
        title_text="Table 1, in each cell: published | measured here"
        "<br><sub>colour: measured − published; red is worse here, blue is better</sub>",
        height=600,
        margin_t=96,
        margin_b=100,
        showlegend=False,
    )
    figure.update_annotations(font_size=13)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_xaxes(type="category", title_text="Rounds T (count)", showgrid=False)
    figure.update_yaxes(title_text="Task and policy (name)", row=1, col=1)
    return figure


def _add_cells(
    figure: go.Figure, column: int, ours: pd.DataFrame, paper: pd.DataFrame, full: float, said: str, form: str
) -> None:
    """Add the coloured cells, and in plain text those where one number is missing, so that there is no difference."""
    names = [f"T = {rounds}" for rounds in ours.columns]
    text = [
        [f"{_number(p, form)} | {_number(o, form)}" for p, o in zip(published, here, strict=True)]
        for published, here in zip(paper.to_numpy(), ours.to_numpy(), strict=True)
    ]
    difference = ours.to_numpy() - paper.to_numpy()
    known = np.isfinite(difference)
    left, right = figure.layout[f"xaxis{column if column > 1 else ''}"].domain
    figure.add_heatmap(
        x=names,
        y=ours.index,
        z=np.where(known, np.clip(difference, -full, full), None),
        zmin=-full,
        zmax=full,
        text=np.where(known, text, ""),
        texttemplate="%{text}",
        colorscale=DIVERGING,
        reversescale=True,
        xgap=1,
        ygap=1,
        colorbar={
            "orientation": "h",
            "x": (left + right) / 2,
            "len": 0.9 * (right - left),
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "thickness": 10,
            "tickvals": [-full, 0, full],
            "ticktext": [f"−{said}", "same", f"+{said}"],
        },
        hovertemplate="%{y}, %{x}: published | measured %{text}<extra></extra>",
        row=1,
        col=column,
    )
    missing = np.argwhere(~known)
    figure.add_scatter(
        x=[names[j] for _, j in missing],
        y=[ours.index[i] for i, _ in missing],
        text=[text[i][j] for i, j in missing],
        mode="text",
        textfont={"color": TEXT},
        hoverinfo="skip",
        row=1,
        col=column,
    )


def _number(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "–"


def overlay_figure(ratios: pd.DataFrame, task: str) -> go.Figure:
    """Draw Figure 2 for one task: collected / needed against the target, one plot a number of rounds.

    Args:
        ratios: columns ``source`` (``"published"``, ``"here"``), ``policy``, ``rounds``, ``target``, ``ratio``, as
            :func:`workbench.experiments.collection_tables.figure_2` returns them.
        task: name of the task, for the title.
    """
    titles = [f"T = {rounds}" for rounds in ROUNDS]
    figure = make_subplots(rows=1, cols=3, shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=titles)
    for column, rounds in enumerate(ROUNDS, start=1):
        for policy in POLICIES:
            for source in ("here", "published"):
                part = ratios[
                    (ratios["source"] == source) & (ratios["policy"] == policy) & (ratios["rounds"] == rounds)
                ]
                figure.add_scatter(
                    x=part["target"],
                    y=part["ratio"],
                    **_looks(policy, source),
                    legendgroup=f"{policy} {source}",
                    showlegend=column == 1,
                    hovertemplate=f"{policy}, {source}, T = {rounds}, target %{{x}}: %{{y:.2f}}<extra></extra>",
                    row=1,
                    col=column,
                )
    figure.add_hline(y=1, line={"color": ROLES["truth"], "width": 2, "dash": "dot"})
    figure.update_layout(
        template=TEMPLATE, title_text=f"{task}: data collected / data needed (Figure 2)", height=430, margin_t=80
    )
    figure.update_annotations(font_size=13)
    low, high = ratios["ratio"].min(), ratios["ratio"].max()
    window = [np.log10(min(0.7, low)) - 0.05, np.log10(max(1.5, high)) + 0.05]
    ticks = [
        value
        for value in (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50)
        if window[0] <= np.log10(value) <= window[1]
    ]
    figure.update_yaxes(type="log", range=window, tickvals=ticks)
    figure.update_xaxes(title_text="Target (score points)")
    figure.update_yaxes(title_text="Collected / needed (ratio)", row=1, col=1)
    return figure


def _looks(policy: str, source: str) -> dict[str, object]:
    looks = player_style(policy)
    if source == "here":
        return {"mode": "lines", "line": looks["line"], "name": f"{policy}, measured here"}
    marker = {**looks["marker"], "symbol": f"{looks['marker']['symbol']}-open", "size": 9, "line": {"width": 2}}
    return {"mode": "markers", "marker": marker, "name": f"{policy}, published"}
