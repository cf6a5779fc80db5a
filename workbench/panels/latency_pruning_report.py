"""The table of claims of notebook 10, and the runs that measure them anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from workbench.experiments.latency_pruning import FULL, LatencyPruningConfig, measure_budgets
from workbench.experiments.latency_pruning_claims import claims
from workbench.panels.claims import MeasuredClaims
from workbench.panels.run import RunPanel
from workbench.training import CancelToken, Progress

RUN_ONE = "Prune one network to two budgets (about 40 s)"
RUN_CLAIMS = "Measure all budgets again (about 3 min)"
ONE = LatencyPruningConfig(seeds=(0,), shares=(0.6, 0.4))
"""What the first button measures."""


class ClaimsTable(MeasuredClaims):
    """The claims of paper 1 beside the numbers measured here, from the stored results until newer ones are shown.

    >>> "C6" in ClaimsTable().value
    True
    """

    results = "latency_pruning_budgets"
    judge = staticmethod(claims)


def run_panel(table: ClaimsTable, show_budgets: Callable[[pd.DataFrame], None]) -> RunPanel:
    """Return the panel of section "Run it for real": what it measures replaces the stored budgets.

    Args:
        table: shows the claims that were measured anew; one seed has no spread and leaves them alone.
        show_budgets: takes the budgets, such as ``LatencyPruningPanel.show_budgets``.
    """

    def measured(config: LatencyPruningConfig, progress: Progress, cancel: CancelToken) -> pd.DataFrame:
        return measure_budgets(config, progress, cancel)

    def done(label: str, result: pd.DataFrame) -> None:
        if label == RUN_CLAIMS:
            table.show_results(result)
        show_budgets(result)

    return RunPanel({RUN_ONE: partial(measured, ONE), RUN_CLAIMS: partial(measured, FULL)}, done, key="run pruning")
