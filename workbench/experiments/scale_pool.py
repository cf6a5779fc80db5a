"""A pool of 100 000 pictures for measuring scale: feature maps of street scenes, cut, joined and disturbed at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.retrieval import Encoding, Features, Letterbox, Shard
from workbench.retrieval.store_files import read_shard, shard_folder, write_shard

STRIDE = 8
PART = 64


@dataclass(frozen=True)
class SimulatedPool:
    """How pictures are made of the feature maps of real scenes.

    Each is a map of its own: two windows of two scenes, side by side, each mirrored half of the time, plus noise. So cells and
    their neighbours are such as the network gives, and no two pictures show the same object alike.

    Attributes:
        source: folder of the store whose first shard holds the scenes.
        scenes: how many of these are used.
        cells: (h, w) of a map.
        noise: standard deviation, as a share of each channel's own.
        shard_size: pictures per shard.
        seed: of everything.
    """

    source: Path
    scenes: int = 400
    cells: tuple[int, int] = (20, 32)
    noise: float = 0.25
    shard_size: int = 2048
    seed: int = 0

    def parts(self, number: int) -> Iterator[Shard]:
        """Yield the pictures of a shard, 64 at a time."""
        rng = np.random.default_rng([self.seed, number])
        maps = read_shard(shard_folder(self.source, 0)).features[STRIDE][: self.scenes].permute(0, 2, 3, 1).numpy()
        deviation = self.noise * np.asarray(maps[::8], np.float32).std((0, 1, 2))
        placed = Letterbox.fit((STRIDE * self.cells[0], STRIDE * self.cells[1]))
        for start in range(0, self.shard_size, PART):
            count = min(PART, self.shard_size - start)
            pictures = rng.standard_normal((count, *self.cells, maps.shape[3]), np.float32) * deviation
            for picture in pictures:
                split = int(rng.integers(self.cells[1] // 4, 3 * self.cells[1] // 4))
                picture[:, :split] += self._window(maps, split, rng)
                picture[:, split:] += self._window(maps, self.cells[1] - split, rng)
            first = number * self.shard_size + start
            names = tuple(f"simulated-{index:07d}" for index in range(first, first + count))
            yield Shard(names, Features({STRIDE: torch.from_numpy(pictures).permute(0, 3, 1, 2)}, [placed] * count))

    def _window(self, maps: np.ndarray, columns: int, rng: np.random.Generator) -> np.ndarray:
        """Return a window of a scene's map, (h, columns, C)."""
        row = int(rng.integers(maps.shape[1] - self.cells[0] + 1))
        column = int(rng.integers(maps.shape[2] - columns + 1))
        window = maps[rng.integers(len(maps)), row : row + self.cells[0], column : column + columns]
        return window[:, ::-1] if rng.random() < 0.5 else window


def write_simulated(shared: tuple[SimulatedPool, Path, Encoding], number: int) -> None:
    """Write a shard of simulated pictures; a task for :func:`~workbench.retrieval.execution.run_shards`."""
    pool, path, encoding = shared
    write_shard(shard_folder(path, number), pool.parts(number), encoding)


def write_repeated(shared: tuple[SimulatedPool, Path, Encoding], number: int) -> None:
    """Write a shard that holds the same 64 pictures again and again, so that making them takes no time."""
    pool, path, encoding = shared
    part = next(pool.parts(0))
    write_shard(shard_folder(path, number), (part for _ in range(pool.shard_size // PART)), encoding)
