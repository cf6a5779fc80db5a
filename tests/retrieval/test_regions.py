"""Coverage of cells by boxes and masks is exact, and boxes that cannot be are named."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.retrieval import Letterbox, coverage_of_box, coverage_of_mask, region_mask
from workbench.retrieval.regions import check_box

SIZE = (50, 70)


@st.composite
def boxes(draw):
    x0, y0 = draw(st.integers(0, 69)), draw(st.integers(0, 49))
    return x0, y0, draw(st.integers(x0 + 1, 70)), draw(st.integers(y0 + 1, 50))


@given(boxes(), st.sampled_from([4, 8, 16]))
def test_coverage_is_the_mean_of_the_mask_over_each_cell(box, stride):
    x0, y0, x1, y1 = box
    rows, columns = -(-SIZE[0] // stride), -(-SIZE[1] // stride)
    padded = torch.zeros(rows * stride, columns * stride)
    padded[y0:y1, x0:x1] = 1
    expected = torch.nn.functional.avg_pool2d(padded[None], stride)[0]
    torch.testing.assert_close(coverage_of_box(box, SIZE, stride, (rows, columns)), expected)
    mask = torch.from_numpy(region_mask(SIZE, [box]))
    torch.testing.assert_close(coverage_of_mask(mask, SIZE, stride, (rows, columns)), expected)


@given(st.floats(0, 60), st.floats(0, 40), st.floats(0.01, 9), st.floats(0.01, 9))
def test_coverage_keeps_the_area_of_a_box_on_a_scaled_canvas(x0, y0, width, height):
    placed = Letterbox.fit(SIZE, (96, 112))
    box = (x0, y0, x0 + width, y0 + height)
    covered = coverage_of_box(box, placed, 8, (12, 14))
    vertical, horizontal = placed.scale
    assert float(covered.sum()) * 64 == pytest.approx(width * height * vertical * horizontal, rel=1e-3)


def test_coverage_of_a_mask_on_a_scaled_canvas_is_that_of_its_box():
    placed = Letterbox.fit(SIZE, (96, 112))
    box = (13, 8, 40, 31)
    mask = torch.from_numpy(region_mask(SIZE, [box]))
    torch.testing.assert_close(
        coverage_of_mask(mask, placed, 8, (12, 14)), coverage_of_box(box, placed, 8, (12, 14)), atol=1e-5, rtol=0
    )


def test_polygons_hold_the_pixels_whose_centre_they_hold():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([35 + 20 * np.cos(angle), 25 + 20 * np.sin(angle)], 1)
    mask, disc = region_mask(SIZE, polygons=[circle]), np.hypot(x - 35, y - 25) < 20
    assert (mask ^ disc).sum() <= 4
    corners = [(10, 5), (30, 5), (30, 20), (10, 20)]
    np.testing.assert_array_equal(region_mask(SIZE, polygons=[corners]), region_mask(SIZE, [(10, 5, 30, 20)]))
    both = region_mask(SIZE, [(0, 0, 20, 20)], [corners])
    np.testing.assert_array_equal(both, region_mask(SIZE, [(0, 0, 20, 20)]) | region_mask(SIZE, polygons=[corners]))


@pytest.mark.parametrize(
    "box, message",
    [
        ((60, 17, 36, 37), r"box \(60, 17, 36, 37\) is empty; expected x0 < x1 and y0 < y1"),
        ((5, 9, 8, 9), r"box \(5, 9, 8, 9\) is empty"),
        ((70, 0, 90, 10), r"box \(70, 0, 90, 10\) lies outside the picture of 70 x 50 pixels"),
        ((-9.5, 0, -1, 10), r"box \(-9.5, 0, -1, 10\) lies outside"),
        ((0, 0, np.nan, 10), r"box \(0, 0, nan, 10\) must be finite"),
        ((0, 0, 10), r"box \(0, 0, 10\) must be four numbers: x0, y0, x1, y1"),
        (("a", 0, 9, 9), "must be four numbers"),
    ],
)
def test_a_box_that_cannot_be_is_named(box, message):
    with pytest.raises(ValueError, match=message):
        check_box(box, SIZE)


def test_a_box_beyond_the_edge_is_cut_with_a_warning():
    with pytest.warns(UserWarning, match=r"box \(60, -5, 80, 20\) reaches beyond .* cut to \(60, 0, 70, 20\)"):
        assert check_box((60, -5, 80, 20), SIZE) == (60, 0, 70, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_box((0, 0, 70, 50), SIZE) == (0, 0, 70, 50)


def test_regions_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="boxes and polygons are both empty"):
        region_mask(SIZE)
    with pytest.raises(ValueError, match=r"polygons\[0\] must be three or more \(x, y\) corners"):
        region_mask(SIZE, polygons=[[(0, 0), (5, 5)]])
