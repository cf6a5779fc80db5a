"""Choices of features, and the numbers that tables of free masks have."""

import numpy as np
import pytest
import torch

from workbench.datasets import NotInstalledError
from workbench.experiments import free_masks_comparison as comparison
from workbench.experiments import free_masks_features as features
from workbench.experiments.free_masks_evaluation import (
    QUALITIES,
    SceneConfig,
    boxes_of,
    quality,
    test_scenes,
    truth_masks,
)
from workbench.metrics.coco import InstanceSet
from workbench.models.freesolo import freesolo_tiny
from workbench.training import Cancelled, CancelToken

TINY = SceneConfig(seeds=(0, 1), count=3)
SHIPPED = ("random weights", "Lab colour and edges", "Lite0, stride 8", "Lite0, stride 16")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_choice_gives_the_same_grid_of_keys(name):
    keys = features.CHOICES[name].load(0)(torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)))
    assert keys.shape[0] == 1
    assert keys.shape[2:] == (features.SIDE, features.SIDE)
    assert keys.isfinite().all()


def test_random_weights_depend_on_the_seed_and_on_nothing_else():
    image = torch.rand(1, 3, 96, 96)
    load = features.CHOICES["random weights"].load
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = load(0)(image)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.testing.assert_close(load(0)(image), first)
    assert not torch.allclose(load(1)(image), first)


def test_colour_keys_have_no_mean_and_tell_red_from_green():
    image = torch.full((1, 3, 96, 96), 0.1)
    image[:, 0, :, :48], image[:, 1, :, 48:] = 0.9, 0.9
    keys = features.colour_keys(image)[0]
    assert keys.mean((1, 2)).abs().max() < 1e-3
    left, right = keys[:, 12, 4], keys[:, 12, 20]
    assert torch.nn.functional.cosine_similarity(left, right, dim=0) < -0.9


def test_keys_of_a_backbone_are_those_of_its_stage():
    body = freesolo_tiny().backbone.bottom_up
    keys = features.backbone_keys(body, "res3")(torch.rand(2, 3, 96, 96))
    assert keys.shape == (2, 128, features.SIDE, features.SIDE)
    with pytest.raises(ValueError, match="stage must be one of res2, res3, res4, res5, got 'p3'"):
        features.backbone_keys(body, "p3")
    assert features.enlarged(torch.rand(1, 3, 40, 50), 8).shape == (1, 3, 192, 240)
    with pytest.raises(ValueError, match=r"images must be \(B, 3, height, width\), got \(3, 40, 50\)"):
        features.enlarged(torch.rand(3, 40, 50), 8)


@pytest.mark.parametrize(
    "name, variable", [("ResNet-50, stride 16", "WORKBENCH_RESNET50"), ("ViT-S/14, block 7", "WORKBENCH_VIT_S14")]
)
def test_absent_weights_are_named_with_what_fetches_them(name, variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(NotInstalledError, match=r"python -m workbench\.datasets\.build"):
        features.CHOICES[name].load(0)


def test_perfect_masks_are_worth_everything_and_none_nothing():
    truth = [truth_masks(scene) for scene in test_scenes(SceneConfig(count=4), 0)]
    best = quality([InstanceSet(one.shapes, np.ones(len(one.shapes))) for one in truth], truth)
    count = np.mean([len(one.shapes) for one in truth])
    assert best == pytest.approx(dict.fromkeys(QUALITIES, 100) | {"AR1": 100 / count, "masks": count}, rel=1e-6)
    nothing = quality([InstanceSet(np.zeros((0, 96, 96), bool))] * 4, truth)
    assert set(nothing.values()) == {0.0}


def test_a_box_may_fit_where_its_mask_does_not():
    mask = np.zeros((1, 10, 10), bool)
    mask[0, 2:8, 3:9] = True
    frame = mask.copy()
    frame[0, 3:7, 4:8] = False
    scores = quality([InstanceSet(frame, [1.0])], [InstanceSet(mask)])
    assert scores["box AP"] == pytest.approx(100)
    assert scores["CorLoc"] == 100
    assert scores["AP75"] == 0
    assert boxes_of(InstanceSet(mask)).shapes.tolist() == [[3, 2, 9, 8]]
    assert boxes_of(InstanceSet(mask)).areas.tolist() == [36]


def test_scenes_of_two_seeds_share_nothing():
    first, second = (test_scenes(SceneConfig(count=2), seed) for seed in (0, 1))
    assert not any(np.array_equal(one.image, other.image) for one in first for other in second)


def test_every_choice_has_its_row_and_stop_is_heard():
    config = features.FeaturesConfig(SHIPPED[:2], TINY)
    table = features.measure_features(config)
    assert tuple(table.columns) == features.COLUMNS
    assert table[["features", "seed"]].to_numpy().tolist() == [[name, seed] for name in SHIPPED[:2] for seed in (0, 1)]
    assert table[list(QUALITIES[:-1])].to_numpy().min() >= 0
    assert table[list(QUALITIES[:-1])].to_numpy().max() <= 100
    stop = CancelToken()
    stop.cancel()
    with pytest.raises(Cancelled):
        features.measure_features(config, cancel=stop)


def test_every_method_has_its_row():
    config = comparison.PeersConfig(("pixels", "Lab colour and edges"), SceneConfig((0,), 2))
    table = comparison.measure_peers(config)
    assert tuple(table.columns) == comparison.COLUMNS
    assert table["method"].tolist() == [*comparison.CLASSICAL, *comparison.METHODS]
    assert table.set_index("method").loc["three cuts", "masks"] == 3
    assert table.set_index("method").loc["LOST", "masks"] == 1
