"""The table of claims of notebook 05, and the runs that measure them anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from workbench.experiments.robust_transformers import FULL, QUICK, run
from workbench.experiments.robust_transformers_claims import claims
from workbench.experiments.robust_transformers_config import RobustConfig
from workbench.experiments.robust_transformers_measure import measure
from workbench.panels.claims import MeasuredClaims
from workbench.panels.run import RunPanel
from workbench.training import CancelToken, Progress

RUN_QUICK = "Train four small networks (about 1 min)"
RUN_CLAIMS = "Re-measure every claim (about 40 min)"


class ClaimsTable(MeasuredClaims):
    """The claims of paper 7 beside the numbers measured here, from the stored results until newer ones are shown.

    >>> "Proposition 2.1" in ClaimsTable().value
    True
    """

    results = "robust_transformers"
    judge = staticmethod(claims)


def run_panel(table: ClaimsTable, show_errors: Callable[[pd.DataFrame], None]) -> RunPanel:
    """Return the panel of section "Run it for real": what it measures replaces the stored numbers.

    Args:
        table: shows the claims that were measured anew.
        show_errors: takes the errors, such as ``RobustTransformersPanel.show_errors``.
    """
    measured: list[pd.DataFrame] = []

    def train(config: RobustConfig, progress: Progress, cancel: CancelToken) -> pd.DataFrame:
        found = measure(config, progress, cancel)
        measured[:] = [found["errors"]]
        return run(config, measured=found)

    def done(label: str, result: pd.DataFrame) -> None:
        table.show_results(result)
        if label == RUN_CLAIMS:
            show_errors(measured[0])

    runs = {RUN_QUICK: partial(train, QUICK), RUN_CLAIMS: partial(train, FULL)}
    return RunPanel(runs, done, key="run robust transformers")
