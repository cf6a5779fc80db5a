"""Find more of what failed: every claim about object-level targeted selection, measured on street scenes.

Kothawade et al., "Object-Level Targeted Selection via Deep Template Matching", IV 2022. Its pool of 2.2 million pictures is not
public; here pools are drawn, so that every truth is known.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain

import pandas as pd

from workbench.experiments import targeted_selection_summary as summary
from workbench.experiments.results import COLUMNS
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.targeted_selection_bench import make_bench, match_queries
from workbench.experiments.targeted_selection_config import LoopConfig, SelectionConfig
from workbench.experiments.targeted_selection_loop import measure_loop
from workbench.experiments.targeted_selection_methods import default_backbone
from workbench.experiments.targeted_selection_rankings import measure_rankings
from workbench.retrieval import match
from workbench.training import CancelToken, Progress, no_progress

FULL = SelectionConfig()
"""Everything that `make results` measures: some 25 minutes on one core."""

QUICK = SelectionConfig(
    pool=PoolConfig(scenes=120, queries=1),
    seeds=(0,),
    areas=(4.0, 25.0),
    empty_areas=(),
    backbones=False,
    pairings=(),
    loop=LoopConfig(pool=PoolConfig(scenes=120), seeds=(0,), test=100, rounds=2, categories=("bike", "dog")),
    frames=None,
)
"""What a person waits for: two minutes on one core."""

TIMED_SCENES = 60
"""Scenes that the cost of matching is measured on."""


def run(
    config: SelectionConfig = FULL,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    *,
    rankings: pd.DataFrame | None = None,
    loop: pd.DataFrame | None = None,
    frames: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Re-measure every claim; return the tidy table of :data:`workbench.experiments.results.COLUMNS`.

    Args:
        config: what to measure.
        progress: called after each scene.
        cancel: looked at before each scene.
        rankings, loop, frames: what :func:`measure_rankings` and :func:`measure_loop` have measured already.

    Raises:
        Cancelled: Stop was asked for.
    """
    started = time.perf_counter()
    wanted = [
        ("rankings", rankings, measure_rankings, config),
        ("loop", loop, measure_loop, config.loop),
        ("frames", frames, measure_loop, config.frames),
    ]
    open_parts = [part for part in wanted if part[1] is None and part[3] is not None]
    tables = {name: table for name, table, _, _ in wanted if table is not None}
    for done, (name, _, measure, part) in enumerate(open_parts):

        def within(step: int, steps: int, message: str = "", done: int = done) -> None:
            progress(1000 * done + 1000 * step // max(steps, 1), 1000 * len(open_parts), message)

        tables[name] = measure(part, within, cancel)
    rows = chain(_ranking_rows(tables["rankings"]), cost_rows(config), *(
        summary.loop_rows(tables[name], name) for name in ("loop", "frames") if name in tables
    ))  # fmt: skip
    table = pd.DataFrame(rows, columns=["claim", "setting", "quantity", "paper", "value", "spread", "unit"])
    progress(1, 1, "done")
    table = table.astype({"paper": float, "spread": float})
    return table.assign(seed=config.seeds[0], seconds=time.perf_counter() - started)[list(COLUMNS)]


def _ranking_rows(rankings: pd.DataFrame) -> Iterator[summary.Row]:
    yield from summary.ranking_rows(rankings)
    yield from summary.category_rows(rankings)
    yield from summary.size_rows(rankings)


def cost_rows(config: SelectionConfig) -> Iterator[summary.Row]:
    """C4: what a picture costs to see, and what a picture and a query cost to match, in processor time of this machine."""
    pool = PoolConfig(scenes=TIMED_SCENES, queries=config.pool.queries, street=config.pool.street)
    started = time.process_time()
    bench = make_bench(pool, default_backbone(), 0)
    seeing = (time.process_time() - started) / (TIMED_SCENES + len(bench.queries))
    yield "C4", "features of a scene, drawn", "time", None, 1e3 * seeing, None, "ms"
    for stride in (8, 16):
        scored = match_queries(bench, (stride,))
        templates = scored.templates
        times = []
        for _ in range(5):
            started = time.process_time()
            match(templates, bench.pool.features)
            times.append(time.process_time() - started)
        each = 1e6 * min(times) / (len(templates) * TIMED_SCENES)
        yield "C4", f"match of one query with one scene, stride {stride}", "time", None, each, None, "microseconds"
