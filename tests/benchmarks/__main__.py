"""``python -m tests.benchmarks``: run every comparison, print the table and write ``data/results/benchmarks.csv``."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from workbench.experiments.results import save_results

from . import fair_encoding, how_much_data, optimal_collection, targeted_selection
from .side_by_side import BenchmarkConfig

SUBJECTS = (how_much_data, optimal_collection, targeted_selection, fair_encoding)
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


def main() -> None:
    """Compare on one thread, so that CPU time and the time of a person's clock mean the same."""
    config = replace(BenchmarkConfig(), peers=installed_peers())
    rows = []
    with threadpool_limits(limits=1):
        for subject in SUBJECTS:
            for comparison in subject.compare(config):
                print(f"done: {comparison.subject}, {comparison.setting}", flush=True)
                rows.append({"area": subject.__name__.rsplit(".", 1)[-1], **comparison.row()})
    frame = pd.DataFrame(rows)
    with pd.option_context(
        "display.width", None, "display.max_colwidth", None, "display.float_format", "{:.4g}".format
    ):
        print("\nratio = ours / peer: below 1 ours is faster; low and high over the repeats\n")
        print(frame.drop(columns="agreement").to_string(na_rep=""))
        print("\nagreement of the answers, by row\n")
        print("\n".join(f"{index}  {text}" for index, text in frame["agreement"].items()))
    print(f"\nwrote {save_results('benchmarks', frame, config).name}: {len(frame)} rows")


if __name__ == "__main__":
    main()
