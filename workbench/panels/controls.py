"""The controls of a panel: each one is linked both ways with a trait and states which values that trait takes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ipywidgets as widgets
import traitlets

from workbench.panels.sliders import FloatLogSlider, FloatRangeSlider, FloatSlider, IntSlider

AS_WIDE_AS_TEXT = {"description_width": "initial"}
Check = Callable[[str, Any], None]


def _with_unit(text: str, unit: str) -> str:
    return f"{text} ({unit})" if unit else text


def number_check(low: float, high: float, unit: str = "") -> Check:
    """Return a check that a value is a number from ``low`` to ``high``.

    >>> number_check(0, 100, "%")("target", 140)
    Traceback (most recent call last):
    ValueError: target must be from 0 to 100 (%), got 140
    """

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name} must be a number {expected}, got {value!r} ({type(value).__name__})")
        if not low <= value <= high:
            raise ValueError(f"{name} must be {expected}, got {value!r}")

    expected = _with_unit(f"from {low:g} to {high:g}", unit)
    return check


def pair_check(low: float, high: float, unit: str = "") -> Check:
    """Return a check that a value is an ordered pair of numbers from ``low`` to ``high``.

    >>> pair_check(0, 10)("window", (7, 3))
    Traceback (most recent call last):
    ValueError: window must be a pair (lower, upper) with lower <= upper, got (7, 3)
    """
    each = number_check(low, high, unit)

    def check(name: str, value: Any) -> None:
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise TypeError(f"{name} must be a pair (lower, upper), got {value!r}")
        for part in value:
            each(name, part)
        if value[0] > value[1]:
            raise ValueError(f"{name} must be a pair (lower, upper) with lower <= upper, got {value!r}")

    return check


def choice_check(values: Iterable[Any]) -> Check:
    """Return a check that a value is one of ``values``.

    >>> choice_check(["power", "algebraic"])("law", "linear")
    Traceback (most recent call last):
    ValueError: law must be one of 'power', 'algebraic', got 'linear'
    """
    values = list(values)

    def check(name: str, value: Any) -> None:
        if value not in values:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, values))}, got {value!r}")

    return check


def subset_check(values: Iterable[Any]) -> Check:
    """Return a check that a value is a tuple of members of ``values``.

    >>> subset_check(["power", "log"])("laws", ("power", "linear"))
    Traceback (most recent call last):
    ValueError: laws must be one of 'power', 'log', got 'linear'
    """
    each = choice_check(values)

    def check(name: str, value: Any) -> None:
        if not isinstance(value, (tuple, list)):
            raise TypeError(f"{name} must be a tuple of choices, got {value!r}")
        for part in value:
            each(name, part)

    return check


def _pairs(options: Iterable[Any] | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(options, Mapping):
        return [(str(label), value) for label, value in options.items()]
    return [option if isinstance(option, tuple) and len(option) == 2 else (str(option), option) for option in options]


class Controls:
    """Builders of controls, mixed into :class:`workbench.panels.base.Panel`.

    Every builder takes the name of a trait first, links the control with it, appends the control to the panel's row unless
    ``place=False``, and returns it.
    """

    def slider(
        self,
        name: str,
        min: float,
        max: float,
        step: float | None = None,
        description: str = "",
        unit: str = "",
        *,
        tooltip: str = "",
        log: bool = False,
        format: str | None = None,
        place: bool = True,
    ) -> widgets.Widget:
        """Add a slider for a number, or for a pair when the trait is a Tuple.

        Args:
            name: trait to link; an Int trait gets whole numbers.
            min: least value.
            max: greatest value.
            step: distance of two neighbouring values; a hundredth of the range, or 1, when absent.
            description: label in words; the trait's name when absent.
            unit: unit of the value, shown behind the label.
            tooltip: a sentence on what the value does.
            log: spread the values by their logarithm; ``min`` must be positive, and ``step`` is one of the exponent.
            format: how the value is written, such as ``".1f"``.
            place: whether to append the control to the panel's row.

        Raises:
            ValueError: the range is empty, or the trait's value lies outside.
        """
        trait = self.trait_of(name)
        if not min < max or (log and min <= 0):
            raise ValueError(f"slider {name!r} needs {'0 < ' if log else ''}min < max, got min={min!r} and max={max!r}")
        whole, pair = isinstance(trait, traitlets.Int), isinstance(trait, traitlets.Tuple)
        options: dict[str, Any] = {"min": min, "max": max, "step": step or (1 if whole else (max - min) / 100)}
        if log:
            options = {"base": 10, "min": math.log10(min), "max": math.log10(max), "step": step or 0.01}
        if format is not None:
            options["readout_format"] = format
        kind = IntSlider if whole else FloatSlider
        if pair:
            kind = FloatRangeSlider
        elif log:
            kind = FloatLogSlider
        layout = widgets.Layout(flex="1 1 320px", max_width="480px", width="auto")
        control = kind(**options, **self._words(name, description, unit, tooltip), layout=layout)
        check = pair_check(min, max, unit) if pair else number_check(min, max, unit)
        return self._link_control(name, control, check, place, convert=round if whole else None)

    def steps(
        self,
        name: str,
        values: Iterable[Any] | Mapping[str, Any],
        description: str = "",
        unit: str = "",
        *,
        tooltip: str = "",
        place: bool = True,
    ) -> widgets.SelectionSlider:
        """Add a slider over given values, or over a mapping from label to value, in their order."""
        pairs = _pairs(values)
        layout = widgets.Layout(flex="1 1 280px", max_width="420px", width="auto")
        control = widgets.SelectionSlider(options=pairs, **self._words(name, description, unit, tooltip), layout=layout)
        return self._link_control(name, control, choice_check([value for _, value in pairs]), place)

    def number(
        self,
        name: str,
        min: float,
        max: float,
        step: float | None = None,
        description: str = "",
        unit: str = "",
        *,
        tooltip: str = "",
        place: bool = True,
    ) -> widgets.Widget:
        """Add a box for a number that is typed; the arguments are those of :meth:`slider`."""
        whole = isinstance(self.trait_of(name), traitlets.Int)
        kind = widgets.BoundedIntText if whole else widgets.BoundedFloatText
        layout = widgets.Layout(width="auto", flex="0 1 240px")
        options = {"min": min, "max": max, "step": step or (1 if whole else (max - min) / 100)}
        control = kind(**options, **self._words(name, description, unit, tooltip), layout=layout)
        return self._link_control(name, control, number_check(min, max, unit), place)

    def dropdown(
        self,
        name: str,
        options: Iterable[Any] | Mapping[str, Any],
        description: str = "",
        *,
        tooltip: str = "",
        place: bool = True,
    ) -> widgets.Dropdown:
        """Add a list to choose one value from: ``options`` are values, or a mapping from label to value."""
        return self._choice(widgets.Dropdown, name, options, description, tooltip, place)

    def choice(
        self,
        name: str,
        options: Iterable[Any] | Mapping[str, Any],
        description: str = "",
        *,
        tooltip: str = "",
        place: bool = True,
    ) -> widgets.ToggleButtons:
        """Add a row of buttons of which one is pressed; for two to five short options."""
        control = self._choice(widgets.ToggleButtons, name, options, description, tooltip, place)
        control.style = {"button_width": "auto", "description_width": "initial"}
        return control

    def several(
        self,
        name: str,
        options: Iterable[Any] | Mapping[str, Any],
        description: str = "",
        *,
        tooltip: str = "",
        place: bool = True,
    ) -> widgets.SelectMultiple:
        """Add a list to choose any number of values from; the trait is a Tuple."""
        pairs = _pairs(options)
        layout = widgets.Layout(width="auto", flex="0 1 280px")
        words = self._words(name, description, "", tooltip)
        control = widgets.SelectMultiple(options=pairs, rows=min(5, len(pairs)), **words, layout=layout)
        return self._link_control(name, control, subset_check([value for _, value in pairs]), place)

    def toggle(self, name: str, description: str = "", *, tooltip: str = "", place: bool = True) -> widgets.Checkbox:
        """Add a box to tick; the trait is a Bool."""
        layout = widgets.Layout(width="auto")
        control = widgets.Checkbox(indent=False, **self._words(name, description, "", tooltip), layout=layout)
        return self._link_control(name, control, None, place)

    def text(self, name: str, description: str = "", *, tooltip: str = "", place: bool = True) -> widgets.Text:
        """Add a line of text that counts when Enter is pressed or the line is left."""
        layout = widgets.Layout(width="auto", flex="1 1 280px")
        words = self._words(name, description, "", tooltip)
        return self._link_control(name, widgets.Text(continuous_update=False, **words, layout=layout), None, place)

    def button(
        self,
        description: str,
        action: Callable[[], object],
        *,
        tooltip: str = "",
        primary: bool = False,
        place: bool = True,
    ) -> widgets.Button:
        """Add a button that calls ``action()``; what goes wrong there becomes one line in the status."""
        control = widgets.Button(description=description, tooltip=tooltip or description)
        control.button_style = "primary" if primary else ""
        control.layout.width = "auto"

        def pressed(_: widgets.Button) -> None:
            with self.guard():
                action()

        control.on_click(pressed)
        if place:
            self.place(control)
        return control

    def set_range(self, name: str, min: float, max: float) -> None:
        """Change the range of a slider or number box, and move the value into it if need be.

        Raises:
            ValueError: the range is empty.
        """
        if not min < max:
            raise ValueError(f"the range of {name!r} needs min < max, got min={min!r} and max={max!r}")
        control = self.controls[name]
        unit = self._units.get(name, "")
        value = getattr(self, name)
        inside = tuple(_clip(v, min, max) for v in value) if isinstance(value, tuple) else _clip(value, min, max)
        self.checks[name] = (pair_check if isinstance(value, tuple) else number_check)(min, max, unit)
        log = isinstance(control, widgets.FloatLogSlider)
        low, high = (math.log10(min), math.log10(max)) if log else (min, max)
        # in one message: a page that gets a range before its value sends back the old value, moved into the new range
        with self.hold(), self.syncing(name), control.hold_sync():
            if low > control.max:
                control.max, control.min = high, low
            else:
                control.min, control.max = low, high
            setattr(self, name, inside)
            control.value = inside

    def set_options(self, name: str, options: Iterable[Any] | Mapping[str, Any]) -> None:
        """Change the options of a dropdown or row of buttons; a value that is gone becomes the first option."""
        pairs = _pairs(options)
        values = [value for _, value in pairs]
        value = getattr(self, name) if getattr(self, name) in values else values[0]
        self.checks[name] = choice_check(values)
        with self.hold(), self.syncing(name):
            self.controls[name].options = pairs
            setattr(self, name, value)
            self.controls[name].value = value

    def set_members(self, name: str, options: Iterable[Any] | Mapping[str, Any]) -> None:
        """Change the options of a list of several values; values that are gone are no longer chosen."""
        pairs = _pairs(options)
        values = [value for _, value in pairs]
        self.checks[name] = subset_check(values)
        with self.hold(), self.syncing(name):
            kept = tuple(value for value in getattr(self, name) if value in values)
            self.controls[name].options = pairs
            self.controls[name].rows = min(5, max(len(pairs), 1))
            setattr(self, name, kept)
            self.controls[name].value = kept

    def _words(self, name: str, description: str, unit: str, tooltip: str) -> dict[str, Any]:
        label = _with_unit(description or name.replace("_", " ").capitalize(), unit)
        self._units[name] = unit
        return {"description": label, "tooltip": tooltip or label, "style": AS_WIDE_AS_TEXT}

    def _choice(
        self, kind: type, name: str, options: Any, description: str, tooltip: str, place: bool
    ) -> widgets.Widget:
        pairs = _pairs(options)
        layout = widgets.Layout(width="auto", max_width="100%")
        control = kind(options=pairs, **self._words(name, description, "", tooltip), layout=layout)
        return self._link_control(name, control, choice_check([value for _, value in pairs]), place)


def _clip(value: float, low: float, high: float) -> float:
    return type(value)(min(max(value, low), high))
