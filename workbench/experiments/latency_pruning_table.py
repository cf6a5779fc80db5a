"""All that is measured of latency pruning in the one table of every paper: claim, setting, quantity, value, spread."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from workbench.experiments.latency_pruning import (
    FULL,
    HERE,
    LatencyPruningConfig,
    measure_budgets,
    measure_correlation,
    measure_steps,
    rank_correlations,
)
from workbench.experiments.latency_pruning_ablations import measure_ablations
from workbench.experiments.latency_pruning_detector import DetectorConfig, measure_detectors
from workbench.experiments.latency_pruning_platforms import measure_platforms
from workbench.experiments.latency_pruning_titan_v import measure_titan_v
from workbench.experiments.results import COLUMNS, load_results
from workbench.training import CancelToken, Progress, no_progress

Row = tuple[str, str, str, float | None, float, float, str]
TABLES = ("budgets", "steps", "measured", "ablations", "detector", "platforms", "networks", "titan_v")

NAMES = {"gain": "measured speed-up over the foretold one"}


def stored() -> dict[str, pd.DataFrame]:
    """Return the stored tables by name, as :func:`run` takes them.

    Raises:
        FileNotFoundError: one was never measured.
    """
    return {name: load_results(f"latency_pruning_{name}") for name in TABLES}


def run(
    config: LatencyPruningConfig = FULL,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    *,
    measured: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Re-measure every claim; return the tidy table of :data:`workbench.experiments.results.COLUMNS`.

    Args:
        config: what is measured.
        progress: called in the course of it.
        cancel: looked at in each step.
        measured: the tables of :data:`TABLES`, such as :func:`stored` returns; None to measure them now.

    Raises:
        Cancelled: Stop was asked for.
    """
    started = time.perf_counter()
    if measured is None:
        measured = {
            "budgets": measure_budgets(config, progress, cancel),
            "steps": measure_steps(config, progress, cancel),
            "measured": measure_budgets(replace(config, platform=HERE), progress, cancel),
            "ablations": measure_ablations(config, progress=progress, cancel=cancel),
            "detector": measure_detectors(DetectorConfig(seeds=config.seeds), progress, cancel),
            "platforms": measure_platforms(config.seeds, batch=config.batch, progress=progress),
            "networks": measure_correlation(config, progress),
            "titan_v": measure_titan_v(config.seeds, progress=progress),
        }
    rows = [
        *_of_budgets(measured["titan_v"], "C1", "ResNet-101, TITAN V", ("importance", "macs_share", "reached")),
        *_of_budgets(measured["budgets"], "C1", "digits", ("importance", "macs_share", "reached")),
        *_of_networks(measured["networks"]),
        *_of_budgets(measured["budgets"], "C4", "digits, at once", ("before", "after")),
        *_of_budgets(measured["steps"], "C4", "digits, in steps", ("before", "after", "reached")),
        *_of_budgets(
            _with_gain(measured["measured"]), "C4", "digits, table of one machine", ("reached", "after", "gain")
        ),
        *_of_detector(measured["detector"]),
        *_of_platforms(measured["platforms"]),
        *_of_ablations(measured["ablations"]),
    ]
    table = pd.DataFrame(rows, columns=["claim", "setting", "quantity", "paper", "value", "spread", "unit"])
    table = table.astype({"paper": float, "spread": float})  # one seed has no spread
    table = table.assign(seed=config.seeds[0], seconds=time.perf_counter() - started)
    progress(1, 1, "done")
    return table[list(COLUMNS)]


def _of_budgets(frame: pd.DataFrame, claim: str, setting: str, quantities: tuple[str, ...]) -> Iterator[Row]:
    for (share, method), part in frame.groupby(["share", "method"], sort=False):
        for quantity in quantities:
            values = part[quantity].dropna()
            percent = quantity in ("before", "after")
            name = f"accuracy {quantity} tuning" if percent else NAMES.get(quantity, quantity)
            if len(values):
                where = f"{setting}, {share:.0%} of the latency, {method}"
                yield claim, where, name, None, values.mean(), values.std(), "%" if percent else "share"


def _with_gain(measured: pd.DataFrame) -> pd.DataFrame:
    """Add ``gain``, the measured speed-up over that which the table foretells."""
    return measured.assign(gain=measured["reached"] * measured["whole_ms"] / measured["measured_ms"])


def _of_networks(frame: pd.DataFrame) -> Iterator[Row]:
    for name, value in rank_correlations(frame).items():
        setting = "random networks, this machine"
        yield "C2", setting, f"rank correlation of {name} and measured ms", None, value, float("nan"), "1"


def _of_detector(table: pd.DataFrame) -> Iterator[Row]:
    table = table.assign(gain=table["whole_ms"] / table["ms"])
    for method, part in table.groupby("method", sort=False):
        values = part["precision"]
        yield "C5", f"small SSD, {method}", "mean average precision", None, values.mean(), values.std(), "%"
        yield "C5", f"small SSD, {method}", "measured speed-up", None, part["gain"].mean(), part["gain"].std(), "1"


def _of_ablations(table: pd.DataFrame) -> Iterator[Row]:
    for (platform, kind, setting), part in table.groupby(["platform", "kind", "setting"], sort=False):
        yield from _of_budgets(
            part.assign(method=f"{kind} {setting}"),
            "A",
            f"digits, {platform}",
            ("reached", "importance", "before", "after"),
        )


def _of_platforms(frame: pd.DataFrame) -> Iterator[Row]:
    for (solver, planned, there), part in frame.groupby(["solver", "planned_for", "run_on"], sort=False):
        setting = f"{solver}, planned for {planned}, run on {there}"
        yield "C6", setting, "latency", None, part["latency"].mean(), part["latency"].std(), "share"
