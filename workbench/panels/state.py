"""The state of a panel: traits that refuse wrong values in plain words, are remembered, and ask for one redraw per change."""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import traitlets

from workbench.panels.controls import Check
from workbench.panels.memory import recall, same
from workbench.panels.status import one_line


class State(traitlets.HasTraits):
    """Traits of a panel, with their checks, their memory and their redraws; :class:`workbench.panels.base.Panel` adds the rest."""

    def __init__(self, key: str | None) -> None:
        super().__init__()
        self.key = key
        self.checks: dict[str, Check] = {}
        self.last_redraw_seconds = 0.0
        self._changed: set[str] = set()
        self._holding = 1
        self._names = [name for name in self.trait_names() if self.trait_metadata(name, "state", True)]
        self._memory = recall(self, key)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, self._checked(name, value) if name in self._traits else value)

    def _checked(self, name: str, value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        check = self.__dict__.get("checks", {}).get(name)
        if check is not None:
            check(name, value)
        try:
            return self._traits[name]._validate(self, value)
        except traitlets.TraitError as error:
            if "expected" not in str(error):
                raise ValueError(f"{name}: {one_line(error)}, got {value!r}") from None
            expected = self._traits[name].info()
            raise TypeError(f"{name} must be {expected}, got {value!r} ({type(value).__name__})") from None

    def trait_of(self, name: str) -> traitlets.TraitType:
        """Return the declaration of a trait.

        Raises:
            AttributeError: the panel has no such trait.
        """
        if name not in self._traits:
            raise AttributeError(f"{type(self).__name__} has no trait {name!r}; it has {', '.join(self._names)}")
        return self._traits[name]

    def update(self, **values: Any) -> None:
        """Set several traits with one redraw; when one value is wrong, none is set."""
        checked = {name: self._checked(name, value) for name, value in values.items() if self.trait_of(name)}
        with self.hold():
            for name, value in checked.items():
                setattr(self, name, value)

    def reset(self) -> None:
        """Go back to the defaults: those of the traits, with the values that the constructor was given."""
        with self.hold():
            for name, value in self._defaults.items():
                setattr(self, name, value)
        self.say("")

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Redraw once, at the end of the block, for all changes inside it."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
            if not self._holding:
                self._flush()

    def _restore(self, initial: dict[str, Any]) -> None:
        previous = self._memory.panel() if self._memory.panel is not None else None
        if previous is not None:
            previous.close()
        edited = {name for name, value in initial.items() if not same(self._memory.initial.get(name), value)}
        for name, value in list(self._memory.values.items()):
            if name in self._names and name not in edited:
                with contextlib.suppress(ValueError, TypeError):  # the cell was edited and the value no longer fits
                    setattr(self, name, value)
        self._memory.initial, self._memory.panel = dict(initial), weakref.ref(self)

    def _trait_changed(self, change: dict[str, Any]) -> None:
        self._changed.add(change["name"])
        if change["name"] in self._names:
            self._memory.values[change["name"]] = change["new"]
        if not self._holding:
            self._flush()

    def _flush(self) -> None:
        self._holding += 1
        started = time.perf_counter()
        try:
            for _ in range(10):  # a redraw may itself set traits; ten rounds end a pair that chase each other
                if not self._changed:
                    return
                changed = frozenset(self._changed)
                self._changed.clear()
                self._draw(changed)
        finally:
            self._holding -= 1
            self.last_redraw_seconds = time.perf_counter() - started

    def close(self) -> None:
        """Let go of the panel; :class:`workbench.panels.base.Panel` also closes its widgets."""
