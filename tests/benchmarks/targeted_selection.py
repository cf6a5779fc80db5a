"""Targeted selection: matching, the search in two stages and the store, beside how else they are done."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import conv2d, pad

from workbench.datasets import cache_dir
from workbench.experiments.scale_pool import SimulatedPool, write_repeated, write_simulated
from workbench.experiments.selection_pool import Pool, PoolConfig, make_pool, make_queries
from workbench.retrieval import (
    EfficientNetLite0Backbone,
    Encoding,
    Features,
    FeatureStore,
    Template,
    compress,
    fit_projections,
    l2_normalise,
    match,
    mine_store,
    two_stage,
)
from workbench.retrieval.execution import connected, run_shards

from .side_by_side import BenchmarkConfig, Comparison, Timing, side_by_side

HOW_TO_INSTALL = "`make bench` installs it, or pip install --no-deps -r tests/benchmarks/peers.txt"
TOP = 20
CELLS_PER_QUERY = 1000
"""Cells that faiss returns for each cell of a template."""


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    pool, templates = scenes(200)
    for stride in (8, 16):
        own = [template for template in templates if template.stride == stride]
        few = pool.features.select(range(40))
        yield convolutions(few, own, config)
        yield convolutions(few, own[:1], config)
    fine = [template for template in templates if template.stride == 8]
    yield from opencv(pool.features.select(range(4)), fine, replace(config, repeats=min(config.repeats, 2)))
    yield from flat_index(pool, fine, replace(config, repeats=min(config.repeats, 2)))
    yield from stores(pool, fine, 8, 2048, config)


def scenes(count: int, queries: int = 4) -> tuple[Pool, list[Template]]:
    """Return a pool of street scenes and the templates of 24 queries at both strides."""
    config, backbone = PoolConfig(scenes=count, queries=queries), EfficientNetLite0Backbone(device="cpu")
    templates = [template for query in make_queries(config) for template in query.templates(backbone)]
    return make_pool(config, backbone), templates


def convolutions(features: Features, templates: Sequence[Template], config: BenchmarkConfig) -> Comparison:
    """Match templates: all at once, and by one convolution of torch for each query. Both start from the network's features."""
    stride = templates[0].stride
    maps = features[stride].contiguous()
    ours, theirs, timing = side_by_side(
        lambda: match(templates, features).scores, lambda: convolve_each(maps, templates), config.repeats
    )
    return Comparison(
        subject=f"{len(templates)} {'query' if len(templates) == 1 else 'queries'} in {len(maps)} scenes, stride {stride}",
        ours="retrieval.match",
        peer="torch conv2d for each query",
        setting=f"maps of {maps.shape[2]} x {maps.shape[3]} x {maps.shape[1]}, CPU seconds",
        timing=timing,
        agreement=(
            f"largest difference of a score {np.abs(ours - theirs).max():.1e}; "
            f"ours {_micro(timing.ours_seconds, len(maps) * len(templates))} a scene and query, boxes included"
        ),
    )


def convolve_each(maps: torch.Tensor, templates: Sequence[Template]) -> np.ndarray:
    """Return scores (N, T) by one convolution per template."""
    unit, scores = l2_normalise(maps), []
    for template in templates:
        rows, columns = template.cells
        kernel = (template.vectors * template.weights / template.weights.sum())[None]
        field = conv2d(pad(unit, (columns - 1, columns - 1, rows - 1, rows - 1)), kernel)
        scores.append(field.flatten(1).amax(1))
    return torch.stack(scores, 1).numpy()


