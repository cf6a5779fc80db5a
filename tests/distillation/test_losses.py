"""Losses over votes, codes and features: what moves them, what they skip, and that they equal their sums."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.distillation import (
    DenseConfig,
    DistillationConfig,
    FeatureDistillation,
    Votes,
    attention_masks,
    dense_distillation_loss,
    keypoint_distillation_loss,
    naive_distillation_loss,
    sinkhorn_divergence,
)
from workbench.distillation.features import masked_distance

SIZE = (640.0, 480.0)


def votes(seed: int, counts: list[int], spread: float = 5.0) -> Votes:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.linspace(100, 300, 16).view(8, 2)
    positions = [corners + spread * torch.randn(count, 8, 2, generator=generator) for count in counts]
    return Votes.pad(positions, [0.2 + 0.7 * torch.rand(count, generator=generator) for count in counts])


def leaf(given: Votes) -> Votes:
    return Votes(given.positions.detach().clone().requires_grad_(), given.scores.detach().clone().requires_grad_())


def test_loss_is_the_sum_over_key_points_and_the_mean_over_images_that_have_both():
    student, teacher = votes(0, [3, 0, 5, 4]), votes(1, [6, 2, 0, 7])
    found = keypoint_distillation_loss(student, teacher, image_size=SIZE)
    assert found.kd_images == 2
    assert found.per_image.isnan().tolist() == [False, True, True, False]
    expected = []
    for image, few, many in ((0, 3, 6), (3, 4, 7)):
        x, y = student.positions[image, :few] / torch.tensor(SIZE), teacher.positions[image, :many] / torch.tensor(SIZE)
        box = torch.cat([x, y]).flatten(0, 1)
        width = (box.max(0).values - box.min(0).values).norm()
        a, b = student.scores[image, :few], teacher.scores[image, :many]
        expected.append(sum(sinkhorn_divergence(x[:, key], a, y[:, key], b, diameter=width).item() for key in range(8)))
    assert found.loss.item() == pytest.approx(sum(expected) / 2, abs=1e-6)
    assert found.per_image[[0, 3]].tolist() == pytest.approx(expected, abs=1e-6)


def test_in_image_units_the_loss_is_nearly_all_mass():
    """Section 2.3's finding: 5 px cost some 3e-5 per unit mass, a total mass of 5 against 7.2 costs 0.05 per key point."""
    teacher = Votes(torch.linspace(100, 300, 16).view(1, 1, 8, 2).expand(1, 8, 8, 2), torch.full((1, 8), 0.9))
    near = Votes(teacher.positions + 5 / math.sqrt(2), teacher.scores)
    light = Votes(teacher.positions, torch.full((1, 8), 0.625))
    shifted = keypoint_distillation_loss(near, teacher, image_size=SIZE).loss.item()
    lighter = keypoint_distillation_loss(light, teacher, image_size=SIZE).loss.item()
    assert shifted / 8 / 7.2 == pytest.approx((12.5 / 640**2 + 12.5 / 480**2) / 2, rel=0.05)
    assert lighter / 8 == pytest.approx(0.25 * (math.sqrt(7.2) - math.sqrt(5)) ** 2, rel=0.1)  # below the optimum
    assert lighter > 100 * shifted
    crop = DistillationConfig(normalise="crop")
    in_crop = keypoint_distillation_loss(near, teacher, crop, crop_side=torch.tensor([100.0])).loss.item()
    assert in_crop > 20 * shifted


def test_gradient_reaches_votes_and_scores_unless_detached():
    student, teacher = leaf(votes(2, [4, 3])), votes(3, [5, 5])
    keypoint_distillation_loss(student, teacher, image_size=SIZE).loss.backward()
    whole = student.positions.grad, student.scores.grad
    assert whole[0][1, 3].abs().max() == 0  # padding
    assert all(bool(one.any()) for one in whole)
    for field, other in (("scores", 0), ("positions", 1)):
        student = leaf(student)
        config = DistillationConfig(**{f"detach_{field}": True})
        keypoint_distillation_loss(student, teacher, config, image_size=SIZE).loss.backward()
        assert getattr(student, field).grad is None
        torch.testing.assert_close((student.positions.grad, student.scores.grad)[other], whole[other])


