"""A wall of pictures that a ranking puts first, with the match drawn in each and two buttons that say what to do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anywidget
import traitlets

from workbench.experiments.selection_session import MORE, NOT
from workbench.panels.hit_wall_page import SCRIPT, STYLE

UNDO, RESET, TAKE_BACK = "undo", "reset", "take back"
ACTIONS = (MORE, NOT, UNDO, RESET, TAKE_BACK)
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Tile:
    """One picture of the wall.

    Attributes:
        image_id: its name.
        size: (width, height) of the picture that the box is in, pixels.
        box: (x0, y0, x1, y1) of the match, drawn on the picture; None for none.
        score: as it is shown.
        correct: whether it is what was looked for: a whole frame and a tick, or a dashed frame and a cross; None where nobody says.
        words: beside the tick or cross.
    """

    image_id: str
    size: tuple[int, int]
    box: Box | None
    score: str = ""
    correct: bool | None = None
    words: str = ""


@dataclass(frozen=True)
class Exemplar:
    """An object that is looked for, or avoided, as a cut-out above the wall.

    Attributes:
        image_id: name of its picture.
        size: (width, height) of the picture, pixels.
        box: (x0, y0, x1, y1) of the object.
        kind: ``"query"``, which stays, ``"more like this"`` or ``"not this"``.
    """

    image_id: str
    size: tuple[int, int]
    box: Box
    kind: str


class HitWall(anywidget.AnyWidget):
    """Pictures in a grid; a press of a button or key calls ``act(kind, image_id)`` with one of :data:`ACTIONS`.

    Args:
        act: is called on the kernel's thread; the last three actions have to do with earlier clicks.

    >>> pressed = []
    >>> wall = HitWall(lambda kind, image_id: pressed.append((kind, image_id)))
    >>> wall.show([Tile("a", (512, 320), (10, 20, 40, 60), "2.31", True, "bike")], [], {"a": b"..."}, "One hit")
    >>> wall.press("more like this", "a")
    >>> pressed, wall.state["tiles"][0]["mark"]
    ([('more like this', 'a')], 'good')
    """

    _esm = traitlets.Unicode(SCRIPT).tag(sync=True)
    _css = traitlets.Unicode(STYLE).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    pictures = traitlets.Dict().tag(sync=True)

    def __init__(self, act: Callable[[str, str], None]) -> None:
        super().__init__()
        self.act = act
        self._shown = 0
        self.on_msg(lambda _, message, __: self.press(message.get("kind", ""), message.get("id", "")))

    def show(
        self, tiles: Sequence[Tile], exemplars: Sequence[Exemplar], pictures: Mapping[str, bytes], said: str = ""
    ) -> None:
        """Show other pictures, in one message.

        Args:
            tiles: the best first.
            exemplars: what is looked for and avoided.
            pictures: JPEG of every picture that a tile or an exemplar names.
            said: one line above the wall.

        Raises:
            ValueError: a picture is missing.
        """
        names = {one.image_id for one in (*tiles, *exemplars)}
        if missing := sorted(names - set(pictures)):
            raise ValueError(f"pictures has no {missing[0]!r}, which the wall shall show")
        self._shown += 1  # a page that has marked a tile gets it back, also where nothing else has changed
        with self.hold_sync():
            self.pictures = {name: pictures[name] for name in sorted(names)}
            self.state = {
                "tiles": [_tile(rank, one) for rank, one in enumerate(tiles, 1)],
                "examples": [_exemplar(one) for one in exemplars],
                "said": said,
                "shown": self._shown,
            }

    def press(self, kind: str, image_id: str = "") -> None:
        """Do what a button of the page does.

        Raises:
            ValueError: there is no such button.
        """
        if kind not in ACTIONS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, ACTIONS))}, got {kind!r}")
        self.act(kind, image_id)


def _tile(rank: int, one: Tile) -> dict[str, object]:
    return {
        "id": one.image_id,
        "rank": rank,
        "score": one.score,
        "box": None if one.box is None else list(one.box),
        "width": one.size[0],
        "height": one.size[1],
        "mark": {True: "good", False: "bad", None: "unknown"}[one.correct],
        "words": one.words,
    }


def _exemplar(one: Exemplar) -> dict[str, object]:
    kind = {MORE: "more", NOT: "not"}.get(one.kind, "query")
    words = {"more": "+ more", "not": "− not", "query": "query"}[kind]
    return {
        "id": one.image_id,
        "box": list(one.box),
        "width": one.size[0],
        "height": one.size[1],
        "kind": kind,
        "words": words,
    }
