"""Pools in the cache: the second opening embeds nothing and gives the same; another configuration has another place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.datasets import EmojiStreetConfig, cache_dir
from workbench.experiments import selection_cache
from workbench.experiments.selection_cache import open_pool, pool_path
from workbench.experiments.selection_pool import PoolConfig, make_pool
from workbench.retrieval import HogColourBackbone
from workbench.training import Cancelled, CancelToken

SMALL = PoolConfig(scenes=6, queries=1, street=EmojiStreetConfig(prevalence=0.4))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))


def test_second_opening_gives_the_same_and_embeds_nothing(monkeypatch):
    backbone = HogColourBackbone()
    first = open_pool(SMALL, backbone)
    monkeypatch.setattr(selection_cache, "embed", None)
    second = open_pool(SMALL, backbone)
    fresh = make_pool(SMALL, backbone)
    for opened in (first, second):
        assert opened.pool.image_ids == fresh.image_ids
        assert np.allclose(opened.pool.features[8], fresh.features[8], rtol=1e-3, atol=1e-4)
        assert opened.pool.shows("dog", 0.5).tolist() == fresh.shows("dog", 0.5).tolist()
        assert opened.pool.objects.equals(fresh.objects)
    assert first.pictures == second.pictures
    assert all(data[:2] == b"\xff\xd8" for data in second.pictures.values())
    assert [query.category for query in second.queries] == list(SMALL.street.targets)


def test_another_pool_or_backbone_has_another_place():
    backbone, finer = HogColourBackbone(), HogColourBackbone()
    finer.recipe = {**backbone.recipe, "version": 99}
    noisy = replace(SMALL, street=replace(SMALL.street, noise=9.0))
    configs = (SMALL, replace(SMALL, scenes=7), replace(SMALL, first_seed=1), noisy)
    paths = [pool_path(config, backbone) for config in configs]
    assert len({*paths, pool_path(SMALL, finer)}) == 5


def test_stop_leaves_the_cache_as_it_was():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        open_pool(SMALL, HogColourBackbone(), cancel=token)
    assert list(cache_dir("targeted_selection").iterdir()) == []
