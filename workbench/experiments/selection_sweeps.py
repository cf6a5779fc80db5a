"""What the stored rankings of targeted selection say about one number that is swept: the mean of a pool, and from pool to pool."""

from __future__ import annotations

import numpy as np
import pandas as pd

SWEEP_COLUMNS = ("x", "stride", "ap", "low", "high", "chance")


def sweep(rankings: pd.DataFrame, experiment: str, method: str = "DTM") -> pd.DataFrame:
    """Return the mean AP of a method for every value of what was swept, and for every set of strides.

    Args:
        rankings: a row a ranking: experiment, x, method, stride, seed, scenes, positives, ap, ...
        experiment: such as ``"padding"``.
        method: such as ``"GeM"``.

    Returns:
        Columns ``x`` (NaN where nothing is swept), ``stride``, ``ap`` (mean over the pools of their means over queries), ``low``
        and ``high`` (of the pools), ``chance`` (share of positives), in the order of x within each stride.

    Raises:
        ValueError: the table has no such rows.

    >>> table = pd.DataFrame({"experiment": "size", "x": 1.0, "method": "GeM", "stride": "16", "seed": [0, 0, 1],
    ...                       "scenes": 10, "positives": 2, "ap": [0.2, 0.4, 0.5]})
    >>> sweep(table, "size", "GeM").round(3).to_dict("records")
    [{'x': 1.0, 'stride': '16', 'ap': 0.4, 'low': 0.3, 'high': 0.5, 'chance': 0.2}]
    """
    rows = rankings[(rankings["experiment"] == experiment) & (rankings["method"] == method)]
    if rows.empty:
        raise ValueError(f"the rankings have no experiment {experiment!r} with method {method!r}")
    rows = rows.assign(chance=rows["positives"] / rows["scenes"], stride=rows["stride"].astype(str))
    pools = rows.groupby(["stride", "x", "seed"], dropna=False, as_index=False)[["ap", "chance"]].mean()
    found = pools.groupby(["stride", "x"], dropna=False, as_index=False).agg(
        low=("ap", "min"), high=("ap", "max"), ap=("ap", "mean"), chance=("chance", "mean")
    )
    return found[list(SWEEP_COLUMNS)].sort_values(["stride", "x"], ignore_index=True)


def crossing(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Return the x from which on the second sweep is at least as good as the first, interpolated in log x; NaN if it never is.

    Args:
        first, second: one stride each, with the same x.

    >>> one = pd.DataFrame({"x": [1.0, 10.0, 100.0], "ap": [0.4, 0.3, 0.2]})
    >>> round(crossing(one, one.assign(ap=[0.1, 0.2, 0.3])), 2), crossing(one, one.assign(ap=0.0))
    (31.62, nan)
    """
    both = first[["x", "ap"]].merge(second[["x", "ap"]], on="x", suffixes=("_1", "_2")).sort_values("x")
    x, lead = np.log(both["x"].to_numpy()), (both["ap_1"] - both["ap_2"]).to_numpy()
    ahead = np.flatnonzero(lead > 0)
    if not len(ahead):
        return float(np.exp(x[0]))
    last = ahead[-1]
    if last == len(lead) - 1:
        return float("nan")
    share = lead[last] / (lead[last] - lead[last + 1])
    return float(np.exp(x[last] + share * (x[last + 1] - x[last])))
