"""The view of notebook 04 for a person's own table: say what its columns are, look at the groups, measure, take a report home."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.datasets import FairnessDataset, atomic_write, read_acs_pums, read_people
from workbench.encoders import wilson_interval
from workbench.experiments.fair_encoding_own import OwnPeople, measure_own, own_people, own_tasks
from workbench.figures.fair_encoding_groups import own_figure
from workbench.figures.updates import copy_into
from workbench.panels.fair_encoding_report import P, own_html, report_page

OWN = "9 Your own table"
CHOOSE = "choose …"
FEW_VALUES = 40
MOST_SHOWN = 15
HELP = (
    f"{P}A CSV with a header line and one person a row: a column with the label, one or more protected columns, and "
    "others to learn from. Upload it, paste it, or give a path on the kernel's machine (an ACS PUMS person file, "
    "psam_p*.csv or its zip, is known by its name). Then say what the columns are. Nothing leaves that machine, and "
    "your file is only read.</p>"
)
_ASKED = {"own_label", "own_positive", "own_above", "own_protected", "own_reference"}


class OwnViews(traitlets.HasTraits):
    """A person's own table; mixed into the panel of notebook 04.

    ``own_label``, ``own_positive`` (the value that counts as 1) or ``own_above`` (the number above which it does),
    ``own_protected`` and ``own_reference`` (of the first protected column; empty for the largest) say what the columns are.
    :meth:`measure_table` measures the encodings, :meth:`export_report` writes what was found.
    """

    own_label = traitlets.Unicode("").tag(state=False)
    own_positive = traitlets.Unicode("").tag(state=False)
    own_above = traitlets.Float(0.0).tag(state=False)
    own_protected = traitlets.Tuple(()).tag(state=False)
    own_reference = traitlets.Unicode("").tag(state=False)

    def build_own_view(self) -> None:
        """Make the ways in, the controls, the figure and the tab."""
        self._own_frame: pd.DataFrame | None = None
        self._own_data: FairnessDataset | None = None
        self._own_name, self._own_wrong = "", ""
        self._own: OwnPeople | None = None
        self._own_sweeps: dict[str, pd.DataFrame] = {}
        self.add_upload(".csv,.tsv,.txt", "Your table (CSV)", paste="pasted.csv", path="or its path")
        ways_in, self._inputs[:] = list(self._inputs), []
        self._own_asked = {
            "own_label": self.dropdown("own_label", {CHOOSE: ""}, "Label", place=False, tooltip="The column that is learned"),
            "own_positive": self.dropdown("own_positive", {CHOOSE: ""}, "counts as 1", place=False, tooltip="Others count as 0"),
            "own_above": self.number("own_above", -1e12, 1e12, 1.0, "counts as 1 above", place=False),
            "own_protected": self.several("own_protected", [], "Protected", place=False, tooltip="Hold Ctrl to choose several"),
            "own_reference": self.dropdown("own_reference", {"the largest group": ""}, "Reference", place=False),
            "measure": self.button("Measure", self.measure_table, primary=True, place=False, tooltip="By logistic regression"),
            "report": self.button("Save report (HTML)", self._download_report, place=False),
        }  # fmt: skip
        self._own_text = widgets.HTML(HELP, layout=widgets.Layout(width="100%"))
        self._own_figure = self.add_figure(self._draw_own())
        self.add_view(OWN, [self._own_figure], self._redraw_own, [*ways_in, *self._own_asked.values(), self._own_text])
        self._show_asked()

    # A file comes in

    def on_file(self, name: str, content: bytes) -> None:
        """Read a table of people; what its columns are is asked next."""
        self._take(name, read_people(content))

    def on_path(self, path: str) -> None:
        """Read a table, or an ACS PUMS person file, whose columns are known."""
        name = Path(path).name
        if name.startswith("psam_p") or name.endswith(".zip"):
            data = read_acs_pums(path)
            kept = ("RAC1P", "SEX")
            self._take(
                name, None, replace(data, protected=kept, references={key: data.references[key] for key in kept})
            )
            return
        self._take(name, read_people(path))

    def _take(self, name: str, frame: pd.DataFrame | None, data: FairnessDataset | None = None) -> None:
        self._own_name, self._own_frame, self._own_data = name, frame, data
        self._own, self._own_sweeps, self._own_wrong = None, {}, ""
        columns = [] if frame is None else list(map(str, frame.columns))
        with self.hold():
            self.view = OWN
            self.update(own_label="", own_positive="", own_reference="")
            self.set_options("own_label", {CHOOSE: ""} | {column: column for column in columns})
            self.set_members("own_protected", columns)
            self.own_protected = ()
        self._prepare()
        rows = len(frame) if frame is not None else len(data)
        known = (
            "its roles are known: press Measure"
            if data is not None
            else "now say which column is the label and which are protected"
        )
        self.say(f"{name}: {rows:,} people, {len(columns) or len(data.frame.columns)} columns; {known}", "good")

    # What its columns are

    def _redraw_own(self, changed: frozenset[str]) -> None:
        if not changed & _ASKED or self._own_frame is None:
            return
        if "own_label" in changed and self.own_label:
            self._fit_label()
        if changed & {"own_protected", "own_label"}:
            self._fit_reference()
        self._own_sweeps = {}
        self._prepare()

    def _fit_label(self) -> None:
        """Offer the values of the label, or a number above which it counts as 1."""
        values = self._own_frame[self.own_label]
        if self._is_amount():
            self.own_above = float(values.median())
            return
        found = sorted({str(value) for value in values.dropna()})[:FEW_VALUES]
        self.set_options("own_positive", {CHOOSE: ""} | {value: value for value in found})
        if set(found) == {"0", "1"}:
            self.own_positive = "1"

    def _fit_reference(self) -> None:
        """Offer the groups of the first protected column."""
        groups = []
        if self.own_protected and self.own_protected[0] != self.own_label:
            counts = self._own_frame[self.own_protected[0]].value_counts()
            groups = [str(value) for value in counts.index[:FEW_VALUES]]
        self.set_options("own_reference", {"the largest group": ""} | {group: group for group in groups})

    def _is_amount(self) -> bool:
        """Whether the label holds more than two numbers."""
        values = self._own_frame[self.own_label]
        return pd.api.types.is_numeric_dtype(values) and values.nunique() > 2

    def _prepare(self) -> None:
        """Build the tasks from what was said, show the groups, or say what is wrong or still missing."""
        self._own, self._own_wrong = None, ""
        try:
            if self._own_data is not None:
                self._own = own_tasks(self._own_data, self._own_name)
            elif self.own_label and self.own_protected:
                self._own = self._asked_people()
        except ValueError as error:
            self._own_wrong = str(error)
            self.say(f"{self._own_name}: {error}", "error")
        self._show_own()

    def _asked_people(self) -> OwnPeople | None:
        amount = self._is_amount()
        if not amount and not self.own_positive:
            return None
        first = self.own_protected[0]
        return own_people(
            self._own_frame,
            label=self.own_label,
            protected=self.own_protected,
            positive=None if amount else self.own_positive,
            above=self.own_above if amount else None,
            references={first: self.own_reference} if self.own_reference else None,
            name=self._own_name,
        )

    # Measure it

    def measure_table(self) -> None:
        """Measure the encodings in the background; the other views then show this table.

        Raises:
            ValueError: there is no table yet, or it is not said what its columns are.
        """
        if self._own is None:
            raise ValueError(self._own_wrong or self._missing_words())
        own, name = self._own, self._own_name

        def work(progress: object, cancel: object) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
            return {attribute: measure_own(task, progress, cancel) for attribute, task in own.tasks.items()}

        def done(found: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> None:
            if own is not self._own:
                return
            self._own_sweeps = {attribute: sweep for attribute, (sweep, _) in found.items()}
            for sweep, groups in found.values():
                self.show_sweep(sweep, groups)
            self.add_tasks({f"{name}: {attribute}": task for attribute, task in own.tasks.items()}, own.data.card)
            self._show_own()
            self.say(f"{name}: measured. All views now show it; “People” leads back.", "good")

        self.run_job(work, on_done=done, label=f"Measuring {name}")

    def own_frame(self) -> pd.DataFrame:
        """Return what was measured, or the groups before that.

        Raises:
            ValueError: there is no table yet, or it is not said what its columns are.
        """
        if self._own_sweeps:
            return pd.concat(self._own_sweeps.values(), ignore_index=True)
        if self._own is None:
            raise ValueError(self._own_wrong or self._missing_words())
        return self._own_groups()

    def export_report(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one page that needs no network.

        Raises:
            ValueError: nothing was measured yet.
        """
        with atomic_write(path) as temporary:
            temporary.write_text(self._report(), encoding="utf-8")

    def _report(self) -> str:
        if not self._own_sweeps:
            raise ValueError("nothing was measured yet: press Measure first")
        text = own_html(self._own, self._own_name, self._own_sweeps)
        figures = [self._own_figure, self._frontier_figure]
        self._redraw_frontier(frozenset())
        return report_page(text, figures, f"Encoding of {', '.join(self._own.data.protected)} in {self._own_name}")

    def _download_report(self) -> None:
        self._page.download("fair-encoding-report.html", self._report().encode(), "text/html")
        self.say("Saved fair-encoding-report.html to your browser's downloads", "good")

    # What is shown

    def _missing_words(self) -> str:
        if self._own_frame is None and self._own_data is None:
            return "there is no table yet: upload one, paste it, or give its path"
        if not self.own_label:
            return "say which column is the label"
        if not self.own_protected:
            return "say which column is protected"
        return f"say which value of {self.own_label!r} counts as 1"

    def _show_asked(self) -> None:
        """Show the questions that matter."""
        amount = self._own_frame is not None and bool(self.own_label) and self._is_amount()
        shown = dict.fromkeys(_ASKED, self._own_frame is not None)
        shown |= {"own_positive": shown["own_label"] and not amount, "own_above": amount}
        shown |= {"measure": self._own is not None, "report": bool(self._own_sweeps)}
        for name, widget in self._own_asked.items():
            widget.layout.display = None if shown[name] else "none"

    def _show_own(self) -> None:
        self._show_asked()
        copy_into(self._own_figure, self._draw_own())
        if self._own is not None:
            self._own_text.value = own_html(self._own, self._own_name, self._own_sweeps)
        elif self._own_frame is None:
            self._own_text.value = HELP
        else:
            wrong = f"<b>Not yet:</b> {self._own_wrong}" if self._own_wrong else self._missing_words().capitalize()
            self._own_text.value = f"{P}{wrong}.</p>"

    def _own_groups(self) -> pd.DataFrame:
        """Return rows, share of label 1 and its interval of each group of the first protected column."""
        data = self._own.data
        table = data.group_table(data.protected[0])
        low, high = wilson_interval(table["positives"], table["n"])
        return table.assign(low=low, high=high, reference=table["group"] == data.references[data.protected[0]])

    def _draw_own(self) -> go.Figure:
        if self._own is None:
            empty = pd.DataFrame({name: np.empty(0) for name in ("group", "n", "rate", "low", "high", "reference")})
            return own_figure(empty, "Your groups will stand here", "label 1")
        data = self._own.data
        groups = self._own_groups().head(MOST_SHOWN)
        return own_figure(groups, f"{self._own_name[:30]}: label 1 by {data.protected[0][:24]}", str(data.label.name))
