"""What a panel shows, as a file: the numbers as CSV and the figures as one page that opens without a network."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Sequence

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from workbench.datasets.files import atomic_write
from workbench.figures.theme import PAGE_CSS

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ margin: 16px; background: #FFFFFF; color: #1B1B1B; font-family: system-ui, sans-serif; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111111; color: #EDEDED; }} }}
{css}
</style>
<script>{plotly}</script></head>
<body>
{figures}
</body></html>
"""


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a table as UTF-8 CSV without its index.

    >>> csv_bytes(pd.DataFrame({"images": [10, 20], "mAP": [0.5, 0.625]}))
    b'images,mAP\\n10,0.5\\n20,0.625\\n'
    """
    return frame.to_csv(index=False, lineterminator="\n").encode()


def html_page(figures: Sequence[go.Figure], title: str) -> str:
    """Return one page with all ``figures`` that needs neither a server nor a network."""
    parts = [
        go.Figure(figure.to_dict()).to_html(
            full_html=False, include_plotlyjs=False, config={"responsive": True, "displaylogo": False}
        )
        for figure in figures
    ]
    return _PAGE.format(title=html.escape(title), css=PAGE_CSS, plotly=get_plotlyjs(), figures="\n".join(parts))


def file_name(text: str, ending: str) -> str:
    """Return a title as the name of a file.

    >>> file_name("Accuracy (%) of a detector", ".csv")
    'accuracy-of-a-detector.csv'
    """
    return (re.sub(r"\W+", "-", text).strip("-").lower() or "panel") + ending


class Exports:
    """Downloads of what is shown, mixed into :class:`workbench.panels.base.Panel`."""

    def export_csv(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`frame` as CSV; an interrupted write leaves no half file."""
        with atomic_write(path) as temporary:
            temporary.write_bytes(csv_bytes(self.frame()))

    def export_html(self, path: str | os.PathLike[str]) -> None:
        """Write the visible figures as one page that needs no network."""
        with atomic_write(path) as temporary:
            temporary.write_text(html_page(self.shown_figures(), self.title), encoding="utf-8")

    def _export_row(self) -> list[widgets.Widget]:
        csv = self.button("Save numbers (CSV)", self._download_csv, tooltip="Download the numbers shown", place=False)
        page = self.button(
            "Save figures (HTML)",
            self._download_html,
            tooltip="Download the figures as one page; a camera saves PNG",
            place=False,
        )
        csv.icon = page.icon = "download"
        return [csv] * self.has_frame() + [page] * bool(self.figures)

    def _download_csv(self) -> None:
        name = file_name(self.title, ".csv")
        self._page.download(name, csv_bytes(self.frame()), "text/csv")
        self.say(f"Saved {name} to your browser's downloads", "good")

    def _download_html(self) -> None:
        name = file_name(self.title, ".html")
        self._page.download(name, html_page(self.shown_figures(), self.title).encode(), "text/html")
        self.say(f"Saved {name} to your browser's downloads", "good")
