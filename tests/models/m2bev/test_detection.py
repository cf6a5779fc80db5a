import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.geometry.bev_grid import BevGrid
from workbench.models.m2bev import (
    AnchorConfig,
    FreeAnchorConfig,
    MaxIouConfig,
    assign_by_overlap,
    bev_centerness,
    decode_boxes,
    encode_boxes,
    free_anchor_bag,
    free_anchor_loss,
    image_box_loss,
    m2bev_tiny,
    make_anchors,
    map_loss,
    max_iou_loss,
)
from workbench.models.m2bev.anchors import box_loss, direction_bins, resolve_yaw
from workbench.models.m2bev.heads import AnchorOutput
from workbench.models.m2bev.image_boxes import assign_points, point_centerness

GRID = BevGrid((12, 10, 1), (1.0, 1.0, 1.0), (-6.0, -5.0, 0.0))
ANCHORS = make_anchors(GRID, AnchorConfig(((1.9, 4.5, 1.6), (0.7, 0.7, 1.7)), bottom=0.0))
CAR = torch.tensor([[2.2, 1.4, 0.8, 1.8, 4.2, 1.5, 0.2, 3.0, 0.5]])


def said(logit: float = -4.0, count: int = 1, seed: int = 0) -> AnchorOutput:
    noise = torch.Generator().manual_seed(seed)
    shape = (count, len(ANCHORS))
    parts = [scale * torch.randn(*shape, width, generator=noise) for width, scale in ((10, 0.1), (9, 0.1), (2, 1.0))]
    return AnchorOutput(parts[0] + logit, parts[1], parts[2])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_code_of_a_box_leads_back_to_it(seed):
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.randn(7, 9, generator=generator, dtype=torch.float64)
    boxes[:, 3:6] = boxes[:, 3:6].abs() + 0.2
    anchors = ANCHORS[torch.randint(len(ANCHORS), (7,), generator=generator)].double()
    torch.testing.assert_close(decode_boxes(encode_boxes(boxes, anchors), anchors), boxes)


def test_anchors_go_by_row_column_size_and_yaw():
    every = ANCHORS.reshape(10, 12, 2, 2, 9)
    assert every[3, 7, 1, 0, :7].tolist() == pytest.approx([1.5, -1.5, 0.85, 0.7, 0.7, 1.7, 0.0])
    assert every[0, 0, 0, 1, 6].item() == pytest.approx(1.57)
    assert len(make_anchors(BevGrid().coarser(2))) == 320_000


@settings(max_examples=30, deadline=None)
@given(st.floats(-9, 9), st.integers(-3, 3))
def test_the_direction_settles_the_half_turn(yaw, turns):
    angle = torch.tensor(yaw, dtype=torch.float64)
    edge = torch.remainder(angle - math.pi / 4, math.pi)
    if min(edge, math.pi - edge) < 1e-6:
        return
    found = resolve_yaw(angle + turns * math.pi, direction_bins(angle))
    assert math.cos(found - yaw) == pytest.approx(1, abs=1e-9)


def test_box_loss_by_hand_and_unknown_velocities():
    codes, targets = torch.zeros(1, 9), torch.zeros(1, 9)
    codes[0, 0], codes[0, 6], targets[0, 7:] = 1.0, math.pi, float("nan")
    codes.requires_grad_()
    loss = box_loss(codes, targets)
    assert loss.item() == pytest.approx(1 - 1 / 18, abs=1e-6)  # a half turn costs nothing here
    loss.sum().backward()
    assert codes.grad[0, 7:].tolist() == [0, 0]
    assert codes.grad.isfinite().all()


def test_mean_max_is_the_mean_of_small_scores_and_the_largest_of_a_sure_one():
    output = said(-9.0)
    bag = free_anchor_bag(output, 0, ANCHORS, CAR, torch.tensor([0]), FreeAnchorConfig())
    assert bag.anchors.shape == (1, 25)
    torch.testing.assert_close(bag.matched, bag.score.mean(1), rtol=1e-3, atol=0)
    best = bag.anchors[0, 0]
    output.logits[0, best, 0] = 40.0
    output.codes[0, best] = encode_boxes(CAR[0], ANCHORS[best])
    output.directions[0, best] = torch.tensor([-50.0, 50.0]) * (2 * direction_bins(CAR[:, 6]) - 1)
    bag = free_anchor_bag(output, 0, ANCHORS, CAR, torch.tensor([0]), FreeAnchorConfig())
    assert bag.matched.item() == pytest.approx(1, abs=1e-4)


def test_the_negative_loss_spares_an_anchor_that_predicts_the_box_and_no_other():
    output = said(-9.0)
    where = free_anchor_bag(output, 0, ANCHORS, CAR, torch.tensor([0]), FreeAnchorConfig()).anchors[0, 0]
    output.codes[0, where] = encode_boxes(CAR[0], ANCHORS[where])
    quiet = free_anchor_loss(output, ANCHORS, [CAR], [torch.tensor([0])])["negative"].item()
    output.logits[0, where, 0] = 3.0
    spared = free_anchor_loss(output, ANCHORS, [CAR], [torch.tensor([0])])["negative"].item()
    assert spared == pytest.approx(quiet, abs=1e-6)
    blamed = free_anchor_loss(output, ANCHORS, [CAR], [torch.tensor([1])])["negative"].item()  # another class
    q = torch.tensor(3.0).sigmoid().item()
    assert blamed - quiet == pytest.approx(0.5 * q**2 * -math.log(1 - q) / 25, rel=1e-3)


