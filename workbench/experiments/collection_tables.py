"""The published Table 1 and Figure 2 beside the campaigns played here, as tidy tables.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 5.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.experiments.optimal_collection_paper import PAPER_FIGURE_2, PAPER_TABLE_1, ROUNDS

POLICIES = ("regression", "LOC")
"""The policies of the paper's Table 1."""


def table_1(games: pd.DataFrame) -> pd.DataFrame:
    """Return failures and cost ratios, published and measured.

    Args:
        games: columns ``task``, ``rounds``, ``policy``, ``target``, ``seed``, ``met``, ``cost_ratio``, as stored in
            ``data/results/optimal_collection_sweep.csv``; the seeds are averaged.

    Returns:
        One row a task, policy and T: ``task``, ``policy``, ``rounds``, ``failures`` and ``paper_failures`` (% of targets),
        ``cost`` and ``paper_cost`` (bill / least bill - 1 over the targets met; ``nan`` where none was).

    >>> games = pd.DataFrame(
    ...     {"task": "VOC", "rounds": 1, "policy": "LOC", "target": [66, 67], "seed": 0, "met": [True, False],
    ...      "cost_ratio": [0.5, np.nan]}
    ... )
    >>> table_1(games).dropna()
       task policy  rounds  failures  paper_failures  cost  paper_cost
    33  VOC    LOC       1      50.0            25.0   0.5        0.56
    """
    seeds = games.groupby(["task", "policy", "rounds", "seed"])[["met", "cost_ratio"]].mean()
    ours = seeds.groupby(["task", "policy", "rounds"]).mean().to_dict("index")
    rows = []
    for task, policies in PAPER_TABLE_1.items():
        for policy in POLICIES:
            for rounds, (failures, cost) in zip(ROUNDS, policies[policy], strict=True):
                here = ours.get((task, policy, rounds), {"met": np.nan, "cost_ratio": np.nan})
                measured = 100 * (1 - here["met"])
                rows.append((task, policy, rounds, measured, failures, here["cost_ratio"], cost))
    columns = ["task", "policy", "rounds", "failures", "paper_failures", "cost", "paper_cost"]
    numbers = dict.fromkeys(columns[3:], float)
    return pd.DataFrame(rows, columns=columns).astype(numbers)


def figure_2(games: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return collected / needed by target for one task, published and measured.

    Args:
        games: as for :func:`table_1`, with column ``ratio``.
        task: one of the six.

    Returns:
        Columns ``source`` (``"published"`` or ``"here"``), ``policy``, ``rounds``, ``target``, ``ratio``; the published points
        were read off vector graphics, and the paper shows few of the horizons.
    """
    here = games[(games["task"] == task) & games["policy"].isin(POLICIES)]
    here = here.groupby(["policy", "rounds", "target"], as_index=False)["ratio"].mean().assign(source="here")
    published = [
        ("published", policy, rounds, target, ratio)
        for (name, rounds), (targets, *ratios) in PAPER_FIGURE_2.items()
        if name == task
        for policy, values in zip(POLICIES, ratios, strict=True)
        for target, ratio in zip(targets, values, strict=True)
    ]
    columns = ["source", "policy", "rounds", "target", "ratio"]
    return pd.concat([here[columns], pd.DataFrame(published, columns=columns)], ignore_index=True)
