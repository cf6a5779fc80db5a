"""Small scenes with the exact mask of every object: emoji before a street, to find without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.datasets._street import empty_street
from workbench.datasets._street_objects import Placed, paint, photographed, visible_shares
from workbench.datasets.sprites import emoji_sprites

_TRIES = 20
_LARGER = 4
"""How many times larger than a canvas the street is drawn, of which a part is taken: its houses fit larger canvases."""


@dataclass(frozen=True)
class ObjectSceneConfig:
    """What the scenes have in common.

    Attributes:
        side: of the square canvas, pixels.
        objects: fewest and most objects.
        area: smallest and largest area of an object's box, as a share of the canvas.
        hidden: most that others may hide of an object, as a share of it.
        noise, blur: of the camera, as in :class:`~workbench.datasets.EmojiStreetConfig`.

    Raises:
        ValueError: a field lies outside what it says here.
    """

    side: int = 96
    objects: tuple[int, int] = (1, 4)
    area: tuple[float, float] = (0.04, 0.2)
    hidden: float = 0.35
    noise: float = 2.0
    blur: float = 0.5

    def __post_init__(self) -> None:
        if self.side < 32:
            raise ValueError(f"side must be at least 32 pixels, got {self.side}")
        if not 1 <= self.objects[0] <= self.objects[1]:
            raise ValueError(f"objects must be 1 <= fewest <= most, got {self.objects}")
        if not 0 < self.area[0] <= self.area[1] <= 0.5:
            raise ValueError(f"area must be two shares, 0 < smallest <= largest <= 0.5, got {self.area}")
        if not 0 <= self.hidden < 1:
            raise ValueError(f"hidden must lie in 0 to 1, got {self.hidden}")


@dataclass(frozen=True, eq=False)
class ObjectScene:
    """A scene and its objects, from the back to the front.

    Attributes:
        image: uint8 (side, side, 3), red first.
        masks: boolean (n, side, side), the pixels of each object that show; no two share one.
        categories: (n,) what each is.
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    categories: tuple[str, ...]


def object_scene(seed: int, config: ObjectSceneConfig | None = None) -> ObjectScene:
    """Return the scene of ``seed``.

    Emoji of any class and style, mirrored at random, darker or lighter, wholly inside the canvas, before a part of a street; an
    object that would hide more than ``config.hidden`` of another is put elsewhere, and left out after 20 tries. Masks take the
    pixels of at least half opacity.

    Args:
        seed: whole number, at least 0; the same seed and configuration give the same bytes.
        config: None for 96x96 pixels and one to four objects.

    Raises:
        ValueError: the seed is negative.

    >>> scene = object_scene(3)
    >>> scene.image.shape, len(scene.masks) == len(scene.categories)
    ((96, 96, 3), True)
    """
    config = config or ObjectSceneConfig()
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    street, layout, camera = (np.random.default_rng([seed, index]) for index in range(3))
    pixels = _background(config.side, street)
    objects: list[Placed] = []
    for _ in range(int(layout.integers(config.objects[0], config.objects[1] + 1))):
        for _ in range(_TRIES):
            tried = [*objects, _placed(config, layout)]
            owner = paint(np.zeros_like(pixels), tried)
            if min(visible_shares(owner, tried)) >= 1 - config.hidden:
                objects = tried
                break
    owner = paint(pixels, objects)
    masks = owner[None] == np.arange(len(objects))[:, None, None]
    image = photographed(pixels, config.noise, config.blur, camera)
    return ObjectScene(image, masks, tuple(one.category for one in objects))


def _background(side: int, generator: np.random.Generator) -> np.ndarray:
    large = empty_street(_LARGER * side, _LARGER * side, generator).pixels
    left, top = generator.integers(0, (_LARGER - 2) * side, 2)
    part = large[top : top + 2 * side, left : left + 2 * side].clip(0, 255)
    return part.reshape(side, 2, side, 2, 3).mean((1, 3), dtype=np.float32)


def _placed(config: ObjectSceneConfig, generator: np.random.Generator) -> Placed:
    sprites = emoji_sprites()
    which, share, x, y, mirrored, gain = generator.random(6)
    (category, style), picture = list(sprites.items())[int(which * len(sprites))]
    aspect = picture.shape[1] / picture.shape[0]
    share = config.area[0] * (config.area[1] / config.area[0]) ** share
    rows = (share / aspect) ** 0.5 * config.side
    rows, columns = (min(max(4, round(length)), config.side) for length in (rows, rows * aspect))
    resized = Image.fromarray(picture).resize((columns, rows), Image.Resampling.LANCZOS)
    drawn = np.asarray(resized)[:, :: -1 if mirrored < 0.5 else 1]
    left, top = round(x * (config.side - columns)), round(y * (config.side - rows))
    return Placed(category, style, drawn, left, top, top + rows, 0.7 + 0.5 * gain)
