"""Measure two stages on a store: what the first keeps, what can be proved, and how much faster it is than a full scan."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.retrieval import Encoding, FeatureStore, Template, compress, fit_projections, match, two_stage
from workbench.retrieval.coarse_scan import CoarseScan, fast_dtype
from workbench.retrieval.execution import Scheduler, one_thread

SAMPLE = 400
"""Pictures that the projections are fitted to."""


@dataclass(frozen=True)
class SearchConfig:
    """What is measured.

    Attributes:
        dimensions: that the first stage keeps of each cell.
        fractions: of the pool, at which the recall of the shortlist is measured.
        timed: of these, those at which two stages are timed.
        top: pictures that make the answer.
        proved: sizes of the answer for which the certificate is measured.
        single: queries that are also timed one by one.
    """

    dimensions: tuple[int, ...] = (8, 16, 24, 32)
    fractions: tuple[float, ...] = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
    timed: tuple[float, ...] = (0.002, 0.01, 0.02)
    top: int = 20
    proved: tuple[int, ...] = (10, 20)
    single: int = 4


def search_rows(
    store: FeatureStore,
    templates: Sequence[Template],
    pool: str,
    folder: Path,
    config: SearchConfig,
    scheduler: Scheduler = None,
) -> Iterator[dict[str, Any]]:
    """Yield rows of the table for a store; the compressed ones lie in ``folder`` meanwhile. Seconds are of this process's CPU."""
    stride = templates[0].stride
    with one_thread():
        scores, full = _timed(lambda: np.concatenate([match(templates, shard.features).scores for shard in store]))
        alone = {}
        for index in range(min(config.single, len(templates))):
            _, alone[index] = _timed(lambda one=templates[index]: [match([one], shard.features) for shard in store])
    order = np.argsort(-scores, axis=0, kind="stable")
    for dimensions in config.dimensions:
        projections = fit_projections(store, {stride: dimensions}, sample=SAMPLE)
        encoding = Encoding("int8", projections, residual=True)
        coarse = compress(store, folder / "coarse", encoding, scheduler=scheduler)
        setting = f"{dimensions} dimensions, {pool}"
        yield from _recall_rows(coarse, templates, order, setting, config)
        for count in config.proved:
            found, seconds = _timed(lambda c=coarse, n=count: two_stage(c, store, templates, top=n, certified=True))
            facts = {"setting": setting, "x": count, "x_unit": "top", "unit": "fraction", "seconds": seconds}
            spread = float(found.evaluated.std())
            yield {"measure": "certified fraction", "value": float(found.evaluated.mean()), "spread": spread, **facts}
        many = f"{setting}, {len(templates)} queries at once"
        facts = {"x": float(found.evaluated.mean()), "x_unit": "fraction", "unit": "ratio", "seconds": seconds}
        yield {"measure": "certified speed-up", "setting": many, "value": full / seconds, **facts}
        for fraction in config.timed:
            found, seconds = _timed(
                lambda c=coarse, f=fraction: two_stage(c, store, templates, top=config.top, shortlist=f)
            )
            facts = {"x": float(found.evaluated.mean()), "x_unit": "fraction", "unit": "ratio", "seconds": seconds}
            yield {"measure": "two-stage speed-up", "setting": many, "value": full / seconds, **facts}
            singles = {}
            for index in alone:
                one = [templates[index]]
                _, singles[index] = _timed(
                    lambda c=coarse, t=one, f=fraction: two_stage(c, store, t, top=config.top, shortlist=f)
                )
            ratios = [alone[index] / singles[index] for index in alone]
            yield {
                "measure": "two-stage speed-up",
                "setting": f"{setting}, 1 query",
                "value": float(np.mean(ratios)),
                "spread": float(np.std(ratios)),
                **facts,
                "seconds": sum(singles.values()),
            }
        shutil.rmtree(coarse.path)


def _recall_rows(
    coarse: FeatureStore, templates: Sequence[Template], order: np.ndarray, setting: str, config: SearchConfig
) -> Iterator[dict[str, Any]]:
    """Yield the share of the exact answer, the first rows of ``order`` (N, T), that shortlists of each length hold."""
    scan = CoarseScan(tuple(templates), coarse.manifest.encoding, fast_dtype())
    with one_thread():
        estimates, seconds = _timed(lambda: np.concatenate([scan.estimates(shard.features) for shard in coarse]))
    place = np.empty_like(order)
    np.put_along_axis(place, np.argsort(-estimates, axis=0, kind="stable"), np.arange(len(order))[:, None], 0)
    places = np.take_along_axis(place, order[: config.top], 0)
    for fraction in config.fractions:
        length = int(np.ceil(fraction * len(order)))
        if length >= config.top:
            found = (places < length).mean(0)
            yield {
                "measure": "shortlist recall",
                "setting": setting,
                "x": fraction,
                "x_unit": "fraction",
                "value": float(found.mean()),
                "spread": float(found.std()),
                "unit": "fraction",
                "seconds": seconds,
            }


def _timed(work: Any) -> tuple[Any, float]:
    """Return what the work returns, and the CPU seconds of this process that it took."""
    started = time.process_time()
    return work(), time.process_time() - started
