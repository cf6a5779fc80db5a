"""Pairs, samples, resized and cropped views: a point of the world stays on its pixel whatever is done to the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.datasets.multi_view import cropped, read_pairs, resized, usable_references
from workbench.datasets.multi_view_folders import read_blended_mvs
from workbench.datasets.ray_cast_scenes import RayCastConfig, ray_cast_scene, write_blended_mvs
from workbench.geometry.depth_fusion import project, unproject

SMALL = RayCastConfig(width=48, height=32, views=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_blended_mvs(tmp_path_factory.mktemp("blended") / "scene", ray_cast_scene(0, SMALL))


@pytest.fixture(scope="module")
def sample(folder):
    return read_blended_mvs(folder)[0].sample(0)


def test_pair_text_is_read_with_scores_and_empty_lists(tmp_path):
    path = tmp_path / "pair.txt"
    path.write_text("3\n0\n2 10 2346.41 1 2036.5 \n1\n0\n7\n1 0 -1\n")
    pairs = read_pairs(path)
    assert pairs == {0: ((10, 2346.41), (1, 2036.5)), 1: (), 7: ((0, -1.0),)}


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "at its head"),
        ("2\n0\n1 1 0.5\n", "at its head"),
        ("1\n0\n2 1 0.5\n", "at reference 0"),
        ("1\n0\none 1 0.5\n", "at reference 0"),
        ("1\n0\n1 1 0.5\n4\n", "goes on after its 1 references, with '4'"),
    ],
)
def test_damaged_pair_text_is_refused(tmp_path, text, message):
    (tmp_path / "pair.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "pair.txt")
    with pytest.raises(FileNotFoundError, match="none"):
        read_pairs(tmp_path / "none.txt")


def test_fewer_sources_than_asked_are_taken_and_said(folder):
    scene = read_blended_mvs(folder)[0]
    assert scene.sample(0, sources=2).notes == ()
    found = scene.sample(0, sources=2, worst=2)
    assert found.views == (0, 1, 2)
    assert found.notes == ("scene: view 0 has 2 source views, 4 were asked for",)


def test_best_and_worst_sources_are_the_ends_of_the_list(folder):
    scene = read_blended_mvs(folder)[0]
    many = replace(scene, pairs={0: tuple((view, 1.0) for view in (1, 2, 1, 2, 1))})
    assert many.sample(0, sources=1, worst=1).views == (0, 1, 1)
    assert many.sample(0, sources=2, worst=0).views == (0, 1, 2)
    with pytest.raises(ValueError, match="got 0 best and 0 worst"):
        many.sample(0, 0, 0)
    with pytest.raises(KeyError, match="no reference view 9"):
        many.sample(9)
    with pytest.raises(ValueError, match="view 0 has no source view"):
        replace(scene, pairs={0: ()}).sample(0)


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90))
def test_resizing_keeps_points_on_their_pixels(sample, width, height):
    """A point at (x, y) of the image lies at ((x + 1/2) ratio - 1/2, ...) of the resized one."""
    points = unproject(sample.depth, sample.cameras[0].intrinsics, sample.cameras[0].cam_from_world)[::5, ::7]
    small = resized(sample, width, height)
    for view, camera in enumerate(small.cameras):
        old = sample.cameras[view]
        x, y, _ = project(points, old.intrinsics, old.cam_from_world)
        new_x, new_y, _ = project(points, camera.intrinsics, camera.cam_from_world)
        np.testing.assert_allclose(new_x, (x + 0.5) * width / 48 - 0.5, atol=1e-9)
        np.testing.assert_allclose(new_y, (y + 0.5) * height / 32 - 0.5, atol=1e-9)
        assert small.images[view].shape == (height, width, 3)
    # Nearest: no depth that was not there before.
    assert np.isin(small.depth, sample.depth).all()
    assert small.depth.shape == (height, width)


def test_halving_averages_colour_and_not_depth(sample):
    half = resized(sample, 24, 16)
    mean = sample.images[0].reshape(16, 2, 24, 2, 3).mean((1, 3))
    assert np.abs(half.images[0] - mean).max() <= 1
    np.testing.assert_array_equal(half.depth, sample.depth[1::2, 1::2])


def test_cropping_moves_the_principal_point(sample):
    part = cropped(sample, 5, 9, 20, 30)
    np.testing.assert_array_equal(part.images[1], sample.images[1][5:25, 9:39])
    np.testing.assert_array_equal(part.depth, sample.depth[5:25, 9:39])
    points = unproject(part.depth, part.cameras[0].intrinsics, part.cameras[0].cam_from_world)
    whole = unproject(sample.depth, sample.cameras[0].intrinsics, sample.cameras[0].cam_from_world)
    np.testing.assert_allclose(points, whole[5:25, 9:39], atol=1e-9)
    with pytest.raises(ValueError, match=r"the window 20 x 30 at \(20, 9\) leaves"):
        cropped(sample, 20, 9, 20, 30)
    with pytest.raises(ValueError, match="at least 1, got 0 x 5"):
        resized(sample, 0, 5)


def test_unusable_references_are_counted_by_reason(tmp_path):
    folder = write_blended_mvs(tmp_path / "scene", ray_cast_scene(1, RayCastConfig(width=32, height=24, views=4)))
    camera = folder / "cams" / "00000003_cam.txt"
    lines = camera.read_text().splitlines()
    lines[-1] = "-0.2 0.05 128 3.4"
    camera.write_text("\n".join(lines))
    (folder / "cams" / "pair.txt").write_text("4\n0\n1 1 0.9\n1\n1 3 0.9\n2\n0\n3\n1 0 0.4\n")
    found = usable_references(read_blended_mvs(folder))
    assert [(scene.name, view) for scene, view in found.items] == [("scene", 0)]
    assert found.skipped == {"range of depths": 2, "no source view": 1}
    (folder / "rendered_depth_maps" / "00000000.pfm").unlink()
    assert usable_references(read_blended_mvs(folder)).skipped["no depth"] == 1
    assert len(usable_references(read_blended_mvs(folder), need_depth=False).items) == 1
    camera.write_text("extrinsic")
    with pytest.raises(ValueError, match=r"00000003_cam\.txt lacks the word"):
        usable_references(read_blended_mvs(folder))
