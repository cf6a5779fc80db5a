import pytest
import torch

from workbench.models.freesolo.network import SoloConfig, SoloOutput, freesolo_tiny
from workbench.models.freesolo.objective import LossWeights, colour_pairs, solo_loss
from workbench.models.freesolo.targets import CoarseMasks, level_targets

SMALL = freesolo_tiny().config


def _masks(*boxes: tuple[int, int, int, int], size: int = 96) -> torch.Tensor:
    masks = torch.zeros(len(boxes), size, size, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return masks


def test_an_object_belongs_to_every_level_whose_range_holds_its_size():
    masks = _masks((10, 10, 30, 30))  # 20 pixels: ranges 6 to 24 and 12 to 48
    assert [bool(level_targets(masks, SMALL, level, 2).positive.any()) for level in range(5)] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_the_centre_of_mass_chooses_the_cell():
    targets = level_targets(_masks((72, 24, 88, 40)), SMALL, 2, 2)  # centre 80, 32 of 96: cell 6.67, 2.67 of 8
    assert torch.nonzero(targets.positive).tolist() == [[2, 6]]
    assert targets.cells.tolist() == [2 * 8 + 6]
    assert targets.objects.tolist() == [0]


def test_a_large_object_takes_no_more_than_nine_cells():
    config = SoloConfig(grids=(40,) * 5, ranges=((1, 2000),) * 5)
    targets = level_targets(_masks((0, 0, 96, 96)), config, 0, 4)  # 0.2 * 40 = 8 cells a side, cut to 3
    assert torch.nonzero(targets.positive).tolist() == [
        [row, column] for row in (19, 20, 21) for column in (19, 20, 21)
    ]


def test_the_later_of_two_objects_owns_a_shared_cell_and_both_masks_are_taught():
    targets = level_targets(_masks((20, 20, 40, 40), (18, 18, 42, 42)), SMALL, 2, 2)
    assert set(targets.objects.tolist()) == {0, 1}
    assert set(targets.owners[targets.positive].tolist()) == {1}


def test_an_object_that_vanishes_at_the_stride_is_left_out():
    masks = _masks((40, 40, 41, 41))
    assert not level_targets(masks, SMALL, 0, 2).positive.any()
    assert level_targets(_masks((40, 40, 43, 43)), SMALL, 0, 2).positive.any()


def _output(masks: torch.Tensor, sure: float) -> SoloOutput:
    """A network that says of every cell the first mask, and of the right cells that they are objects."""
    categories, kernels, embeddings = [], [], []
    for level, side in enumerate(SMALL.grids):
        positive = level_targets(masks, SMALL, level, 2).positive
        categories.append((2 * sure * positive.float() - sure)[None, None].requires_grad_())
        kernels.append(torch.ones(1, 1, side, side, requires_grad=True))
        embeddings.append(torch.eye(4)[0].reshape(1, 4, 1, 1).repeat(1, 1, side, side).requires_grad_())
    features = (2 * sure * masks[:1, ::2, ::2].float() - sure)[None].requires_grad_()
    return SoloOutput(categories, kernels, embeddings, features)


def test_the_true_answer_has_no_loss_and_another_has():
    masks = _masks((20, 24, 44, 40))
    image = torch.full((1, 3, 96, 96), 0.2)
    image[:, :, 24:40, 20:44] = 0.9
    taught = [CoarseMasks(masks, torch.tensor([[3.0, 0, 0, 0]]))]
    pairs = colour_pairs(image, 2)
    terms = solo_loss(_output(masks, 30), taught, pairs, SMALL, 2, LossWeights(dice=1.0))
    assert all(value.item() == pytest.approx(0, abs=1e-4) for value in terms.values()), terms
    wrong = _output(_masks((60, 60, 84, 76)), 30)
    terms = solo_loss(wrong, taught, pairs, SMALL, 2, LossWeights(dice=1.0))
    assert terms["max"] > 1
    assert terms["focal"] > 1
    assert terms["dice"] > 0.9


def test_weights_and_ramp_scale_their_terms():
    masks = _masks((20, 24, 44, 40))
    taught = [CoarseMasks(masks, torch.tensor([[0.0, 1, 0, 0]]))]
    pairs = torch.ones(1, 8, 48, 48)
    output = _output(masks, 1)
    base = solo_loss(output, taught, pairs, SMALL, 2, LossWeights(average=1.0, semantic=1.0))
    paper = solo_loss(output, taught, pairs, SMALL, 2, ramp=0.25)
    assert paper["average"].item() == pytest.approx(0.1 * base["average"].item())
    assert paper["semantic"].item() == pytest.approx(4.0)  # orthogonal: 1 - 0, times 4
    assert paper["pairwise"].item() == pytest.approx(0.25 * base["pairwise"].item())
    assert base["pairwise"] > 0


def test_a_batch_without_objects_has_no_mask_loss_and_keeps_gradients():
    output = _output(_masks((20, 24, 44, 40)), 1)
    terms = solo_loss(output, [CoarseMasks(_masks(), torch.zeros(0, 4))], torch.ones(1, 8, 48, 48), SMALL, 2)
    assert [terms[name].item() for name in ("average", "max", "pairwise", "semantic")] == [0] * 4
    sum(terms.values()).backward()
    assert terms["focal"] > 0
    assert all(part.grad is not None for part in (output.mask_features, *output.kernels, *output.embeddings))


def test_masks_of_another_size_or_number_are_refused():
    output = _output(_masks((20, 24, 44, 40)), 1)
    pairs = torch.ones(1, 8, 48, 48)
    with pytest.raises(ValueError, match="masks of image 0 must be 96x96"):
        solo_loss(output, [CoarseMasks(_masks((0, 0, 9, 9), size=64), torch.zeros(1, 4))], pairs, SMALL, 2)
    with pytest.raises(ValueError, match="each of 1 images, got 0"):
        solo_loss(output, [], pairs, SMALL, 2)
    with pytest.raises(ValueError, match="masks must be boolean"):
        CoarseMasks(torch.zeros(1, 4, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="embeddings must be"):
        CoarseMasks(_masks((0, 0, 9, 9)), torch.zeros(2, 4))
