"""From photographs of any size to depth and distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.geometry.camera_text import MultiViewCamera
from workbench.models.mvs import DepthPredictor, np_cvp_mvsnet_small

from .scenes import cameras


def _views(height=50, width=60, count=3):
    k, poses = (value[0].double().numpy() for value in cameras(1, count, height, width))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (height, width, 3), np.uint8) for _ in range(count)]
    return images, [MultiViewCamera(k[view], poses[view], 425.0, 905.0) for view in range(count)]


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(0)
    return DepthPredictor(np_cvp_mvsnet_small(), device="cpu")


def test_any_size_is_padded_and_cropped(predictor):
    images, views = _views()
    found = predictor.predict(images, views)
    assert found.depth.shape == found.confidence.shape == (50, 60)
    assert [one.probability.shape for one in found.levels] == [(24, 13, 15), (12, 25, 30), (6, 50, 60)]
    assert (found.depth_min, found.depth_max) == (425, 905)
    padded = [np.pad(image, ((0, 14), (0, 4), (0, 0))) for image in images]
    np.testing.assert_array_equal(predictor.predict(padded, views).depth[:50, :60], found.depth)


def test_images_may_differ_in_size(predictor):
    images, views = _views()
    wider = [images[0], np.pad(images[1], ((0, 9), (0, 20), (0, 0))), images[2]]
    assert predictor.predict(wider, views).depth.shape == (50, 60)


def test_the_distribution_of_a_pixel_at_every_level(predictor):
    images, views = _views()
    found = predictor.predict(images, views, depth_min=500.0)
    table = found.distribution_at(49, 59)
    assert table.groupby("level")["probability"].sum().tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert table.groupby("level").size().to_dict() == {2: 24, 1: 12, 0: 6}
    finest = table[table["level"] == 0]
    assert (finest["depth"] * finest["probability"]).sum() == pytest.approx(found.depth[49, 59], rel=1e-5)
    assert table["depth"].min() >= 500 - table["interval"].max() / 2
    with pytest.raises(IndexError, match=r"pixel \(50, 0\) lies outside the 50 x 60 photograph"):
        found.distribution_at(50, 0)


def test_the_mode_lies_on_a_hypothesis_the_mean_may_not(predictor):
    images, views = _views()
    mode = DepthPredictor(predictor.network, "cpu", estimate="mode").predict(images, views)
    level = mode.levels[-1]
    best = np.take_along_axis(level.depths, level.probability.argmax(0)[None], 0)[0]
    assert (np.abs(mode.depth - best) <= level.interval * 1.001).all()
    with pytest.raises(ValueError, match="estimate must be one of expectation, mode, got 'median'"):
        DepthPredictor(predictor.network, "cpu", estimate="median")


def test_views_that_cannot_be_are_named(predictor):
    images, views = _views()
    with pytest.raises(ValueError, match="at least one source view is needed beside the reference"):
        predictor.predict(images[:1], views[:1])
    with pytest.raises(ValueError, match="3 images and 2 cameras"):
        predictor.predict(images, views[:2])
    with pytest.raises(TypeError, match="view 1: images must be uint8"):
        predictor.predict([images[0], images[1] / 255, images[2]], views)
    with pytest.raises(ValueError, match=r"view 2: images must be uint8 \(H, W, 3\), got \(50, 60\)"):
        predictor.predict([*images[:2], images[2][..., 0]], views)
    bad = MultiViewCamera(np.zeros((3, 3)), np.eye(4), 425.0, 905.0)
    with pytest.raises(ValueError, match="view 1: the focal lengths must be above 0"):
        predictor.predict(images, [views[0], bad, views[2]])
    with pytest.raises(ValueError, match="the reference view: depth range must satisfy 0 < min < max, got 425 and 300"):
        predictor.predict(images, views, depth_max=300.0)
