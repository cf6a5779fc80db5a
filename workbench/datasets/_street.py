"""The empty street of a scene: sky, brick buildings, pavement, road, grass. All textures are procedural and periodic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

TILE = 256
_SKIES = np.array(
    [
        [[96, 154, 220], [205, 226, 245]],  # clear
        [[150, 162, 176], [212, 216, 220]],  # overcast
        [[104, 120, 176], [244, 206, 170]],  # evening
        [[120, 176, 226], [236, 240, 238]],  # haze
    ],
    np.float32,
)
_BRICKS = np.array(
    [
        *(
            [168, 92, 72],
            [150, 104, 88],
            [186, 146, 112],
            [142, 138, 138],
            [198, 184, 160],
            [124, 84, 78],
            [120, 132, 146],
        )
    ],
    np.float32,
)
_DOORS = np.array([[92, 58, 40], [54, 84, 66], [60, 72, 110], [128, 52, 48], [70, 70, 74]], np.float32)
_ROADS = np.array([[96, 96, 100], [112, 108, 104], [84, 88, 94]], np.float32)
_GRASS = np.array([[96, 138, 70], [118, 140, 72], [84, 124, 74]], np.float32)
_PAVEMENT = np.array([172, 168, 160], np.float32)


@dataclass(frozen=True)
class Street:
    """An empty street.

    Attributes:
        pixels: float32 (height, width, 3), 0 to 255.
        horizon: row where the buildings stand on the far pavement.
        road: first and last row of the road; below it is grass.
    """

    pixels: np.ndarray
    horizon: int
    road: tuple[int, int]


def empty_street(width: int, height: int, generator: np.random.Generator) -> Street:
    """Return a street of ``width`` x ``height`` pixels; its horizon lies at 22 to 35 % of the height."""
    horizon = round(height * generator.uniform(0.22, 0.35))
    road = (horizon + round(height * generator.uniform(0.05, 0.07)), round(height * generator.uniform(0.80, 0.88)))
    pixels = np.empty((height, width, 3), np.float32)
    pixels[:horizon] = _sky(width, horizon, generator)
    _build(pixels, horizon, generator)
    _pave(pixels[horizon : road[0]], height, generator)
    _tarmac(pixels[road[0] : road[1]], height, generator)
    grass = _GRASS[generator.integers(len(_GRASS))]
    pixels[road[1] :] = grass * _crop("grass", width, height - road[1], generator)[..., None]
    kerb = max(1, height // 100)
    pixels[road[0] - kerb : road[0]] = 140
    pixels[road[1] - kerb : road[1]] = 196
    return Street(pixels, horizon, road)


def _sky(width: int, horizon: int, generator: np.random.Generator) -> np.ndarray:
    top, bottom = _SKIES[generator.integers(len(_SKIES))]
    share = np.linspace(0, 1, horizon, dtype=np.float32)[:, None, None]
    sky = top + (bottom - top) * share
    cloud = np.clip(_crop("cloud", width, horizon, generator) - generator.uniform(0.9, 1.6), 0, 0.7)[..., None]
    return sky + (250 - sky) * cloud


def _build(pixels: np.ndarray, horizon: int, generator: np.random.Generator) -> None:
    """Draw a row of brick houses with a cornice, windows of which some are lit, and a door."""
    unit = pixels.shape[0] / 320
    x = -round(generator.uniform(0, 60) * unit)
    while x < pixels.shape[1]:
        width, top = round(generator.uniform(46, 104) * unit), round(horizon * generator.uniform(0.12, 0.6))
        seed = generator.integers(2**32)
        left, right = max(x, 0), min(x + width, pixels.shape[1])
        if right > left and top < horizon:
            house = _house(width, horizon - top, unit, np.random.default_rng(seed))
            pixels[top:horizon, left:right] = house[:, left - x : right - x]
        x += width + round(generator.choice([0, 0, 0, 14]) * unit)


def _house(width: int, height: int, unit: float, generator: np.random.Generator) -> np.ndarray:
    colour = _BRICKS[generator.integers(len(_BRICKS))] * generator.uniform(0.85, 1.1)
    house = colour * _crop("brick", width, height, generator)[..., None]
    pitch_x, pitch_y = generator.integers(15, 23) * unit, generator.integers(20, 28) * unit
    columns, rows = max(1, int(width / pitch_x)), max(1, int((height - 6 * unit) / pitch_y))
    across = (np.arange(width) - (width - columns * pitch_x) / 2) / pitch_x
    down = (np.arange(height) - 6 * unit) / pitch_y
    column, row = np.floor(across).astype(int), np.floor(down).astype(int)
    lit = generator.random((rows, columns)) < 0.2
    glass = np.where(lit[..., None], [238, 208, 130], [70, 92, 116]).astype(np.float32)
    glass *= generator.uniform(0.8, 1.15, (rows, columns, 1)).astype(np.float32)
    across, down = across - column, down - row
    inside = ((row >= 0) & (row < rows))[:, None] & ((column >= 0) & (column < columns))[None]
    frame = inside & ((down > 0.14) & (down < 0.78))[:, None] & ((across > 0.2) & (across < 0.8))[None]
    pane = frame & ((down > 0.2) & (down < 0.72))[:, None] & ((across > 0.28) & (across < 0.72))[None]
    house[frame] = np.minimum(colour * 1.25 + 30, 235)
    house[pane] = glass[row.clip(0, rows - 1)][:, column.clip(0, columns - 1)][pane]
    house[: max(1, round(3 * unit))] = colour * 0.6
    door = round(generator.uniform(0.1, 0.7) * width), max(1, round(11 * unit)), round(18 * unit)
    house[-door[2] :, door[0] : door[0] + door[1]] = _DOORS[generator.integers(len(_DOORS))]
    house[:, :1] *= 0.7
    return house


def _pave(strip: np.ndarray, height: int, generator: np.random.Generator) -> None:
    strip[:] = _PAVEMENT * _crop("gravel", strip.shape[1], strip.shape[0], generator)[..., None] ** 0.4
    slab = max(4, round(height * 0.06))
    strip[:, generator.integers(slab) :: slab] *= 0.86


def _tarmac(strip: np.ndarray, height: int, generator: np.random.Generator) -> None:
    """Fill the road, lighter towards the horizon, with one or two dashed lines whose dashes grow towards the viewer."""
    rows, width = strip.shape[:2]
    colour = _ROADS[generator.integers(len(_ROADS))]
    strip[:] = colour * _crop("gravel", width, rows, generator)[..., None]
    strip *= np.linspace(1.15, 0.95, rows, dtype=np.float32)[:, None, None]
    worn = 0.35 + 0.25 * _crop("gravel", width, rows, generator)[..., None].clip(0.6, 1.4)
    for place in (0.3, 0.68) if generator.random() < 0.5 else (0.45,):
        thick, period = max(1, round(height * (0.006 + 0.012 * place))), round(height * (0.1 + 0.2 * place))
        row, dash = round(rows * place), (np.arange(width) + generator.integers(period)) % period < 0.55 * period
        line = strip[row : row + thick]
        line += (228 - line) * worn[row : row + thick] * dash[:, None]


def _crop(kind: str, width: int, height: int, generator: np.random.Generator) -> np.ndarray:
    """Return a (height, width) piece of a periodic texture at a random place; its mean is near 1."""
    tile = _tile(kind)
    rows, columns = (np.arange(size) + generator.integers(TILE) for size in (height, width))
    return tile[rows % TILE][:, columns % TILE]


@lru_cache(maxsize=4)
def _tile(kind: str) -> np.ndarray:
    """Return a (TILE, TILE) float32 texture that continues across its borders."""
    generator = np.random.default_rng([*kind.encode()])
    if kind == "brick":
        return _brick_tile(generator)
    scales = {"gravel": ((0.6, 0.6, 0.09), (12, 20, 0.05)), "grass": ((2.2, 0.7, 0.13), (14, 22, 0.09))}
    layers = scales.get(kind, ((14, 40, 0.3), (5, 12, 0.12)))
    return 1 + sum(weight * _smooth_noise(rows, columns, generator) for rows, columns, weight in layers)


def _brick_tile(generator: np.random.Generator) -> np.ndarray:
    course, brick, joint = 8, 16, 1
    rows, columns = np.mgrid[:TILE, :TILE]
    shifted = (columns + (rows // course % 2) * brick // 2) % TILE
    shade = generator.normal(1, 0.09, (TILE // course, TILE // brick))[rows // course, shifted // brick]
    mortar = (rows % course < joint) | (shifted % brick < joint)
    return (np.where(mortar, 1.22, shade) + 0.04 * _smooth_noise(0.6, 0.6, generator)).astype(np.float32)


def _smooth_noise(rows: float, columns: float, generator: np.random.Generator) -> np.ndarray:
    """Return periodic Gaussian noise of unit variance, smoothed with these standard deviations (pixels)."""
    frequency = np.fft.fftfreq(TILE)
    damping = np.exp(-2 * np.pi**2 * ((rows * frequency[:, None]) ** 2 + (columns * frequency) ** 2))
    noise = np.fft.ifft2(np.fft.fft2(generator.standard_normal((TILE, TILE))) * damping).real
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)
