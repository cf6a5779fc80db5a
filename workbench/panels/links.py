"""Traits of two panels that follow each other."""

from __future__ import annotations

from workbench.panels.base import Panel
from workbench.panels.status import one_line


class Link:
    """A pair of traits, of two panels or of one, that follow each other until :meth:`unlink`."""

    def __init__(self, first: Panel, first_name: str, second: Panel, second_name: str) -> None:
        first.trait_of(first_name), second.trait_of(second_name)
        self._ends = ((first, first_name, second, second_name), (second, second_name, first, first_name))
        setattr(second, second_name, getattr(first, first_name))
        first.observe(self._from_first, names=first_name)
        second.observe(self._from_second, names=second_name)

    def _from_first(self, _: object) -> None:
        self._follow(*self._ends[0])

    def _from_second(self, _: object) -> None:
        self._follow(*self._ends[1])

    def _follow(self, source: Panel, source_name: str, target: Panel, target_name: str) -> None:
        try:
            setattr(target, target_name, getattr(source, source_name))
        except (ValueError, TypeError) as error:
            target.say(f"cannot follow the linked panel: {one_line(error)}", "warning")

    def unlink(self) -> None:
        """Let the two go separate ways."""
        (first, first_name, second, second_name), _ = self._ends
        first.unobserve(self._from_first, names=first_name)
        second.unobserve(self._from_second, names=second_name)


def link(first: Panel, first_name: str, second: Panel, second_name: str) -> Link:
    """Make a trait of one panel and a trait of another follow each other, starting from the first one's value.

    Where one end refuses a value that the other takes, it keeps its own and says so in its status line.

    Raises:
        AttributeError: a panel has no trait of that name.
        ValueError, TypeError: the second trait refuses the first one's value.
    """
    return Link(first, first_name, second, second_name)
