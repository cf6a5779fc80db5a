import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.ops.rotated_boxes import (
    limit_period,
    nearest_aligned,
    paired_rotated_iou,
    rotated_iou,
    rotated_nms,
)


def rectangles(seed: int, count: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    columns = [rng.normal(0, 2, (count, 2)), rng.uniform(0.3, 4, (count, 2)), rng.uniform(-7, 7, (count, 1))]
    return torch.from_numpy(np.concatenate(columns, 1))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100_000))
def test_overlap_is_that_of_opencv_and_does_not_depend_on_the_order(seed):
    first, second = rectangles(seed, 6), rectangles(seed + 1, 5)
    found = rotated_iou(first, second)
    torch.testing.assert_close(found, rotated_iou(second, first).T, atol=1e-6, rtol=0)
    for i, one in enumerate(first.tolist()):
        for j, other in enumerate(second.tolist()):
            shapes = [((x, y), (length, width), math.degrees(yaw)) for x, y, width, length, yaw in (one, other)]
            points = cv2.rotatedRectangleIntersection(*shapes)[1]
            common = 0.0 if points is None else cv2.contourArea(cv2.convexHull(points))
            union = one[2] * one[3] + other[2] * other[3] - common
            assert found[i, j].item() == pytest.approx(common / union, abs=2e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(-6, 6), st.floats(-50, 50), st.floats(0.1, 12), st.floats(0.1, 12))
def test_a_rectangle_overlaps_itself_wholly_however_it_is_written(yaw, x, width, length):
    one = torch.tensor([[x, -x, width, length, yaw]], dtype=torch.float64)
    same = [
        one,
        one + torch.tensor([0, 0, 0, 0, math.pi]),
        torch.stack([*one[0, :2], *one[0, [3, 2]], one[0, 4] + math.pi / 2])[None],
    ]
    for other in same:
        assert paired_rotated_iou(one, other).item() == pytest.approx(1, abs=1e-5)
    moved = one.clone()
    moved[0, 0] += math.cos(yaw) * length / 2
    moved[0, 1] += math.sin(yaw) * length / 2
    assert paired_rotated_iou(one, moved).item() == pytest.approx(1 / 3, abs=1e-5)


def test_closed_forms():
    square = torch.tensor([[0.0, 0, 1, 1, 0]])
    octagon = 2 * (math.sqrt(2) - 1)
    turned = rotated_iou(square, torch.tensor([[0, 0, 1, 1, math.pi / 4]]))
    assert turned.item() == pytest.approx(octagon / (2 - octagon), abs=1e-6)
    inner = rotated_iou(square, torch.tensor([[0.1, 0.1, 0.4, 0.2, 1.0]]))
    assert inner.item() == pytest.approx(0.08, abs=1e-6)
    touching = rotated_iou(square, torch.tensor([[1.0, 0, 1, 1, 0], [1.0, 1, 1, 1, 0]]))
    assert touching.abs().max().item() < 1e-6


def test_suppression_keeps_the_best_and_what_a_suppressed_one_alone_covered():
    chain = torch.tensor([[0.0, 0, 1, 4, 0], [1.5, 0, 1, 4, 0], [3.0, 0, 1, 4, 0], [0, 9, 1, 4, 0]])
    # each overlaps the next by 2.5 / 5.5, the first and third by 1 / 7
    assert rotated_nms(chain, torch.tensor([0.9, 0.8, 0.7, 0.1]), 0.4).tolist() == [0, 2, 3]
    assert rotated_nms(chain, torch.tensor([0.1, 0.8, 0.7, 0.9]), 0.4).tolist() == [3, 1]
    assert rotated_nms(chain, torch.tensor([0.9, 0.8, 0.7, 0.1]), 0.5).tolist() == [0, 1, 2, 3]
    assert rotated_nms(chain[:0], torch.zeros(0), 0.5).tolist() == []
    turned = torch.tensor([[0.0, 0, 1, 4, 0], [0, 0, 1, 4, math.pi / 2]])
    assert len(rotated_nms(turned, torch.tensor([0.9, 0.8]), 0.2)) == 2  # a cross shares 1 of 7


def test_exactly_45_degrees_does_not_swap_and_a_half_turn_changes_nothing():
    boxes = torch.tensor([[0.0, 0, 0, 2, 4, 1, yaw] for yaw in (math.pi / 4, math.pi, -0.7, 2.0)], dtype=torch.float64)
    expected = [[-2, -1, 2, 1], [-2, -1, 2, 1], [-2, -1, 2, 1], [-1, -2, 1, 2]]
    assert nearest_aligned(boxes).tolist() == expected


def test_angles_come_into_their_period():
    angles = torch.linspace(-20, 20, 401, dtype=torch.float64)
    found = limit_period(angles, 2 * math.pi, -math.pi)
    assert found.min() >= -math.pi
    assert found.max() < math.pi
    torch.testing.assert_close(found.cos(), angles.cos())


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="first must be rectangles"):
        rotated_iou(torch.zeros(2, 4), torch.zeros(2, 5))
    with pytest.raises(ValueError, match="a threshold in 0 to 1"):
        rotated_nms(torch.zeros(2, 5), torch.zeros(2), 2.0)
