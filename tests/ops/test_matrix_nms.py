import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.ops.matrix_nms import mask_iou, matrix_nms


def _masks(seed: int, count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(count, 5, 6, generator=generator) < 0.6
    return masks, torch.rand(count, generator=generator)


def _by_the_formula(masks, scores, labels, kernel, sigma):
    """Loops over pairs, in double precision."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index].item())

    def iou(a, b):
        union = (masks[a] | masks[b]).sum().item()
        return (masks[a] & masks[b]).sum().item() / union if union and labels[a] == labels[b] else 0.0

    def f(x):
        return math.exp(-sigma * x * x) if kernel == "gaussian" else 1 - x

    found = list(scores.tolist())
    for place, j in enumerate(order):
        decay = 1.0
        for above, i in enumerate(order[:place]):
            worst = max((iou(k, i) for k in order[:above]), default=0.0)
            decay = min(decay, f(iou(i, j)) / max(f(worst), 1e-6))
        found[j] *= decay
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["gaussian", "linear"]), st.floats(0.5, 4))
def test_it_is_the_formula(seed, kernel, sigma):
    masks, scores = _masks(seed)
    labels = torch.arange(len(scores)) % 2
    expected = _by_the_formula(masks, scores, labels, kernel, sigma)
    assert matrix_nms(masks, scores, labels, kernel=kernel, sigma=sigma).tolist() == pytest.approx(expected, abs=1e-6)


def test_order_of_the_input_does_not_matter():
    masks, scores = _masks(3)
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(matrix_nms(masks[order], scores[order]), matrix_nms(masks, scores)[order])


@pytest.mark.parametrize("kernel, left", [("gaussian", math.exp(-2)), ("linear", 0.0)])
def test_equal_masks_leave_one(kernel, left):
    masks = torch.ones(3, 4, 4, dtype=torch.bool)
    found = matrix_nms(masks, torch.full((3,), 0.5), kernel=kernel)
    assert found.isfinite().all()
    assert found[0] == 0.5
    assert found[1].item() == pytest.approx(0.5 * left, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_and_one_mask_are_left_as_they_are(count):
    masks, scores = _masks(0)
    assert torch.equal(matrix_nms(masks[:count], scores[:count]), scores[:count])


def test_masks_that_do_not_touch_keep_their_scores():
    masks = torch.eye(4, dtype=torch.bool)[:, None]
    scores = torch.tensor([0.1, 0.9, 0.4, 0.2])
    assert torch.equal(matrix_nms(masks, scores), scores)
    assert torch.equal(mask_iou(masks, masks), torch.eye(4))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kernel": "hard"}, "kernel must be one of"),
        ({"sigma": 0.0}, "sigma must be above 0"),
        ({"masks": torch.zeros(2, 3, 3)}, "masks must be boolean"),
        ({"scores": torch.ones(3)}, "scores must be of shape"),
        ({"scores": torch.tensor([0.5, float("nan")])}, "scores must be at least 0"),
        ({"labels": torch.ones(1)}, "labels must be of shape"),
    ],
)
def test_bad_input_is_named(change, message):
    given_ = {"masks": torch.zeros(2, 3, 3, dtype=torch.bool), "scores": torch.ones(2)} | change
    with pytest.raises(ValueError, match=message):
        matrix_nms(**given_)
