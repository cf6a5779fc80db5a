import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.models.freesolo import FreeMaskConfig, free_masks
from workbench.models.freesolo.free_mask import (
    centred_boxes,
    multi_scale_queries,
    plausible,
    scaled_similarity,
    tight_boxes,
)


def _scene() -> torch.Tensor:
    """A square of one feature, rows 8 to 13, columns 4 to 9, before another, (4, 16, 20)."""
    keys = torch.zeros(4, 16, 20)
    keys[0] = 1
    keys[:, 8:14, 4:10] = torch.tensor([0.0, 1, 0, 0])[:, None, None]
    return keys


def test_an_object_of_one_feature_is_found_whole():
    found = free_masks(_scene(), (64, 80))
    expected = torch.zeros(64, 80, dtype=torch.bool)
    expected[32:56, 16:40] = True
    overlap = (found.masks[0] & expected).sum() / (found.masks[0] | expected).sum()
    assert overlap > 0.97  # bilinear resizing rounds the corners
    assert len(found.masks) == 1  # the background is as wide as the image
    assert found.maskness[0] == pytest.approx(1, abs=1e-5)
    assert found.boxes[0].tolist() == [16, 32, 40, 56]
    assert found.embeddings.shape == (1, 128)


def test_what_lies_in_the_top_fifth_is_dropped_and_can_be_kept():
    keys = _scene().roll(-8, 1)  # rows 0 to 5: the middle is 2.5 of 16
    assert len(free_masks(keys, (64, 80)).masks) == 0
    assert len(free_masks(keys, (64, 80), FreeMaskConfig(top_share=0.1)).masks) == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_length_of_a_feature_does_not_matter(seed, factor):
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randn(6, 8, 9, generator=generator)
    stretch = factor * (0.5 + torch.rand(1, 8, 9, generator=generator))
    queries = multi_scale_queries(keys, (1.0,))
    torch.testing.assert_close(multi_scale_queries(keys * stretch, (1.0,)), queries)
    soft = scaled_similarity(queries, keys)
    torch.testing.assert_close(scaled_similarity(queries, keys * stretch), soft, atol=1e-5, rtol=0)
    assert soft.amin() == 0
    assert soft.flatten(1).amax(1).allclose(torch.ones(72))


def test_queries_are_stacked_by_scale_with_sizes_floored():
    keys = torch.randn(3, 9, 13)
    queries = multi_scale_queries(keys)
    assert len(queries) == 9 * 13 + 4 * 6 + 2 * 3
    torch.testing.assert_close(queries.norm(dim=1), torch.ones(len(queries)))
    torch.testing.assert_close(queries[:117], torch.nn.functional.normalize(keys.flatten(1).T))


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_features_segment_nothing(value):
    found = free_masks(torch.full((5, 8, 8), value), (32, 32))
    assert found.masks.shape == (0, 32, 32)
    assert found.embeddings.shape == (0, 128)
    assert found.boxes.shape == (0, 4)


def test_centred_box_of_one_object_is_half_a_pixel_off_and_of_two_leaves_out_the_gap():
    mask = torch.zeros(2, 10, 10, dtype=torch.bool)
    mask[0, 2:5, 3:9] = True
    mask[1, 2:5, [1, 2, 8]] = True
    assert centred_boxes(mask)[0].tolist() == (tight_boxes(mask)[0] - 0.5).tolist()
    assert tight_boxes(mask)[1].tolist() == [1, 2, 9, 5]
    assert (centred_boxes(mask)[1, 2] - centred_boxes(mask)[1, 0]).item() == pytest.approx(3)


def test_wide_and_empty_masks_are_not_plausible():
    masks = torch.zeros(3, 10, 20, dtype=torch.bool)
    masks[0, 5:, :19] = True
    masks[1, 5:, :18] = True
    assert plausible(masks).tolist() == [False, True, False]


def test_a_map_too_small_for_a_scale_is_named():
    with pytest.raises(ValueError, match=r"feature map 1x2 is too small for scale 0\.5"):
        free_masks(torch.ones(3, 1, 2), (32, 64))


@pytest.mark.parametrize(
    "keys, size, message",
    [
        (torch.ones(1, 3, 8, 8), (32, 32), "keys must be"),
        (torch.full((3, 8, 8), float("nan")), (32, 32), "keys must be finite"),
        (torch.ones(3, 8, 8), (0, 32), "image_size must be"),
    ],
)
def test_bad_input_is_named(keys, size, message):
    with pytest.raises(ValueError, match=message):
        free_masks(keys, size)


@pytest.mark.parametrize("name", ["scales", "threshold", "keep", "least_score"])
def test_bad_constants_are_named(name):
    with pytest.raises(ValueError, match=name):
        FreeMaskConfig(**{name: {"scales": (), "threshold": 0.0, "keep": 0, "least_score": 2.0}[name]})
