"""Figure of the theory of paper 10: what a group is encoded to, sample by sample, and what the gap to the reference is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.collection_marks import share
from workbench.figures.theme import GREY, ORANGE, PURPLE, ROLES, SKY, TEMPLATE

Array = NDArray[np.float64]

MOST_BARS = 100
_WIDE = 4.0


@dataclass(frozen=True)
class BiasLab:
    """One group, a reference group, and the encoder.

    Attributes:
        p, p_ref, prior: P(y = 1) in the group, in the reference group, and overall.
        values: (k,) what the group may be encoded to, in ascending order.
        probabilities: (k,) of them.
        reference: what the reference group is encoded to on average.
        noise: standard deviation of the noise on training rows.
        threshold: an encoding above it is predicted 1.
        flipped: probability that the group is predicted otherwise than ``p`` says.
        terms: words -> irreducible and reducible part of the expected squared gap.
    """

    p: float
    p_ref: float
    prior: float
    values: Array
    probabilities: Array
    reference: float
    noise: float
    threshold: float
    flipped: float
    terms: dict[str, tuple[float, float]]


def lab_figure(lab: BiasLab, title: str) -> go.Figure:
    """Draw the encodings of all samples over the threshold above, and the two parts of the squared gap below."""
    bars = _bars(lab)
    top = 1.18 * max(float(bars[1].max(initial=0.0)), 1.0)
    traces = [*_fan(lab, bars), _training(lab, bars), *_lines(lab, top), *_parts(lab)]
    most = max(sum(parts) for parts in lab.terms.values()) or 1e-3
    rule = {"type": "line", "xref": "x", "yref": "y", "x0": lab.threshold, "x1": lab.threshold, "y0": 0, "y1": top}
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 620,
        "bargap": 0.35,
        "barmode": "stack",
        "shapes": [{**rule, "line": {"color": ROLES["target"], "width": 2}}],
        "annotations": [
            {
                "x": lab.threshold,
                "y": top,
                "yanchor": "top",
                "xanchor": "left" if lab.threshold < 0.6 else "right",
                "showarrow": False,
                "text": f" τ = {lab.threshold:g}: above it, predicted 1 ",
                "xref": "x",
                "yref": "y",
            }
        ],
        "xaxis": {"range": [0, 1], "anchor": "y", "title": {"text": "Encoding of the group (probability)"}},
        "yaxis": {"domain": [0.5, 1], "range": [0, top], "title": {"text": "Samples (% a bar)"}},
        "xaxis2": {
            "anchor": "y2", "range": [0, 1.08 * most], "title": {"text": "Expected squared gap (probability²)"},
        },
        "yaxis2": {"domain": [0, 0.3], "anchor": "x2", "autorange": "reversed", "automargin": True},
    }  # fmt: skip
    return go.Figure(traces, layout)


def _bars(lab: BiasLab) -> tuple[Array, Array, Array, float]:
    """Return centres, shares (%) and whether each is above the threshold, of at most :data:`MOST_BARS` bars, and their width."""
    above = lab.values > lab.threshold + 1e-9
    together = max(1, int(np.ceil(len(lab.values) / MOST_BARS)))
    below_count = int((~above).sum())
    numbers = np.arange(len(lab.values)) - below_count  # so that no bar lies on both sides of the threshold
    bins = np.floor_divide(numbers, together)
    names, place = np.unique(bins, return_inverse=True)
    weight = np.bincount(place, lab.probabilities)
    centre = np.bincount(place, lab.values * lab.probabilities) / weight
    step = float(np.diff(lab.values).min()) if len(lab.values) > 1 else 0.02
    return centre, 100 * weight, names >= 0, step * together


def _fan(lab: BiasLab, bars: tuple[Array, Array, Array, float]) -> list[dict[str, Any]]:
    """Return the bars on the side of the threshold where the true share is, and those on the other one."""
    centre, height, above, width = bars
    right = above == (lab.p > lab.threshold)
    looks = (
        (right, f"on the side of p: {share(1 - lab.flipped)} of the samples", {"color": SKY}),
        (
            ~right,
            f"on the other side: {share(lab.flipped)}",
            {"color": ROLES["bad"], "pattern": {"shape": "/", "solidity": 0.35, "fillmode": "overlay"}},
        ),
    )
    return [
        {
            "type": "bar",
            "x": centre[part],
            "y": height[part],
            "width": min(0.9 * width, 0.03),
            "name": name,
            "marker": marker,
            "hovertemplate": "%{y:.2f} % of the samples are encoded to %{x:.3f}<extra></extra>",
        }
        for part, name, marker in looks
    ]


def _training(lab: BiasLab, bars: tuple[Array, Array, Array, float]) -> dict[str, Any]:
    """Return the encodings of training rows, which carry noise: the bars, each spread out, on their scale."""
    grid = np.linspace(0, 1, 201)
    if not lab.noise:
        return {"type": "scatter", "x": [], "y": [], "name": "training rows, with noise", "visible": False}
    centre, height, _, width = bars
    density = np.exp(-0.5 * ((grid[:, None] - centre) / lab.noise) ** 2) / (lab.noise * np.sqrt(2 * np.pi))
    return {
        "type": "scatter",
        "x": grid,
        "y": density @ height * width,
        "mode": "lines",
        "line": {"color": ORANGE, "width": 2, "dash": "dash"},
        "name": f"training rows, with noise λ = {lab.noise:g}",
        "visible": True,
        "hovertemplate": "%{y:.2f} % a bar at %{x:.2f}<extra>training rows</extra>",
    }


def _lines(lab: BiasLab, top: float) -> list[dict[str, Any]]:
    """Return vertical lines at the true share, the reference and the prior."""
    looks = (
        (lab.p, "true share p", {"color": ROLES["truth"], "width": 3}),
        (lab.reference, "reference, on average", {"color": ROLES["good"], "width": 2, "dash": "longdash"}),
        (lab.prior, "prior, all rows", {"color": GREY, "width": 2, "dash": "dot"}),
    )
    return [
        {
            "type": "scatter",
            "x": [at, at],
            "y": [0, 0.9 * top],
            "mode": "lines",
            "line": line,
            "name": f"{name}: {at:.2f}",
            "hovertemplate": f"{name}: {at:.3f}<extra></extra>",
        }
        for at, name, line in looks
    ]


def _parts(lab: BiasLab) -> list[dict[str, Any]]:
    """Return the stacked bars: the irreducible and the reducible part, one bar a setting."""
    looks = (
        (0, "irreducible, B²", {"color": PURPLE}),
        (1, "reducible, V", {"color": ORANGE, "pattern": {"shape": ".", "solidity": 0.3, "fillmode": "overlay"}}),
    )
    return [
        {
            "type": "bar",
            "orientation": "h",
            "x": [parts[index] for parts in lab.terms.values()],
            "y": list(lab.terms),
            "name": name,
            "marker": marker,
            "xaxis": "x2",
            "yaxis": "y2",
            "hovertemplate": f"{name}: %{{x:.4f}}<extra>%{{y}}</extra>",
        }
        for index, name, marker in looks
    ]