def test_descent_pulls_a_cloud_onto_the_teachers():
    student, teacher = votes(4, [6], spread=20.0), votes(5, [9], spread=1.0)
    positions = student.positions.clone().requires_grad_()
    optimizer = torch.optim.Adam([positions], lr=5.0)
    config, crop = DistillationConfig(normalise="crop"), torch.tensor([128.0])
    for _ in range(20):
        optimizer.zero_grad()
        keypoint_distillation_loss(Votes(positions, student.scores), teacher, config, crop_side=crop).loss.backward()
        optimizer.step()
    target = teacher.positions.mean(1)
    before, after = (
        (one[:, :6] - target[:, None]).norm(dim=-1).mean().item() for one in (student.positions, positions)
    )
    assert before > 20
    assert after < 6


def test_no_votes_give_zero_with_gradient():
    student, teacher = leaf(votes(0, [0, 0])), votes(1, [3, 2])
    for loss in (keypoint_distillation_loss, naive_distillation_loss):
        other = teacher if loss is keypoint_distillation_loss else Votes(student.positions, student.scores)
        found = loss(student, other, image_size=SIZE)
        assert (found.loss.item(), found.kd_images) == (0, 0)
        found.loss.backward()
    student = leaf(votes(0, [3, 2]))
    found = keypoint_distillation_loss(student, Votes(teacher.positions, 0 * teacher.scores), image_size=SIZE)
    found.loss.backward()
    assert not student.positions.grad.any()


def test_uniform_masses_forget_the_scores():
    teacher = votes(1, [4])
    config = DistillationConfig(uniform_masses=True)
    first = votes(0, [4])
    second = Votes(first.positions, first.scores / 2)
    values = [keypoint_distillation_loss(one, teacher, config, image_size=SIZE).loss.item() for one in (first, second)]
    assert values[0] == values[1]
    assert keypoint_distillation_loss(first, teacher, image_size=SIZE).loss > 5 * values[0]


def test_naive_distance_pairs_cells_and_transport_does_not():
    """The same votes from other cells: nothing to move, but far from each other cell by cell."""
    teacher = votes(6, [5], spread=30.0)
    shuffled = Votes(teacher.positions.flip(1), teacher.scores.flip(1))
    assert keypoint_distillation_loss(shuffled, teacher, image_size=SIZE).loss.item() == pytest.approx(0, abs=1e-5)
    naive = naive_distillation_loss(shuffled, teacher, image_size=(1.0, 1.0))
    gaps = (teacher.positions.flip(1) - teacher.positions).norm(dim=-1).mean()
    assert naive.loss.item() == pytest.approx(gaps.item(), rel=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"normalise": "metre"}, "normalise must be one of image, crop, diameter, got 'metre'"),
        ({"least_score": 0.7}, "least_score must be between 0 and 0.5"),
    ],
)
def test_bad_config_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        DistillationConfig(**change)


def test_votes_that_do_not_fit_are_named():
    student = votes(0, [3, 2])
    with pytest.raises(ValueError, match="votes for 2 images and teacher for 1"):
        keypoint_distillation_loss(student, votes(0, [3]), image_size=SIZE)
    with pytest.raises(ValueError, match="votes for 8 key points and teacher for 4"):
        keypoint_distillation_loss(student, Votes(student.positions[:, :, :4], student.scores), image_size=SIZE)
    with pytest.raises(ValueError, match="normalise='crop' needs crop_side"):
        keypoint_distillation_loss(student, student, DistillationConfig(normalise="crop"), image_size=SIZE)
    with pytest.raises(ValueError, match=r"image_size must be \(2,\) positive pixels, got \[640.0, 0.0\]"):
        keypoint_distillation_loss(student, student, image_size=(640, 0))
    with pytest.raises(ValueError, match="student has 3 cells and teacher 5; expected the same cells"):
        naive_distillation_loss(student, votes(0, [5, 2]), image_size=SIZE)
    with pytest.raises(ValueError, match=r"positions must be .* got \(2, 8, 2\)"):
        Votes(torch.zeros(2, 8, 2), torch.zeros(2))
    with pytest.raises(ValueError, match="positions and scores of the same images, got 0 and 0"):
        Votes.pad([], [])


