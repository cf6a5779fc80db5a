"""Run an experiment for real from a notebook: a button, a progress bar, Stop, and the table that comes out."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import pandas as pd
import traitlets

from workbench.panels.base import Panel


class RunPanel(Panel):
    """Buttons that start measurements in the background; the last table can be read, exported and shown elsewhere.

    Args:
        runs: label of a run -> function called as ``function(progress=..., cancel=...)`` that returns a DataFrame.
        on_result: called as ``on_result(label, table)`` on the kernel's own thread when a run is done.
        preview: most rows shown.
        key: as for :class:`Panel`.

    >>> panel = RunPanel({"Count": lambda progress, cancel: pd.DataFrame({"n": [1, 2]})})
    >>> panel.start("Count").label
    'Count'
    >>> len(panel.wait())
    2
    """

    title = "results"
    run = traitlets.Unicode("")

    def __init__(
        self,
        runs: Mapping[str, Callable[..., pd.DataFrame]],
        on_result: Callable[[str, pd.DataFrame], None] | None = None,
        *,
        preview: int = 12,
        key: str | None = None,
    ) -> None:
        self.runs, self.on_result, self.preview = dict(runs), on_result, preview
        self.result: pd.DataFrame | None = None
        super().__init__(key=key, run=next(iter(self.runs)))

    def build(self) -> None:
        """Make one button a run, and the place of the table."""
        self._table = widgets.HTML(layout=widgets.Layout(width="100%", overflow="auto"))
        self.run = self.run or next(iter(self.runs))
        for label in self.runs:
            self.button(
                label, lambda label=label: self.start(label), primary=True, tooltip=f"{label}: runs in the background"
            )
        self._inputs.append(self._table)

    def start(self, label: str) -> Any:
        """Start the run called ``label``; return its job, or None when another one is under way."""
        if label not in self.runs:
            raise ValueError(f"run must be one of {list(self.runs)}, got {label!r}")

        def done(table: pd.DataFrame) -> None:
            self.run, self.result = label, table
            self._table.value = table_html(table, self.preview)
            if self.on_result is not None:
                self.on_result(label, table)

        return self.run_job(self.runs[label], on_done=done, label=label)

    def frame(self) -> pd.DataFrame:
        """Return the table of the last run."""
        if self.result is None:
            raise ValueError("nothing was run yet: press a button first")
        return self.result


def table_html(table: pd.DataFrame, rows: int | None = None) -> str:
    """Return a table as HTML that wraps long cells; numbers with three digits.

    >>> "<td>0.333</td>" in table_html(pd.DataFrame({"value": [1 / 3]}))
    True
    """
    shown = table if rows is None or len(table) <= rows else table.head(rows)
    body = shown.to_html(index=False, border=0, na_rep="", float_format=lambda number: f"{number:.3g}", justify="left")
    more = (
        f"<p>{html.escape(f'{len(table) - len(shown)} more rows: export the CSV to see them')}</p>"
        if len(shown) < len(table)
        else ""
    )
    style = (
        ".workbench-table td, .workbench-table th { padding: 2px 10px 2px 0; text-align: left; vertical-align: top }"
    )
    return f"<style>{style}</style><div class='workbench-table' style='overflow-x:auto;line-height:1.45'>{body}</div>{more}"
