"""Figure of "Optimizing Data Collection for Machine Learning": the resampled curves, and how many samples they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.collection_marks import DIALLED, share
from workbench.figures.how_much_data import CURVE_ORDER, short, style, target_line
from workbench.figures.theme import GRID, ROLES, TEMPLATE, TEXT

Array = NDArray[np.float64]

BINS = 80


@dataclass(frozen=True)
class Ensemble:
    """Resampled fits of a learning curve, and what they ask for.

    Attributes:
        sizes, scores: (m,) the measurements.
        grid: (g,) sizes at which the curves are drawn.
        curves: family -> (b, g) scores of some of its fits.
        band: (2, g) scores between which 95 % of all fits lie.
        answers: (B,) requirements of all fits, ``inf`` where one never reaches the target.
        q_max: most samples that may be owned.
        target: the score to reach.
        truth: sizes and scores of the true curve, and the size really needed; ``None`` while it is hidden.
    """

    sizes: Array
    scores: Array
    grid: Array
    curves: Mapping[str, Array]
    band: Array
    answers: Array
    q_max: float
    target: float
    truth: tuple[Array, Array, float] | None = None


def ensemble_figure(ensemble: Ensemble, title: str, score_name: str) -> go.Figure:
    """Draw the resampled curves with their 95 % band, and below them a histogram of the requirements, over the same sizes."""
    low, high = float(ensemble.scores.min()), max(float(ensemble.scores.max()), ensemble.target)
    if ensemble.truth is not None:
        high = max(high, float(ensemble.truth[1].max()))
    floor = max(0.0, low - 0.1 * (high - low))
    window = [float(np.log10(0.9 * ensemble.sizes[0])), float(np.log10(1.05 * ensemble.q_max))]
    aim, aim_words = target_line(ensemble.target)
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 560,
        "shapes": [aim],
        "annotations": [aim_words],
        "bargap": 0,
        "xaxis": {"type": "log", "range": window, "matches": "x2", "anchor": "y", "showticklabels": False},
        "xaxis2": {"type": "log", "range": window, "anchor": "y2", "title": {"text": "Training samples (count)"}},
        "yaxis": {
            "domain": [0.36, 1],
            "range": [floor, min(102.0, high + 0.35 * (high - floor))],
            "title": {"text": score_name},
        },
        "yaxis2": {"domain": [0, 0.28], "anchor": "x2", "rangemode": "tozero", "title": {"text": "Fits (% a bar)"}},
    }
    fits = [_spaghetti(ensemble, name) for name in CURVE_ORDER]
    traces = [_band(ensemble), *fits, *_points(ensemble), *_requirements(ensemble)]
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def _band(ensemble: Ensemble) -> dict[str, Any]:
    return {
        "x": np.concatenate([ensemble.grid, ensemble.grid[::-1]]),
        "y": np.concatenate([ensemble.band[0], ensemble.band[1][::-1]]),
        "mode": "lines",
        "fill": "toself",
        "fillcolor": GRID,
        "line": {"width": 0},
        "name": "95 % of the fits",
        "hoverinfo": "skip",
    }


def _points(ensemble: Ensemble) -> list[dict[str, Any]]:
    """Return the true curve, where it is revealed, and the measurements."""
    sizes, scores = ensemble.truth[:2] if ensemble.truth is not None else (np.empty(0), np.empty(0))
    grey = ROLES["truth"]
    return [
        {
            "x": sizes,
            "y": scores,
            "name": "measured later (truth)",
            "mode": "lines+markers",
            "line": {"color": grey, "width": 2},
            "marker": {"color": grey, "size": 5},
            "visible": ensemble.truth is not None,
        },
        {
            "x": ensemble.sizes,
            "y": ensemble.scores,
            "name": "measured so far",
            "mode": "markers",
            "marker": {"size": 9, "color": TEXT, "line": {"width": 1, "color": "white"}},
        },
    ]


def _requirements(ensemble: Ensemble) -> list[dict[str, Any]]:
    """Return the histogram of the requirements, and the size really needed, where it is revealed."""
    edges = np.geomspace(ensemble.sizes[0], ensemble.q_max, BINS + 1)
    finite = ensemble.answers[ensemble.answers <= ensemble.q_max]
    shares = 100 * np.histogram(np.maximum(finite, edges[0]), edges)[0] / len(ensemble.answers)
    never = 1 - len(finite) / len(ensemble.answers)
    needed = ensemble.truth[2] if ensemble.truth is not None else np.inf
    at = needed if np.isfinite(needed) else None
    lower = {"xaxis": "x2", "yaxis": "y2"}
    return [
        {
            "type": "bar",
            "x": 0.5 * (edges[1:] + edges[:-1]),
            "y": shares,
            "width": np.diff(edges),
            "marker": {"color": DIALLED, "opacity": 0.6},
            "name": f"samples asked for ({share(never)} of the fits: never)" if never else "samples asked for",
            "hovertemplate": "%{y:.1f} % of the fits near %{x:,.0f}<extra></extra>",
            **lower,
        },
        {
            "x": [at, at],
            "y": [0, max(float(shares.max()), 1.0)],
            "mode": "lines",
            "line": {"color": ROLES["truth"], "width": 3},
            "name": f"really needed: {short(needed)}",
            "visible": ensemble.truth is not None,
            **lower,
        },
    ]


def _spaghetti(ensemble: Ensemble, name: str) -> dict[str, Any]:
    """Return all curves of a family as one trace, with a gap after each."""
    curves = ensemble.curves.get(name)
    shown = curves is not None and len(curves) > 0
    values = curves if shown else np.empty((0, len(ensemble.grid)))
    gaps = np.full((len(values), 1), np.nan)
    return {
        "x": np.tile(np.append(ensemble.grid, np.nan), len(values)),
        "y": np.concatenate([values, gaps], 1).ravel(),
        "mode": "lines",
        "line": {"color": style(name)["line"]["color"], "width": 1},
        "opacity": 0.5,
        "name": f"{name}: {len(values)} fits",
        "showlegend": shown,
        "hoverinfo": "skip",
    }
