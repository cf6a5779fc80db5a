"""Mining ranks a pool as the definition says, whatever its shards, and names what it cannot do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.retrieval import (
    Features,
    Letterbox,
    Matches,
    PoolScores,
    Shard,
    Template,
    match,
    mine,
    rank,
    score_shard,
    z_scores,
)

NAMES = tuple("abcdefgh")
SIZE = (64, 96)


def template(stride: int = 8) -> Template:
    """One whose only purpose is to be counted."""
    return Template(torch.ones(1, 1, 1), torch.ones(1, 1), stride, (0, 0, 8, 8))


def scored(*columns: list[float], groups: tuple[str, ...] = ()) -> PoolScores:
    values = np.array(columns, np.float32).T
    boxes = np.arange(values.size, dtype=np.float32).reshape(*values.shape, 1) + np.array([0, 0, 1, 1], np.float32)
    return PoolScores(NAMES[: len(values)], Matches(values, boxes), groups)


def ids(mining) -> str:
    return "".join(found.image_id for found in mining.matches)


def pool_of(seed: int = 0, count: int = 8) -> Shard:
    generator = torch.Generator().manual_seed(seed)
    maps = {8: torch.randn(count, 6, 8, 12, generator=generator), 16: torch.randn(count, 5, 4, 6, generator=generator)}
    return Shard(NAMES[:count], Features(maps, [Letterbox.fit(SIZE)] * count))


def queries(shard: Shard, index: int) -> list[Template]:
    features = shard.features.select([index])
    return [Template.from_box(features, (16, 8, 48, 40), SIZE, stride=stride) for stride in (8, 16)]


def test_one_template_ranks_by_its_score():
    mining = rank(scored([0.1, 0.9, 0.5]), [template()])
    assert ids(mining) == "bca"
    np.testing.assert_allclose(
        [found.score for found in mining.matches], z_scores([0.1, 0.9, 0.5])[[1, 2, 0]], atol=1e-6
    )


def test_ties_keep_the_order_of_the_pool_and_more_than_there_are_gives_all():
    assert ids(rank(scored([0.5, 0.9, 0.5, 0.9, 0.5]), [template()], top=99)) == "bdace"
    assert ids(rank(scored([0.5, 0.9, 0.5, 0.9, 0.5]), [template()], top=3)) == "bda"


def test_combinations_are_of_z_scores():
    first, second = [0.0, 1.0, 2.0, 3.0], [0.9, 0.1, 0.8, 0.0]
    z = np.stack([z_scores(first), z_scores(second)])
    for combine, function in (("mean", np.mean), ("max", np.max), ("min", np.min)):
        mining = rank(scored(first, second), [template(), template()], combine=combine)
        np.testing.assert_allclose(mining.table["score"], function(z, axis=0), atol=1e-6)
        assert ids(mining) == "".join(np.array(list("abcd"))[np.argsort(-function(z, axis=0), kind="stable")])


def test_the_best_scale_counts_and_strides_are_averaged():
    fine, finer, coarse = [0.1, 0.9, 0.2, 0.3], [0.8, 0.1, 0.2, 0.4], [0.2, 0.1, 0.9, 0.3]
    one = [template(8), template(8), template(16)]
    expected = z_scores((z_scores(np.maximum(fine, finer)) + z_scores(coarse)) / 2)
    mining = rank(scored(fine, finer, coarse), [one])
    np.testing.assert_allclose(mining.table["z_0"], expected, atol=1e-6)
    boxes = {found.image_id: found.box[0] for found in mining.matches}
    assert boxes["a"] == 1  # row 0, column 1: the second scale
    assert boxes["b"] == 3  # row 1, column 0: the first scale
    assert boxes["c"] == 8  # row 2, column 2: the coarse stride


def test_negatives_are_subtracted():
    good, bad, worse = [0.0, 1.0, 0.9], [0.0, 1.0, 0.0], [0.1, 0.8, 0.0]
    mining = rank(scored(good, bad, worse), [template()], negatives=[template(), template()])
    expected = z_scores(good) - (z_scores(bad) + z_scores(worse)) / 2
    np.testing.assert_allclose(mining.table["score"], expected, atol=1e-6)
    assert ids(mining)[0] == "c"
    assert list(mining.table.columns[:5]) == ["image_id", "score", "z_0", "negative_0", "negative_1"]


def test_every_object_has_its_box_and_the_nearest_is_the_pictures():
    mining = rank(scored([0.0, 1.0, 0.2], [1.0, 0.0, 0.3]), [template(), template()], combine="max")
    found = {one.image_id: one for one in mining.matches}
    assert [box[0] for box in found["a"].boxes] == [0, 1]
    assert found["a"].box == found["a"].boxes[1]
    assert found["b"].box == found["b"].boxes[0]
    assert mining.table.set_index("image_id").loc["b", "x0"] == found["b"].box[0]


def test_excluded_pictures_count_nowhere():
    with_query = rank(scored([1.0, 0.1, 0.5, 0.3]), [template()], exclude=["a", "not there"])
    without = rank(scored([0.1, 0.5, 0.3]), [template()])
    assert ids(with_query) == "cdb"
    np.testing.assert_array_equal(with_query.table["score"], without.table["score"])


def test_a_sequence_gives_its_best_picture_only():
    scores = scored([0.9, 0.8, 0.7, 0.6, 0.95], groups=("x", "x", "y", "z", "z"))
    assert ids(rank(scores, [template()], one_per_group=True)) == "eac"
    assert ids(rank(scores, [template()], one_per_group=True, top=2)) == "ea"
    assert list(rank(scores, [template()]).table["group"]) == list("xxyzz")
    with pytest.raises(ValueError, match="one_per_group needs the groups of the pool's pictures"):
        rank(scored([0.9, 0.8]), [template()], one_per_group=True)


def test_constant_scores_give_zeros():
    for values in ([0.7], [0.3, 0.3, 0.3]):
        assert rank(scored(values), [template()]).table["score"].tolist() == [0.0] * len(values)
    assert z_scores(np.full(5, 0.1)).tolist() == [0.0] * 5


def test_shards_do_not_matter():
    shard = pool_of()
    objects = [queries(shard, 2), queries(shard, 5)[0]]
    whole = mine([shard], objects, combine="min")
    parts = [Shard(shard.image_ids[a:b], shard.features.select(range(a, b))) for a, b in ((0, 3), (3, 4), (4, 8))]
    cut = mine(iter(parts), objects, combine="min")
    assert ids(cut) == ids(whole)
    np.testing.assert_allclose(cut.table["score"], whole.table["score"], atol=1e-5)
    np.testing.assert_array_equal(cut.table[["x0", "y0", "x1", "y1"]], whole.table[["x0", "y0", "x1", "y1"]])


def test_a_query_finds_itself_unless_excluded():
    shard = pool_of()
    found = mine([shard], [queries(shard, 3)], top=1)
    assert ids(found) == "d"
    assert found.matches[0].box == (16, 8, 48, 40)
    assert "d" not in ids(mine([shard], [queries(shard, 3)], exclude=["d"]))


def test_scores_of_a_shard_are_those_of_matching():
    shard = pool_of()
    part = score_shard(shard, queries(shard, 0))
    np.testing.assert_array_equal(part.matches.scores, match(queries(shard, 0), shard.features).scores)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"objects": []}, "objects must hold at least one template each"),
        ({"objects": [[]]}, "objects must hold at least one template each"),
        ({"combine": "sum"}, "combine must be one of 'mean', 'max', 'min', got 'sum'"),
        ({"top": 0}, "top must be a whole number of at least 1, or None, got 0"),
        ({"top": 2.5}, "top must be a whole number"),
        ({"pool": []}, "pool is empty, expected at least one picture"),
        ({"exclude": NAMES}, "pool is empty: every picture of it is excluded"),
    ],
)
def test_what_cannot_be_is_named(options, message):
    shard = pool_of()
    arguments = {"pool": [shard], "objects": [queries(shard, 0)]} | options
    with pytest.raises(ValueError, match=message):
        mine(arguments.pop("pool"), arguments.pop("objects"), **arguments)


def test_shards_and_scores_that_do_not_fit_are_named():
    shard = pool_of()
    with pytest.raises(ValueError, match="7 image_ids and 0 groups came with features of 8 pictures"):
        Shard(NAMES[:7], shard.features)
    with pytest.raises(ValueError, match="8 image_ids and 2 groups"):
        Shard(NAMES, shard.features, ("x", "y"))
    with pytest.raises(ValueError, match="some shards of the pool have groups and others have none"):
        mine([shard, Shard(NAMES, shard.features, NAMES)], queries(shard, 0))
    with pytest.raises(ValueError, match="scores are of 2 templates, the objects have 1"):
        rank(scored([0.1], [0.2]), [template()])
    with pytest.raises(ValueError, match="the scores of 'b' are not finite: its features are damaged"):
        rank(scored([0.1, np.nan, 0.3]), [template()])
