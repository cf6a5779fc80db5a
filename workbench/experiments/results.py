"""Tables of measured results in ``data/results/``: the numbers, and under what they were measured."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.datasets.files import atomic_write, data_dir

COLUMNS = ("claim", "setting", "quantity", "paper", "value", "spread", "unit", "seed", "seconds")
"""Columns of a results table: one row a measured quantity; ``paper`` is the published number, empty where there is none."""

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "category-encoders", "torch", "torchvision", "lightning-fabric")


def results_path(name: str) -> Path:
    """Return the path of the results table called ``name``."""
    return data_dir() / "results" / f"{name}.csv"


def save_results(name: str, frame: pd.DataFrame, config: Any) -> Path:
    """Write ``frame`` to ``data/results/<name>.csv`` and what it was measured under to ``<name>.json`` beside it.

    Args:
        name: of the table.
        frame: measured rows.
        config: the experiment's configuration, a dataclass, or a list of them or of what was recorded of them.
    """
    path = results_path(name)
    record = {
        "config": [_recorded(part) for part in config] if isinstance(config, list) else _recorded(config),
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {package: version(package) for package in PACKAGES},
    }
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g")
    with atomic_write(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(record, indent=1, default=str) + "\n")
    return path


def _recorded(config: Any) -> dict[str, Any]:
    return config if isinstance(config, dict) else asdict(config)


def load_results(name: str) -> pd.DataFrame:
    """Return the stored results table; its ``attrs["record"]`` says config, date and package versions.

    Raises:
        FileNotFoundError: the table was never measured.
    """
    path = results_path(name)
    if not path.is_file():
        raise FileNotFoundError(f"no results table {path.name} in {path.parent}: run `make results` to measure it")
    frame = pd.read_csv(path)
    frame.attrs["record"] = json.loads(path.with_suffix(".json").read_text())
    return frame


def markdown_table(frame: pd.DataFrame) -> str:
    """Return a table in Markdown.

    >>> print(markdown_table(pd.DataFrame({"claim": ["C1"], "holds": ["yes"]})), end="")
    | claim | holds |
    |---|---|
    | C1 | yes |
    """
    lines = [frame.columns, ["---"] * len(frame.columns), *frame.astype(str).to_numpy()]
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    rows[1] = "|" + "---|" * len(frame.columns)
    return "\n".join(rows) + "\n"
