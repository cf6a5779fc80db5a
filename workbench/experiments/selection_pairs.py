"""Pictures that show two different objects at once: a pool in which some classes keep company, and its z-scores (claim C7)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.datasets import AnnotatedImage, EmojiStreetConfig, emoji_street
from workbench.experiments.selection_pool import Pool, PoolConfig, make_pool, make_queries
from workbench.metrics.retrieval import average_precision
from workbench.retrieval import Backbone, EfficientNetLite0Backbone, rank, score_shard, z_scores
from workbench.retrieval.mining import COMBINATIONS
from workbench.training import CancelToken, Progress, no_progress

Array = NDArray[np.float64]
COLUMNS = ("image_id", "category", "query", "shows", "z", "x0", "y0", "x1", "y1")
COMPANY = (("bike", "traffic_light"), ("barrier", "motor_scooter"), ("dog", "wheelchair_person"))
ALONE = ("first alone", "second alone")
"""Rankings by one of the two objects, which an AND has to beat."""


@dataclass(frozen=True)
class PairsConfig:
    """A pool in which the classes of each pair of :data:`COMPANY` often stand together; classes of different pairs are independent.

    Attributes:
        scenes: in the pool.
        first_seed: of the pool's scenes, which have consecutive seeds.
        queries: objects of each class, from scenes that are not in the pool.
        query_seed: draws another set of queries.
        prevalence: probability that a scene shows a class.
        joint: probability that it shows both classes of a pair.
    """

    scenes: int = 300
    first_seed: int = 400_000
    queries: int = 4
    query_seed: int = 0
    prevalence: float = 0.2
    joint: float = 0.08

    @property
    def pool(self) -> PoolConfig:
        """The scenes and the queries."""
        street = EmojiStreetConfig(prevalence=self.prevalence, joint=dict.fromkeys(COMPANY, self.joint))
        return PoolConfig(self.scenes, self.first_seed, self.queries, self.query_seed, street=street)

    def scene(self, image_id: str) -> AnnotatedImage:
        """Draw a scene of the pool again.

        >>> PairsConfig().scene("street-400012").id
        'street-400012'
        """
        return emoji_street(int(image_id.rpartition("-")[2]), self.pool.street)

    @cached_property
    def looked_for(self) -> dict[str, list[np.ndarray]]:
        """The query objects of each class, cut out of their scenes with some of what is around them: uint8 (64, 64, 3) each."""
        found: dict[str, list[np.ndarray]] = {}
        for query in make_queries(self.pool):
            found.setdefault(query.category, []).append(cut_out(query.scene.image, query.target.box))
        return found


def cut_out(image: np.ndarray, box: Sequence[float], side: int = 64) -> np.ndarray:
    """Return the square of ``side`` pixels around the middle of a box, moved inside the picture.

    >>> cut_out(np.zeros((320, 512, 3), np.uint8), (500, 0, 512, 8)).shape
    (64, 64, 3)
    """
    height, width = image.shape[:2]
    left = int(np.clip((box[0] + box[2] - side) / 2, 0, width - side))
    top = int(np.clip((box[1] + box[3] - side) / 2, 0, height - side))
    return image[top : top + side, left : left + side]


def measure_pairs(
    config: PairsConfig | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    *,
    backbone: Backbone | None = None,
) -> pd.DataFrame:
    """Return the z-score of every scene for every query of every class, with the place of the match and the truth.

    Args:
        config: default PairsConfig().
        progress: called after each scene.
        cancel: looked at before each scene.
        backbone: default EfficientNet-Lite0, strides 8 and 16 together.

    Returns:
        A row per scene, class and query: image_id, category, query (its number), shows (0 or 1: the scene contains the class),
        z (standardised over the pool), x0, y0, x1, y1 (pixels).
    """
    config = config or PairsConfig()
    backbone = backbone or EfficientNetLite0Backbone()
    return pair_table(make_pool(config.pool, backbone, progress, cancel), config.pool, backbone)


def pair_table(pool: Pool, config: PoolConfig, backbone: Backbone) -> pd.DataFrame:
    """Return what :func:`measure_pairs` does, of a pool that is made already."""
    queries = make_queries(config)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the object covers")  # at stride 16 of a small one; stride 8 sees it
        objects = [query.templates(backbone) for query in queries]
    scores = score_shard(pool.shard, [template for one in objects for template in one])
    found = rank(scores, objects)
    places = {match.image_id: match.boxes for match in found.matches}
    boxes = np.array([places[name] for name in found.table["image_id"]])
    parts, seen = [], dict.fromkeys(config.street.targets, 0)
    for index, query in enumerate(queries):
        columns = dict(zip(("x0", "y0", "x1", "y1"), boxes[:, index].round(1).T, strict=True))
        part = pd.DataFrame({"image_id": found.table["image_id"], "z": found.table[f"z_{index}"].round(4), **columns})
        shows = pool.shows(query.category).astype(int)
        parts.append(part.assign(category=query.category, query=seen[query.category], shows=shows))
        seen[query.category] += 1
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


@dataclass(frozen=True, eq=False)
class PairScores:
    """Two objects of interest over one pool of N scenes.

    Attributes:
        categories: names of the two.
        image_ids: N names.
        z: (N, 2) z-scores.
        shows: bool (N, 2): the scene contains the class.
        boxes: (N, 2, 4) where each object matches best, pixels.
    """

    categories: tuple[str, str]
    image_ids: tuple[str, ...]
    z: Array
    shows: NDArray[np.bool_]
    boxes: Array

    @property
    def positives(self) -> NDArray[np.bool_]:
        """(N,): scenes that contain both."""
        return self.shows.all(1)

    def combined(self, how: str) -> Array:
        """Return one score per scene, (N,): ``how`` is min (AND), mean (soft AND), max (OR), or one of :data:`ALONE`.

        Raises:
            ValueError: ``how`` is another word.
        """
        if how in ALONE:
            return self.z[:, ALONE.index(how)]
        if how not in COMBINATIONS:
            raise ValueError(f"how must be one of {', '.join(map(repr, (*COMBINATIONS, *ALONE)))}, got {how!r}")
        return COMBINATIONS[how](self.z, axis=1)

    def order(self, how: str) -> NDArray[np.int_]:
        """Return the N scenes from the best to the worst; ties in the order of the pool."""
        return np.argsort(-self.combined(how), kind="stable")

    def average_precisions(self) -> dict[str, float]:
        """Return the average precision of every ranking in finding scenes with both; NaN where there is none."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="average precision is not defined")
            return {
                how: average_precision(self.combined(how), self.positives) for how in ("min", "mean", "max", *ALONE)
            }


