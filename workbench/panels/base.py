"""What the panels of all notebooks share: state as traits, controls, figures updated in place, jobs, uploads and exports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.panels.browser import Page
from workbench.panels.controls import Check, Controls, choice_check
from workbench.panels.exports import Exports, file_name
from workbench.panels.jobs import JobBar
from workbench.panels.live import LiveFigure
from workbench.panels.memory import same_number
from workbench.panels.state import State
from workbench.panels.status import Message, StatusLine, full_traceback, one_line
from workbench.panels.uploads import Uploads
from workbench.panels.views import Draw, View, Views, row
from workbench.panels.work import Work


class Panel(Controls, Uploads, Work, Exports, State):
    """A set of controls over figures; its state is its traits, which code reads and sets like ordinary attributes.

    A subclass declares its state as traits, makes controls and figures in :meth:`build`, and updates the figures in
    :meth:`redraw`.  A trait tagged ``state=False`` is redrawn, but neither remembered nor reset.

    Args:
        key: a name under which the kernel remembers the state, so that it survives when the notebook's cell runs again.
            There is one live panel of a class and key: a new one takes the place of the old one.
        **initial: first values of traits.  When a cell is edited to give another value, that value wins over the memory.

    Raises:
        TypeError, ValueError: an initial value is not of the trait's kind, or outside of its control's range.

    >>> import traitlets
    >>> from workbench.figures.theme import new_figure, series_style
    >>> class Doubling(Panel):
    ...     images = traitlets.Int(100)
    ...     def build(self):
    ...         self.slider("images", 0, 1000, 10, "Images", "count")
    ...         self.figure = self.add_figure(new_figure("Twice as many", "Set (name)", "Images (count)"))
    ...         self.figure.add_bar(x=["now", "then"])
    ...     def redraw(self, changed):
    ...         self.figure.data[0].y = [self.images, 2 * self.images]
    >>> panel = Doubling(images=200)
    >>> panel.images = 300
    >>> panel.figure.data[0].y
    (300, 600)
    >>> panel.images = 2000
    Traceback (most recent call last):
    ValueError: images must be from 0 to 1000 (count), got 2000
    """

    title = "panel"
    view = traitlets.Unicode("", help="title of the visible view; empty when the panel has none")

    def __init__(self, *, key: str | None = None, **initial: Any) -> None:
        super().__init__(key)
        self.controls: dict[str, widgets.Widget] = {}
        self.figures: list[LiveFigure] = []
        self.last_traceback = ""
        self._units: dict[str, str] = {}
        self._syncing: set[str] = set()
        self._status = StatusLine()
        self._jobs = JobBar(self._job_ended)
        self._page = Page()
        self._views = Views()
        self._placed: list[widgets.Widget] = []
        self._inputs: list[widgets.Widget] = []
        self._build(initial)

    def _build(self, initial: dict[str, Any]) -> None:
        unknown = set(initial) - set(self._names)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no trait {', '.join(sorted(unknown))}; it has {self._names}")
        self.build()
        if self._views.views:
            self._link_views()
        self.update(**initial)
        self._defaults = {name: getattr(self, name) for name in self._names}
        self._restore(initial)
        self.observe(self._trait_changed, names=self.trait_names())
        self.widget = self._assemble()
        self._changed.update(self._names)
        self._holding = 0
        self._flush()

    # What a subclass writes

    def build(self) -> None:
        """Make the controls and figures; called once, when the traits have their defaults."""

    def redraw(self, changed: frozenset[str]) -> None:
        """Update the figures' traces in place; called once per change with the names of the changed traits.

        It runs inside ``batch_update()`` of every visible figure: what it assigns is sent to the page in one message at
        the end, and reading it back before that gives the old value.
        """

    def frame(self) -> pd.DataFrame:
        """Return the numbers that are shown, for the CSV export."""
        raise NotImplementedError(f"{type(self).__name__} has no table to export: define frame()")

    def on_file(self, name: str, content: bytes) -> None:
        """Take a file of the person's; raise a ValueError in plain words when it is not what is needed."""
        raise NotImplementedError(f"{type(self).__name__} does not read files: define on_file()")

    def on_path(self, path: str) -> None:
        """Take a path on the kernel's machine; raise a plain error when there is nothing to read."""
        raise NotImplementedError(f"{type(self).__name__} does not read paths: define on_path()")

    def _draw(self, changed: frozenset[str]) -> None:
        for other in self._views.views.values():
            other.stale |= changed
        view = self._views.views.get(self.view)
        if view is not None:
            self._views.fill(self.view)
        with contextlib.ExitStack() as stack:
            for figure in self.shown_figures():
                stack.enter_context(figure.batch_update())
            self.redraw(changed)
            if view is not None:
                stale, view.stale = frozenset(view.stale), set()
                if view.draw is not None and stale - {"view"}:
                    view.draw(stale)

    # Figures and views

    def add_figure(self, figure: go.Figure) -> LiveFigure:
        """Turn a figure into a live one of the panel and return it; add its traces before or after."""
        live = LiveFigure(figure)
        live._config = {
            "displaylogo": False,
            "responsive": True,
            "toImageButtonOptions": {
                "format": "png",
                "scale": 2,
                "filename": file_name(live.layout.title.text or self.title, ""),
            },
        }
        self.figures.append(live)
        return live

    def add_view(
        self,
        title: str,
        figures: Sequence[LiveFigure],
        draw: Draw | None = None,
        controls: Sequence[widgets.Widget] = (),
        body: widgets.Widget | None = None,
    ) -> None:
        """Add a tab; ``draw(changed)`` updates its figures, and is only called while the tab is visible.

        Args:
            title: text of the tab, and the value of :attr:`view` that shows it.
            figures: figures made by :meth:`add_figure`.
            draw: gets the names of all traits that changed since it was last called.
            controls: controls of this view alone, built with ``place=False``.
            body: a widget that holds the figures, where they are not simply one below the other.

        Raises:
            ValueError: there is a view of this title already.
        """
        view = View(title, list(figures), list(controls), draw, body, set(self._names))
        self._views.add(view)
        self.view = self.view or title

    def shown_figures(self) -> list[LiveFigure]:
        """Return the figures that can be seen now: those outside of the views, and those of the visible view."""
        hidden = {id(f) for title, view in self._views.views.items() if title != self.view for f in view.figures}
        return [figure for figure in self.figures if id(figure) not in hidden]

    # What it says

    @property
    def messages(self) -> list[Message]:
        """The last hundred messages, the newest at the end."""
        return self._status.messages

    def say(self, text: str, level: str = "info") -> None:
        """Show one line: ``level`` is info, good, warning or error; an empty text clears the line.

        Raises:
            ValueError: the level is another word.
        """
        self._status.say(text, level)

    @contextlib.contextmanager
    def guard(self, prefix: str = "") -> Iterator[None]:
        """Turn what goes wrong in the block into one line; the traceback is kept in :attr:`last_traceback`."""
        if self._status.level == "error":
            self.say("")
        try:
            yield
        except Exception as error:
            self.last_traceback = full_traceback(error)
            self.say(prefix + one_line(error), "error")

    # The page

    def has_frame(self) -> bool:
        """Return whether the subclass has a table to export."""
        return type(self).frame is not Panel.frame

    def place(self, *children: widgets.Widget) -> None:
        """Append widgets of your own to the row of controls."""
        self._placed.extend(children)

    def _link_control(
        self,
        name: str,
        control: widgets.Widget,
        check: Check | None,
        place: bool,
        convert: Callable[[Any], Any] | None = None,
    ) -> widgets.Widget:
        if check is not None:
            check(name, getattr(self, name))
            self.checks[name] = check
        self.controls[name] = control
        control.value = getattr(self, name)

        def to_trait(change: dict[str, Any]) -> None:
            if name in self._syncing or same_number(change["new"], getattr(self, name)):
                return
            with self.guard():
                setattr(self, name, convert(change["new"]) if convert else change["new"])
            to_control()

        def to_control(_: object = None) -> None:
            with self.syncing(name):
                control.value = getattr(self, name)

        control.observe(to_trait, names="value")
        self.observe(to_control, names=name)
        if place:
            self.place(control)
        return control

    @contextlib.contextmanager
    def syncing(self, name: str) -> Iterator[None]:
        """Change the control of trait ``name`` in the block without the change coming back."""
        self._syncing.add(name)
        try:
            yield
        finally:
            self._syncing.discard(name)

    def _link_views(self) -> None:
        titles = list(self._views.views)
        self.checks["view"] = choice_check(titles)

        def to_trait(change: dict[str, Any]) -> None:
            with self.guard():
                self.view = titles[change["new"] or 0]

        def to_tab(_: object = None) -> None:
            self._views.selected_index = titles.index(self.view)

        to_tab()
        self._views.observe(to_trait, names="selected_index")
        self.observe(to_tab, names="view")

    def _assemble(self) -> widgets.VBox:
        in_views = {id(figure) for view in self._views.views.values() for figure in view.figures}
        loose = [figure for figure in self.figures if id(figure) not in in_views]
        tabs = [self._views] if self._views.views else []
        rows = [row(part) for part in (self._placed, self._inputs) if part]
        children = [*rows, self._jobs, self._status, *tabs, *loose, row(self._export_row()), self._page]
        box = widgets.VBox(children, layout=widgets.Layout(width="100%"))
        box.add_class("workbench-panel")
        return box

    def close(self) -> None:
        """Stop the job and take the widgets off the page."""
        self.stop()
        for widget in _family(self.widget):
            widget.close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        state = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.controls)
        return f"{type(self).__name__}({state})"


def _family(widget: widgets.Widget) -> list[widgets.Widget]:
    return [widget, *(member for child in getattr(widget, "children", ()) for member in _family(child))]
