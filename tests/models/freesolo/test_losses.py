import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import sigmoid_focal_loss

from workbench.models.freesolo.losses import (
    average_projection_loss,
    box_of,
    colour_similarity,
    dice_loss,
    focal_loss,
    max_projection_loss,
    neighbours,
    pairwise_log_disagreement,
    pairwise_loss,
    rgb_to_lab,
    semantic_loss,
)


def _mask(rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros(1, 12, 14)
    mask[0, rows, columns] = 1
    return mask


def test_dice_is_0_for_equal_and_1_for_disjoint_masks():
    one, other = _mask(slice(0, 4), slice(0, 4)), _mask(slice(6, 9), slice(6, 9))
    assert dice_loss(one, one).item() == pytest.approx(0, abs=1e-5)
    assert dice_loss(one, other).item() == 1


def test_max_projection_fits_the_box_and_average_projection_tells_shapes_in_it_apart():
    full = _mask(slice(2, 8), slice(3, 9))
    diagonal = torch.zeros_like(full)
    for step in range(6):
        diagonal[0, 2 + step, 3 + step] = 1
    assert max_projection_loss(diagonal, full).item() == pytest.approx(0, abs=1e-5)
    assert average_projection_loss(diagonal, full).item() > 0.5
    assert max_projection_loss(_mask(slice(2, 8), slice(3, 12)), full).item() > 0.1


def test_average_projection_does_not_see_what_keeps_rows_and_columns():
    diagonal = torch.eye(6)[None]
    assert average_projection_loss(diagonal, diagonal.flip(2)).item() == pytest.approx(0, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.floats(-20, 20), st.floats(-20, 20))
def test_pairs_agree_as_probabilities_say(first, second):
    logits = torch.tensor([[[first, second, 0]]], dtype=torch.float64)
    p, q = (1 / (1 + math.exp(-value)) for value in (first, second))
    # neighbour 4 of the window is the one on the right
    found = pairwise_log_disagreement(logits, dilation=1)[0, 4, 0, 0].item()
    assert found == pytest.approx(-math.log(p * q + (1 - p) * (1 - q)), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("second, expected", [(60.0, 0.0), (-60.0, 60 - math.log(2))])
def test_saturated_logits_stay_finite_with_their_gradient(second, expected):
    logits = torch.tensor([[[60.0, second]]], dtype=torch.float64, requires_grad=True)
    value = pairwise_log_disagreement(logits, dilation=1)[0, 4, 0, 0]
    value.backward()
    assert value.item() == pytest.approx(expected, abs=1e-9)
    assert logits.grad.isfinite().all()


def test_neighbours_lie_two_pixels_away():
    grid = torch.arange(49.0).reshape(1, 1, 7, 7)
    assert neighbours(grid)[0, 0, :, 3, 3].tolist() == [8, 10, 12, 22, 26, 36, 38, 40]


def test_pairs_across_the_border_or_with_padding_never_count():
    similarity = colour_similarity(torch.zeros(3, 5, 6))
    assert (similarity[:, 2, 2] == 1).all()
    assert similarity[:, 0, 0].tolist() == [0, 0, 0, 0, 1, 0, 1, 1]
    valid = torch.ones(5, 6, dtype=torch.bool)
    valid[2, 4] = False
    assert colour_similarity(torch.zeros(3, 5, 6), valid)[:, 2, 2].tolist() == [1, 1, 1, 1, 0, 1, 1, 1]
    logits = torch.full((1, 5, 6), 3.0)
    inside = pairwise_log_disagreement(logits)[0, 0, 2, 2]
    torch.testing.assert_close(pairwise_loss(logits, similarity, torch.ones(1, 5, 6)), inside)


def test_the_pairwise_term_spreads_what_is_known_to_the_edge_of_colour():
    """Known: 2x2 pixels on in one colour and off in the other; neighbours lie 2 apart, so fewer would not reach all pixels."""
    lab = torch.zeros(3, 10, 20)
    lab[0, :, :9] = 80
    similarity = colour_similarity(lab)
    logits = torch.zeros(1, 10, 20, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.3)
    for _ in range(200):
        optimizer.zero_grad()
        known = torch.nn.functional.softplus(torch.stack([-logits[0, 4:6, 3:5], logits[0, 4:6, 14:16]])).sum()
        (known + 20 * pairwise_loss(logits, similarity, torch.ones(1, 10, 20))).backward()
        optimizer.step()
    assert torch.equal(logits[0] > 0, lab[0] > 0)


def test_no_pair_of_like_colour_gives_0_with_a_gradient():
    logits = torch.randn(2, 5, 5, requires_grad=True)
    loss = pairwise_loss(logits, torch.zeros(8, 5, 5), torch.ones(2, 5, 5))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_focal_loss_is_that_of_torchvision():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 40, 40, generator=generator)
    target = (torch.rand(2, 40, 40, generator=generator) < 0.1).float()
    expected = sigmoid_focal_loss(logits, target, 0.25, 2, "sum") / (target.sum() + 1)
    torch.testing.assert_close(focal_loss(logits, target), expected)
    nothing = torch.zeros_like(target)
    torch.testing.assert_close(focal_loss(logits, nothing), sigmoid_focal_loss(logits, nothing, 0.25, 2, "sum"))


def test_semantic_loss_is_the_angle_and_leaves_out_what_has_no_embedding():
    predicted = torch.tensor([[3.0, 0], [0, 2], [1, 1]], requires_grad=True)
    target = torch.tensor([[1.0, 0], [-5, 0], [0, 0]])
    loss = semantic_loss(predicted, target)
    assert loss.item() == pytest.approx(0.5)  # 0 and 1
    loss.backward()
    assert predicted.grad.isfinite().all()
    assert semantic_loss(predicted[:0], target[:0]).item() == 0


def test_lab_of_known_colours():
    # CIE values of sRGB red, green and blue under D65
    image = torch.eye(3)[:, :, None]
    expected = torch.tensor([[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]])
    torch.testing.assert_close(rgb_to_lab(image)[:, :, 0].T, expected, atol=0.05, rtol=0)
    torch.testing.assert_close(rgb_to_lab((255 * image).byte()), rgb_to_lab(image))


@pytest.mark.parametrize("image", [torch.full((3, 2, 2), 200.0), torch.full((3, 2, 2), -0.1), torch.ones(1, 2, 2)])
def test_an_image_in_another_range_or_shape_is_refused(image):
    with pytest.raises(ValueError, match="image must be"):
        rgb_to_lab(image)


def test_the_box_of_a_mask_spans_its_rows_and_columns():
    assert torch.equal(box_of(torch.eye(4)[None]), torch.ones(1, 4, 4))
    assert box_of(_mask(slice(1, 3), slice(2, 7))).sum() == 10
