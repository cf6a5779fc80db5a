"""Progress that a terminal and a notebook show alike, and a Stop that long work listens to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int, str], None]
"""``progress(done, total, message)``: ``done`` of ``total`` steps are finished; ``message`` says what is under way."""


class Cancelled(Exception):  # noqa: N818 (a request of the person's, not an error)
    """Raised inside long work after the person pressed Stop."""


class CancelToken:
    """A flag that one thread sets and long work in another looks at.

    >>> token = CancelToken()
    >>> token.cancelled
    False
    >>> token.cancel()
    >>> token.raise_if_cancelled()
    Traceback (most recent call last):
    workbench.training.progress.Cancelled: stopped
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether Stop was asked for."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Ask the work to stop at its next look."""
        self._event.set()

    def raise_if_cancelled(self) -> None:
        """Raise :class:`Cancelled` when Stop was asked for."""
        if self.cancelled:
            raise Cancelled("stopped")


def no_progress(done: int, total: int, message: str = "") -> None:
    """Show nothing: the default of functions that take ``progress``."""


@contextmanager
def tqdm_progress(description: str = "", **options: object) -> Iterator[Progress]:
    """Yield a progress callback that draws a tqdm bar.

    >>> import io
    >>> stream = io.StringIO()
    >>> with tqdm_progress("fitting", file=stream) as progress:
    ...     progress(2, 4, "power")
    >>> "fitting" in stream.getvalue() and "2/4" in stream.getvalue()
    True
    """
    with tqdm(desc=description, **options) as bar:

        def progress(done: int, total: int, message: str = "") -> None:
            bar.total = total
            bar.n = done
            bar.set_postfix_str(message, refresh=False)
            bar.refresh()

        yield progress
