import numpy as np
import pytest
import torch

from workbench.datasets import EmojiStreetConfig, emoji_street
from workbench.experiments.selection_pool import QUERY_SEEDS, PoolConfig, make_pool, make_queries
from workbench.retrieval import Features, HogColourBackbone, Letterbox, mine
from workbench.training import Cancelled, CancelToken

SMALL = PoolConfig(scenes=6, queries=1, street=EmojiStreetConfig(prevalence=0.4))


@pytest.fixture(scope="module")
def pool():
    return make_pool(SMALL, HogColourBackbone())


def test_the_truth_of_a_pool_is_that_of_its_scenes(pool):
    for category in SMALL.street.targets:
        truth = [emoji_street(seed, SMALL.street).shows(category, 0.5) for seed in range(SMALL.scenes)]
        assert pool.shows(category, 0.5).tolist() == truth
    styles = [pool.shows("bike", style=style) for style in SMALL.street.styles]
    assert np.logical_or.reduce(styles).tolist() == pool.shows("bike").tolist()


def test_queries_are_visible_objects_of_every_class_from_scenes_outside_the_pool(pool):
    queries = make_queries(SMALL)
    assert [query.category for query in queries] == list(SMALL.street.targets)
    for query in queries:
        assert query.target.visible >= SMALL.least_visible
        assert query.scene.id not in pool.image_ids
        assert int(query.scene.id.removeprefix("street-")) >= QUERY_SEEDS
    other = make_queries(PoolConfig(queries=1, query_seed=1, street=SMALL.street))
    assert not {query.scene.id for query in other} & {query.scene.id for query in queries}


def test_a_pool_is_mined_as_a_shard(pool):
    query = make_queries(SMALL)[0]
    found = mine([pool.shard], [query.templates(HogColourBackbone())], top=3)
    assert len(found.matches) == 3
    assert {match.image_id for match in found.matches} <= set(pool.image_ids)


def test_making_a_pool_can_be_stopped():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        make_pool(SMALL, HogColourBackbone(), cancel=token)


def test_features_of_batches_become_those_of_all_pictures():
    one, other = (Features({8: torch.full((n, 2, 1, 1), float(n))}, [Letterbox.fit((8, 8))] * n) for n in (1, 2))
    assert Features.concatenate([one, other])[8][:, 0, 0, 0].tolist() == [1, 2, 2]
    with pytest.raises(ValueError, match="empty"):
        Features.concatenate([])
    wider = Features({8: torch.zeros(1, 2, 1, 2)}, [Letterbox.fit((8, 8))])
    with pytest.raises(ValueError, match="different sizes"):
        Features.concatenate([one, wider])
    coarser = Features({16: torch.zeros(1, 2, 1, 1)}, [Letterbox.fit((8, 8))])
    with pytest.raises(ValueError, match="different strides"):
        Features.concatenate([one, coarser])