@pytest.mark.parametrize("loss", [free_anchor_loss, max_iou_loss])
def test_samples_without_boxes_have_a_finite_loss_with_a_gradient(loss):
    nothing, no_label = torch.zeros(0, 9), torch.zeros(0, dtype=torch.long)
    for boxes, labels in (([nothing], [no_label]), ([nothing, CAR], [no_label, torch.tensor([0])])):
        output = said(count=len(boxes))
        output.logits.requires_grad_()
        total = sum(loss(output, ANCHORS, boxes, labels).values())
        total.backward()
        assert total.isfinite()
        assert output.logits.grad.isfinite().all()
        assert output.logits.grad.abs().sum() > 0
    assert free_anchor_loss(said(), ANCHORS, [nothing], [no_label])["positive"] == 0


def test_a_bag_larger_than_all_anchors_takes_all():
    output = AnchorOutput(torch.zeros(1, 3, 10), torch.zeros(1, 3, 9), torch.zeros(1, 3, 2))
    bag = free_anchor_bag(output, 0, ANCHORS[:3], CAR, torch.tensor([0]), FreeAnchorConfig())
    assert bag.anchors.shape == (1, 3)


def test_fixed_matching_takes_the_best_anchor_and_leaves_a_band_out():
    owner = assign_by_overlap(ANCHORS, torch.cat([CAR, CAR + torch.tensor([0, -4.0, *[0] * 7])]), MaxIouConfig())
    assert set(owner.tolist()) == {-2, -1, 0, 1}
    for box in (0, 1):
        assert (owner == box).any()
    assert (assign_by_overlap(ANCHORS, CAR[:0], MaxIouConfig()) == -1).all()


def test_learned_matching_learns_a_box():
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(1, len(ANCHORS), width, generator=generator) * 0.01 for width in (10, 9, 2)]
    parts[0] -= 4.6
    parameters = [part.requires_grad_() for part in parts]
    optimizer = torch.optim.Adam(parameters, 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        sum(free_anchor_loss(AnchorOutput(*parameters), ANCHORS, [CAR], [torch.tensor([0])]).values()).backward()
        optimizer.step()
    best = parameters[0][0, :, 0].argmax()
    found = decode_boxes(parameters[1][0, best], ANCHORS[best])
    torch.testing.assert_close(found[:6], CAR[0, :6], atol=0.1, rtol=0)
    assert abs(math.sin(found[6] - CAR[0, 6])) < 0.1
    assert parameters[0][0, best, 0].sigmoid() > 0.5
    assert parameters[2][0, best].argmax() == direction_bins(CAR[0, 6])


def test_bad_targets_are_named():
    flat = CAR.clone()
    flat[0, 4] = 0
    for boxes, labels, message in (
        ([flat], [torch.tensor([0])], "sizes above 0"),
        ([CAR], [torch.tensor([10])], "labels of sample 0 must lie in 0 to 9"),
        ([CAR[:, :7]], [torch.tensor([0])], r"must be \(1, 9\)"),
        ([], [], "of 1 samples"),
    ):
        with pytest.raises(ValueError, match=message):
            free_anchor_loss(said(), ANCHORS, boxes, labels)
    with pytest.raises(ValueError, match="bag must be"):
        FreeAnchorConfig(bag=0)


def test_centerness_weighs_the_cross_entropy_alone():
    logits, target = torch.randn(2, 2, 20, 20, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 2, 20, 20)
    target[:, :, 5:9] = 1
    weighed, plain = map_loss(logits, target), map_loss(logits, target, centerness=False)
    assert weighed["dice"] == plain["dice"]
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    torch.testing.assert_close(weighed["bce"], (each * bev_centerness(20, 20)).mean())
    assert map_loss(200 * target - 100, target)["dice"].item() == pytest.approx(0, abs=1e-5)
    with pytest.raises(ValueError, match="target must be"):
        map_loss(logits, target[:, :1])


def test_points_learn_the_smallest_box_of_their_range():
    points = torch.tensor([[5.0, 5], [15, 5], [40, 40]])
    boxes = torch.tensor([[0.0, 0, 20, 10], [2.0, 2, 8, 8]])
    ranges = torch.tensor([[-1.0, 64.0]]).expand(3, 2)
    owner, distances = assign_points(points, ranges, boxes)
    assert owner.tolist() == [1, 0, -1]
    assert distances[1].tolist() == [15, 5, 5, 5]
    assert assign_points(points, ranges + 10, boxes)[0].tolist() == [0, 0, -1]
    assert point_centerness(distances[:2]).tolist() == pytest.approx([1, math.sqrt(1 / 3)])


def test_images_without_boxes_teach_that_there_is_none():
    head = m2bev_tiny().bbox_head_2d
    output = head([torch.randn(2, 32, 96 // stride, 64 // stride) for stride in (4, 8, 16, 32)])
    nothing = [torch.zeros(0, 4)] * 2
    terms = image_box_loss(head, output, nothing, [torch.zeros(0, dtype=torch.long)] * 2)
    assert terms["class"] > 0
    assert terms["box"] == terms["centerness"] == 0
    sum(terms.values()).backward()
