"""SSD: default boxes and offsets beside torchvision, matching and loss by hand, and learning to find one square."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from workbench.models.ssd import (
    SMALL,
    SSD300_VOC,
    SSD512_VOC,
    BoxConfig,
    DetectionLoss,
    decode,
    default_boxes,
    detect,
    encode,
    load_official_checkpoint,
    match,
    multibox_loss,
    small_ssd,
    ssd300_resnet50,
    ssd512_resnet50,
)


@pytest.mark.parametrize("config", [SSD300_VOC, SSD512_VOC, SMALL])
def test_default_boxes_are_those_of_torchvision(config):
    """The same set; torchvision goes cell by cell, and clips what reaches beyond the image unless told not to."""
    peer = DefaultBoxGenerator(
        [list(ratios) for ratios in config.ratios],
        scales=[size / config.side for size in config.sizes],
        steps=list(config.steps),
        clip=False,
    )
    images = ImageList(torch.zeros(1, 3, config.side, config.side), [(config.side, config.side)])
    (theirs,) = peer(images, [torch.zeros(1, 1, cells, cells) for cells in config.cells])
    ours = default_boxes(config) * config.side
    start = 0
    for cells, count in zip(config.cells, config.per_cell, strict=True):
        stop = start + cells**2 * count
        by_box = theirs[start:stop].reshape(cells**2, count, 4).transpose(0, 1).reshape(-1, 4)
        assert torch.allclose(ours[start:stop], by_box, atol=1e-3)
        start = stop
    assert start == len(ours)


def test_offsets_are_those_of_torchvision():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(2, 50, 2, 2, generator=generator).sort(2).values
    boxes, defaults = corners.reshape(2, 50, 4)
    boxes[:, 2:] += 0.05
    defaults[:, 2:] += 0.05
    peer = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    assert torch.allclose(encode(boxes, defaults), peer.encode_single(boxes, defaults), atol=1e-4)
    assert torch.allclose(decode(encode(boxes, defaults), defaults), boxes, atol=1e-5)


def test_each_object_takes_its_best_box_and_the_others_from_a_half_on():
    defaults = torch.tensor([[0.0, 0, 4, 4], [0, 0, 5, 4], [10, 10, 14, 14], [10, 10, 20, 20]])
    boxes = torch.tensor([[0.0, 0, 4, 4], [10, 10, 13, 13]])
    matched, labels = match(boxes, torch.tensor([3, 7]), defaults)
    assert labels.tolist() == [3, 3, 7, 0]  # 1, 16 / 20, 9 / 16, and 9 / 100
    assert torch.equal(matched[:3], boxes[[0, 0, 1]])
    far = torch.tensor([[18.0, 18, 19, 19]])
    assert match(far, torch.tensor([2]), defaults)[1].tolist() == [0, 0, 0, 2]  # its best, though below a half
    two = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4.1]])
    assert match(two, torch.tensor([1, 2]), defaults)[1].tolist()[:2] == [1, 2]  # never the same box for both
    assert match(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), defaults)[1].tolist() == [0] * 4


def test_loss_counts_matched_boxes_and_three_times_as_many_hard_ones():
    labels = torch.tensor([[1, 0, 0, 0, 0, 0], [0] * 6])
    logits = torch.zeros(2, 6, 2)
    logits[0, :, 1] = torch.tensor([0.0, 4, 3, 2, 1, 0])  # background, ever harder towards the left
    offsets, goal = torch.zeros(2, 6, 4), torch.zeros(2, 6, 4)
    goal[0, 0], goal[0, 1] = 2.0, 100.0  # an unmatched box has no goal
    losses = multibox_loss(offsets, logits, goal, labels)
    entropy = torch.nn.functional.cross_entropy(logits[0], labels[0], reduction="none")
    assert losses["location"].item() == pytest.approx(4 * 1.5 / 2)
    assert losses["confidence"].item() == pytest.approx(entropy[:4].sum().item() / 2)
    assert losses["loss"].item() == pytest.approx((losses["location"] + losses["confidence"]).item())


@pytest.mark.parametrize("build, side, boxes", [(ssd300_resnet50, 300, 8732), (ssd512_resnet50, 512, 24564)])
def test_published_sizes_have_as_many_outputs_as_default_boxes(build, side, boxes):
    with torch.device("meta"):
        model = build().eval()
        offsets, logits = model(torch.zeros(1, 3, side, side))
    assert offsets.shape == (1, boxes, 4)
    assert logits.shape == (1, boxes, 21)
    assert len(default_boxes(model.boxes)) == boxes


def test_outputs_come_in_the_order_of_the_default_boxes():
    """A bias of one default box, and an image of one bright cell, show up where that box and cell stand in the list."""
    model = small_ssd(2).eval()
    torch.nn.init.zeros_(model.loc[0].weight)
    with torch.no_grad():
        model.loc[0].bias.copy_(torch.arange(16.0))  # coordinate by coordinate, four boxes each
        offsets, _ = model(torch.zeros(1, 3, 64, 64))
    assert offsets[0, 64].tolist() == [1, 5, 9, 13]  # the second box of the first cell of 8 x 8
    assert offsets[0, 63].tolist() == [0, 4, 8, 12]
    second = default_boxes(SMALL)[64]
    assert ((second[:2] + second[2:]) / 2).tolist() == pytest.approx([4 / 64, 4 / 64])


def test_small_detector_learns_to_find_a_square():
    torch.manual_seed(0)
    model = small_ssd(2, width=8)
    loss_fn = DetectionLoss(model)
    images = torch.zeros(8, 3, 64, 64)
    places = [(8 * (index % 4), 10 * (index // 4)) for index in range(8)]
    things = []
    for image, (left, top) in zip(images, places, strict=True):
        image[:, top : top + 20, left : left + 24] = 1.0
        things.append((torch.tensor([[left, top, left + 24, top + 20]]) / 64, torch.tensor([1])))
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(60):
        optimiser.zero_grad()
        loss_fn(model, (images, things))["loss"].backward()
        optimiser.step()
    for found, (left, top) in zip(detect(model.eval(), images, loss_fn.defaults), places, strict=True):
        assert found.labels[0] == 1
        assert found.scores[0] > 0.8
        assert found.boxes[0].tolist() == pytest.approx([left, top, left + 24, top + 20], abs=3)
        assert (found.scores.diff() <= 0).all()


def test_checkpoint_of_the_nvidia_implementation(tmp_path):
    model, other = small_ssd(), small_ssd()
    state = {
        f"module.1.{name.replace('feature_extractor.', 'feature_extractor.feature_extractor.')}": value
        for name, value in model.state_dict().items()
    }
    torch.save({"model": state, "epoch": 1}, tmp_path / "epoch_1.pt")
    assert load_official_checkpoint(other, tmp_path / "epoch_1.pt").complete
    assert torch.equal(other.conf[1].weight, model.conf[1].weight)


def test_what_cannot_be():
    with pytest.raises(
        ValueError, match="2 feature maps need as many steps and ratios and one more size, got 2, 2 and 2"
    ):
        BoxConfig(64, (8, 4), (8, 16), (12, 24), ((2,), (2,)))
    model = small_ssd()
    defaults = default_boxes(SMALL)
    with pytest.raises(ValueError, match="overlap must lie in 0 to 1, got 2"):
        detect(model, torch.zeros(1, 3, 64, 64), defaults, overlap=2)
    with pytest.raises(ValueError, match="most must be positive, got 0"):
        detect(model, torch.zeros(1, 3, 64, 64), defaults, most=0)
