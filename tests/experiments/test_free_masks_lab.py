"""What a person asks of one image gives what Free Mask gives, step by step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.experiments.free_masks_features import colour_keys
from workbench.experiments.free_masks_lab import (
    KEPT,
    TOP,
    WEAK,
    WIDE,
    ask,
    fates,
    greedy_nms,
    image_masks,
    principal_colours,
    theatre,
)
from workbench.models.freesolo import FreeMaskConfig, free_masks
from workbench.ops.matrix_nms import mask_iou


@pytest.fixture(scope="module")
def asked():
    """Two coloured squares before grey, one of them at the top."""
    image = np.full((96, 120, 3), 110, np.uint8)
    image[50:80, 20:50] = (240, 60, 30)
    image[4:20, 80:100] = (30, 70, 230)
    noise = np.random.default_rng(0).integers(-4, 5, image.shape)
    image = (image + noise).clip(0, 255).astype(np.uint8)
    return ask(image, colour_keys(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)[0])


def test_a_click_finds_the_object_under_it(asked):
    answer = asked.answer(asked.query_at(65, 35, 0))
    truth = np.zeros((96, 120), bool)
    truth[50:80, 20:50] = True
    assert (answer.mask & truth).sum() / (answer.mask | truth).sum() > 0.8
    assert answer.soft.min() == 0
    assert answer.soft.max() == pytest.approx(1)
    assert 0.8 < answer.maskness <= 1
    scaled = (answer.cosine - answer.cosine.min()) / np.ptp(answer.cosine)
    np.testing.assert_allclose(answer.soft, scaled, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_query_lies_where_it_says(asked, number):
    query = number % len(asked.soft)
    row, column, scale = asked.place_of(query)
    assert asked.query_at(row, column, scale) == query


def test_a_higher_threshold_gives_a_part_of_the_mask_and_more_confidence(asked):
    query = asked.query_at(65, 35, 1)
    loose, strict = (asked.answer(query, threshold) for threshold in (0.4, 0.7))
    assert (loose.mask | ~strict.mask).all()
    assert strict.maskness >= loose.maskness


@pytest.mark.parametrize("kernel", ["gaussian", "linear"])
def test_the_theatre_names_who_lowers_whom(asked, kernel):
    config = FreeMaskConfig(kernel=kernel)
    table = theatre(asked, config)
    assert table["maskness"].is_monotonic_decreasing
    masks = asked.soft[table["query"].tolist()] >= 0.5
    overlap = mask_iou(masks, masks).triu(1).numpy()
    place = {query: index for index, query in enumerate(table["query"])}
    covered = overlap.max(0)

    def function(value):
        return np.exp(-2 * value**2) if kernel == "gaussian" else 1 - value

    for index, row in table[table["by"] >= 0].head(60).iterrows():
        suppressor = place[row["by"]]
        assert suppressor < index
        decay = function(row["overlap"]) / max(function(covered[suppressor]), 1e-6)
        assert row["decay"] == pytest.approx(min(max(decay, 0), 1), abs=2e-5)
    assert table["decay"].iloc[0] == 1
    assert table["by"].iloc[0] == -1


def test_what_the_filters_keep_is_what_the_method_keeps(asked):
    for config in (FreeMaskConfig(), FreeMaskConfig(top_share=0, least_score=0.2), FreeMaskConfig(width_share=0.3)):
        table = fates(asked, theatre(asked, config), config)
        found = free_masks(asked.keys, (96, 120), config)
        kept = table[table["fate"] == KEPT]
        assert kept["query"].tolist() == found.queries.tolist()
        np.testing.assert_allclose(kept["score"], found.scores, rtol=1e-5)
        assert torch.equal(image_masks(asked, kept["query"].to_numpy()), found.masks)


def test_each_rule_has_its_victims(asked):
    loose = FreeMaskConfig(least_score=0.5)
    assert TOP in set(fates(asked, theatre(asked, loose), loose)["fate"])  # the square in the top fifth
    narrow = FreeMaskConfig(width_share=0.1, top_share=0)
    assert set(fates(asked, theatre(asked, narrow), narrow)["fate"]) <= {WIDE, WEAK}


def test_greedy_suppression_by_hand():
    overlap = torch.tensor([[0, 0.6, 0.1, 0], [0, 0, 0.9, 0], [0, 0, 0, 0.51], [0, 0, 0, 0]])
    assert greedy_nms(overlap, 0.5).tolist() == [True, False, True, False]
    assert greedy_nms(overlap, 0.95).all()


def test_flat_features_have_nothing_to_show():
    asked = ask(np.zeros((24, 24, 3), np.uint8), torch.ones(4, 8, 8))
    assert len(theatre(asked)) == 0
    assert len(fates(asked, theatre(asked))) == 0
    assert not asked.answer(0).mask.any()


def test_places_of_like_features_have_like_colours():
    keys = torch.zeros(5, 6, 8)
    keys[0], keys[1, :, 4:] = 1, 2.0
    colours = principal_colours(keys)
    assert colours.shape == (6, 8, 3)
    assert (colours[:, :4] == colours[0, 0]).all()
    assert (colours[:, 4:] == colours[0, 7]).all()
    assert not (colours[0, 0] == colours[0, 7]).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda one: one.query_at(200, 3, 0), "the pixel must lie in the image, 96 rows of 120, got 200, 3"),
        (lambda one: one.query_at(2, 3, 5), "scale must be 0 to 2, got 5"),
        (lambda one: one.answer(10_000), "query must be 0 to"),
        (lambda one: one.answer(0, 1.5), "threshold must lie in 0 to 1, got 1.5"),
        (lambda one: ask(one.image[..., 0], one.keys), "image must be uint8"),
        (lambda one: ask(one.image, one.keys[:, :2, :2]), "too small for scale 0.25"),
    ],
)
def test_what_is_wrong_is_said(asked, call, message):
    with pytest.raises(ValueError, match=message):
        call(asked)
