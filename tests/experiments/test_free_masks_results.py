"""The stored tables of free masks that need no training: their shape, that they are what the code gives, and what they show."""

from __future__ import annotations

import pytest

from workbench.experiments import free_masks_features as features
from workbench.experiments.free_masks_evaluation import QUALITIES, quality, test_scenes, truth_masks
from workbench.experiments.results import load_results

PERCENT = [name for name in QUALITIES if name != "masks"]


@pytest.fixture(scope="module")
def measured():
    return {name: load_results(f"free_masks_{name}") for name in ("features",)}


def test_stored_features_are_whole_and_what_the_code_gives(measured):
    table = measured["features"]
    assert tuple(table.columns) == features.COLUMNS
    assert set(table["features"]) <= set(features.CHOICES)
    assert (table.groupby("features")["seed"].nunique() == len(features.FULL.scenes.seeds)).all()
    assert table[PERCENT].to_numpy().min() >= 0
    assert table[PERCENT].to_numpy().max() <= 100
    scenes = test_scenes(features.FULL.scenes, 0)
    keys = features.scene_keys(features.CHOICES["Lab colour and edges"].load(0), scenes)
    found = [features.free_mask_instances(one, scene.image.shape[:2]) for one, scene in zip(keys, scenes, strict=True)]
    stored = table.query("features == 'Lab colour and edges' and seed == 0").iloc[0]
    assert quality(found, map(truth_masks, scenes))["AP50"] == pytest.approx(stored["AP50"], abs=0.3)


def test_trained_features_are_far_above_random_ones(measured):
    """The last block of a transformer trained on images, against random weights and colour; ImageNet's stride 8 is no better."""
    mean = measured["features"].groupby("features")["AP50"].mean()
    assert mean["ViT-S/14, block 11"] > 4 * max(mean["random weights"], mean["Lab colour and edges"])
    assert mean["ViT-S/14, block 11"] > mean["ViT-S/14, block 7"] > mean["ViT-S/14, block 4"]
    assert mean["ResNet-50, stride 8"] < mean["Lab colour and edges"]
