"""The table of an abstract's claims at the head of a notebook: stored numbers until newer ones are measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from workbench.experiments.results import load_results
from workbench.panels.run import table_html


class MeasuredClaims(widgets.HTML):
    """The claims of an abstract beside the numbers measured here; a subclass says whose.

    Attributes:
        results: name of the stored results table.
        judge: results table -> columns ``claim``, ``statement``, ``paper``, ``measured``, ``holds``.
    """

    results: ClassVar[str]
    judge: ClassVar[Callable[[pd.DataFrame], pd.DataFrame]]

    def __init__(self) -> None:
        super().__init__(layout=widgets.Layout(width="100%"))
        stored = load_results(self.results)
        self.show_results(stored, f"measured on {stored.attrs['record']['date']}")

    def show_results(self, results: pd.DataFrame, when: str = "measured just now") -> None:
        """Show another results table."""
        table = (
            type(self)
            .judge(results)
            .rename(columns={"statement": "the abstract says", "paper": "the paper's numbers", "measured": when})
        )
        self.value = table_html(table)