def test_dense_codes_ignore_where_they_are_and_skip_empty_masks():
    generator = torch.Generator().manual_seed(0)
    codes = torch.rand(2, 16, 8, 8, generator=generator).requires_grad_()
    mask = torch.rand(2, 8, 8, generator=generator)
    mask[1] = 0
    config = DenseConfig(pool=2)
    mirrored = dense_distillation_loss(codes, mask, codes.flip(3), mask.flip(2), config)
    assert mirrored.loss.item() == pytest.approx(0, abs=1e-4)
    assert mirrored.kd_images == 1
    other = dense_distillation_loss(codes, mask, 1 - codes, mask, config)
    other.loss.backward()
    assert other.loss > 0.1
    assert codes.grad[0].abs().sum() > 0
    assert codes.grad[1].abs().sum() == 0
    nothing = dense_distillation_loss(codes, 0 * mask, codes, mask, config)
    assert (nothing.loss.item(), nothing.kd_images) == (0, 0)


def test_dense_codes_of_a_square_are_weighted_by_the_mask():
    codes, mask = torch.zeros(1, 16, 2, 2), torch.zeros(1, 2, 2)
    codes[:, :, 0, 0], mask[:, 0, 0] = 1, 1
    target = torch.ones(1, 16, 2, 2)
    found = dense_distillation_loss(codes, mask, target, torch.full((1, 2, 2), 0.25), DenseConfig(pool=2))
    assert found.loss.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "codes, mask, message",
    [
        ((1, 16, 6, 8), (1, 6, 8), "6, 8.* high and wide, expected multiples of 4"),
        ((1, 16, 8, 8), (1, 1, 8, 8), r"student_mask \(images, height, width\)"),
    ],
)
def test_dense_shapes_that_do_not_fit_are_named(codes, mask, message):
    with pytest.raises(ValueError, match=message):
        dense_distillation_loss(
            torch.zeros(codes), torch.zeros(mask), torch.zeros(codes), torch.zeros(mask), DenseConfig(pool=4)
        )
    with pytest.raises(ValueError, match="codes differ in shape"):
        dense_distillation_loss(
            torch.zeros(1, 16, 8, 8), torch.zeros(1, 8, 8), torch.zeros(1, 8, 8, 8), torch.zeros(1, 8, 8)
        )
    with pytest.raises(ValueError, match="pool must be at least 1"):
        DenseConfig(pool=0)


def test_masks_have_mean_one_and_point_at_what_is_active():
    features = torch.zeros(1, 4, 3, 3)
    features[:, 2, 1, 1] = 8
    places, channels = attention_masks(features)
    assert places.mean().item() == pytest.approx(1)
    assert channels.mean().item() == pytest.approx(1)
    assert places.argmax() == 4
    assert channels.argmax() == 2
    assert attention_masks(features, 1e-3)[0].max().item() == pytest.approx(9)


def test_feature_distance_is_zero_only_for_equal_maps_and_counts_the_active_more():
    teacher = torch.zeros(1, 2, 4, 4)
    teacher[:, :, 0, 0] = 3
    assert masked_distance(teacher, teacher).item() < 1e-15
    on, off = teacher.clone(), teacher.clone()
    on[:, :, 0, 0] -= 0.1
    off[:, :, 3, 3] += 0.1
    assert masked_distance(on, teacher) > 2 * masked_distance(off, teacher)


@pytest.mark.parametrize("relation", [False, True])
def test_feature_distillation_adapts_channels_and_teaches_only_the_student(relation):
    torch.manual_seed(0)
    model = FeatureDistillation([4, 4], [8, 8], relation=relation)
    student = [torch.randn(2, 4, 6, 6, requires_grad=True), torch.randn(2, 4, 3, 3, requires_grad=True)]
    teacher = [torch.randn(2, 8, 6, 6, requires_grad=True), torch.randn(2, 8, 3, 3, requires_grad=True)]
    model(student, teacher).backward()
    assert all(one.grad.any() for one in student)
    assert all(one.grad is None for one in teacher)
    assert all(parameter.grad is not None for parameter in model.parameters())
    with pytest.raises(ValueError, match=r"level 1: .* \(2, 8, 2, 2\) and the teacher's \(2, 8, 3, 3\)"):
        model([student[0], student[1][..., :2, :2]], teacher)
    with pytest.raises(ValueError, match="expected 2 levels, got 1 and 2"):
        model(student[:1], teacher)
    with pytest.raises(ValueError, match="student has 1 levels and teacher 2"):
        FeatureDistillation([4], [8, 8])
    with pytest.raises(ValueError, match="temperature must be above 0"):
        FeatureDistillation([4], [8], temperature=0)
