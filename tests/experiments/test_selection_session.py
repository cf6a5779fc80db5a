"""A mining session: what clicks do to the ranking, what is measured over which pictures, and which scans are done."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from workbench.datasets import EmojiStreetConfig
from workbench.experiments import selection_scan
from workbench.experiments.selection_pool import PoolConfig, make_pool, make_queries
from workbench.experiments.selection_scan import Example, MiningSettings
from workbench.experiments.selection_session import MiningSession
from workbench.metrics.retrieval import average_precision, recall_at
from workbench.retrieval import HogColourBackbone, Template, gem, letterbox_batch, mine, z_scores

SMALL = PoolConfig(scenes=16, queries=1, street=EmojiStreetConfig(prevalence=0.4))
BACKBONE = HogColourBackbone()
SETTINGS = MiningSettings(strides=BACKBONE.strides)


@pytest.fixture(scope="module")
def pool():
    return make_pool(SMALL, BACKBONE)


@pytest.fixture(scope="module")
def queries():
    return make_queries(SMALL)


@pytest.fixture
def session(pool, queries):
    return MiningSession(pool, BACKBONE, Example.of(queries[0]), SETTINGS)


def test_ranking_is_that_of_mine_with_the_same_examples(session, pool, queries):
    first, second, third = (hit.image_id for hit in session.hits(3))
    session.more_like(first)
    session.not_this(third)
    session.settings = replace(SETTINGS, unwanted=1.0)
    found, judged = session.ranking(), {first, third}
    boxes = {click.image_id: click.box for click in session.clicks}

    def templates(name):
        features = pool.features.select([pool.image_ids.index(name)])
        return Template.from_box(features, boxes[name], features.letterboxes[0], stride=8)

    wanted = [queries[0].templates(BACKBONE), templates(first)]
    peer = mine([pool.shard], wanted, negatives=[templates(third)], exclude=judged)
    assert [hit.image_id for hit in session.hits(100)] == [one.image_id for one in peer.matches]
    assert np.allclose(found["score"], peer.table["score"], atol=1e-5)
    session.settings = replace(SETTINGS, unwanted=0.0)
    assert np.allclose(session.ranking()["score"], peer.table[["z_0", "z_1"]].mean(axis=1), atol=1e-5)
    assert second in {hit.image_id for hit in session.hits(20)}


def test_a_click_scans_the_pool_for_its_own_template_only(session, monkeypatch):
    scans = []
    match = selection_scan.match
    monkeypatch.setattr(selection_scan, "match", lambda *args: scans.append(args) or match(*args))
    for place, count in enumerate((1, 2, 3)):
        session.hits()
        assert len(scans) == count
        session.more_like(session.hits()[place].image_id)
    session.undo()
    session.history()
    assert len(scans) == 3


def test_judged_pictures_leave_the_ranking_until_the_click_is_taken_back(session, pool):
    best, other = (hit.image_id for hit in session.hits(2))
    session.more_like(best)
    session.not_this(other)
    assert {best, other} & {hit.image_id for hit in session.hits(100)} == set()
    assert len(session.hits(100)) == len(session.scores("GeM")[0]) == SMALL.scenes - 2
    with pytest.raises(ValueError, match="was judged already"):
        session.more_like(best)
    session.undo()
    assert session.hits(100)[0].image_id != best
    session.reset()
    assert [hit.image_id for hit in session.hits(2)] == [best, other]
    with pytest.raises(ValueError, match="no picture 'nowhere'"):
        session.not_this("nowhere")


def test_numbers_are_those_of_the_ranking_over_unjudged_pictures(session, pool):
    session.more_like(session.hits(1)[0].image_id)
    ids, scores = session.scores()
    truth = pool.shows("bike")[[pool.image_ids.index(name) for name in ids]]
    assert session.truth().tolist() == truth.tolist()
    assert session.average_precision() == average_precision(scores, truth)
    assert session.recall()[9] == recall_at(scores, truth, 10)
    history = session.history()
    assert len(history) == 2
    assert history[1] == session.average_precision()
    alone = MiningSession(pool, BACKBONE, session.query, SETTINGS).mining([session.query], exclude=session.judged).table
    assert history[0] == average_precision(alone["score"], truth)
    flags = {hit.image_id: hit.relevant for hit in session.hits(100)}
    assert [flags[name] for name in ids] == truth.tolist()


def test_gem_ranks_by_the_cosines_of_whole_pictures(session, pool, queries):
    ids, scores = session.scores("GeM")
    vectors = gem(pool.features[8])
    query = gem(BACKBONE.features(*letterbox_batch([queries[0].scene.image]))[8])
    assert np.allclose(scores, z_scores((vectors @ query[0]).numpy()), atol=1e-4)
    assert [hit.image_id for hit in session.hits(3, "GeM")] == [ids[i] for i in np.argsort(-scores, kind="stable")[:3]]
    assert session.hits(1, "GeM")[0].box is None
    with pytest.raises(ValueError, match="'DTM', 'GeM', got 'BoW'"):
        session.scores("BoW")


def test_without_a_class_nothing_is_called_right_or_wrong(pool, queries):
    example = Example.of(queries[0])
    session = MiningSession(pool, BACKBONE, Example(example.image_id, example.image, example.box), SETTINGS)
    assert {hit.relevant for hit in session.hits()} == {None}
    assert math.isnan(session.average_precision())
    assert len(session.recall()) == 0


def test_padding_grows_the_box_inside_the_picture_and_never_turns_it_over(session):
    session.query = Example("free", session.query.image, (4.0, 300.0, 30.0, 316.0))
    for padding, box in ((8.0, (0.0, 292.0, 38.0, 320.0)), (-20.0, (16.0, 307.0, 18.0, 309.0))):
        session.settings = MiningSettings(BACKBONE.strides, padding=padding)
        assert session.grown(session.query) == box
