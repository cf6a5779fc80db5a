"""Rankings of pools of street scenes: template matching, the baselines, and what changes with the query.

Kothawade et al., "Object-Level Targeted Selection via Deep Template Matching", IV 2022. Everything here is measured on the same
pools; what needs pools of its own is in ``targeted_selection_sweeps``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from workbench.datasets.annotated_images import Box
from workbench.experiments.targeted_selection_bench import (
    RANKING_COLUMNS,
    Array,
    Bench,
    Rows,
    Scored,
    cut_templates,
    gem_scores,
    make_bench,
    match_queries,
    random_scores,
    ranking_row,
    ranking_rows,
    score_objects,
    standardiser,
)
from workbench.experiments.targeted_selection_config import SelectionConfig
from workbench.experiments.targeted_selection_methods import (
    OTHER_BACKBONES,
    backbone_rows,
    default_backbone,
    method_rows,
)
from workbench.experiments.targeted_selection_sweeps import area_of, pair_rows, size_rankings, size_rows
from workbench.retrieval import z_scores
from workbench.training import CancelToken, Progress, no_progress

FUSED = {"8": (8,), "16": (16,), "8+16": (8, 16)}
"""What the column ``stride`` calls a set of strides, the best last."""

STRATA = ((0.0, 0.5), (0.5, 0.9), (0.9, 1.0))
"""Visible shares of objects, above the first and up to the second."""

FEEDBACK_PAGE = 12
"""Hits on the page that a person looks at."""


def measure_rankings(
    config: SelectionConfig, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return all rankings, with :data:`~workbench.experiments.targeted_selection_bench.RANKING_COLUMNS`.

    Args:
        config: what to measure.
        progress: called after each pool, and each scene of it.
        cancel: looked at before each scene.

    Raises:
        Cancelled: Stop was asked for.
    """
    parts = ranking_parts(config)
    rows: list[dict[str, object]] = []
    for done, (label, part) in enumerate(parts):

        def within(scene: int, scenes: int, message: str = "", done: int = done, label: str = label) -> None:
            progress(done * 100 + 100 * scene // scenes, 100 * len(parts), label)

        rows += part(progress=within, cancel=cancel)
    progress(100 * len(parts), 100 * len(parts), "done")
    return pd.DataFrame(rows, columns=RANKING_COLUMNS)


def ranking_parts(config: SelectionConfig) -> list[tuple[str, Callable[..., Rows]]]:
    """Return the parts of the measurement, each with its name; each draws one pool."""
    parts: list[tuple[str, Callable[..., Rows]]] = []
    for seed in config.seeds:
        parts.append((f"pool {seed}", partial(main_rows, config, seed)))
    for name in OTHER_BACKBONES if config.backbones else ():
        parts += [(f"pool {seed}, {name}", partial(backbone_rows, config, name, seed)) for seed in config.seeds]
    for area in config.areas:
        parts += [
            (f"pool {seed}, objects of {area:g} %", partial(size_rows, config, area, seed)) for seed in config.seeds
        ]
    for area in config.empty_areas:
        part = partial(size_rows, config, area, empty=True)
        parts += [(f"pool {seed}, objects of {area:g} % alone", partial(part, seed)) for seed in config.seeds]
    return parts + [(f"pairs of classes, pool {index}", partial(pair_rows, config, index)) for index in config.pairings]


def main_rows(
    config: SelectionConfig, seed: int, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Rows:
    """Yield every ranking of one pool by the trained network."""
    backbone = default_backbone()
    bench = make_bench(config.pool_of(seed), backbone, seed, progress, cancel)
    scored = match_queries(bench, (8, 16, 32))
    for part in (
        method_rows(bench, scored, "method", "Lite0"),
        size_rankings(bench, config.pool.street, area_of(config.pool.street)),
        occlusion_rows(bench, scored),
        clutter_rows(bench, scored),
        style_rows(bench, scored),
        query_rows(bench, scored),
        padding_rows(config, bench),
        jitter_rows(config, bench),
        template_rows(config, bench),
        feature_rows(bench),
        feedback_rows(config, bench, scored),
    ):
        if cancel is not None:
            cancel.raise_if_cancelled()
        yield from part
    objects = [query.templates(backbone, (8, 16), scales=(0.7, 1.0, 1.4)) for query in bench.queries]
    yield from fused_rows(bench, score_objects(bench, objects), "template", "scales 0.7, 1, 1.4")


def fused_rows(bench: Bench, scored: Scored, experiment: str, setting: str, x: float = np.nan) -> Rows:
    """Yield the rankings of template matching at stride 8, at 16, and at both."""
    for stride, strides in FUSED.items():
        labels = {"experiment": experiment, "setting": setting, "x": x, "method": "DTM", "stride": stride}
        yield from ranking_rows(bench, scored.each(strides), **labels)


def plain_methods(bench: Bench, scored: Scored) -> dict[tuple[str, str], Array]:
    """Return scores (N, Q) by method and stride: those that parts of the pool are compared by."""
    return {
        ("DTM", "8+16"): scored.each((8, 16)),
        ("GeM", "16"): gem_scores(bench, 16),
        ("random", ""): random_scores(bench),
    }


def occlusion_rows(bench: Bench, scored: Scored) -> Rows:
    """C2: the same rankings, where only objects of which little, more, or nearly all shows count as positives."""
    methods = plain_methods(bench, scored)
    for low, high in STRATA:
        among = np.zeros_like(bench.truth)
        for index, query in enumerate(bench.queries):
            among[:, index] = bench.pool.shows(query.category, low) & ~bench.pool.shows(query.category, high)
        for (method, stride), scores in methods.items():
            labels = {"experiment": "occlusion", "setting": f"{low:g} to {high:g} visible", "x": high}
            labels |= {"method": method, "stride": stride}
            yield from ranking_rows(bench, scores, truth=among, kept=~bench.truth | among, **labels)


def clutter_rows(bench: Bench, scored: Scored) -> Rows:
    """C2: the third of the scenes that show the fewest objects, the middle, and the third that show the most."""
    counts = bench.pool.objects["image_id"].value_counts().reindex(bench.pool.image_ids, fill_value=0).to_numpy()
    thirds = np.array_split(np.argsort(counts, kind="stable"), 3)
    for number, (setting, part) in enumerate(zip(("fewest objects", "middle", "most objects"), thirds, strict=True)):
        kept = np.zeros_like(bench.truth)
        kept[part] = True
        for (method, stride), scores in plain_methods(bench, scored).items():
            labels = {"experiment": "clutter", "setting": setting, "x": number + 1}
            yield from ranking_rows(bench, scores, kept=kept, **labels, method=method, stride=stride)


def style_rows(bench: Bench, scored: Scored) -> Rows:
    """C1: positives in the query's own style of drawing, or only those in the other two; the rest of them are left out."""
    methods = plain_methods(bench, scored)
    same = np.stack([bench.pool.shows(one.category, style=one.target.style) for one in bench.queries], 1)
    for setting, truth in {"same style": same, "other styles": bench.truth & ~same}.items():
        for (method, stride), scores in methods.items():
            labels = {"experiment": "style", "setting": setting, "x": np.nan, "method": method, "stride": stride}
            yield from ranking_rows(bench, scores, truth=truth, kept=~bench.truth | truth, **labels)


def query_rows(bench: Bench, scored: Scored) -> Rows:
    """Several examples of one class: the mean or the maximum of their z-scores; every subset of the queries of the class."""
    gem_z = z_scores(gem_scores(bench, 16))
    for category in dict.fromkeys(query.category for query in bench.queries):
        truth = bench.pool.shows(category)
        if not truth.any():
            continue
        own = bench.of(category)
        for count in range(1, len(own) + 1):
            for chosen in combinations(own, count):
                labels = {"experiment": "queries", "x": count, "category": category, "seed": bench.seed}
                labels["query"] = "+".join(map(str, chosen))
                for combine in ("mean", "max"):
                    scores = scored.combined(chosen, (8, 16), combine)
                    yield ranking_row(scores, truth, setting=combine, method="DTM", stride="8+16", **labels)
                scores = gem_z[:, chosen].mean(1)
                yield ranking_row(scores, truth, setting="mean", method="GeM", stride="16", **labels)


def padding_rows(config: SelectionConfig, bench: Bench) -> Rows:
    """The query's box grown or shrunk by some pixels on each side."""
    for padding in config.paddings:
        scored = match_queries(bench, (8, 16), padding)
        yield from fused_rows(bench, scored, "padding", "", padding)


def jitter_rows(config: SelectionConfig, bench: Bench) -> Rows:
    """C4: a box drawn by a careless hand, each of whose edges is off by up to some pixels, at random."""
    generator = np.random.default_rng([bench.seed, 11])
    for jitter in config.jitters:
        objects = []
        for seen, query in zip(bench.seen, bench.queries, strict=True):
            box = np.array(query.target.box) + generator.uniform(-jitter, jitter, 4)
            objects.append(cut_templates(seen, tuple(box.tolist()), (8, 16)))
        yield from fused_rows(bench, score_objects(bench, objects), "jitter", "", jitter)


def template_rows(config: SelectionConfig, bench: Bench) -> Rows:
    """How cells of the template are kept and weighted."""
    for threshold in config.thresholds:
        yield from fused_rows(bench, match_queries(bench, (8, 16), threshold=threshold), "threshold", "", threshold)
    variants = {
        "masked": {},
        "unmasked": {"masked": False},
        "weighted by coverage": {"weighting": "coverage"},
        "weighted by coverage, threshold 0.05": {"weighting": "coverage", "threshold": 0.05},
    }
    for setting, options in variants.items():
        yield from fused_rows(bench, match_queries(bench, (8, 16), **options), "template", setting)


def feature_rows(bench: Bench) -> Rows:
    """Features less the pool's mean, with channels of one spread, and decorrelated."""
    for kind in ("centred", "scaled", "decorrelated"):
        changed = bench.changed(standardiser(bench.pool.features, (8, 16), kind))
        yield from fused_rows(changed, match_queries(changed, (8, 16)), "features", kind)


def feedback_rows(config: SelectionConfig, bench: Bench, scored: Scored) -> Rows:
    """A person marks the first wrong and right hits of the page; what is left of the pool is ranked anew.

    "Not this" subtracts the mean z-score of the wrong hits, "more like this" adds the right ones as further queries. The marked
    pictures are left out of every ranking, also of the one without feedback.
    """
    for index, query in enumerate(bench.queries):
        truth, plain = bench.truth[:, index], scored.combined([index], (8, 16))
        page = np.argsort(-plain, kind="stable")[:FEEDBACK_PAGE]
        boxes = _hit_boxes(scored, index)
        for clicks in config.clicks:
            wrong, right = page[~truth[page]][:clicks], page[truth[page]][:clicks]
            kept = np.ones(len(truth), bool)
            kept[[*wrong, *right]] = False
            if not truth[kept].any():
                continue
            extra = [_template_of(bench, image, boxes[image]) for image in (*wrong, *right)]
            both = score_objects(bench, [scored.objects[index], *extra])
            negatives = range(1, 1 + len(wrong))
            positives = [0, *range(1 + len(wrong), 1 + len(extra))]
            z = z_scores(plain)
            unwanted = (
                np.stack([both.combined([one], (8, 16)) for one in negatives], 1).mean(1) if len(wrong) else 0 * z
            )
            rankings = {
                "no feedback": plain,
                "not this": z - unwanted,
                "not this, weight 0.5": z - 0.5 * unwanted,
                "not this, weight 0.25": z - 0.25 * unwanted,
                "more like this": both.combined(positives, (8, 16)),
                "both, weight 0.5": both.combined(positives, (8, 16)) - 0.5 * unwanted,
            }
            for setting, scores in rankings.items():
                labels = {"experiment": "feedback", "setting": setting, "x": clicks, "method": "DTM", "stride": "8+16"}
                labels |= {"category": query.category, "seed": bench.seed, "query": str(index)}
                yield ranking_row(scores[kept], truth[kept], **labels)


def _hit_boxes(scored: Scored, index: int) -> Array:
    """Return where one object was found in each picture at stride 8, (N, 4)."""
    column = sum(map(len, scored.objects[:index]))
    return scored.scores.matches.boxes[:, column]


def _template_of(bench: Bench, image: int, box: Box) -> list:
    return cut_templates(bench.pool.features.select([image]), tuple(map(float, box)), (8, 16))
