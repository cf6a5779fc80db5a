"""True distributions and losses: closed forms, what the released code got wrong, and batches without any truth."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.models.mvs.ground_truth import (
    high_frequency,
    kept_of_coarse,
    not_white,
    patch_distribution,
    smooth_surroundings,
)
from workbench.models.mvs.hypotheses import uniform_planes
from workbench.models.mvs.losses import LossConfig, covers, depth_loss, distribution_loss, expectation_loss, mvs_loss
from workbench.models.mvs.network import DepthPrediction, LevelOutput

LEAST, MOST = torch.tensor([400.0]), torch.tensor([900.0])


def _planes(count=51, height=1, width=1, batch=1):
    """Planes 10 mm apart."""
    return uniform_planes(LEAST.expand(batch), MOST.expand(batch), count, height, width)


def test_one_depth_votes_on_the_two_planes_beside_it():
    """The released mask leaves out exactly these two: a patch of one pixel then has no distribution at all."""
    target, known = patch_distribution(torch.tensor([[[503.0]]]), _planes(), LEAST, MOST)
    assert known.all()
    assert target[0, 10].item() == pytest.approx(0.7)
    assert target[0, 11].item() == pytest.approx(0.3)
    assert target.sum().item() == pytest.approx(1)


def test_a_boundary_has_two_modes_weighted_by_their_area():
    depth = torch.full((1, 4, 4), 500.0)
    depth[:, :, 3] = 700.0
    target, _ = patch_distribution(depth, _planes(), LEAST, MOST)
    assert target[0, 10].item() == pytest.approx(0.75)
    assert target[0, 30].item() == pytest.approx(0.25)
    hard, _ = patch_distribution(depth + 3, _planes(), LEAST, MOST, vote="hard")
    assert hard[0, 10].item() == pytest.approx(0.75)
    assert (hard > 0).sum() == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["soft", "hard"]), st.sampled_from([1, 2, 4]))
def test_a_distribution_sums_to_one_where_known_and_samples_do_not_mix(seed, vote, factor):
    generator = torch.Generator().manual_seed(seed)
    depth = torch.rand(2, 4 * factor, 4 * factor, generator=generator) * 600 + 350
    hypotheses = _planes(height=4, width=4, batch=2)
    target, known = patch_distribution(depth, hypotheses, LEAST.expand(2), MOST.expand(2), vote)
    total = target.sum(1)
    torch.testing.assert_close(total, known.to(total), rtol=0, atol=1e-5)
    alone, _ = patch_distribution(depth[1:], _planes(height=4, width=4), LEAST, MOST, vote)
    torch.testing.assert_close(target[1:], alone)


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf, -math.inf, 400.0, 900.0, 1000.0])
def test_a_patch_with_a_pixel_without_truth_is_not_taught(bad):
    depth = torch.full((1, 2, 4), 500.0)
    depth[0, 1, 3] = bad
    target, known = patch_distribution(depth, _planes(width=2), LEAST, MOST)
    assert known.tolist() == [[[True, False]]]
    assert torch.isfinite(target).all()
    assert target[..., 1].sum() == 0


def test_truth_that_no_hypothesis_covers_is_not_taught():
    near = uniform_planes(torch.tensor([400.0]), torch.tensor([450.0]), 6, 1, 1)
    _, known = patch_distribution(torch.tensor([[[700.0]]]), near, LEAST, MOST)
    assert not known.any()


def test_binary_cross_entropy_by_hand():
    """Two pixels of four entries: one of them has one mode, the other two."""
    target = torch.zeros(1, 4, 1, 2)
    target[0, 0, 0, 0] = 1
    target[0, 1:3, 0, 1] = 0.5
    probability = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.2, 0.4, 0.3, 0.1]])
    positive, share = torch.tensor([1, 2]), 3 / 8
    total = 0.0
    for pixel in range(2):
        for entry in range(4):
            g, p = float(target[0, entry, 0, pixel]), float(probability[pixel, entry])
            weight = (1 - share if g > 0 else share) * int(positive[pixel])
            total += weight * -(g * math.log(p) + (1 - g) * math.log(1 - p))
    logits = probability.log().T.reshape(1, 4, 1, 2)
    known = torch.ones(1, 1, 2, dtype=torch.bool)
    assert distribution_loss(logits, target, known).item() == pytest.approx(total / 8, rel=1e-5)
    known[..., 1] = False
    divergence = distribution_loss(logits, target, known, "kl").item()
    assert divergence == pytest.approx(-math.log(0.7), rel=1e-5)


@pytest.mark.parametrize("kind", ["bce", "kl"])
def test_certainty_gives_finite_losses_and_gradients(kind):
    logits = torch.tensor([200.0, -200.0, -200.0, 0.0]).reshape(1, 4, 1, 1).requires_grad_()
    for index in (0, 1):
        target = torch.zeros(1, 4, 1, 1)
        target[0, index] = 1
        loss = distribution_loss(logits, target, torch.ones(1, 1, 1, dtype=torch.bool), kind)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
        assert (loss < 1e-4) == (index == 0)


@pytest.mark.parametrize("kind", ["bce", "kl"])
def test_descending_the_loss_gives_the_true_distribution_its_modes(kind):
    depth = torch.full((1, 4, 4), 500.0)
    depth[:, :, 2:] = 700.0
    target, known = patch_distribution(depth, _planes(), LEAST, MOST)
    logits = torch.zeros_like(target, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        distribution_loss(logits, target, known, kind).backward()
        optimizer.step()
    assert set(logits[0, :, 0, 0].topk(2).indices.tolist()) == {10, 30}
    assert logits.softmax(1)[0, [10, 30]].min() > 0.4


def test_nothing_known_is_a_loss_of_zero_with_a_gradient_and_a_warning():
    logits = torch.zeros(1, 4, 1, 1, requires_grad=True)
    with pytest.warns(UserWarning, match="no pixel of the batch has a true depth"):
        loss = distribution_loss(logits, torch.zeros(1, 4, 1, 1), torch.zeros(1, 1, 1, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().sum() == 0
    depth = torch.full((1, 8, 8), 500.0, requires_grad=True)
    with pytest.warns(UserWarning, match="no pixel"):
        loss = depth_loss(depth, torch.zeros(1, 8, 8), LEAST, MOST)
    loss.backward()
    assert loss.item() == 0


def test_depth_loss_weighs_rare_detail_by_the_share_of_the_rest():
    """Errors of 1 everywhere: smooth L1 is 0.5, and the weights average to 2 f (1 - f)."""
    truth = torch.full((1, 32, 32), 500.0)
    truth[:, 7:11, 7:11] = 600.0
    detail = high_frequency(truth, LEAST, MOST)
    share = detail.float().mean().item()
    assert 0 < share < 0.2
    loss = depth_loss(truth + 1, truth, LEAST, MOST)
    assert loss.item() == pytest.approx(0.5 * 2 * share * (1 - share), rel=1e-5)
    assert depth_loss(truth + 1, truth, LEAST, MOST, edges=False).item() == pytest.approx(0.5)
    # In units of 10 an error of 1 is 0.1: 0.5 x 0.1^2.
    in_tens = depth_loss(truth + 1, truth, LEAST, MOST, unit=torch.tensor([10.0]), edges=False)
    assert in_tens.item() == pytest.approx(0.005, rel=1e-4)


def test_pixels_beside_a_hole_are_not_counted():
    truth = torch.full((1, 32, 32), 500.0)
    truth[0, 10, 10] = math.nan
    depth = truth.nan_to_num(500.0).clone()
    depth[0, 8:13, 8:13] += 100
    assert smooth_surroundings(truth, LEAST).sum() == 32 * 32 - 25
    assert depth_loss(depth, truth, LEAST, MOST).item() == 0
    keep = torch.zeros(1, 32, 32, dtype=torch.bool)
    keep[:, 20:] = True
    assert depth_loss(truth.nan_to_num(500.0) + 1, truth, LEAST, MOST, keep=keep, edges=False).item() == pytest.approx(
        0.5
    )


def test_white_table_is_left_out_of_the_coarse_pixel_that_holds_any_of_it():
    image = torch.full((1, 3, 4, 4), 0.5)
    image[:, :, 0, 3] = 1.0
    image[:, 0, 3, 3] = 1.0  # red alone is no white
    keep = not_white(image)
    assert keep.sum() == 15
    assert kept_of_coarse(keep, 2).tolist() == [[[True, False], [True, True]]]


def _prediction(truth, sharp=30.0):
    """Return two levels whose distributions are the truth, and depth exactly so."""
    levels = []
    for level, count in ((1, 51), (0, 101)):
        factor = 2**level
        hypotheses = _planes(count, truth.shape[1] // factor, truth.shape[2] // factor)
        target, _ = patch_distribution(truth, hypotheses, LEAST, MOST)
        levels.append(LevelOutput(level, hypotheses, sharp * (target > 0).float() * target))
    return DepthPrediction(levels[-1].depth(), torch.ones_like(truth), tuple(levels))


@pytest.mark.parametrize(
    "changes", [{}, {"finest": "distribution"}, {"finest_unit": "interval"}, {"distribution": "kl"}]
)
def test_the_whole_loss_prefers_the_truth(changes):
    truth = torch.full((1, 16, 16), 500.0)
    truth[:, :, 9:] = 700.0
    config = LossConfig(**changes)
    right = mvs_loss(_prediction(truth), truth, LEAST, MOST, config=config)
    wrong = mvs_loss(_prediction(truth.flip(2)), truth, LEAST, MOST, config=config)
    assert right < wrong
    white = torch.zeros(1, 16, 16, dtype=torch.bool)
    white[:, :, :8] = True
    assert mvs_loss(_prediction(truth), truth, LEAST, MOST, keep=white, config=config) < wrong


def test_unimodal_recipe_is_the_error_of_the_mean_in_intervals():
    truth = torch.full((1, 4, 4), 503.0)
    level = LevelOutput(1, _planes(51, 2, 2), torch.zeros(1, 51, 2, 2))
    # The mean of all planes is 650: (650 - 503) / 10 - 0.5.
    assert expectation_loss(level, truth, LEAST, MOST).item() == pytest.approx(14.2, rel=1e-4)
    prediction = DepthPrediction(level.depth(), torch.ones(1, 2, 2), (level,))
    config = LossConfig(level_distributions=False)
    assert mvs_loss(prediction, truth, LEAST, MOST, config=config).item() == pytest.approx(14.2, rel=1e-4)


def test_covered_pixels_are_those_within_half_an_interval():
    hypotheses = uniform_planes(torch.tensor([500.0]), torch.tensor([510.0]), 2, 1, 1)
    truth = torch.tensor([[[504.0, 494.0], [516.0, 505.0]]])
    assert covers(hypotheses, truth).tolist() == [[[True, False], [False, True]]]


def test_choices_are_checked():
    for changes in ({"distribution": "l2"}, {"vote": "none"}, {"finest": "x"}, {"finest_unit": "mm"}):
        with pytest.raises(ValueError, match="must be one of"):
            LossConfig(**changes)
    with pytest.raises(ValueError, match="finest_weight must be at least 0"):
        LossConfig(finest_weight=-1)
    with pytest.raises(ValueError, match="vote must be one of soft, hard, got 'both'"):
        patch_distribution(torch.ones(1, 1, 1), _planes(), LEAST, MOST, "both")
    with pytest.raises(ValueError, match="no whole multiple"):
        patch_distribution(torch.ones(1, 3, 4), _planes(width=2), LEAST, MOST)
