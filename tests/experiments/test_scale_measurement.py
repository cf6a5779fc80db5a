"""The measurement of scale: what its pictures are made of, that it runs, and that the stored table makes sense."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from dask.distributed import Client, LocalCluster

from workbench.datasets import EmojiStreetConfig
from workbench.experiments import scale_measurement as measure
from workbench.experiments.results import load_results
from workbench.experiments.scale_pool import SimulatedPool, write_simulated
from workbench.experiments.scale_search import SearchConfig
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.targeted_selection_scale import COLUMNS, capacity, map_cells
from workbench.retrieval import Encoding, Features, FeatureStore, Letterbox, Shard

TINY = measure.ScaleConfig(
    pool=PoolConfig(scenes=20, queries=1, street=EmojiStreetConfig(width=192, height=160, prevalence=0.4)),
    embedded=2,
    growth=(1, 2),
    cells=(10, 12),
    shard_size=64,
    written=1,
    processes=1,
    search=SearchConfig(dimensions=(16,), fractions=(0.3,), timed=(0.3,), proved=(5,), top=5, single=1),
)


def simulated(path, **options) -> SimulatedPool:
    maps = torch.randn(6, 5, 20, 30, generator=torch.Generator().manual_seed(0))
    store = FeatureStore.create(path, {}, shard_size=6)
    store.append(Shard(tuple("abcdef"), Features({8: maps}, [Letterbox.fit((160, 240))] * 6)))
    return SimulatedPool(path, 6, (10, 12), shard_size=80, **options)


def test_without_noise_a_simulated_picture_is_made_of_windows_of_two_scenes(tmp_path):
    pool = simulated(tmp_path / "scenes", noise=0.0)
    cells = FeatureStore.open(tmp_path / "scenes").shard(0).features[8].float().permute(0, 2, 3, 1)
    known = {tuple(cell): (scene, row, column) for (scene, row, column), cell in _cells(cells)}
    parts = list(pool.parts(0))
    assert [len(part.image_ids) for part in parts] == [64, 16]
    for picture in parts[0].features[8].permute(0, 2, 3, 1)[:20]:
        places = np.array([[known[tuple(cell)] for cell in row] for row in picture.numpy()])
        assert len({tuple(scenes) for scenes in places[:, :, 0]}) == 1  # each row is cut at the same column
        assert (np.diff(places[:, :, 1], axis=0) == 1).all()
        steps = np.abs(np.diff(places[0, :, 2])) == 1
        assert (~steps).sum() <= 1  # one seam at most


def _cells(cells: torch.Tensor):
    for place in np.ndindex(*cells.shape[:3]):
        yield place, cells[place].numpy()


def test_a_simulated_shard_depends_on_its_number_and_the_seed_alone(tmp_path):
    pools = [simulated(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    for name, pool, number in (("0", pools[0], 0), ("1", pools[1], 0), ("2", pools[2], 0), ("3", pools[0], 1)):
        FeatureStore.create(tmp_path / name, {})
        write_simulated((pool, tmp_path / name, Encoding()), number)
    written = [next(iter(tmp_path.glob(f"{name}/shard-*/stride-8.npy"))).read_bytes() for name in "0123"]
    assert written[0] == written[1]
    assert len(set(written)) == 3


def test_a_process_of_its_own_reports_its_result_and_its_memory():
    result, seconds, peak = measure.in_a_fresh_process(np.ones, 20_000_000)
    assert result.sum() == 20_000_000
    assert seconds > 0
    assert peak > 160  # MB of the array
    with pytest.raises(RuntimeError, match="the process of divmod ended with 1"):
        measure.in_a_fresh_process(divmod, 1, 0)


def test_everything_is_measured_and_nothing_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    options = {"threads_per_worker": 1, "memory_limit": None, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, processes=False, **options) as cluster, Client(cluster) as client:
        table = measure.run(TINY, scheduler=client)
    assert list(table.columns) == list(COLUMNS)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    stored = load_results("targeted_selection_scale")
    assert set(table["measure"]) == set(stored["measure"])


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return load_results("targeted_selection_scale")


def rows(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    return table[table["measure"] == measure]


def test_the_stored_table_has_the_columns_and_units(table):
    assert list(table.columns) == list(COLUMNS)
    assert (table["value"] > 0).all()
    shares = rows(table, "shortlist recall"), rows(table, "certified fraction")
    assert all(part["value"].between(0, 1).all() for part in shares)


def test_longer_shortlists_and_more_dimensions_keep_more(table):
    recall = rows(table, "shortlist recall")
    for _, part in recall.groupby("setting"):
        assert part.sort_values("x")["value"].is_monotonic_increasing
    recall = recall.assign(dimensions=recall["setting"].str.split().str[0].astype(int))
    recall = recall.assign(pool=recall["setting"].str.split(", ").str[1])
    for _, part in recall.groupby(["pool", "x"]):
        assert (part.sort_values("dimensions")["value"].diff().dropna() > -0.02).all()


def test_memory_does_not_grow_with_the_pool(table):
    for name in ("memory while mining", "memory while writing"):
        part = rows(table, name).sort_values("x")
        assert part["x"].iloc[-1] >= 4 * part["x"].iloc[0]
        assert part["value"].iloc[-1] < 1.25 * part["value"].iloc[0]


def test_the_forecast_is_the_capacity_of_the_measured_costs(table):
    mined = rows(table, "mining")
    mined = mined[mined["processes"] == 1].sort_values("x").iloc[-1]
    height, width = map(int, mined["setting"].split(", ")[1].removesuffix(" cells").split(" x "))
    cells = map_cells(544, 960, 8)
    facts = {"disk_gb_per_s": 3, "machines": 1, "euros_per_tb": 0, "cores": 16}
    seconds = cells / (height * width) / mined["value"]
    cost = capacity(2_200_000, cells, 40, 2, match_seconds_per_image=seconds, **facts)
    forecast = rows(table, "forecast").set_index("setting")["value"]
    assert next(value for name, value in forecast.items() if "one pass" in name) == pytest.approx(
        cost.scan_seconds, rel=1e-4
    )
