"""``python -m tests.benchmarks [area ...]``: compare, print the table and write it to ``data/results/benchmarks.csv``.

The rows of areas that are not named stay as they are stored.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import re
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from workbench.experiments.results import load_results, save_results

from . import (
    birds_eye_view,
    fair_encoding,
    how_much_data,
    latency_pruning,
    optimal_collection,
    pose_distillation,
    robust_transformers,
    targeted_selection,
)
from .side_by_side import BenchmarkConfig

SUBJECTS = (
    how_much_data,
    optimal_collection,
    targeted_selection,
    fair_encoding,
    robust_transformers,
    birds_eye_view,
    latency_pruning,
    pose_distillation,
)
PEERS = Path(__file__).with_name("peers.txt")


def installed_peers() -> tuple[str, ...]:
    """Return name and version of each package of ``peers.txt`` that is installed."""
    found = []
    for name in dict.fromkeys(re.findall(r"^([a-z0-9-]+)==", PEERS.read_text(), re.M)):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


def main(arguments: list[str] | None = None) -> None:
    """Compare on one thread, so that CPU time and the time of a person's clock mean the same."""
    areas = {subject.__name__.rsplit(".", 1)[-1]: subject for subject in SUBJECTS}
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("areas", nargs="*", help=f"one or more of {', '.join(areas)}; all by default")
    chosen = parser.parse_args(arguments).areas or list(areas)
    if unknown := [name for name in chosen if name not in areas]:
        parser.error(f"no area is called {unknown[0]!r}; there are {', '.join(areas)}")
    config = replace(BenchmarkConfig(), peers=installed_peers())
    rows, today = [], datetime.date.today().isoformat()
    with threadpool_limits(limits=1):
        for name in chosen:
            for comparison in areas[name].compare(config):
                print(f"done: {comparison.subject}, {comparison.setting}", flush=True)
                rows.append({"area": name, "measured": today, **comparison.row()})
    frame = pd.DataFrame(rows)
    with pd.option_context(
        "display.width", None, "display.max_colwidth", None, "display.float_format", "{:.4g}".format
    ):
        print("\nratio = ours / peer: below 1 ours is faster; low and high over the repeats\n")
        print(frame.drop(columns="agreement").to_string(na_rep=""))
        print("\nagreement of the answers, by row\n")
        print("\n".join(f"{index}  {text}" for index, text in frame["agreement"].items()))
    frame = with_other_areas(frame, list(areas))
    print(f"\nwrote {save_results('benchmarks', frame, config).name}: {len(frame)} rows")


def with_other_areas(measured: pd.DataFrame, areas: list[str]) -> pd.DataFrame:
    """Return what was measured beside the stored rows of all other areas, in the order of ``areas``."""
    with contextlib.suppress(FileNotFoundError):
        stored = load_results("benchmarks")
        kept = stored[stored["area"].isin(areas) & ~stored["area"].isin(measured["area"])]
        measured = pd.concat([kept, measured], ignore_index=True)
    return measured.sort_values("area", key=lambda names: names.map(areas.index), kind="stable", ignore_index=True)


if __name__ == "__main__":
    main()