class PairTable:
    """The table of :func:`measure_pairs` as arrays, from which every pair of its classes can be asked for.

    Args:
        table: as :func:`measure_pairs` returns it.

    Attributes:
        categories: the classes.
        image_ids: names of the scenes.
        queries: how many there are of each class.

    Raises:
        ValueError: the table lacks a column, or does not have each query of each class in each scene once.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        if missing := [name for name in COLUMNS if name not in table]:
            raise ValueError(f"table has no column {missing[0]!r}; expected {', '.join(COLUMNS)}")
        self.categories = tuple(table["category"].unique())
        self.image_ids = tuple(table["image_id"].unique())
        self.queries = int(table["query"].max()) + 1
        shape = (len(self.categories), self.queries, len(self.image_ids))
        ordered = table.assign(
            category=pd.Categorical(table["category"], self.categories),
            image_id=pd.Categorical(table["image_id"], self.image_ids),
        ).sort_values(["category", "query", "image_id"])
        keys = ordered[["category", "query", "image_id"]]
        if len(table) != np.prod(shape) or keys.duplicated().any():
            raise ValueError(f"table has {len(table)} rows; expected each of {shape[0]} x {shape[1]} x {shape[2]} once")
        self._z = ordered["z"].to_numpy(float).reshape(shape)
        self._shows = ordered["shows"].to_numpy(bool).reshape(shape)[:, 0]
        self._boxes = ordered[["x0", "y0", "x1", "y1"]].to_numpy(float).reshape(*shape, 4)
        self.pair = lru_cache(maxsize=128)(self._pair)

    def _pair(self, first: str, second: str, queries: int = 1) -> PairScores:
        """Return the scores of two classes, each the mean z-score of its first ``queries`` queries, standardised again.

        Raises:
            ValueError: a class is not in the table, both are the same, or there are not so many queries.
        """
        for name in (first, second):
            if name not in self.categories:
                raise ValueError(f"no class {name!r}; there are {', '.join(self.categories)}")
        if first == second:
            raise ValueError(f"the two classes must differ, got {first!r} twice")
        if not 1 <= queries <= self.queries:
            raise ValueError(f"queries must lie in 1 to {self.queries}, got {queries}")
        z, boxes = zip(*(self._class(self.categories.index(name), queries) for name in (first, second)), strict=True)
        shows = np.stack([self._shows[self.categories.index(name)] for name in (first, second)], 1)
        return PairScores((first, second), self.image_ids, np.stack(z, 1), shows, np.stack(boxes, 1))

    def _class(self, index: int, queries: int) -> tuple[Array, Array]:
        z = self._z[index, :queries]
        return z_scores(z.mean(0)), self._boxes[index, z.argmax(0), np.arange(z.shape[1])]

    def summary(self, queries: int = 1) -> pd.DataFrame:
        """Return a row per pair of classes: first, second, both (scenes), and the average precision of every ranking."""
        rows = []
        for place, first in enumerate(self.categories):
            for second in self.categories[place + 1 :]:
                pair = self.pair(first, second, queries)
                rows.append(
                    {"first": first, "second": second, "both": int(pair.positives.sum())} | pair.average_precisions()
                )
        return pd.DataFrame(rows)


def scene_number(image_id: str) -> int:
    """Return the seed from which a scene of emoji street is drawn again.

    >>> scene_number("street-400012")
    400012
    """
    return int(image_id.rpartition("-")[2])
