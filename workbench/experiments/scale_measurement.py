"""Measure what targeted selection costs at scale: embedding, writing, mining, memory, and what a first pass in bytes keeps."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.datasets import cache_dir, emoji_pool
from workbench.experiments.scale_pool import STRIDE, SimulatedPool, write_repeated, write_simulated
from workbench.experiments.scale_search import SearchConfig, search_rows
from workbench.experiments.selection_pool import PoolConfig, make_queries
from workbench.experiments.targeted_selection_scale import COLUMNS, IMAGES_OF_THE_PAPER, capacity, map_cells
from workbench.retrieval import (
    EfficientNetLite0Backbone,
    Encoding,
    FeatureStore,
    Template,
    embed,
    fit_projections,
    mine_store,
)
from workbench.retrieval.execution import connected, run_shards
from workbench.training import CancelToken, Progress, no_progress

if TYPE_CHECKING:
    from dask.distributed import Client

Templates = list[Template]
HALF = "half precision"
PAPER_CANVAS = (544, 960)
FORECAST_CORES = 16
FORECAST_DISK = 3.0


@dataclass(frozen=True)
class ScaleConfig:
    """What is measured.

    Attributes:
        pool: the real scenes: they are embedded, searched, and cut up for the simulated pictures; and the queries.
        embedded: scenes that the speed of embedding is measured on.
        growth: shards of simulated pictures at which mining is measured, the largest at the end.
        cells: (h, w) of a simulated picture's map.
        shard_size: simulated pictures per shard.
        written: shards that the speed of writing is measured on.
        processes: how many are at work where more than one matters.
        search: what is measured of two stages.
        seed: of the simulated pictures.
    """

    pool: PoolConfig = field(default_factory=lambda: PoolConfig(scenes=1000))
    embedded: int = 240
    growth: tuple[int, ...] = (6, 12, 24, 49)
    cells: tuple[int, int] = (20, 32)
    shard_size: int = 2048
    written: int = 8
    processes: int = 2
    search: SearchConfig = field(default_factory=SearchConfig)
    seed: int = 0


FULL = ScaleConfig()
"""Everything that `make results` measures: 100 352 simulated pictures, some 8 GB of the cache, which are removed afterwards."""


def run(
    config: ScaleConfig = FULL,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    *,
    scheduler: Client | None = None,
) -> pd.DataFrame:
    """Measure everything; return the table of :data:`~workbench.experiments.targeted_selection_scale.COLUMNS`.

    Args:
        config: what to measure.
        progress: is told the steps that are done, and what was measured last.
        cancel: looked at after each row.
        scheduler: of ``config.processes`` workers; default new ones on this machine.
    """
    queries = make_queries(config.pool)
    backbone = EfficientNetLite0Backbone({STRIDE: 2}, device="cpu")
    templates = [template for query in queries for template in query.templates(backbone)]
    steps = (embedding_rows, scene_rows, writing_rows, mining_rows, simulated_rows)
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(dir=cache_dir("scale")) as folder,
        connected(scheduler or config.processes) as client,
    ):
        client.run(_ready)
        for done, step in enumerate(steps):
            progress(done, len(steps), step.__name__.removesuffix("_rows"))
            for row in step(config, Path(folder), templates, client):
                if cancel is not None:
                    cancel.raise_if_cancelled()
                rows.append(row)
                progress(done, len(steps), f"{row['measure']}: {row['setting']}")
    rows += forecast_rows(pd.DataFrame(rows), config)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.assign(
        seed=frame["seed"].fillna(config.seed).astype(int), processes=frame["processes"].fillna(1).astype(int)
    )


def embedding_rows(config: ScaleConfig, folder: Path, templates: Templates, client: Client) -> Iterator[dict[str, Any]]:
    """Embed scenes with one process and with several, and then the whole pool of scenes for what follows."""
    backbone, street = EfficientNetLite0Backbone({STRIDE: 2}, device="cpu"), config.pool.street
    setting = f"EfficientNet-Lite0 to stride {STRIDE}, {street.width} x {street.height} pixels"
    entries = emoji_pool(config.pool.scenes, config.pool.first_seed, street)
    few = entries[: config.embedded]
    embed(entries[: config.processes], backbone, folder / "warm", shard_size=1, scheduler=client)
    for processes, scheduler in ((1, None), (config.processes, client)):
        path, size = folder / f"embedded-{processes}", max(1, len(few) // (4 * config.processes))
        started = time.perf_counter()
        embed(few, backbone, path, shard_size=size, scheduler=scheduler)
        seconds = time.perf_counter() - started
        yield {
            "measure": "embedding",
            "setting": setting,
            "x": len(few),
            "x_unit": "images",
            "processes": processes,
            "value": len(few) / seconds,
            "unit": "images/s",
            "seconds": seconds,
        }
    embed(entries, backbone, folder / "parts", shard_size=len(entries) // (8 * config.processes) + 1, scheduler=client)
    whole = FeatureStore.create(folder / "scenes", backbone.recipe, shard_size=len(entries))
    whole.write(0, FeatureStore.open(folder / "parts"))
    for name in ("warm", "embedded-1", f"embedded-{config.processes}", "parts"):
        shutil.rmtree(folder / name, ignore_errors=True)


def scene_rows(config: ScaleConfig, folder: Path, templates: Templates, client: Client) -> Iterator[dict[str, Any]]:
    """Search the pool of real scenes in two stages."""
    store = FeatureStore.open(folder / "scenes")
    yield from search_rows(store, templates, f"{len(store):,} scenes".replace(",", " "), folder, config.search, client)


def writing_rows(config: ScaleConfig, folder: Path, templates: Templates, client: Client) -> Iterator[dict[str, Any]]:
    """Write maps that are in memory, with one process and with several, in each encoding."""
    pool = _pool(config, folder)
    projections = fit_projections(FeatureStore.open(folder / "scenes"), {STRIDE: 24}, sample=pool.scenes)
    encodings = {HALF: Encoding(), "int8, 24 dimensions": Encoding("int8", projections, residual=True)}
    for name, encoding in encodings.items():
        for processes, scheduler in ((1, None), (config.processes, client)):
            path = folder / "written"
            store = FeatureStore.create(path, {}, encoding=encoding, shard_size=pool.shard_size)
            started = time.perf_counter()
            _write(store, pool, range(config.written), write_repeated, scheduler)
            seconds = time.perf_counter() - started
            facts = {"x": len(store), "x_unit": "images", "setting": f"{name}, {_cells(config)}", "seconds": seconds}
            row = {"measure": "writing", "processes": processes, "value": len(store) / seconds, "unit": "images/s"}
            yield row | facts
            if processes == 1:
                written = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                yield {"measure": "bytes per image", "value": written / len(store), "unit": "bytes", **facts}
            shutil.rmtree(path)


def mining_rows(config: ScaleConfig, folder: Path, templates: Templates, client: Client) -> Iterator[dict[str, Any]]:
    """Let a store grow, and mine it at each size in a process of its own, whose memory is looked at."""
    pool, path = _pool(config, folder), folder / "simulated"
    FeatureStore.create(path, {}, shard_size=pool.shard_size)
    setting = f"{HALF}, {_cells(config)}, {len(templates)} queries"
    before = 0
    for shards in config.growth:
        _, seconds, peak = in_a_fresh_process(_grow, pool, path, range(before, shards))
        before = shards
        facts = {"x": shards * pool.shard_size, "x_unit": "images"}
        here = {"setting": f"{HALF}, {_cells(config)}", "seconds": seconds, **facts}
        yield {"measure": "memory while writing", "value": peak, "unit": "MB", **here}
        _, seconds, peak = in_a_fresh_process(_mine, path, templates)
        here = {"setting": setting, "seconds": seconds, **facts}
        yield {"measure": "mining", "value": facts["x"] / seconds, "unit": "images/s", **here}
        yield {"measure": "memory while mining", "value": peak, "unit": "MB", **here}
    started = time.perf_counter()
    mine_store(FeatureStore.open(path), templates, top=20, scheduler=client)
    seconds = time.perf_counter() - started
    row = {"measure": "mining", "processes": config.processes, "value": facts["x"] / seconds, "unit": "images/s"}
    yield row | {"setting": setting, "seconds": seconds, **facts}


def simulated_rows(config: ScaleConfig, folder: Path, templates: Templates, client: Client) -> Iterator[dict[str, Any]]:
    """Search the largest simulated pool in two stages."""
    store = FeatureStore.open(folder / "simulated")
    name = f"{len(store):,} simulated".replace(",", " ")
    yield from search_rows(store, templates, name, folder, config.search, client)


def forecast_rows(table: pd.DataFrame, config: ScaleConfig) -> list[dict[str, Any]]:
    """Return what the paper's pool would take on one machine of 16 such cores, from the measured seconds of a picture on one."""
    cells = map_cells(*PAPER_CANVAS, STRIDE)
    mined = table[(table["measure"] == "mining") & (table["processes"].fillna(1) == 1)].iloc[-1]
    embedded = table[(table["measure"] == "embedding") & (table["processes"] == 1)].iloc[0]
    pixels = config.pool.street.width * config.pool.street.height
    cost = capacity(
        IMAGES_OF_THE_PAPER,
        cells,
        40,
        2,
        FORECAST_DISK,
        1,
        0,
        cores=FORECAST_CORES,
        match_seconds_per_image=cells / (config.cells[0] * config.cells[1]) / mined["value"],
        embed_seconds_per_image=PAPER_CANVAS[0] * PAPER_CANVAS[1] / pixels / embedded["value"],
    )
    queries = mined["setting"].rsplit(", ", 1)[1]
    machine = f"{FORECAST_CORES} cores, {FORECAST_DISK:g} GB/s"
    found = {
        f"one pass, {queries}, {HALF}, {machine}": cost.scan_seconds,
        f"reading once, {HALF}, {machine}": cost.read_seconds,
        f"embedding once, {machine}": cost.embed_seconds,
    }
    return [
        {
            "measure": "forecast",
            "setting": name,
            "x": IMAGES_OF_THE_PAPER,
            "x_unit": "images",
            "value": value,
            "unit": "s",
        }
        for name, value in found.items()
    ]


