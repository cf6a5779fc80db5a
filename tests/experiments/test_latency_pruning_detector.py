"""The small detector: its scenes and their truth, mirrored scenes, a network that learns, and one that is pruned to its budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.datasets.object_scenes import ObjectScene
from workbench.experiments.latency_pruning_detector import (
    DEFAULTS,
    DetectorConfig,
    DetectorTask,
    mean_average_precision,
    measure_detectors,
    pruned_detector,
    scene_loss,
    train_detector,
)
from workbench.experiments.latency_pruning_methods import LAYERS, UNIFORM
from workbench.experiments.latency_pruning_scenes import LABELS, NAMES, SIDE, detection_scenes, mirrored, things_in
from workbench.models.ssd import small_ssd, targets_of
from workbench.pruning import simulate_latency_table

TABLE = simulate_latency_table("jetson_tx2")


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(0)
    scenes = detection_scenes(48, 0)
    model = small_ssd(1 + len(NAMES))
    train_detector(model, scenes, 8, 0.02, 0)
    return DetectorTask(model, scenes, scenes, 0)


def test_boxes_go_round_what_shows_and_other_things_are_background():
    masks = np.zeros((3, 64, 64), bool)
    masks[0, 10:20, 30:62] = masks[1, 40:50, :4] = True
    boxes, labels = things_in(ObjectScene(np.zeros((64, 64, 3), np.uint8), masks, ("taxi", "dog", "runner")))
    torch.testing.assert_close(boxes * 64, torch.tensor([[30.0, 10.0, 62.0, 20.0]]))
    assert labels.tolist() == [1 + NAMES.index("vehicle")]


def test_scenes_come_from_their_seeds():
    first, again = detection_scenes(3, 5), detection_scenes(2, 6)
    assert torch.equal(first.images[1:], again.images)
    assert first.images.shape == (3, 3, SIDE, SIDE)
    assert first.images.abs().max() <= 1
    assert set(LABELS.values()) == {1, 2, 3}
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        detection_scenes(0, 0)


def test_mirrored_twice_is_the_same():
    scenes = detection_scenes(4, 0)
    flags = torch.tensor([True, False, True, True])
    images, things = mirrored(*mirrored(scenes.images, scenes.things, flags), flags)
    assert torch.equal(images, scenes.images)
    for (boxes, labels), (expected, same) in zip(things, scenes.things, strict=True):
        torch.testing.assert_close(boxes, expected)
        assert torch.equal(labels, same)
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_truth_itself_is_found_without_a_miss():
    scenes = detection_scenes(8, 0)

    class Oracle(torch.nn.Module):
        def forward(self, images):
            offsets, labels = targets_of(scenes.things, DEFAULTS)
            return offsets, 20.0 * torch.nn.functional.one_hot(labels, 1 + len(NAMES))

    assert mean_average_precision(Oracle(), scenes) == pytest.approx(100)


def test_training_lowers_the_loss_and_ends_in_evaluation(task):
    torch.manual_seed(0)
    untrained, some = small_ssd(1 + len(NAMES)).eval(), torch.arange(len(task.train))
    before, after = (scene_loss(task.train, 0)(model, some).item() for model in (untrained, task.model))
    assert after < 0.9 * before
    assert not task.model.training


@pytest.mark.parametrize("method", [LAYERS, UNIFORM])
def test_a_detector_is_pruned_to_its_budget_and_still_gives_boxes(task, method):
    config = DetectorConfig(share=0.6, steps=2, between=1, tuning=1)
    before = task.model.feature_extractor[0].weight.clone()
    small, plan = pruned_detector(task, TABLE, method, config)
    assert plan.latency <= 0.6 * plan.graph.latency(TABLE, config.batch) * (1 + 1e-9)
    offsets, logits = small(task.test.images[:2])
    assert offsets.shape == (2, 320, 4)
    assert logits.shape == (2, 320, 1 + len(NAMES))
    assert torch.equal(task.model.feature_extractor[0].weight, before)


def test_a_small_run_gives_a_row_for_each_detector(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    config = DetectorConfig(
        seeds=(0,), train=32, test=8, epochs=1, methods=(LAYERS,), share=0.8, steps=1, between=1, tuning=1, batch=4
    )
    seen = []
    found = measure_detectors(
        config, on_pruned=lambda task, method, small, plan: seen.append((task.seed, method)), table=TABLE
    )
    assert found["method"].tolist() == ["whole network", "whole network, tuned alike", LAYERS]
    assert (found[["ms", "whole_ms"]] > 0).all(axis=None)
    assert found["reached"].iloc[2] <= 0.8 * (1 + 1e-9)
    assert seen == [(0, LAYERS)]
