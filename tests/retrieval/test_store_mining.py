"""Mining a store is mining its shards, in flat memory and two passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.retrieval import Encoding, Features, FeatureStore, Letterbox, Shard, Template, mine, mine_store
from workbench.retrieval.fusion import Best, Fused, Fusion, Moments
from workbench.retrieval.mining import rank, z_scores
from workbench.training import Cancelled, CancelToken

SIZE = (64, 96)


def shard_of(names: str, seed: int = 0, groups: str = "") -> Shard:
    generator = torch.Generator().manual_seed(seed)
    maps = {
        8: torch.randn(len(names), 6, 8, 12, generator=generator),
        16: torch.randn(len(names), 5, 4, 6, generator=generator),
    }
    return Shard(tuple(names), Features(maps, [Letterbox.fit(SIZE)] * len(names)), tuple(groups))


def queries(shard: Shard, index: int) -> list[Template]:
    features = shard.features.select([index])
    return [
        Template.from_box(features, box, SIZE, stride=stride)
        for stride in (8, 16)
        for box in ((16, 8, 48, 40), (16, 16, 64, 48))
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = FeatureStore.create(tmp_path_factory.mktemp("stores") / "pool", {}, shard_size=5)
    for number, (names, groups) in enumerate((("abcde", "xxyyz"), ("fg", "zz"), ("hijkl", "uvuvx"))):
        store.append(shard_of(names, number, groups))
    return store


def assert_same(ours, expected):
    assert [one.image_id for one in ours.matches] == [one.image_id for one in expected.matches]
    np.testing.assert_allclose([one.score for one in ours.matches], [one.score for one in expected.matches], atol=1e-9)
    for one, other in zip(ours.matches, expected.matches, strict=True):
        assert (one.box, one.boxes) == (other.box, other.boxes)
    assert list(ours.table.columns) == list(expected.table.columns)
    rows = expected.table.set_index("image_id").loc[list(ours.table["image_id"])]
    for column in set(ours.table.columns) - {"image_id", "group"}:
        np.testing.assert_allclose(ours.table[column], rows[column], atol=1e-9)


@pytest.mark.parametrize("combine", ["mean", "min", "max"])
@pytest.mark.parametrize(
    "options",
    [{}, {"top": 4}, {"exclude": ["c", "h"], "top": 3}, {"one_per_group": True}, {"one_per_group": True, "top": 2}],
)
def test_the_answer_is_that_of_mining_the_shards(store, combine, options):
    first, last = store.shard(0), store.shard(2)
    objects = [queries(first, 2), queries(last, 1)[0]]
    negatives = [queries(first, 4), queries(last, 0)[2]]
    for against in ((), negatives):
        expected = mine(store, objects, combine=combine, negatives=against, **options)
        assert_same(mine_store(store, objects, combine=combine, negatives=against, **options), expected)


def test_every_object_finds_itself_in_a_projected_store(store, tmp_path):
    from workbench.retrieval import compress, fit_projections

    small = compress(store, tmp_path, Encoding("int8", fit_projections(store, {8: 5, 16: 4})))
    for name, number, row in (("d", 0, 3), ("k", 2, 3)):
        assert mine_store(small, [queries(store.shard(number), row)], top=1).matches[0].image_id == name


def test_scores_that_stay_are_not_computed_again(store, tmp_path, monkeypatch):
    objects, calls, token = [queries(store.shard(0), 2)], [], CancelToken()

    def progress(done: int, total: int, message: str) -> None:
        calls.append(done)
        if done == 7:
            token.cancel()

    with pytest.raises(Cancelled):
        mine_store(store, objects, scores=tmp_path, progress=progress, cancel=token)
    assert calls == [0, 5, 7]
    found = mine_store(store, objects, scores=tmp_path, progress=lambda done, *_: calls.append(done))
    assert calls[3:] == [7, 12]
    monkeypatch.setattr("workbench.retrieval.store_mining._score_shard", lambda *_: pytest.fail("scored again"))
    again = mine_store(store, objects, combine="max", top=2, scores=tmp_path)
    assert again.matches[0] == found.matches[0]
    with pytest.raises(pytest.fail.Exception):
        mine_store(store, [queries(store.shard(0), 3)], scores=tmp_path)


def test_nothing_stays_in_the_cache(store, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    mine_store(store, [queries(store.shard(0), 2)])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 999), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.floats(-1e3, 1e3))
def test_moments_of_parts_are_those_of_the_whole(seed, sizes, offset):
    values = offset + np.random.default_rng(seed).normal(size=(sum(sizes), 3)) * [1, 1e-3, 0]
    merged = Moments.merged([Moments.of(part) for part in np.split(values, np.cumsum(sizes)[:-1])])
    np.testing.assert_allclose(merged.mean, values.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        merged.products / len(values), np.cov(values.T, bias=True), rtol=1e-6, atol=1e-15 * offset**2 + 1e-12
    )
    assert merged.deviation[2] == 0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 999), st.integers(1, 12), st.booleans())
def test_fusion_by_moments_is_the_ranking_of_the_pool(seed, count, constant):
    from workbench.retrieval import Matches, PoolScores

    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, (count, 5)).astype(np.float32)
    if constant:
        scores[:, 2] = 0.3
    boxes = rng.uniform(0, 9, (count, 5, 4)).astype(np.float32)
    one = [Template(torch.ones(1, 1, 1), torch.ones(1, 1), stride, (0, 0, 8, 8)) for stride in (8, 8, 16)]
    objects, negatives = [one, one[:1]], [one[:1]]
    names = tuple(map(str, range(count)))
    table = rank(PoolScores(names, Matches(scores, boxes)), objects, negatives=negatives).table
    fusion = Fusion.of(objects, negatives, "mean")
    fused = fusion.fused(np.concatenate([scores[..., None], boxes], 2), fusion.moments(scores))
    np.testing.assert_allclose(fused.final, table["score"], atol=1e-6)
    np.testing.assert_allclose(fused.z, table[["z_0", "z_1", "negative_0"]], atol=1e-6)


def test_strides_that_cancel_give_zeros():
    one = [Template(torch.ones(1, 1, 1), torch.ones(1, 1), stride, (0, 0, 8, 8)) for stride in (8, 16)]
    scores = np.array([[0.1, -0.1], [0.7, -0.7], [-0.2, 0.2]])
    fusion = Fusion.of([one], [], "mean")
    found = np.concatenate([scores[..., None], np.zeros((3, 2, 4))], 2)
    assert fusion.fused(found, fusion.moments(scores)).final.tolist() == [0, 0, 0]


@given(st.integers(0, 99), st.integers(1, 6), st.booleans())
def test_the_best_of_parts_are_the_best_of_all(seed, top, grouped):
    rng = np.random.default_rng(seed)
    final, groups = rng.integers(0, 4, 20).astype(float), rng.choice(list("abcdefg"), 20)
    places = np.stack([np.arange(20) // 6, np.arange(20) % 6], 1)

    def after(*ends: int) -> list[list[int]]:
        best = Best(top)
        for start, end in zip((0, *ends), (*ends, 20), strict=True):
            part = slice(start, end)
            fused = Fused(final[part], final[part, None], np.zeros((end - start, 1, 4)))
            best.add(fused, places[part], groups[part] if grouped else None)
        return best.places.tolist()

    assert after() == after(3, 4, 11) == after(*range(1, 20))
    order = np.argsort(-final, kind="stable")
    if not grouped:
        assert after() == places[order[:top]].tolist()


def test_one_picture_has_no_spread():
    assert Moments.of(np.array([[0.7, 0.2]])).deviation.tolist() == [0, 0]
    assert z_scores(np.array([0.7])).tolist() == [0]


def test_what_cannot_be_is_named(store, tmp_path):
    objects = [queries(store.shard(0), 2)]
    with pytest.raises(ValueError, match="pool is empty, expected at least one picture"):
        mine_store(FeatureStore.create(tmp_path / "empty", {}), objects)
    with pytest.raises(ValueError, match="pool is empty: every picture of it is excluded"):
        mine_store(store, objects, exclude=list("abcdefghijkl"))
    with pytest.raises(ValueError, match="top must be a whole number"):
        mine_store(store, objects, top=0)
    single = FeatureStore.create(tmp_path / "single", {}, planned=2)
    single.append(shard_of("a"))
    with pytest.raises(ValueError, match="one_per_group needs the groups of the pool's pictures"), pytest.warns():
        mine_store(single, objects, one_per_group=True)
    with pytest.warns(UserWarning, match="lacks 1 of 2 shards: its embedding was stopped; run it again to go on"):
        mine_store(single, objects)


def test_damaged_features_are_named_by_their_picture(tmp_path):
    store = FeatureStore.create(tmp_path, {})
    store.append(shard_of("abc"))
    path = Path(tmp_path) / "shard-00000" / "stride-8.npy"
    values = np.load(path)
    values[1, 0, 0, 0] = np.nan
    np.save(path, values)
    with pytest.raises(ValueError, match="the scores of 'b' are not finite: its features are damaged"):
        mine_store(FeatureStore.open(tmp_path), [queries(shard_of("abc"), 0)])
