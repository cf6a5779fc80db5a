"""Placement of pictures on a canvas, and the container of feature maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.retrieval import Features, Letterbox, l2_normalise, letterbox_batch

SIDE = st.integers(8, 400)


@given(SIDE, SIDE, SIDE, SIDE)
def test_boxes_come_back_from_the_canvas(height, width, rows, columns):
    placed = Letterbox.fit((height, width), (rows, columns))
    assert placed.content_size[0] <= rows
    assert placed.content_size[1] <= columns
    assert rows in placed.content_size[:1] or columns in placed.content_size[1:]  # one side fills the canvas
    box = (1.5, 2.25, width - 1.0, height - 0.5)
    np.testing.assert_allclose(placed.to_image(placed.to_canvas(box)), box, rtol=1e-12)
    np.testing.assert_allclose(placed.to_canvas((0, 0, width, height)), (0, 0, *placed.content_size[::-1]))


def test_pictures_lie_at_the_top_left_and_the_rest_is_grey():
    images = [np.full((10, 20, 3), 255, np.uint8), np.zeros((20, 20, 3), np.uint8)]
    batch, placed = letterbox_batch(images, (20, 40))
    assert batch.shape == (2, 3, 20, 40)
    assert [one.content_size for one in placed] == [(20, 40), (20, 20)]
    assert (batch[0] == 1).all()
    assert (batch[1, :, :, :20] == 0).all()
    assert (batch[1, :, :, 20:] == 127 / 255).all()


def test_without_a_canvas_pixels_stay_as_they_are():
    images = [np.random.default_rng(0).integers(0, 256, (h, w, 3), np.uint8) for h, w in ((9, 5), (4, 7))]
    batch, _ = letterbox_batch(images)
    assert batch.shape == (2, 3, 9, 7)
    for picture, image in zip(batch, images, strict=True):
        part = picture[:, : image.shape[0], : image.shape[1]]
        np.testing.assert_array_equal((part * 255).round().byte().permute(1, 2, 0), image)


@pytest.mark.parametrize(
    "images, error, message",
    [
        ([], ValueError, "images is empty"),
        ([np.zeros((4, 4, 3))], TypeError, r"images\[0\] is float64, expected a uint8 array"),
        (["street.png"], TypeError, r"images\[0\] is str, expected a uint8 array"),
        ([np.zeros((4, 4), np.uint8)], ValueError, r"images\[0\] has shape \(4, 4\), expected \(height, width, 3\)"),
        ([np.zeros((4, 4, 4), np.uint8)], ValueError, r"expected \(height, width, 3\)"),
    ],
)
def test_what_is_no_picture_is_named(images, error, message):
    with pytest.raises(error, match=message):
        letterbox_batch(images)


def test_valid_cells_cover_a_pixel_of_the_picture():
    features = Features({16: torch.zeros(2, 3, 4, 4)}, [Letterbox.fit((33, 64)), Letterbox.fit((64, 16))])
    valid = features.valid(16)
    assert valid.sum((1, 2)).tolist() == [3 * 4, 4 * 1]
    assert valid[0, :3].all()
    assert valid[1, :, 0].all()


def test_a_batch_of_features_is_a_mapping_from_fine_to_coarse():
    maps = {16: torch.rand(3, 4, 2, 2), 8: torch.rand(3, 5, 4, 4)}
    features = Features(maps, [Letterbox.fit((32, 32))] * 3)
    assert list(features) == [8, 16]
    assert torch.equal(features.select([2, 0])[16], maps[16][[2, 0]])
    with pytest.raises(KeyError, match="no features of stride 4; there are 8, 16"):
        features[4]
    with pytest.raises(ValueError, match=r"maps\[8\] has shape \(2, 5, 4, 4\), expected \(3, C, h, w\)"):
        Features({8: maps[8][:2]}, features.letterboxes)
    with pytest.raises(ValueError, match="stride 8 have 4 x 4 cells, but a picture of 32 x 40 pixels"):
        Features({8: maps[8]}, [Letterbox.fit((32, 40))] * 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_zero_vectors_stay_zero_in_any_precision(dtype):
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0], [3e-4, 4e-4]], dtype=dtype)
    unit = l2_normalise(vectors)
    assert unit.dtype == torch.float32
    torch.testing.assert_close(unit.norm(dim=1), torch.tensor([1.0, 0.0, 1.0]), atol=3e-3, rtol=0)