def in_a_fresh_process(task: Callable[..., object], *arguments: object) -> tuple[object, float, float]:
    """Return a task's result, its seconds, and the largest resident memory in MB of a new process that ran only it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(theirs, task, arguments))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process of {task.__name__} ended with {process.exitcode}") from None
    process.join()
    return found


def _report(pipe: Any, task: Callable[..., object], arguments: tuple[object, ...]) -> None:
    started = time.perf_counter()
    result = task(*arguments)
    pipe.send((result, time.perf_counter() - started, peak_memory()))


def peak_memory() -> float:
    """Return the largest resident memory of this process so far, MB, with the pages of mapped files that were in use at once."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would also count what the parent had before this program was started
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def _grow(pool: SimulatedPool, path: Path, numbers: range) -> None:
    _write(FeatureStore.open(path), pool, numbers, write_simulated, None)


def _mine(path: Path, templates: list[Template]) -> list[str]:
    return [one.image_id for one in mine_store(FeatureStore.open(path), templates, top=20).matches]


def _write(store: FeatureStore, pool: SimulatedPool, numbers: range, task: Callable[..., None], scheduler: Any) -> None:
    shared = (pool, store.path, store.manifest.encoding)
    for index, _ in run_shards(task, shared, [(number,) for number in numbers], scheduler=scheduler):
        store.add(numbers[index])


def _pool(config: ScaleConfig, folder: Path) -> SimulatedPool:
    scenes = min(400, config.pool.scenes)
    return SimulatedPool(folder / "scenes", scenes, config.cells, 0.25, config.shard_size, config.seed)


def _cells(config: ScaleConfig) -> str:
    return "{} x {} cells".format(*config.cells)


def _ready() -> None:
    """Import what a worker needs before a clock runs."""
    import workbench.experiments.scale_pool  # noqa: F401
