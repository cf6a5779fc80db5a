import json

import numpy as np
import pytest

from workbench.datasets import MaskedImage, masked_image, read_coco_masks, write_coco_masks


def _masks(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 12, 17)) < 0.4


def test_masks_scores_and_embeddings_are_read_back(tmp_path):
    embeddings = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    found = masked_image("a.png", tmp_path, _masks(0, 3), [0.9, 0.8, 0.7], embeddings)
    path = write_coco_masks(tmp_path / "free.json", [found, masked_image("sub/b.png", tmp_path, _masks(1, 0))])
    first, second = read_coco_masks(path, tmp_path)
    np.testing.assert_array_equal(first.masks(), _masks(0, 3))
    np.testing.assert_allclose(first.embeddings, embeddings)
    assert first.scores == (0.9, 0.8, 0.7)
    assert second.id == "sub/b.png"
    assert second.masks().shape == (0, 12, 17)
    assert second.embeddings is None
    row = json.loads(path.read_text())["annotations"][1]
    assert row["category_id"] == 1
    assert row["area"] == _masks(0, 3)[1].sum()


def test_the_box_of_the_file_is_x_y_width_height(tmp_path):
    mask = np.zeros((1, 12, 17), bool)
    mask[0, 2:5, 6:16] = True
    path = write_coco_masks(tmp_path / "one.json", [masked_image("a.png", tmp_path, mask)])
    assert json.loads(path.read_text())["annotations"][0]["bbox"] == [6, 2, 10, 3]


def _file(tmp_path, image=None, annotation=None):
    images = [{"id": 7, "file_name": "a.jpg", "height": 4, "width": 5} | (image or {})]
    rows = [{"image_id": 7, "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]], "iscrowd": 0} | (annotation or {})]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": rows}))
    return path


def test_polygons_and_crowds_of_coco(tmp_path):
    (image,) = read_coco_masks(_file(tmp_path), tmp_path)
    assert image.masks()[0].sum() == 6
    assert image.path == tmp_path / "a.jpg"
    crowd = {"iscrowd": 1, "segmentation": {"size": [4, 5], "counts": [0, 20]}}
    (image,) = read_coco_masks(_file(tmp_path, annotation=crowd), tmp_path)
    assert image.crowd == (True,)
    assert image.masks().all()


@pytest.mark.parametrize(
    "image, annotation, message",
    [
        ({"height": "4"}, {}, r"images\[0\]: height is '4'"),
        ({}, {"image_id": 8}, r"annotations\[0\]: image_id 8 is not among the images"),
        ({}, {"segmentation": "x"}, r"annotations\[0\]: segmentation is 'x'"),
        ({}, {"score": "high"}, r"annotations\[0\]: score is 'high'"),
        ({}, {"emb": [1, "a"]}, r"annotations\[0\]: emb is"),
    ],
)
def test_a_damaged_row_is_named(tmp_path, image, annotation, message):
    with pytest.raises(ValueError, match=message):
        read_coco_masks(_file(tmp_path, image, annotation), tmp_path)


def test_a_damaged_mask_is_named_when_decoded(tmp_path):
    (image,) = read_coco_masks(_file(tmp_path, annotation={"segmentation": {"size": [4, 5], "counts": [3]}}), tmp_path)
    with pytest.raises(ValueError, match=r"annotations\[0\]: run lengths"):
        image.masks()


def test_other_bad_input_is_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_coco_masks(tmp_path / "none.json", tmp_path)
    with pytest.raises(ValueError, match="masks need as many scores"):
        masked_image("a", tmp_path, _masks(0, 2), [0.1])
    with pytest.raises(ValueError, match="masks must be"):
        masked_image("a", tmp_path, np.zeros((2, 2)))
    assert isinstance(masked_image("a", tmp_path, _masks(0, 1)), MaskedImage)
