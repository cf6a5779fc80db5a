"""Where shards run changes nothing, and neither does a worker that is killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import cloudpickle
import pytest
from dask.distributed import Client, LocalCluster

from workbench.datasets import EmojiStreetConfig, emoji_pool
from workbench.retrieval import HogColourBackbone, embed, mine_store, object_templates
from workbench.retrieval.execution import run_shards
from workbench.training import Cancelled, CancelToken

STREET = EmojiStreetConfig(width=96, height=64)
ENTRIES = emoji_pool(10, config=STREET)


def content(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def ids(mining):
    return [(one.image_id, one.score, one.boxes) for one in mining.matches]


def kill_once(marker: Path) -> None:
    """Kill this process, as nothing can prevent, unless that has happened before."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file


@pytest.fixture(scope="module")
def client():
    """Return a client of two worker processes, which are gone at the end."""
    options = {"threads_per_worker": 1, "memory_limit": None, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, processes=True, **options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def threads():
    """Return a client of a scheduler in this process: quick, where a test is not of processes."""
    options = {"threads_per_worker": 1, "memory_limit": None, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, processes=False, **options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    return embed(ENTRIES, HogColourBackbone(device="cpu"), tmp_path_factory.mktemp("serial") / "pool", shard_size=2)


@pytest.fixture(scope="module")
def objects():
    scene = emoji_pool(1, 77, STREET)[0].load()
    return [object_templates(HogColourBackbone(device="cpu"), scene.image, scene.annotations[-1].box, strides=[8])]


def test_a_store_is_the_same_after_a_worker_was_killed_in_the_middle_of_a_shard(client, serial, tmp_path):
    class Dying(HogColourBackbone):
        def features(self, images, letterboxes=None):
            kill_once(tmp_path / "killed")
            return super().features(images, letterboxes)

    store = embed(ENTRIES, Dying(device="cpu"), tmp_path / "pool", shard_size=2, scheduler=client)
    assert (tmp_path / "killed").exists()
    assert content(store.path) == content(serial.path)


def test_matches_are_the_same_after_a_worker_was_killed(client, serial, objects):
    left = list(client.run(os.getpid).values())[:1]

    def progress(done: int, total: int, message: str) -> None:
        if done and left:
            os.kill(left.pop(), signal.SIGKILL)

    assert ids(mine_store(serial, objects, scheduler=client, progress=progress)) == ids(mine_store(serial, objects))
    assert not left


def test_a_worker_has_one_thread(client):
    assert set(client.run(lambda: os.environ["OMP_NUM_THREADS"]).values()) == {"1"}


def test_any_scheduler_gives_the_answer_of_none(threads, serial, objects, tmp_path):
    address = threads.scheduler.address
    store = embed(ENTRIES, HogColourBackbone(device="cpu"), tmp_path / "pool", shard_size=2, scheduler=address)
    assert content(store.path) == content(serial.path)
    for scheduler in (threads, address):
        assert ids(mine_store(serial, objects, top=4, scheduler=scheduler)) == ids(mine_store(serial, objects, top=4))


def test_results_come_with_their_index_in_any_order(threads):
    found = dict(run_shards(pow, 2, [(power,) for power in range(20)], scheduler=threads))
    assert found == {power: 2**power for power in range(20)}


def test_an_error_of_a_task_comes_back(threads):
    with pytest.raises(ZeroDivisionError):
        list(run_shards(divmod, 1, [(1,), (0,), (2,)], scheduler=threads))


@pytest.mark.parametrize("where", ["threads", None])
def test_work_is_stopped(where, request):
    token = CancelToken()
    scheduler = where and request.getfixturevalue(where)
    found = run_shards(pow, 2, [(power,) for power in range(20)], scheduler=scheduler, cancel=token)
    next(found)
    token.cancel()
    with pytest.raises(Cancelled):
        list(found)


def test_what_is_no_scheduler_is_named():
    with pytest.raises(
        TypeError, match="scheduler must be None, 'local', a number of workers, an address or a Dask client"
    ):
        list(run_shards(pow, 2, [(1,)], scheduler=True))
    with pytest.raises(ValueError, match="scheduler must be at least 1 worker, got 0"):
        list(run_shards(pow, 2, [(1,)], scheduler=0))
    with pytest.raises(ValueError, match="nowhere"):
        list(run_shards(pow, 2, [(1,)], scheduler="nowhere"))
