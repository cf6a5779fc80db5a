"""Rankings that need pools of their own: the size of the objects, and two classes that must co-occur."""

from __future__ import annotations

import math

import numpy as np

from workbench.datasets import EmojiStreetConfig
from workbench.experiments.targeted_selection_bench import (
    Bench,
    Rows,
    cut_templates,
    gem_scores,
    make_bench,
    match_queries,
    r_mac_scores,
    random_scores,
    ranking_row,
    ranking_rows,
    score_objects,
)
from workbench.experiments.targeted_selection_config import SelectionConfig
from workbench.experiments.targeted_selection_methods import default_backbone, head_gem_scores
from workbench.retrieval import z_scores
from workbench.training import CancelToken, Progress, no_progress

STRIDES = (8, 16, 32)
CELLS = (2.0, 6.0)
"""Fewest and most cells per side that a template should have: the rule by which strides are chosen."""

MOST_CELLS = 10.0
"""Cells per side above which a single stride is not tried: far outside the rule, and slow."""

AREA_SPREAD = (0.63, 1.58)
"""Areas of the farthest and the nearest object, in those of one in the middle: as the default street has them."""

JOINT = 0.02
"""Probability that a scene shows both classes of a pair: twice that of chance, so that 300 scenes have about six."""


def strides_for(side: float) -> tuple[int, ...]:
    """Return the strides at which an object of ``side`` pixels makes a template of 2 to 6 cells a side; else the nearest one.

    >>> strides_for(22), strides_for(36), strides_for(70), strides_for(300)
    ((8,), (8, 16), (16, 32), (32,))
    """
    fitting = tuple(stride for stride in STRIDES if CELLS[0] <= side / stride <= CELLS[1])
    return fitting or ((STRIDES[0],) if side < CELLS[0] * STRIDES[0] else (STRIDES[-1],))


def area_of(street: EmojiStreetConfig) -> float:
    """Return the area of an object in the middle of a street, percent of the picture.

    >>> round(area_of(EmojiStreetConfig()), 2)
    0.63
    """
    return 100 * math.sqrt(street.object_area[0] * street.object_area[1])


def size_rows(
    config: SelectionConfig,
    area: float,
    seed: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    *,
    empty: bool = False,
) -> Rows:
    """C2, C5: the scenes of one pool with objects of another area, percent; the clutter stays as it is, or all of it is gone."""
    street: dict[str, object] = {"object_area": tuple(area / 100 * factor for factor in AREA_SPREAD)}
    if empty:
        street["clutter"] = (0, 0)
    pool = config.pool_of(seed, **street)
    bench = make_bench(pool, default_backbone(), seed, progress, cancel)
    yield from size_rankings(bench, pool.street, area)


def size_rankings(bench: Bench, street: EmojiStreetConfig, area: float) -> Rows:
    """Yield the rankings of the size sweep on one pool: GeM at each layer, and template matching by the rule and at each stride."""
    side = math.sqrt(area / 100 * street.width * street.height)
    rankings = [("random", "", random_scores(bench)), ("GeM", "head", head_gem_scores(bench))]
    for stride in STRIDES:
        rankings.append(("GeM", str(stride), gem_scores(bench, stride)))
        if side / stride <= MOST_CELLS:
            rankings.append(("DTM", str(stride), match_queries(bench, (stride,)).each()))
    rankings.append(("R-MAC", "32", r_mac_scores(bench, 32)))
    rankings.append(("DTM", "rule", _by_rule(bench)))
    experiment = "size" if street.clutter[1] else "size alone"
    for method, stride, scores in rankings:
        labels = {"experiment": experiment, "setting": "", "x": area, "method": method, "stride": stride}
        yield from ranking_rows(bench, scores, **labels)


def pair_rows(
    config: SelectionConfig, index: int, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Rows:
    """C7: scenes that show both classes of a pair, by one example of each; three pairs in each pool."""
    pairs = pairings(config.pool.street.targets)[index]
    street = {"joint": dict.fromkeys(pairs, JOINT)}
    bench = make_bench(config.pool_of(index, **street), default_backbone(), index, progress, cancel)
    scored, gem_z, chance = match_queries(bench, (8, 16)), z_scores(gem_scores(bench, 16)), random_scores(bench)
    for pair in pairs:
        name, truth = " + ".join(pair), bench.pool.shows(pair[0]) & bench.pool.shows(pair[1])
        if not truth.any():
            continue
        for first, second in zip(bench.of(pair[0]), bench.of(pair[1]), strict=True):
            both = [first, second]
            rankings = {
                ("DTM, " + combine): scored.combined(both, combine=combine) for combine in ("min", "mean", "max")
            }
            rankings |= {
                f"DTM, only {which}": scored.combined([one])
                for which, one in zip(("first", "second"), both, strict=True)
            }
            rankings |= {
                "GeM, min": gem_z[:, both].min(1),
                "GeM, mean": gem_z[:, both].mean(1),
                "random": chance[:, first],
            }
            for method, scores in rankings.items():
                labels = {"experiment": "co-occurrence", "setting": name, "x": np.nan, "method": method}
                labels |= {"stride": {"D": "8+16", "G": "16"}.get(method[0], ""), "category": name, "seed": index}
                yield ranking_row(scores, truth, query=f"{first}+{second}", **labels)


def pairings(classes: tuple[str, ...]) -> list[list[tuple[str, str]]]:
    """Return the ways to pair up an even number of classes such that each pair comes once, as a tournament pairs its players.

    >>> pairings(("a", "b", "c", "d"))
    [[('a', 'd'), ('b', 'c')], [('a', 'c'), ('d', 'b')], [('a', 'b'), ('c', 'd')]]
    """
    fixed, others, rounds = classes[0], list(classes[1:]), []
    for _ in others:
        order = [fixed, *others]
        rounds.append([(order[i], order[-1 - i]) for i in range(len(order) // 2)])
        others = [others[-1], *others[:-1]]
    return rounds


def _by_rule(bench: Bench) -> np.ndarray:
    """Return scores (N, Q) of template matching, each query at the strides that suit its size."""
    objects = []
    for seen, query in zip(bench.seen, bench.queries, strict=True):
        x0, y0, x1, y1 = query.target.box
        objects.append(cut_templates(seen, query.target.box, strides_for(math.sqrt((x1 - x0) * (y1 - y0)))))
    return score_objects(bench, objects).each()
