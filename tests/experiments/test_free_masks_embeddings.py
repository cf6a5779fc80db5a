"""Embeddings in clusters: purity, chance, and a map on which near ones lie near."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.experiments import free_masks_embeddings as embeddings
from workbench.experiments.free_masks_evaluation import SceneConfig


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=40))
def test_purity_lies_between_the_largest_category_and_one(pairs):
    clusters, categories = zip(*pairs, strict=True)
    largest = max(map(categories.count, "abc")) / len(categories)
    found = embeddings.purity(clusters, categories)
    assert largest - 1e-12 <= found <= 1
    assert embeddings.purity(categories, categories) == 1
    assert embeddings.purity([0] * len(categories), categories) == pytest.approx(largest)


def test_clusters_that_know_nothing_are_as_pure_as_chance():
    rng = np.random.default_rng(0)
    clusters, categories = rng.integers(0, 5, 300), rng.integers(0, 6, 300)
    drawn = embeddings.chance_purity(clusters, categories)
    assert abs(embeddings.purity(clusters, categories) - drawn.mean()) < 4 * drawn.std()
    assert embeddings.purity(categories, categories) > drawn.max()


def test_directions_that_are_near_share_a_cluster_and_lie_near_on_the_map():
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(40, 3)))[0].T
    kinds = np.repeat(np.arange(3), 12)
    values = (centres[kinds] + 0.05 * rng.normal(size=(36, 40))) * rng.uniform(0.1, 9, (36, 1))
    labels, places = embeddings.group(values, 3)
    assert embeddings.purity(labels, kinds) == 1
    middles = np.stack([places[kinds == kind].mean(0) for kind in range(3)])
    nearest = np.linalg.norm(places[:, None] - middles[None], axis=2).argmin(1)
    assert (nearest == kinds).all()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_few_embeddings_are_enough(count):
    labels, places = embeddings.group(np.eye(6, dtype=np.float32)[:count], 4)
    assert len(labels) == count
    assert places.shape == (count, 2)


def test_a_row_for_every_mask_with_its_nearest_object():
    config = embeddings.EmbeddingsConfig(("Lab colour and edges",), SceneConfig((0,), 12), clusters=3)
    table = embeddings.measure_embeddings(config)
    assert tuple(table.columns) == embeddings.COLUMNS
    assert len(table) > 2
    assert ((table["category"] == embeddings.NOTHING) == (table["overlap"] < embeddings.LEAST)).all()
    assert (table["x0"] < table["x1"]).all()
    assert table["x1"].max() <= 96
    summary = embeddings.summary(table, draws=20)
    assert summary["features"].tolist() == ["Lab colour and edges"]
    assert summary["objects"].item() == (table["category"] != embeddings.NOTHING).sum()
