"""Knapsack instances: made from a seed, and the real ones of a TITAN V where a person has them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

TITAN_V_FOLDER = "WORKBENCH_TITAN_V"
"""Environment variable: a folder with the tables of a TITAN V, which are not shipped."""


def staircase_instance(seed, layers=60, items=400, flat=0.35):
    """Return costs and values: steps and, for a share ``flat`` of the items, none or a fall; importances fall too."""
    rng = np.random.default_rng(seed)
    costs, values = [], []
    for count in np.diff(np.linspace(0, items, layers + 1).astype(int)):
        cost = rng.uniform(0.5, 3.0, count)
        free = rng.random(count) < flat
        free[0] = False
        cost[free] = -rng.choice([0.0, 0.3], free.sum()) * rng.uniform(0.2, 1.0, free.sum())
        costs.append(cost)
        values.append(np.sort(rng.lognormal(size=count))[::-1])
    return costs, values


def titan_v_file(name):
    folder = os.environ.get(TITAN_V_FOLDER)
    if not folder or not (Path(folder) / name).is_file():
        pytest.skip(f"{TITAN_V_FOLDER} names no folder with {name}; the tables of a TITAN V are not shipped")
    return Path(folder) / name


def resnet101_instance():
    """Return costs in ms, importances and flags of the stem, of ResNet-101; there the importance of the stem is 10 000."""
    table = json.loads(titan_v_file("r101_titanv_instance.json").read_text())
    places = np.cumsum(table["split"])[:-1]
    costs, values = np.split(np.array(table["w"]) / 1e3, places), np.split(np.array(table["v"]) / 1e6, places)
    return costs, values, [name == "module.conv1" for name in table["names"]]
