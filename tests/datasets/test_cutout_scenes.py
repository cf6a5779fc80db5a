"""Scenes of cut-outs before rooms, on stand-ins: exact boxes, sizes, rooms kept apart, and the same scene for the same seed."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import NotInstalledError
from workbench.datasets._cutout_files import KINDS, MEMBERS
from workbench.datasets.cutout_scenes import CUTOUT_TARGETS, CutoutScene, CutoutSceneConfig, cutout_pool

BARE = {"clutter": (0, 0), "noise": 0.0, "blur": 0.0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write a magenta ellipse with an empty border for every target, a green one for clutter, and twelve grey rooms."""
    root = tmp_path_factory.mktemp("extras")
    (root / "cutouts").mkdir()
    (root / "rooms" / "images").mkdir(parents=True)
    row, column = np.mgrid[:40, :60]
    inside = ((row - 19.5) / 15) ** 2 + ((column - 29.5) / 25) ** 2 <= 1
    for name in MEMBERS:
        picture = np.zeros((40, 60, 4), np.uint8)
        picture[inside] = (255, 0, 255, 255) if name.removesuffix(".png") in KINDS else (0, 200, 0, 255)
        Image.fromarray(picture).save(root / "cutouts" / name)
    for index in range(12):
        Image.new("RGB", (96, 64), (100 + 8 * index,) * 3).save(root / "rooms" / "images" / f"room-{index:02d}.png")
    return {"cutouts": str(root / "cutouts"), "rooms": str(root / "rooms")}


def _scene(folders, seed, **options):
    return CutoutScene(seed, CutoutSceneConfig(**options), **folders)


def test_boxes_are_where_the_pixels_are(folders):
    checked = 0
    for seed in range(20):
        scene = _scene(folders, seed, prevalence=0.2, **BARE).load()
        magenta = (scene.image[..., 0] > scene.image[..., 1].astype(int) + 60)[..., None]
        if len(scene.annotations) == 1 and scene.annotations[0].visible == 1:
            x0, y0, x1, y1 = scene.annotations[0].box
            rows, columns, _ = np.nonzero(magenta)
            assert (
                abs(np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) - (x0, y0, x1, y1)).max()
                <= 2
            )
            checked += 1
        if not scene.annotations:
            assert not magenta.any()
    assert checked >= 3


def test_targets_are_as_frequent_and_as_large_as_asked(folders):
    scenes = [_scene(folders, seed, prevalence=0.3, object_area=(0.01, 0.02), **BARE).load() for seed in range(120)]
    for kind in CUTOUT_TARGETS:
        assert 0.3 - 0.15 < np.mean([scene.shows(kind) for scene in scenes]) < 0.3 + 0.15
    things = [one for scene in scenes for one in scene.annotations]
    assert {one.style for one in things} == set(KINDS)
    assert all(KINDS[one.style] == one.category for one in things)
    areas = [(x1 - x0) * (y1 - y0) / (512 * 320) for x0, y0, x1, y1 in (one.box for one in things if one.visible == 1)]
    assert 0.0095 < min(areas) < 0.012
    assert 0.018 < max(areas) < 0.021


def test_clutter_hides_and_is_no_target(folders):
    scene = _scene(folders, 1, prevalence=1.0, clutter=(50, 50), clutter_area=(0.02, 0.02)).load()
    assert {one.category for one in scene.annotations} <= {*CUTOUT_TARGETS, "clutter"}
    assert sum(one.category == "clutter" for one in scene.annotations) > 40
    assert min(one.visible for one in scene.annotations) < 0.5


def test_queries_stand_before_rooms_that_no_pool_shows(folders):
    shown = {rooms: {_scene(folders, seed, rooms=rooms).group for seed in range(80)} for rooms in ("pool", "queries")}
    assert len(shown["pool"]) == 9
    assert len(shown["queries"]) == 3
    assert not shown["pool"] & shown["queries"]


def test_a_seed_is_a_scene_and_targets_do_not_move_the_rest(folders):
    first, again = _scene(folders, 3).load(), pickle.loads(pickle.dumps(_scene(folders, 3))).load()
    assert np.array_equal(first.image, again.image)
    assert first.annotations == again.annotations
    assert first.image.shape == (320, 512, 3)
    assert not np.array_equal(first.image, _scene(folders, 4).load().image)
    bare = _scene(folders, 3, prevalence=0.0).load()
    clutter = [one.box for one in first.annotations if one.category == "clutter"]
    assert {one.box for one in bare.annotations} >= set(clutter)


def test_what_is_not_installed_or_impossible_is_named(folders, tmp_path):
    with pytest.raises(NotInstalledError, match=r"has no images. Fetch it .*build room_photos' \(10 MB, PyPI"):
        CutoutScene(0, rooms=str(tmp_path)).load()
    with pytest.raises(
        NotInstalledError, match=r"build photo_cutouts' \(161 MB, Debian package tuxpaint-stamps-default"
    ):
        CutoutScene(0, cutouts=str(tmp_path), rooms=folders["rooms"]).load()
    for options, message in (
        ({"rooms": "all"}, "rooms must be 'pool' or 'queries', got 'all'"),
        ({"prevalence": 2}, "prevalence must lie in 0 to 1, got 2"),
        ({"object_area": (0.1, 0.01)}, "object_area must be two shares"),
        ({"clutter": (3, 1)}, "clutter must be 0 <= fewest <= most"),
        ({"width": 10}, "at least 64 pixels, got 10x320"),
    ):
        with pytest.raises(ValueError, match=message):
            CutoutSceneConfig(**options)
    with pytest.raises(ValueError, match="count must be at least 1"):
        cutout_pool(0)


def test_masks_are_the_pixels_of_each_thing(folders):
    for seed in range(8):
        options = {"prevalence": 0.3, "object_area": (0.02, 0.05), "noise": 0.0, "blur": 0.0, "clutter": (2, 4)}
        scene = _scene(folders, seed, **options)
        picture, masks = scene.load_with_masks()
        np.testing.assert_array_equal(picture.image, scene.load().image)
        assert len(masks) == len(picture.annotations)
        assert (masks.sum(0) <= 1).all()
        for one, mask in zip(picture.annotations, masks, strict=True):
            rows, columns = np.nonzero(mask)
            x0, y0, x1, y1 = one.box
            assert x0 <= columns.min() <= columns.max() < x1
            assert y0 <= rows.min() <= rows.max() < y1
            green = picture.image[mask].astype(int)
            wanted = green[:, 1] > green[:, 0] if one.category == "clutter" else green[:, 0] > green[:, 1]
            assert wanted.mean() > 0.8
