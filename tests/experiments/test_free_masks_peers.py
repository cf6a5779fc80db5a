"""Peers of Free Mask: cuts, grown seeds and merged regions find what they must, and are what their papers say."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from workbench.experiments.free_masks_peers import CutConfig, cosines, lost, normalised_cut, second_eigenvector
from workbench.experiments.free_masks_regions import (
    RegionConfig,
    graph_regions,
    merged_regions,
    region_proposals,
)

SQUARES = (np.s_[2:6, 2:6], np.s_[9:14, 3:9], np.s_[4:10, 14:18])


def _keys(squares=SQUARES, noise=0.02) -> torch.Tensor:
    """Squares of one feature each before another, 16 x 20 places."""
    keys = torch.zeros(6, 16, 20)
    keys[0] = 1
    for index, square in enumerate(squares, start=1):
        keys[(slice(None), *square)] = torch.eye(6)[index][:, None, None]
    return keys + noise * torch.randn(keys.shape, generator=torch.Generator().manual_seed(0))


def _overlap(mask, square, size=(16, 20)) -> float:
    truth = np.zeros(size, bool)
    truth[square] = True
    return (mask & truth).sum() / (mask | truth).sum()


def test_one_cut_finds_an_object_and_three_find_three():
    assert _overlap(normalised_cut(_keys(SQUARES[:1]), (16, 20)).shapes[0], SQUARES[0]) == 1
    found = normalised_cut(_keys(), (16, 20), CutConfig(objects=3))
    best = [max(_overlap(mask, square) for mask in found.shapes) for square in SQUARES]
    assert min(best) == 1
    assert found.scores.tolist() == [1, 1 / 2, 1 / 3]
    assert (found.shapes.sum(0) <= 1).all()  # a cut does without what the ones before took


def test_a_side_with_three_corners_is_the_background():
    keys = _keys((np.s_[0:14, 0:18],))  # the odd one out, at the border, is smaller than the object
    mask = normalised_cut(keys, (16, 20)).shapes[0]
    assert not mask[-1, -1] or mask[[0, 0, -1], [0, -1, 0]].sum() < 3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_eigenvector_solves_its_problem_and_no_cut_is_below_it(seed):
    """The relaxed cut bounds every cut from below: equations 10 and 11 of Shi and Malik."""
    weights = np.random.default_rng(seed).random((7, 7))
    weights = weights + weights.T
    degrees = weights.sum(1)
    vector = second_eigenvector(weights)
    value = vector @ (np.diag(degrees) - weights) @ vector / (vector @ (degrees * vector))
    np.testing.assert_allclose((np.diag(degrees) - weights) @ vector, value * degrees * vector, atol=1e-8)
    for count in range(1, 4):
        for part in map(list, combinations(range(7), count)):
            rest = [node for node in range(7) if node not in part]
            cut = weights[np.ix_(part, rest)].sum()
            assert cut / degrees[part].sum() + cut / degrees[rest].sum() >= value - 1e-9


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 100))
def test_length_of_features_does_not_matter(factor):
    keys = _keys()
    for find in (normalised_cut, lost):
        np.testing.assert_array_equal(find(keys * factor, (32, 40)).shapes, find(keys, (32, 40)).shapes)


def test_lost_starts_where_few_are_alike_and_grows_to_the_object():
    keys = _keys(SQUARES[:1], noise=0)
    keys[0] -= 0.5
    mask = lost(keys - 0.25, (16, 20), centred=True).shapes[0]
    assert _overlap(mask, SQUARES[0]) == 1
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        lost(keys, (16, 20), most=0)


def test_features_behind_a_relu_make_everything_alike_unless_centred():
    keys = _keys().clamp(min=0)
    assert lost(keys, (16, 20)).shapes.all()
    assert not lost(keys, (16, 20), centred=True).shapes.all()


@pytest.mark.parametrize(
    "keys, message",
    [
        (torch.zeros(3, 4), r"keys must be \(channels, height, width\) of at least two places, got \(3, 4\)"),
        (torch.zeros(3, 1, 1), "at least two places"),
        (torch.full((3, 4, 4), torch.nan), "keys must be finite"),
    ],
)
def test_bad_keys_are_named(keys, message):
    with pytest.raises(ValueError, match=message):
        cosines(keys)


@pytest.mark.parametrize("field, value", [("tau", 1.0), ("weak", 0.0), ("objects", 0)])
def test_bad_constants_are_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must"):
        CutConfig(**{field: value})


def _picture() -> np.ndarray:
    """Three squares of an even colour each before grey, uint8 (48, 60, 3)."""
    picture = np.full((48, 60, 3), 128, np.uint8)
    for square, colour in zip(SQUARES, ((220, 30, 30), (30, 200, 40), (20, 60, 230)), strict=True):
        rows, columns = square
        picture[3 * rows.start : 3 * rows.stop, 3 * columns.start : 3 * columns.stop] = colour
    return picture


def test_regions_of_even_colour_are_found_exactly():
    labels = graph_regions(_picture(), RegionConfig(blur=0, least=1))
    assert labels.max() == 3
    for square in SQUARES:
        rows, columns = (slice(3 * one.start, 3 * one.stop) for one in square)
        number = labels[rows.start, columns.start]
        assert ((labels == number).sum(), (labels[rows, columns] == number).all()) == (
            (rows.stop - rows.start) * (columns.stop - columns.start),
            True,
        )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(5, 500))
def test_first_regions_are_connected_and_not_small(seed, scale):
    image = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    labels = graph_regions(image, RegionConfig(scale=scale, least=12))
    for number in range(labels.max() + 1):
        assert label(labels == number, np.ones((3, 3)))[1] == 1
        assert (labels == number).sum() >= 12


def test_a_greater_scale_gives_fewer_regions():
    image = np.random.default_rng(3).integers(90, 160, (40, 40, 3), np.uint8)
    counts = [graph_regions(image, RegionConfig(scale=scale, least=1)).max() for scale in (30, 100, 300, 3000)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_hierarchy_is_one_tree(seed):
    image = np.random.default_rng(seed).integers(0, 255, (5, 6, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    labels = graph_regions(image, RegionConfig(scale=20, least=4))
    found = merged_regions(image, labels)
    assert len(found) == 2 * (labels.max() + 1) - 1
    assert found[-1] == frozenset(range(labels.max() + 1))
    assert all(a <= b or b <= a or not a & b for a, b in combinations(found, 2))
    assert all(label(np.isin(labels, list(one)), np.ones((3, 3)))[1] == 1 for one in found)


def test_proposals_hold_the_objects_but_not_the_whole_image():
    found = region_proposals(_picture(), RegionConfig(blur=0))
    size = (48, 60)
    for rows, columns in SQUARES:
        square = np.s_[3 * rows.start : 3 * rows.stop, 3 * columns.start : 3 * columns.stop]
        assert max(_overlap(mask, square, size) for mask in found.shapes) == 1
    assert found.shapes.mean((1, 2)).max() < 0.9
    assert (np.diff(found.scores) <= 0).all()
    assert len(region_proposals(_picture(), RegionConfig(blur=0, keep=2)).shapes) == 2
    again = region_proposals(_picture(), RegionConfig(blur=0))
    np.testing.assert_array_equal(found.shapes, again.shapes)


def test_an_image_of_one_colour_has_no_proposal():
    assert len(region_proposals(np.zeros((12, 12, 3), np.uint8)).shapes) == 0
    with pytest.raises(ValueError, match="image must be uint8"):
        graph_regions(np.zeros((12, 12, 3)))
