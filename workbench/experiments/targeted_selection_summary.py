"""From rankings and games to one row a measured quantity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

Row = tuple[str, str, str, float | None, float, float | None, str]

GROUP = ["experiment", "setting", "x", "method", "stride"]
QUANTITIES = {
    "ap": "mAP",
    "recall_10": "recall@10",
    "recall_20": "recall@20",
    "recall_40": "recall@40",
    "precision_10": "precision@10",
}
CLAIM = {
    "method": "C1",
    "occlusion": "C2",
    "clutter": "C2",
    "size": "C2",
    "backbone": "C3",
    "jitter": "C4",
    "co-occurrence": "C7",
}
"""Which claim an experiment belongs to; those of the query and its template are about C1."""


def setting_name(experiment: str, setting: object, x: float, method: str, stride: object) -> str:
    """Return how the results table calls a group of rankings.

    >>> setting_name("padding", float("nan"), 8.0, "DTM", "8+16"), setting_name("style", "same style", float("nan"), "random", "")
    ('padding, 8, DTM, stride 8+16', 'style, same style, random')
    """
    parts = [
        experiment,
        setting,
        "" if pd.isna(x) else f"{x:.3g}",
        method,
        f"stride {stride}" if _given(stride) else "",
    ]
    return ", ".join(part for part in parts if _given(part))


def ranking_rows(rankings: pd.DataFrame) -> Iterator[Row]:
    """Yield mean and spread of each group of rankings: over queries within a pool, then over pools.

    The value is the mean over pools of the mean over queries; ``spread`` is the standard deviation of the pools' means (none with
    one pool). "spread over queries" is the standard deviation of single queries' average precision, "chance" the share of
    positives.
    """
    rankings = rankings.assign(chance=rankings["positives"] / rankings["scenes"])
    for keys, part in rankings.groupby(GROUP, dropna=False, sort=False):
        claim, name = CLAIM.get(keys[0], "C1"), setting_name(*keys)
        pools = part.groupby("seed")[[*QUANTITIES, "chance"]].mean()
        for column, quantity in QUANTITIES.items():
            yield (claim, name, quantity, None, pools[column].mean(), _deviation(pools[column]), "share")
        yield (claim, name, "chance", None, pools["chance"].mean(), _deviation(pools["chance"]), "share")
        yield (claim, name, "spread over queries", None, part["ap"].std(), None, "share")


def category_rows(rankings: pd.DataFrame) -> Iterator[Row]:
    """Yield the average precision of each class, for the methods that are compared on one pool."""
    part = rankings[(rankings["experiment"] == "method") & rankings["method"].isin(["DTM", "GeM", "random"])]
    for keys, group in part.groupby([*GROUP, "category"], dropna=False, sort=False):
        pools = group.groupby("seed")["ap"].mean()
        yield ("C1", f"{setting_name(*keys[:-1])}, {keys[-1]}", "mAP", None, pools.mean(), _deviation(pools), "share")


def size_table(rankings: pd.DataFrame, experiment: str = "size") -> pd.DataFrame:
    """Return the mAP of a size sweep: a row an area (percent) and seed, a column a method and stride."""
    part = rankings[rankings["experiment"] == experiment].fillna({"stride": ""})
    part = part.assign(name=(part["method"] + " " + part["stride"].astype(str)).str.strip())
    return part.pivot_table("ap", ["x", "seed"], "name")


def size_rows(rankings: pd.DataFrame) -> Iterator[Row]:
    """Yield the ratio of template matching (at the strides of the rule) to GeM, by area, and where they cross.

    Ratios are of the mAP of one pool, against the best of GeM's layers in that pool, or against its usual one.
    """
    for experiment in ("size", "size alone"):
        table = size_table(rankings, experiment)
        if table.empty:
            continue
        best = table[[name for name in table if name.startswith("GeM")]].max(axis=1)
        for rival, values in {"best GeM": best, "GeM head": table["GeM head"]}.items():
            ratios = (table["DTM rule"] / values).groupby("x")
            for area, ratio in ratios:
                name = f"{experiment}, {area:.3g}, DTM over {rival}"
                yield ("C5", name, "ratio of mAP", None, ratio.mean(), _deviation(ratio), "ratio")
                yield ("C5", name, "least ratio of mAP", None, ratio.min(), None, "ratio")
            name = f"{experiment}, DTM against {rival}"
            yield ("C5", name, "crossing", None, crossing(ratios.mean()), None, "% of the picture")


def crossing(ratio: pd.Series) -> float:
    """Return the area where a ratio first falls to 1, by linear interpolation over the logarithm of the area; NaN if never.

    >>> round(crossing(pd.Series([2.0, 0.5], [1.0, 10.0])), 3), crossing(pd.Series([2.0, 1.5], [1.0, 10.0]))
    (4.642, nan)
    """
    areas, values = np.log(ratio.index.to_numpy(float)), ratio.to_numpy() - 1
    for low in range(len(values) - 1):
        if values[low] > 0 >= values[low + 1]:
            share = values[low] / (values[low] - values[low + 1])
            return float(np.exp(areas[low] + share * (areas[low + 1] - areas[low])))
    return float("nan")


def loop_rows(games: pd.DataFrame, label: str) -> Iterator[Row]:
    """Yield what each method bought and what the detector made of it, by round; the spread is over seeds.

    "gain over random" (or over another method) is the mean difference to what that method reached with the same seed and class;
    its spread is the standard error of that mean.
    """
    for (method, number), part in games.groupby(["method", "round"], sort=False):
        seeds = part.groupby("seed")[["ap", "scene_ap", "positives", "sequences", "bought"]].mean()
        setting = f"{label}, {method}, {int(seeds['bought'].iloc[0])} bought"
        for column, quantity, unit in (
            ("ap", "detection AP", "share"),
            ("scene_ap", "scene AP", "share"),
            ("positives", "positives bought", "scenes"),
            ("sequences", "sequences bought", "sequences"),
        ):
            yield ("C8", setting, quantity, None, seeds[column].mean(), _deviation(seeds[column]), unit)
        for rival in ("random", "GeM", "DTM"):
            gain = _gain(games, method, rival, number)
            if len(gain):
                error = gain.std() / len(gain) ** 0.5 if len(gain) > 1 else None
                yield ("C8", setting, f"gain over {rival}", None, gain.mean(), error, "share")


def _gain(games: pd.DataFrame, method: str, rival: str, number: int) -> pd.Series:
    """Return the difference in detection AP to a rival's game of the same seed and class, one each."""
    if method == rival:
        return pd.Series(dtype=float)
    part = games[games["round"] == number].set_index(["method", "seed", "category"])["ap"].unstack("method")
    return (part[method] - part[rival]).dropna() if rival in part else pd.Series(dtype=float)


def _deviation(values: pd.Series) -> float | None:
    return float(values.std()) if len(values) > 1 else None


def _given(part: object) -> bool:
    return not pd.isna(part) and part != ""
