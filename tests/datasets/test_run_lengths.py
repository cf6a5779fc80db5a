import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.datasets.run_lengths import decode_mask, encode_mask, fill_polygons

REFERENCE = (
    "bh1l1n00000000000000000000000000000000000000000000000000000000000hN\\O:d0F\\O:d0F\\O:d0F\\O:d0F\\O:d0F\\O:d0F\\O:d0F\\O:d0F\\O:d0F\\O:d0"
    "n00000000000000000000000000000000000000000000000000000000000Rd2"
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 1000))
def test_a_mask_comes_back_through_json(height, width, share, seed):
    mask = np.random.default_rng(seed).random((height, width)) < share
    written = json.loads(json.dumps(encode_mask(mask)))
    np.testing.assert_array_equal(decode_mask(written, mask.shape), mask)


def test_texts_are_those_of_the_reference():
    mask = np.zeros((90, 120), bool)
    mask[10:70, 20:90] = True
    mask[30:40, 50:60] = False
    # written by pycocotools 2.0
    assert encode_mask(mask)["counts"] == REFERENCE
    np.testing.assert_array_equal(decode_mask({"size": [90, 120], "counts": REFERENCE}, (90, 120)), mask)


def test_uncompressed_runs_go_down_the_columns():
    mask = decode_mask({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3))
    assert mask.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_polygons_cover_what_they_enclose_and_are_added_up():
    triangle = [0, 0, 40, 0, 0, 40]
    mask = fill_polygons([triangle], (50, 50))
    assert mask.sum() == pytest.approx(800, abs=40)
    assert mask[:20, :20].all()
    assert not mask[21:, 21:].any()
    both = fill_polygons([triangle, [30, 30, 45, 30, 45, 45, 30, 45]], (50, 50))
    assert both.sum() == mask.sum() + 225


def test_polygons_are_cut_at_the_image():
    assert fill_polygons([[-5, -5, 100, -5, 100, 100, -5, 100]], (7, 9)).all()


@pytest.mark.parametrize(
    "segmentation, message",
    [
        ("3", "expected polygons"),
        ({"counts": [4]}, "expected polygons"),
        ({"size": [3, 2], "counts": [6]}, "size of the mask"),
        ({"size": [2, 2], "counts": [1, 2]}, "whose sum is 4"),
        ({"size": [2, 2], "counts": [5, -1]}, "whose sum is 4"),
        ({"size": [2, 2], "counts": "2\u00e9"}, "the character"),
        ({"size": [2, 2], "counts": "2R"}, "end within a number"),
        ([[0, 0, 1, 1]], "three corners"),
        ([[0, 0, 1, 1, None, 2]], "three corners"),
    ],
)
def test_bad_input_is_named(segmentation, message):
    with pytest.raises(ValueError, match=message):
        decode_mask(segmentation, (2, 2))


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="mask must be"):
        encode_mask(np.zeros((1, 2, 2)))
