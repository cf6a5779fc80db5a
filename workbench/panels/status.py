"""The line in which a panel speaks to the person: one sentence, never a traceback."""

from __future__ import annotations

import html
import traceback
from dataclasses import dataclass

import ipywidgets as widgets

from workbench.figures import theme

LEVELS = {
    "info": ("ℹ", theme.GREY, "Note"),
    "good": ("✔", theme.GREEN, "Done"),
    "warning": ("⚠", theme.ORANGE, "Take care"),
    "error": ("✖", theme.VERMILLION, "Error"),
}
_PLAIN_ERRORS = (ValueError, TypeError, LookupError, OSError)


@dataclass(frozen=True)
class Message:
    """One thing that a panel said: the text as it was given, and its level."""

    text: str
    level: str


def one_line(error: BaseException) -> str:
    """Return an exception as one line for a person.

    >>> one_line(ValueError("column 'age' is missing: expected age, sex"))
    "column 'age' is missing: expected age, sex"
    >>> one_line(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    >>> one_line(KeyError("mAP"))
    "KeyError: 'mAP'"
    """
    text = " ".join(str(error).split())
    if len(text) > 400:
        text = text[:400] + " …"
    if text and isinstance(error, _PLAIN_ERRORS) and not isinstance(error, KeyError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def full_traceback(error: BaseException) -> str:
    """Return the whole traceback of an exception as text."""
    return "".join(traceback.format_exception(error))


class StatusLine(widgets.HTML):
    """An HTML widget that shows the last message; signs and words carry the level, not colour alone."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("workbench-status")
        self.messages: list[Message] = []
        self.level = ""

    def say(self, text: str, level: str = "info") -> None:
        """Show ``text`` (escaped); an empty text clears the line.

        Raises:
            ValueError: ``level`` is not one of info, good, warning, error.
        """
        if level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {level!r}")
        text = str(text)
        if not text:
            self.value, self.level = "", ""
            return
        self.level = level
        self.messages = [*self.messages[-99:], Message(text, level)]
        sign, colour, word = LEVELS[level]
        self.value = (
            f'<div class="workbench-say" role="status" aria-live="polite" style="border-color: {colour}">'
            f'<span style="color: {colour}" role="img" aria-label="{word}">{sign}</span> {html.escape(text)}</div>'
        )