def opencv(features: Features, templates: Sequence[Template], config: BenchmarkConfig) -> Iterator[Comparison]:
    """Match templates, and sum OpenCV's matchTemplate over channels, which it does not do by itself for more than four."""
    try:
        import cv2
    except ImportError as error:
        print(f"opencv-python-headless cannot be imported ({error}): {HOW_TO_INSTALL}")
        return
    cv2.setNumThreads(1)
    maps = features[templates[0].stride]

    def theirs() -> np.ndarray:
        unit = l2_normalise(maps).numpy()
        scores = np.empty((len(maps), len(templates)))
        for column, template in enumerate(templates):
            rows, columns = template.cells
            kernel = (template.vectors * template.weights / template.weights.sum()).numpy()
            framed = np.pad(unit, ((0, 0), (0, 0), (rows - 1, rows - 1), (columns - 1, columns - 1)))
            for row, picture in enumerate(framed):
                fields = [
                    cv2.matchTemplate(plane, part, cv2.TM_CCORR) for plane, part in zip(picture, kernel, strict=True)
                ]
                scores[row, column] = np.sum(fields, 0).max()
        return scores

    scores, other, timing = side_by_side(lambda: match(templates, features).scores, theirs, config.repeats)
    yield Comparison(
        subject=f"{len(templates)} queries in {len(maps)} scenes, stride {templates[0].stride}",
        ours="retrieval.match",
        peer="cv2.matchTemplate summed over channels",
        setting=f"maps of {maps.shape[2]} x {maps.shape[3]} x {maps.shape[1]}, CPU seconds",
        timing=timing,
        agreement=f"largest difference of a score {np.abs(scores - other).max():.1e}",
    )


