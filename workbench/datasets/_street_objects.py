"""The objects of a scene: where they stand, how they are painted over each other, and the camera that takes the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from workbench.datasets._street import Street
from workbench.datasets.annotated_images import Box
from workbench.datasets.emoji_street_config import EmojiStreetConfig
from workbench.datasets.sprites import ROAD_CLASSES, emoji_sprites

_ON_THE_ROAD = {
    *("bike", "motor_scooter", "motorcycle", "cyclist", "taxi", "police_car", "red_car", "blue_car", "bus", "truck"),
    *("ambulance", "fire_engine", "van", "tractor", "rickshaw"),
}
_BESIDE_THE_ROAD = {"tree", "conifer", "mailbox", "fuel_pump", "bus_stop", "traffic_light", "stop_sign", "standing"}
_ON_A_POLE = {"traffic_light", "stop_sign"}
_POLE = 0.8
"""Height of a pole, in heights of what it carries."""
_TIMES_THE_AREA = {
    **dict.fromkeys(("tree", "conifer"), 3.0),
    **dict.fromkeys(("bus", "truck", "fire_engine"), 2.6),
    **dict.fromkeys(("ambulance", "van", "tractor"), 2.0),
    **dict.fromkeys(("taxi", "police_car", "red_car", "blue_car", "rickshaw", "bus_stop"), 1.5),
}
"""Clutter is as large beside the rest as it looks natural; targets are exactly as large as asked."""
_GRAINS = 2**20
"""Places in the stored noise where a row of a picture may begin."""


@dataclass(frozen=True, eq=False)
class Placed:
    """An object with its place: ``pixels`` uint8 RGBA (height, width, 4), its upper left corner, and the row of its foot."""

    category: str
    style: str
    pixels: np.ndarray
    left: int
    top: int
    foot: int
    gain: float

    def box(self, width: int, height: int) -> Box:
        """Return x0, y0, x1, y1 of the part inside the canvas; empty (x0 >= x1) where there is none."""
        rows, columns = self.pixels.shape[:2]
        left, top = max(self.left, 0), max(self.top, 0)
        return float(left), float(top), float(min(self.left + columns, width)), float(min(self.top + rows, height))


def place_targets(config: EmojiStreetConfig, street: Street, generator: np.random.Generator) -> Iterator[Placed]:
    """Yield one object of each target class that the scene shows."""
    draws = dict(zip(config.targets, generator.random((len(config.targets), 8)), strict=True))
    present = {name: draw[0] < config.probability(name) for name, draw in draws.items()}
    for (first, second), both in config.joint.items():
        one, other = config.probability(first), config.probability(second)
        present[second] = draws[second][0] < (both / one if present[first] else (other - both) / (1 - one))
    for name, draw in draws.items():
        if present[name]:
            yield _placed(name, config, street, config.object_area, draw[1:])


def place_clutter(config: EmojiStreetConfig, street: Street, generator: np.random.Generator) -> Iterator[Placed]:
    """Yield the clutter objects: any classes but the targets."""
    others = [name for name in ROAD_CLASSES if name not in config.targets]
    fewest, most = config.clutter
    count = fewest + int(generator.random() * (most - fewest + 1))
    for draw in generator.random((count if others else 0, 8)):
        name = others[int(draw[0] * len(others))]
        times = _TIMES_THE_AREA.get(name, 1.0)
        yield _placed(name, config, street, (config.clutter_area[0] * times, config.clutter_area[1] * times), draw[1:])


def paint(pixels: np.ndarray, objects: Sequence[Placed]) -> np.ndarray:
    """Paint the objects over ``pixels`` (float32, in place) in their order; return (height, width) indices, -1 for the street."""
    owner = np.full(pixels.shape[:2], -1, np.int16)
    for index, one in enumerate(objects):
        _shade(pixels, one)
        bottom = one.top + one.pixels.shape[0]
        if bottom < one.foot:
            middle, half = one.left + one.pixels.shape[1] // 2, max(1, one.pixels.shape[0] // 20)
            pole = np.s_[max(bottom, 0) : one.foot, max(middle - half, 0) : max(middle + half, 0)]
            pixels[pole], owner[pole] = 74, -1
        x0, y0, x1, y1 = (int(edge) for edge in one.box(pixels.shape[1], pixels.shape[0]))
        if x0 >= x1 or y0 >= y1:
            continue
        seen = one.pixels[y0 - one.top : y1 - one.top, x0 - one.left : x1 - one.left]
        alpha = seen[..., 3:].astype(np.float32) / 255
        under = pixels[y0:y1, x0:x1]
        under += (np.minimum(seen[..., :3] * np.float32(one.gain), 255) - under) * alpha
        owner[y0:y1, x0:x1][seen[..., 3] >= 128] = index
    return owner


def visible_shares(owner: np.ndarray, objects: Sequence[Placed]) -> list[float]:
    """Return which share of all pixels of each object, those outside the canvas among them, is its own in ``owner``."""
    seen = np.bincount(owner.ravel() + 1, minlength=len(objects) + 1)[1:]
    whole = [np.count_nonzero(one.pixels[..., 3] >= 128) for one in objects]
    return [float(count / max(total, 1)) for count, total in zip(seen, whole, strict=True)]


def photographed(pixels: np.ndarray, noise: float, blur: float, generator: np.random.Generator) -> np.ndarray:
    """Return the uint8 picture that a camera takes: exposed by 0.85 to 1.1, blurred, with sensor noise."""
    exposed = np.clip(pixels * np.float32(generator.uniform(0.85, 1.1)), 0, 255).astype(np.uint8)
    radius = generator.uniform(0, blur)
    picture = Image.fromarray(exposed).filter(ImageFilter.BoxBlur(radius))
    height, width = exposed.shape[:2]
    grain = _grain_rows(3 * width)[generator.integers(_GRAINS, size=height)].reshape(height, width, 3) * np.float32(
        noise
    )
    grain += picture
    return np.clip(grain, 0, 255, out=grain).astype(np.uint8)


@lru_cache(maxsize=4)
def _grain_rows(length: int) -> np.ndarray:
    """Return _GRAINS overlapping rows of unit noise. Each row of a picture takes one: 6 ms a scene less than fresh numbers."""
    grains = np.random.default_rng(0).standard_normal(_GRAINS + length - 1, np.float32)
    return np.lib.stride_tricks.sliding_window_view(grains, length)


def _placed(
    name: str, config: EmojiStreetConfig, street: Street, area: tuple[float, float], draw: np.ndarray
) -> Placed:
    """Return the object that the seven uniform numbers of ``draw`` make: style, strip, depth, column, mirrored, gain."""
    height, width = street.pixels.shape[:2]
    styles = config.styles_of(name)
    style = styles[int(draw[0] * len(styles))]
    sprite = emoji_sprites()[name, style]
    first, last = _strip(name, street, height, draw[1])
    foot = first + draw[2] * (last - first)
    nearness = (foot - street.horizon) / (height - street.horizon)
    share = area[0] * (area[1] / area[0]) ** nearness
    aspect = sprite.shape[1] / sprite.shape[0]
    rows = (share * width * height / aspect) ** 0.5
    rows, columns = max(2, int(rows)), max(2, int(rows * aspect))
    foot = int(np.clip(foot, min(rows, height - 1), height - 1))
    lift = min(int(_POLE * rows), max(foot - rows, 0)) if name in _ON_A_POLE else 0
    picture = Image.fromarray(sprite).resize((columns, rows), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture)[:, :: -1 if draw[4] < 0.5 else 1]
    left = round(draw[3] * (width - 0.3 * columns) - 0.35 * columns)
    return Placed(name, style, pixels, left, foot - rows - lift, foot, 0.6 + 0.55 * draw[5])


def _strip(name: str, street: Street, height: int, draw: float) -> tuple[int, int]:
    """Return the first and last row where the foot of an object of this class may stand."""
    start, end = street.road
    if name in _ON_THE_ROAD:
        return start + (end - start) // 8, end - 2
    if name in _BESIDE_THE_ROAD:
        return (street.horizon + 2, start - 1) if draw < 0.55 else (end + 3, height - 2)
    return street.horizon + 2, height - 2


def _shade(pixels: np.ndarray, one: Placed) -> None:
    """Darken the ground under an object, in a soft ellipse."""
    columns = one.pixels.shape[1]
    half_width, half_height = 0.5 * columns, max(1.5, 0.09 * columns)
    middle = one.left + 0.5 * columns
    x0, x1 = max(int(middle - half_width), 0), min(int(middle + half_width) + 1, pixels.shape[1])
    y0, y1 = max(int(one.foot - half_height), 0), min(int(one.foot + half_height) + 1, pixels.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    across = ((np.arange(x0, x1) + 0.5 - middle) / half_width) ** 2
    down = ((np.arange(y0, y1) + 0.5 - one.foot) / half_height) ** 2
    depth = np.clip(1 - across[None] - down[:, None], 0, 0.6).astype(np.float32)
    pixels[y0:y1, x0:x1] *= (1 - 0.7 * depth)[..., None]
