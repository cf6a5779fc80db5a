"""Several views in one panel, as tabs of which only the visible one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import ipywidgets as widgets

from workbench.panels.live import LiveFigure

Draw = Callable[[frozenset[str]], None]


@dataclass
class View:
    """One tab: its figures, its own controls, the function that draws it, and what holds the figures if not one column."""

    title: str
    figures: list[LiveFigure]
    controls: list[widgets.Widget]
    draw: Draw | None
    body: widgets.Widget | None = None
    stale: set[str] = field(default_factory=set)


def row(children: Sequence[widgets.Widget]) -> widgets.HBox:
    """Return a row that wraps on a narrow window."""
    box = widgets.HBox(list(children))
    box.add_class("workbench-row")
    return box


def beside(left: widgets.Widget, right: widgets.Widget, share: int = 2, least: int = 340) -> widgets.HBox:
    """Return two widgets side by side, the left one ``share`` times as wide; one below the other on a narrow window.

    Args:
        left: gets ``share`` parts of the width.
        right: gets one part.
        share: at least 1.
        least: width in pixels below which the right one is not squeezed.
    """
    parts = [
        widgets.VBox([widget], layout=widgets.Layout(flex=f"{part} 1 {part * least}px", min_width="0"))
        for widget, part in ((left, share), (right, 1))
    ]
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap", width="100%", overflow="hidden"))


class Views(widgets.Tab):
    """Tabs that put a view's widgets on the page when it is first looked at.

    A hidden plot has no width to fill, so filling a tab late is also what makes it come out at the right size.
    """

    def __init__(self) -> None:
        super().__init__()
        self.views: dict[str, View] = {}

    def add(self, view: View) -> None:
        """Append one tab.

        Raises:
            ValueError: there is a view of this title already.
        """
        if view.title in self.views:
            raise ValueError(f"view title must be new, got {view.title!r} twice")
        self.views[view.title] = view
        self.children = [*self.children, widgets.VBox()]
        self.titles = list(self.views)

    def fill(self, title: str) -> None:
        """Put the widgets of a view into its tab, once."""
        box, view = self.children[list(self.views).index(title)], self.views[title]
        if not box.children:
            body = view.figures if view.body is None else [view.body]
            box.children = [row(view.controls), *body] if view.controls else body
