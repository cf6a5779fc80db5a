import numpy as np
import pytest

from workbench.datasets import ObjectSceneConfig, masked_image, object_scene, read_coco_masks, write_coco_masks


def test_the_same_seed_gives_the_same_scene_and_another_another():
    one, same, other = object_scene(5), object_scene(5), object_scene(6)
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.masks, same.masks)
    assert (one.image != other.image).any()


def test_masks_are_disjoint_within_their_number_and_not_small():
    counts = []
    for seed in range(30):
        scene = object_scene(seed)
        counts.append(len(scene.masks))
        assert scene.masks.sum(0).max() <= 1
        assert (
            scene.masks.sum((1, 2)).min() > 0.3 * 0.04 * (1 - 0.35) * 96 * 96
        )  # an emoji fills 30 % of its box or more
    assert set(counts) == {1, 2, 3, 4}


def test_a_mask_is_where_the_object_changes_the_picture():
    quiet = ObjectSceneConfig(objects=(1, 1), noise=0.0, blur=0.0)
    for seed in range(10):
        scene = object_scene(seed, quiet)
        (mask,) = scene.masks
        # the same street without it: an object as small as can be
        empty = object_scene(seed, ObjectSceneConfig(objects=(1, 1), noise=0.0, blur=0.0, area=(1e-6, 1e-6)))
        changed = np.abs(scene.image.astype(int) - empty.image).max(2) > 12
        assert (changed & mask).sum() > 0.8 * mask.sum()


def test_scenes_go_through_coco(tmp_path):
    scenes = [object_scene(seed) for seed in range(3)]
    images = [masked_image(f"{seed}.png", tmp_path, scene.masks) for seed, scene in enumerate(scenes)]
    read = read_coco_masks(write_coco_masks(tmp_path / "scenes.json", images), tmp_path)
    for scene, image in zip(scenes, read, strict=True):
        np.testing.assert_array_equal(image.masks(), scene.masks)


@pytest.mark.parametrize(
    "change",
    [{"side": 8}, {"objects": (3, 2)}, {"area": (0.3, 0.1)}, {"hidden": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_bad_constants_are_named(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        ObjectSceneConfig(**change)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed must be at least 0"):
        object_scene(-1)
