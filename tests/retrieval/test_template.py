"""Templates keep the cells that the object covers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.retrieval import HogColourBackbone, Letterbox, Template, object_templates, region_mask

SIZE = (64, 96)


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return {8: torch.randn(1, 6, 8, 12, generator=generator), 16: torch.randn(1, 5, 4, 6, generator=generator)}


def test_the_threshold_is_relative_to_the_best_covered_cell(features):
    box = (12, 16, 32, 28)  # columns covered by 0.5, 1, 1; rows by 1, 0.5
    for threshold, cells in ((0.25, (2, 3)), (0.5, (2, 3)), (0.51, (1, 2)), (1.0, (1, 2))):
        template = Template.from_box(features, box, SIZE, stride=8, threshold=threshold)
        assert template.cells == cells
    masked = Template.from_box(features, box, SIZE, stride=8, threshold=0.5)
    assert masked.weights.tolist() == [[1, 1, 1], [0, 1, 1]]
    assert masked.vectors[:, 1, 0].abs().max() == 0
    unmasked = Template.from_box(features, box, SIZE, stride=8, threshold=0.5, masked=False)
    assert unmasked.weights.tolist() == [[1, 1, 1], [1, 1, 1]]
    weighted = Template.from_box(features, box, SIZE, stride=8, threshold=0.5, weighting="coverage")
    assert weighted.weights.tolist() == [[0.5, 1, 1], [0, 0.5, 0.5]]


def test_vectors_are_the_unit_vectors_of_the_cells(features):
    template = Template.from_box(features, (16, 8, 40, 32), SIZE, stride=8)
    expected = torch.nn.functional.normalize(features[8][0, :, 1:4, 2:5], dim=0)
    torch.testing.assert_close(template.vectors, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("box", [(33, 17, 37, 21), (14, 14, 18, 18), (95.5, 63.5, 96, 64)])
def test_an_object_below_one_cell_keeps_the_best_covered_one_and_warns(features, box):
    with pytest.warns(UserWarning, match=r"the object covers 0\.\d+ of one cell at stride 16; try stride 8"):
        template = Template.from_box(features, box, SIZE, stride=16)
    assert template.weights.sum() >= 1
    assert template.weights.max() == 1


def test_the_outline_is_the_box_seen_from_the_template(features):
    template = Template.from_box(features, (11, 18, 32, 28), SIZE, stride=8)
    assert template.outline == (3.0, 2.0, 24.0, 12.0)
    scaled = Template.from_box(features, (22, 36, 64, 56), Letterbox((128, 192), SIZE), stride=8)
    assert scaled.outline == template.outline
    assert torch.equal(scaled.vectors, template.vectors)


def test_a_mask_gives_what_its_box_gives(features):
    box = (11, 18, 32, 28)
    mask = region_mask(SIZE, [box])
    from_mask = Template.from_mask(features, mask, SIZE, stride=8)
    from_box = Template.from_box(features, box, SIZE, stride=8)
    assert from_mask.outline == from_box.outline
    assert torch.equal(from_mask.vectors, from_box.vectors)
    assert torch.equal(from_mask.weights, from_box.weights)


def test_dead_cells_give_no_nan():
    template = Template.from_box({8: torch.zeros(4, 8, 12)}, (0, 0, 16, 16), SIZE, stride=8)
    assert template.vectors.abs().max() == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"stride": 4}, "stride is 4, but the features have 8, 16"),
        ({"threshold": 0}, "threshold must lie above 0 and up to 1, got 0"),
        ({"threshold": 1.2}, "threshold must lie"),
        ({"weighting": "gauss"}, "weighting must be 'binary' or 'coverage', got 'gauss'"),
        ({"box": (60, 17, 36, 37)}, "is empty; expected x0 < x1 and y0 < y1"),
        ({"box": (96, 0, 99, 9)}, "lies outside the picture of 96 x 64 pixels"),
        ({"image_size": (64, 97)}, "features of stride 8 have 8 x 12 cells, but a picture of 64 x 97 .* needs 8 x 13"),
    ],
)
def test_what_cannot_be_is_named(features, options, message):
    arguments = {"box": (8, 8, 30, 30), "image_size": SIZE, "stride": 8} | options
    with pytest.raises(ValueError, match=message):
        Template.from_box(features, **arguments)


def test_masks_and_maps_that_cannot_be_are_named(features):
    with pytest.raises(ValueError, match=r"mask has shape \(3, 3\), expected \(64, 96\)"):
        Template.from_mask(features, np.ones((3, 3), bool), SIZE, stride=8)
    with pytest.raises(ValueError, match="mask is empty"):
        Template.from_mask(features, np.zeros(SIZE, bool), SIZE, stride=8)
    with pytest.raises(ValueError, match=r"mask must lie in \[0, 1\], got 0 to 255"):
        Template.from_mask(features, np.eye(*SIZE) * 255, SIZE, stride=8)
    with pytest.raises(ValueError, match=r"features\[8\] has shape \(2, 6, 8, 12\), expected those of one picture"):
        Template.from_box({8: features[8].repeat(2, 1, 1, 1)}, (8, 8, 30, 30), SIZE, stride=8)


def test_a_pyramid_has_a_template_per_scale_and_stride():
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    backbone = HogColourBackbone(device="cpu")
    small, same, large = object_templates(backbone, image, (16, 8, 56, 48), scales=(0.7, 1, 1.4))
    assert (small.cells, same.cells, large.cells) == ((3, 4), (5, 5), (7, 7))
    sides = [template.outline[2] - template.outline[0] for template in (small, same, large)]
    np.testing.assert_allclose(sides, [28, 40, 56], rtol=0.03)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    direct = Template.from_box(backbone.features(pixels), (16, 8, 56, 48), SIZE, stride=8)
    torch.testing.assert_close(same.vectors, direct.vectors)
    with pytest.raises(ValueError, match="scales must be positive, got 0"):
        object_templates(backbone, image, (16, 8, 56, 48), scales=(0,))
