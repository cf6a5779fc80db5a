"""What notebook 03 says of the claims, and the runs that measure them anew."""

from __future__ import annotations

from functools import partial

import pandas as pd

from workbench.experiments.results import load_results
from workbench.experiments.targeted_selection import (
    FULL,
    QUICK,
    SelectionConfig,
    measure_loop,
    measure_rankings,
    run,
)
from workbench.experiments.targeted_selection_claims import claims
from workbench.panels.claims import MeasuredClaims
from workbench.panels.run import RunPanel
from workbench.panels.targeted_selection import TargetedSelectionPanel
from workbench.training import CancelToken, Progress


class ClaimsTable(MeasuredClaims):
    """The claims of paper 4 beside the numbers measured here, from the stored results until newer ones are shown.

    >>> "whole-picture retrieval" in ClaimsTable().value
    True
    """

    results = "targeted_selection"
    judge = staticmethod(claims)


RUN_QUICK = "Measure a small pool (about 2 min)"
RUN_FULL = "Re-measure every claim (about 30 min)"


def run_panel(table: ClaimsTable, panel: TargetedSelectionPanel) -> RunPanel:
    """Return the panel of section "Run it for real": what it measures replaces the stored numbers.

    Args:
        table: shows the claims that were measured anew.
        panel: whose views of stored rankings and loops take those measured now.
    """
    measured: dict[str, pd.DataFrame] = {}

    def measure(config: SelectionConfig, progress: Progress, cancel: CancelToken) -> pd.DataFrame:
        measured["rankings"] = measure_rankings(config, progress, cancel)
        measured["loop"] = measure_loop(config.loop, progress, cancel)
        return run(config, progress, cancel, **measured)

    def done(label: str, result: pd.DataFrame) -> None:
        when = "measured just now"
        if label == RUN_QUICK:
            result, when = with_stored(result), "a small pool just now, the rest stored"
        table.show_results(result, when)
        panel.show_rankings(measured["rankings"])
        panel.draw_anew()

    runs = {RUN_QUICK: QUICK, RUN_FULL: FULL}
    return RunPanel(
        {label: partial(measure, config) for label, config in runs.items()}, done, key="run targeted selection"
    )


def with_stored(results: pd.DataFrame) -> pd.DataFrame:
    """Return measured results, and the stored ones of everything that they leave out."""
    stored = load_results("targeted_selection")
    names = ["claim", "setting", "quantity"]
    new = set(results[names].itertuples(index=False, name=None))
    rest = [row not in new for row in stored[names].itertuples(index=False, name=None)]
    return pd.concat([results, stored[rest]], ignore_index=True)
