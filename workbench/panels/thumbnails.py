"""Small pictures for walls of hits: made once each, and in the background where a page waits for an answer."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from PIL import Image

from workbench.figures.targeted_selection_thumbnails import CELL

MOST = 1000


class Thumbnails:
    """Data URIs of small JPEGs by the pictures' names.

    In a kernel a thread makes those that are missing, so that the panel answers before they are there; in a script, which has no
    event loop, they are made at once.

    Args:
        load: name -> uint8 (height, width, 3).
        arrived: called, on the thread of the caller, when pictures that were missing are there.
        size: width and height into which they are made to fit, pixels.

    >>> thumbnails = Thumbnails(lambda name: np.zeros((320, 512, 3), np.uint8), lambda: None)
    >>> thumbnails.of(["a"])[0][:23]
    'data:image/jpeg;base64,'
    """

    def __init__(
        self, load: Callable[[str], np.ndarray], arrived: Callable[[], None], size: tuple[int, int] = CELL
    ) -> None:
        self.load, self.arrived, self.size = load, arrived, size
        self._made: dict[str, str] = {}
        self._under_way: set[str] = set()

    def of(self, names: Sequence[str]) -> list[str]:
        """Return the URI of each picture, empty where it is still being made."""
        missing = [name for name in names if name not in self._made and name not in self._under_way]
        if missing:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self._make(missing)
            else:
                self._under_way.update(missing)
                loop.run_in_executor(None, self._make, missing).add_done_callback(self._finished)
        return [self._made.get(name, "") for name in names]

    def forget(self) -> None:
        """Drop all pictures: the names mean other ones now."""
        self._made.clear()

    def _make(self, names: Iterable[str]) -> None:
        for name in names:
            if len(self._made) >= MOST:
                self._made.pop(next(iter(self._made)))
            self._made[name] = small_jpeg(self.load(name), self.size)

    def _finished(self, future: asyncio.Future) -> None:
        self._under_way.clear()
        future.result()
        self.arrived()


def small_jpeg(image: np.ndarray, size: tuple[int, int] = CELL) -> str:
    """Return a picture, uint8 (height, width, 3), as the data URI of a JPEG that fits into ``size``, width and height in pixels."""
    scale = min(size[0] / image.shape[1], size[1] / image.shape[0])
    fitting = tuple(max(1, round(scale * side)) for side in (image.shape[1], image.shape[0]))
    buffer = io.BytesIO()
    Image.fromarray(image).resize(fitting, Image.Resampling.BILINEAR, reducing_gap=2).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