def flat_index(pool: Pool, templates: Sequence[Template], config: BenchmarkConfig) -> Iterator[Comparison]:
    """Rank a pool, and let faiss look up each cell of a template among all cells, each of which votes for its scene."""
    try:
        import faiss
    except ImportError as error:
        print(f"faiss-cpu cannot be imported ({error}): {HOW_TO_INSTALL}")
        return
    faiss.omp_set_num_threads(1)
    maps = pool.features[templates[0].stride]
    cells = l2_normalise(maps).permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).contiguous().numpy()
    index = faiss.IndexFlatIP(maps.shape[1])
    index.add(cells)
    scene_of = np.repeat(np.arange(len(maps)), len(cells) // len(maps))

    def theirs() -> np.ndarray:
        votes = np.zeros((len(maps), len(templates)))
        for column, template in enumerate(templates):
            kept = template.weights > 0
            similar, found = index.search(template.vectors[:, kept].T.contiguous().numpy(), CELLS_PER_QUERY)
            for weight, values, places in zip(template.weights[kept].tolist(), similar, scene_of[found], strict=True):
                best = np.zeros(len(maps))
                np.maximum.at(best, places, values)
                votes[:, column] += weight * best
        return votes

    scores, votes, timing = side_by_side(lambda: match(templates, pool.features).scores, theirs, config.repeats)
    shared = [
        len(set(np.argsort(-one)[:TOP]) & set(np.argsort(-other)[:TOP])) / TOP
        for one, other in zip(scores.T, votes.T, strict=True)
    ]
    yield Comparison(
        subject=f"the top {TOP} of {len(maps)} scenes for {len(templates)} queries",
        ours="retrieval.match",
        peer=f"faiss IndexFlatIP over all cells, {CELLS_PER_QUERY} neighbours, vote by scene",
        setting=f"stride {templates[0].stride}, {len(cells)} cells, building the index not counted, CPU seconds",
        timing=timing,
        agreement=f"the vote's top {TOP} holds {100 * np.mean(shared):.0f} % of that of matching, which keeps cells in order",
    )


def stores(
    pool: Pool, templates: Sequence[Template], shards: int, shard_size: int, config: BenchmarkConfig
) -> Iterator[Comparison]:
    """Search a store of simulated pictures in two stages and whole; and write and mine one with one process and two."""
    stride = templates[0].stride
    with tempfile.TemporaryDirectory(dir=cache_dir("benchmarks")) as name:
        folder = Path(name)
        source = FeatureStore.create(folder / "source", {}, shard_size=len(pool.entries))
        source.write(
            0, [replace(pool.shard, features=Features({stride: pool.features[stride]}, pool.features.letterboxes))]
        )
        simulated = SimulatedPool(source.path, len(pool.entries), shard_size=shard_size)
        store = FeatureStore.create(folder / "store", {}, shard_size=shard_size)
        for index, _ in run_shards(write_simulated, (simulated, store.path, Encoding()), [(n,) for n in range(shards)]):
            store.add(index)
        for dimensions, shortlist, certified in ((16, 0.02, False), (24, 0.005, False), (32, 0.0, True)):
            encoding = Encoding("int8", fit_projections(source, {stride: dimensions}), residual=True)
            coarse = compress(store, folder / f"coarse-{dimensions}", encoding)
            for some in (templates, templates[:1]):
                yield two_stages(coarse, store, some, shortlist, certified, config)
        yield throughput(store, templates, simulated, folder)


def two_stages(
    coarse: FeatureStore,
    fine: FeatureStore,
    templates: Sequence[Template],
    shortlist: float,
    certified: bool,
    config: BenchmarkConfig,
) -> Comparison:
    """Find the top 20 in two stages, and by scoring every picture exactly."""
    options = {"top": TOP, "shortlist": shortlist, "certified": certified}
    found, scores, timing = side_by_side(
        lambda: two_stage(coarse, fine, templates, **options),
        lambda: np.concatenate([match(templates, shard.features).scores for shard in fine]),
        config.repeats,
    )
    names = np.array([one for part in fine.image_ids() for one in part])
    recall = found.recall([names[np.argsort(-column, kind="stable")[:TOP]] for column in scores.T])
    dimensions = coarse.shard(0).features[templates[0].stride].shape[1]
    return Comparison(
        subject=f"the top {TOP} of {len(fine)} pictures for {len(templates)} {'query' if len(templates) == 1 else 'queries'}",
        ours=f"retrieval.two_stage{', certified' if certified else ''}",
        peer="retrieval.match of every picture",
        setting=f"maps of {dimensions} of {len(templates[0].vectors)} dimensions in int8 first, mapped files, CPU seconds",
        timing=timing,
        agreement=(
            f"recall {recall.mean():.3f} (least {recall.min():.2f}); "
            f"{100 * found.evaluated.mean():.1f} % of the pool scored exactly"
        ),
    )


def throughput(
    store: FeatureStore, templates: Sequence[Template], simulated: SimulatedPool, folder: Path
) -> Comparison:
    """Write and mine a store with one process and with two; seconds are of the clock, and of mining with one process."""
    speeds = {}
    with connected(2) as client:
        for processes, scheduler in ((1, None), (2, client)):
            target = FeatureStore.create(folder / f"written-{processes}", {}, shard_size=store.manifest.shard_size)
            shared = (simulated, target.path, Encoding())
            began = time.perf_counter()
            for index, _ in run_shards(write_repeated, shared, [(n,) for n in store.numbers], scheduler=scheduler):
                target.add(index)
            wrote = time.perf_counter()
            mine_store(store, templates, top=TOP, scheduler=scheduler)
            ended = time.perf_counter()
            speeds[processes] = (len(store) / (wrote - began), len(store) / (ended - wrote))
    return Comparison(
        subject=f"mining a store of {len(store)} pictures for {len(templates)} queries",
        ours="retrieval.mine_store",
        peer="none",
        setting="maps of {} x {} cells, half precision, seconds of the clock".format(*simulated.cells),
        timing=Timing(len(store) / speeds[1][1], *[float("nan")] * 4),
        agreement="; ".join(
            f"with {processes} process{'es' if processes > 1 else ''} {wrote:.0f} pictures/s written, {mined:.0f} mined"
            for processes, (wrote, mined) in speeds.items()
        ),
    )


def _micro(seconds: float, count: int) -> str:
    return f"{1e6 * seconds / count:.3g} µs"
