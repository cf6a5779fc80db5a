"""Matching equals the definition, moves with the object, and is never fooled by padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d, pad

from workbench.retrieval import (
    Features,
    Letterbox,
    PreparedFeatures,
    Template,
    l2_normalise,
    match,
    matching,
    score_map,
)


def random_maps(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_template(seed: int, channels: int, rows: int, columns: int, stride: int = 8) -> Template:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator) * (torch.rand(rows, columns, generator=generator) > 0.3)
    weights[-1, -1] = 1
    vectors = l2_normalise(torch.randn(channels, rows, columns, generator=generator), 0) * (weights > 0)
    return Template(vectors, weights, stride, (0.0, 0.0, columns * stride, rows * stride))


def full(maps: torch.Tensor, stride: int = 8) -> Features:
    size = (maps.shape[2] * stride, maps.shape[3] * stride)
    return Features({stride: maps}, [Letterbox.fit(size)] * len(maps))


def by_definition(template: Template, maps: torch.Tensor) -> np.ndarray:
    """The sum of section 2, step 4, one place and one cell at a time."""
    unit, vectors, weights = (
        part.double().numpy() for part in (l2_normalise(maps), template.vectors, template.weights)
    )
    (th, tw), (h, w) = template.cells, maps.shape[2:]
    scores = np.zeros((len(maps), h + th - 1, w + tw - 1))
    for n, u, v in np.ndindex(*scores.shape):
        for i, j in np.ndindex(th, tw):
            row, column = u - (th - 1) + i, v - (tw - 1) + j
            if 0 <= row < h and 0 <= column < w:
                scores[n, u, v] += weights[i, j] * (vectors[:, i, j] @ unit[n, :, row, column])
    return scores / weights.sum()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 7), st.integers(1, 4), st.integers(1, 5))
def test_the_score_map_is_the_definition(seed, height, width, rows, columns):
    template, maps = random_template(seed, 3, rows, columns), random_maps(seed + 1, 2, 3, height, width)
    np.testing.assert_allclose(score_map(template, maps).numpy(), by_definition(template, maps), atol=1e-6)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_score_map_is_a_convolution(memory_format):
    template, maps = random_template(0, 40, 4, 3), random_maps(1, 5, 40, 20, 32).to(memory_format=memory_format)
    kernel = (template.vectors * template.weights)[None]
    expected = conv2d(pad(l2_normalise(maps), (2, 2, 3, 3)), kernel)[:, 0] / template.weights.sum()
    torch.testing.assert_close(score_map(template, maps), expected, atol=1e-6, rtol=0)


def test_templates_of_several_strides_share_a_pool_and_chunks_do_not_matter(monkeypatch):
    maps = {8: random_maps(0, 7, 5, 8, 12), 16: random_maps(1, 7, 4, 4, 6)}
    pool = Features(maps, [Letterbox.fit((64, 96))] * 7)
    strides = (8, 16, 8, 16, 8)
    channels = {8: 5, 16: 4}
    templates = [random_template(seed, channels[one], 1 + seed % 3, 2, one) for seed, one in enumerate(strides)]
    found = match(templates, pool)
    for column, template in enumerate(templates):
        expected = score_map(template, maps[template.stride]).flatten(1).max(1).values
        np.testing.assert_allclose(found.scores[:, column], expected, atol=1e-6)
    monkeypatch.setattr(matching, "CHUNK_CELLS", 1)
    monkeypatch.setattr(matching, "BLOCK_CELLS", 1)
    again = match(templates, pool)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-6)
    np.testing.assert_array_equal(again.boxes, found.boxes)


@pytest.mark.parametrize("offset", [-3.0, 0.0, 3.0])
def test_many_templates_at_once_score_as_each_alone(monkeypatch, offset):
    """Also where every cosine is negative, and where some cells see only padding."""
    templates = [random_template(seed, 5, 1 + seed % 4, 1 + seed % 3) for seed in range(9)]
    templates = [Template(one.vectors.abs(), *list(vars(one).values())[1:]) for one in templates]
    maps = random_maps(0, 6, 5, 8, 12) + offset
    pool = Features({8: maps}, [Letterbox.fit((64, 96)), Letterbox.fit((33, 50))] * 3)
    together, alone = match(templates, pool), [match([template], pool) for template in templates]
    monkeypatch.setattr(matching, "KERNELS", 4)
    for found in (together, match(templates, pool)):
        np.testing.assert_allclose(found.scores, np.concatenate([one.scores for one in alone], 1), atol=1e-6)
        np.testing.assert_array_equal(found.boxes, np.concatenate([one.boxes for one in alone], 1))
    assert offset >= 0 or (together.scores <= 0).any()


def test_an_object_scores_one_at_home_and_its_box_comes_back():
    maps, box = random_maps(0, 4, 16, 8, 12), (13, 18, 38, 43)
    template = Template.from_box({8: maps[2:3]}, box, (64, 96), stride=8, weighting="coverage")
    found = match([template], full(maps))
    assert found.scores[2, 0] == pytest.approx(1, abs=1e-5)
    assert found.boxes[2, 0].tolist() == list(box)
    assert np.delete(found.scores[:, 0], 2).max() < 0.9


@given(st.integers(-2, 3), st.integers(-3, 5))
def test_the_best_place_moves_with_the_object(down, right):
    maps = random_maps(0, 1, 16, 12, 16)
    template = Template.from_box({8: maps}, (34, 20, 60, 50), (96, 128), stride=8)
    moved = 0.1 * random_maps(9, 1, 16, 12, 16)
    moved[:, :, 2 + down : 8 + down, 4 + right : 9 + right] = maps[:, :, 2:8, 4:9]
    box = match([template], full(moved)).boxes[0, 0]
    np.testing.assert_allclose(box, np.array([34, 20, 60, 50]) + 8 * np.array([right, down, right, down]))


def test_boxes_are_in_pixels_of_the_original_picture_and_stay_inside():
    canvas = random_maps(0, 1, 16, 8, 12)
    placed = Letterbox((128, 190), (64, 95))
    box = (26, 36, 76, 86)
    template = Template.from_box({8: canvas}, box, placed, stride=8)
    np.testing.assert_allclose(match([template], Features({8: canvas}, [placed])).boxes[0, 0], box, rtol=1e-6)
    half = torch.zeros(1, 16, 8, 12)
    half[..., 0] = canvas[..., 4]  # the left column shows what lies in the middle of the object
    cut = match([template], Features({8: half}, [placed])).boxes[0, 0]
    assert 0 <= cut[0] < cut[2] <= 190
    assert cut[0] == 0


def test_partly_visible_objects_score_at_the_border():
    maps = random_maps(0, 1, 16, 6, 6)
    template = Template.from_box({8: maps}, (16, 16, 32, 32), (48, 48), stride=8)
    cropped = maps[..., 3:]  # the left half of the object is outside
    found = match([template], full(cropped))
    assert found.scores[0, 0] == pytest.approx(0.5, abs=0.2)
    assert score_map(template, cropped)[0, 2 + 1, 0] == pytest.approx(0.5, abs=1e-5)


def test_masked_equals_unmasked_where_every_cell_is_kept():
    maps = random_maps(0, 3, 5, 8, 12)
    scores = [
        match([Template.from_box({8: maps[:1]}, (16, 8, 40, 32), (64, 96), stride=8, masked=masked)], full(maps)).scores
        for masked in (True, False)
    ]
    np.testing.assert_array_equal(*scores)


@settings(deadline=None)
@given(st.integers(0, 999), st.booleans())
def test_the_order_free_score_bounds_the_score(seed, opposed):
    maps = random_maps(seed, 4, 3, 5, 6)
    template = random_template(seed, 3, 2, 3)
    if opposed:  # every cosine below 0
        maps, template = maps.abs(), Template(-template.vectors.abs(), template.weights, 8, template.outline)
    bound, score = match([template], full(maps), order_free=True), match([template], full(maps))
    assert (bound.scores >= score.scores - 1e-6).all()
    assert (abs(score.scores) <= 1 + 1e-6).all()
    np.testing.assert_array_equal(bound.boxes, score.boxes)


def test_the_order_free_score_ignores_the_order_of_cells():
    maps = random_maps(0, 2, 8, 6, 6)
    template = Template.from_box({8: maps[:1]}, (8, 8, 32, 32), (48, 48), stride=8)
    shuffled = maps.flatten(2)[:, :, torch.randperm(36, generator=torch.Generator().manual_seed(1))].view_as(maps)
    whole, mixed = (match([template], full(one), order_free=True).scores for one in (maps, shuffled))
    np.testing.assert_allclose(whole, mixed, atol=1e-6)
    assert mixed[0, 0] == pytest.approx(1, abs=1e-5)
    assert match([template], full(shuffled)).scores[0, 0] < 0.9


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.integers(33, 64), st.integers(41, 96), st.booleans())
def test_padding_scores_as_if_it_were_not_there(seed, height, width, opposed):
    template, maps = random_template(seed, 3, 2, 3), random_maps(seed, 2, 3, 8, 12)
    if opposed:  # then a place in the padding, which counts 0, would win
        maps, template = maps.abs(), Template(-template.vectors.abs(), torch.ones(2, 3), 8, template.outline)
    rows, columns = -(-height // 8), -(-width // 8)
    padded = match([template], Features({8: maps}, [Letterbox.fit((height, width))] * 2))
    bare = match([template], Features({8: maps[..., :rows, :columns]}, [Letterbox.fit((height, width))] * 2))
    np.testing.assert_allclose(padded.scores, bare.scores, atol=1e-6)
    np.testing.assert_array_equal(padded.boxes, bare.boxes)


def test_places_in_the_padding_are_minus_infinity_on_the_map():
    template, maps = random_template(0, 3, 2, 2), random_maps(0, 1, 3, 4, 5)
    valid = torch.zeros(1, 4, 5, dtype=torch.bool)
    valid[:, :3, :2] = True
    scores = score_map(template, maps, valid)
    assert torch.isinf(scores[0, 4:]).all()
    assert torch.isinf(scores[0, :, 3:]).all()
    torch.testing.assert_close(scores[:, :4, :3], score_map(template, maps[:, :, :3, :2]))


def test_dead_cells_score_zero_and_half_precision_is_close():
    template, maps = random_template(0, 8, 2, 2), random_maps(0, 2, 8, 5, 5)
    maps[1] = 0
    scores = match([template], full(maps)).scores
    assert scores[1, 0] == 0
    half = match([template], full((1e-3 * maps).half())).scores
    np.testing.assert_allclose(half, scores, atol=2e-3)


def test_the_scale_of_stored_features_does_not_matter():
    template, maps = random_template(0, 8, 2, 2), random_maps(0, 3, 8, 5, 5)
    steps = (maps / maps.abs().max() * 127).round().to(torch.int8)
    np.testing.assert_allclose(match([template], full(steps)).scores, match([template], full(maps)).scores, atol=0.02)


def test_templates_that_do_not_fit_are_named():
    pool = full(random_maps(0, 2, 5, 4, 4))
    with pytest.raises(ValueError, match="templates is empty"):
        match([], pool)
    with pytest.raises(ValueError, match=r"a template has stride 16, but the features have \(8,\)"):
        match([random_template(0, 5, 1, 1, 16)], pool)
    with pytest.raises(ValueError, match=r"features have shape \(2, 5, 4, 4\), expected \(N, 7, h, w\)"):
        match([random_template(0, 7, 1, 1)], pool)


@pytest.mark.parametrize("room", [1, 4])
def test_prepared_features_are_matched_alike_whether_or_not_a_template_has_room(room, monkeypatch):
    maps = {8: random_maps(0, 5, 6, 8, 12), 16: random_maps(1, 5, 4, 4, 6)}
    sizes = [(64, 96), (40, 96), (64, 30), (17, 50), (64, 96)]
    pool = Features(maps, [Letterbox(size, size) for size in sizes])
    templates = [random_template(seed, 6, 3, 1 + seed) for seed in range(3)] + [random_template(9, 4, 2, 2, 16)]
    prepared = PreparedFeatures(pool, room)
    for order_free in (False, True):
        plain = match(templates, pool, order_free=order_free)
        with monkeypatch.context() as patch:
            if room == 4:
                patch.setattr(matching, "_padded_unit_vectors", None)
            fast = match(templates, prepared, order_free=order_free)
        np.testing.assert_allclose(fast.scores, plain.scores, atol=1e-5)
        np.testing.assert_array_equal(fast.boxes, plain.boxes)
