"""Two objects in one picture: AND, OR and their rankings by definition, and the table they come from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.experiments.selection_pairs import COLUMNS, COMPANY, PairsConfig, PairScores, PairTable, measure_pairs
from workbench.experiments.selection_pool import make_queries
from workbench.retrieval import EfficientNetLite0Backbone

TINY = PairsConfig(scenes=8, queries=2, prevalence=0.5, joint=0.4)


@pytest.fixture(scope="module")
def table():
    return measure_pairs(TINY, backbone=EfficientNetLite0Backbone({8: 2}, device="cpu"))


def _scores(z, shows):
    names = tuple(f"street-{index:06d}" for index in range(len(z)))
    return PairScores(("a", "b"), names, np.asarray(z, float), np.asarray(shows, bool), np.zeros((len(z), 2, 4)))


@settings(deadline=None)
@given(arrays(float, (9, 2), elements=st.floats(-3, 3)))
def test_an_and_is_never_above_its_mean_and_an_or_never_below(z):
    pair = _scores(z, np.zeros((9, 2)))
    assert (pair.combined("min") <= pair.combined("mean")).all()
    assert (pair.combined("mean") <= pair.combined("max")).all()
    swapped = _scores(z[:, ::-1], np.zeros((9, 2)))
    for how in ("min", "mean", "max"):
        np.testing.assert_array_equal(pair.combined(how), swapped.combined(how))
    np.testing.assert_array_equal(pair.combined("first alone"), swapped.combined("second alone"))


def test_an_and_puts_the_scene_with_both_before_scenes_with_a_strong_one():
    pair = _scores([[3, -1], [-1, 3], [1, 1], [0, 0]], [[1, 0], [0, 1], [1, 1], [0, 0]])
    assert pair.order("min").tolist() == [2, 3, 0, 1]
    assert pair.order("max").tolist() == [0, 1, 2, 3]
    precisions = pair.average_precisions()
    assert (precisions["min"], precisions["max"], precisions["first alone"]) == (1, 1 / 3, 1 / 2)
    with pytest.raises(ValueError, match="how must be one of 'mean', 'max', 'min', 'first alone'"):
        pair.combined("and")


def test_without_a_scene_that_shows_both_no_ranking_has_a_value():
    assert np.isnan(list(_scores([[0, 1], [1, 0]], [[1, 0], [0, 1]]).average_precisions().values())).all()


def test_each_query_is_standardised_over_the_pool_and_the_truth_is_that_of_the_scenes(table):
    assert list(table) == list(COLUMNS)
    spread = table.groupby(["category", "query"])["z"].agg(["mean", lambda z: z.std(ddof=0)])
    np.testing.assert_allclose(spread, np.tile([0, 1], (12, 1)), atol=1e-3)
    for name in table["image_id"].unique():
        scene = TINY.scene(name)
        part = table[table["image_id"] == name]
        assert set(part[part["shows"] == 1]["category"]) == {a.category for a in scene.annotations} & set(
            TINY.pool.street.targets
        )


def test_a_pair_is_the_mean_of_its_queries_standardised_again(table):
    pair = PairTable(table).pair("bike", "dog", 2)
    wide = table[table["category"] == "dog"].pivot(index="image_id", columns="query", values="z").mean(axis=1)
    expected = (wide - wide.mean()) / wide.std(ddof=0)
    np.testing.assert_allclose(pair.z[:, 1], expected.loc[list(pair.image_ids)], atol=1e-9)
    swapped = PairTable(table.sample(frac=1, random_state=0)).pair("dog", "bike", 2)
    by_name = dict(zip(swapped.image_ids, swapped.z[:, 0], strict=True))
    np.testing.assert_allclose([by_name[name] for name in pair.image_ids], pair.z[:, 1])


def test_the_query_objects_are_cut_out_of_their_scenes():
    cut = TINY.looked_for
    assert {name: [one.shape for one in some] for name, some in cut.items()} == dict.fromkeys(
        TINY.pool.street.targets, [(64, 64, 3)] * 2
    )
    query = make_queries(TINY.pool)[0]
    x, y = (round((query.target.box[axis] + query.target.box[axis + 2]) / 2) for axis in (0, 1))
    assert (cut[query.category][0] == query.scene.image[y, x]).all(-1).any()


def test_classes_that_keep_company_meet_more_often_than_others():
    street = PairsConfig().pool.street
    assert street.joint == dict.fromkeys(COMPANY, 0.08)
    assert street.probability("bike") ** 2 < 0.08 / 2 + 1e-9


def test_impossible_pairs_and_tables_are_named(table):
    pairs = PairTable(table)
    for arguments, said in (
        (("bike", "bike"), "must differ"),
        (("bike", "cat"), "no class 'cat'; there are bike"),
        (("bike", "dog", 3), "queries must lie in 1 to 2, got 3"),
    ):
        with pytest.raises(ValueError, match=said):
            pairs.pair(*arguments)
    with pytest.raises(ValueError, match="no column 'z'"):
        PairTable(table.drop(columns="z"))
    with pytest.raises(ValueError, match="expected each of"):
        PairTable(pd.concat([table, table.head(1)]))
    assert len(pairs.summary()) == 15
