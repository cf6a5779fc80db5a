import pytest
import torch
from torch import nn

from workbench.models.freesolo import freesolo_tiny, self_training
from workbench.models.freesolo.free_mask import tight_boxes
from workbench.models.freesolo.inference import InferenceConfig, Instances, segment
from workbench.models.freesolo.objective import LossWeights
from workbench.models.freesolo.self_training import (
    CollapsedError,
    SelfTraining,
    SelfTrainingConfig,
    TaughtImages,
    found_in,
    mask_share,
    taught_by_network,
    together,
    training_views,
)
from workbench.models.freesolo.targets import CoarseMasks
from workbench.training import TrainingConfig, fit

PLAIN = SelfTrainingConfig(
    LossWeights(average=0, max=0, pairwise=0, semantic=0, dice=3),
    ramp=0,
    strong=False,
    paste=False,
    flip=False,
    grace=0,
)


def _squares(count: int, size: int = 64, seed: int = 0) -> tuple[torch.Tensor, list[CoarseMasks]]:
    """Bright squares on a dark ground, and their masks."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(40, 60, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    taught = []
    for image in images:
        mask = torch.zeros(1, size, size, dtype=torch.bool)
        side = int(torch.randint(18, 26, (), generator=generator))
        top, left = torch.randint(2, size - side - 2, (2,), generator=generator).tolist()
        mask[0, top : top + side, left : left + side] = True
        image[:, mask[0]] = 220
        taught.append(CoarseMasks(mask, torch.zeros(1, 128)))
    return images, taught


def _tiny(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return freesolo_tiny(pooled=True)


def _overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_a_network_learns_squares_and_its_own_masks_are_theirs():
    images, taught = _squares(8)
    training = SelfTraining(_tiny(), PLAIN)
    config = TrainingConfig(
        epochs=16, batch_size=8, device="cpu", num_threads=1, restore_best=False, gradient_clip=10.0
    )
    optimizer = torch.optim.AdamW(training.parameters(), lr=3e-3)
    fit(
        training, lambda model, batch: model(*batch), TaughtImages(images, taught), optimizer=optimizer, collate=together,
        config=config,
    )  # fmt: skip
    assert int(training.step) == 16
    own = taught_by_network(training.solo, images, InferenceConfig(score=0.05, update=0.02, keep=20))
    best = [
        max((_overlap(mask, truth.masks[0]) for mask in one.masks), default=0)
        for one, truth in zip(own, taught, strict=True)
    ]
    assert sum(best) / len(best) > 0.6


def test_a_batch_finds_what_single_images_do():
    images, _ = _squares(3)
    solo = _tiny().eval()
    config = InferenceConfig(score=0.0, update=0.0, keep=5)
    for one, image in zip(found_in(solo, images, config, batch_size=2), images, strict=True):
        alone = segment(solo, image.float() / 255, config)
        torch.testing.assert_close(one.scores, alone.scores, atol=1e-5, rtol=1e-4)
        assert one.masks.shape == alone.masks.shape


def test_mirrored_images_bring_mirrored_masks():
    images, taught = _squares(8)
    torch.manual_seed(0)
    config = SelfTrainingConfig(strong=False, paste=False, flip=True)
    turned, masks = training_views(images.float() / 255, taught, config)
    for image, one in zip(turned, masks, strict=True):
        assert torch.equal(image[0] > 0.5, one.masks[0])
    assert any(not torch.equal(one.masks, old.masks) for one, old in zip(masks, taught, strict=True))


def test_strong_views_double_the_batch_and_leave_the_weak_ones():
    images, taught = _squares(4)
    images = images.float() / 255
    torch.manual_seed(0)
    views, masks = training_views(images, taught, SelfTrainingConfig(flip=False))
    assert views.shape[0] == len(masks) == 8
    assert torch.equal(views[:4], images)
    assert all(len(one.masks) >= 1 for one in masks[4:])
    assert sum(len(one.masks) for one in masks[4:]) > 4  # pasted


def test_the_pairwise_term_comes_in_over_the_ramp():
    images, taught = _squares(2)
    images = images.float() / 255
    terms = []
    for step, training in ((0, True), (4, True), (0, False)):
        module = SelfTraining(_tiny(), SelfTrainingConfig(ramp=10, strong=False, paste=False, flip=False))
        module.train(training)
        module.step.fill_(step)
        terms.append(module(images, taught)["pairwise"].item())
    assert terms[0] == pytest.approx(0.1 * terms[2], rel=1e-4)
    assert terms[1] == pytest.approx(0.5 * terms[2], rel=1e-4)


class _Constant(nn.Module):
    """Adds a number to every mask logit, by way of mask features and kernels of one sign."""

    def __init__(self, solo: nn.Module, sign: float) -> None:
        super().__init__()
        self.solo, self.sign = solo, sign
        self.config, self.mask_stride, self.strides = solo.config, solo.mask_stride, solo.strides

    def forward(self, images: torch.Tensor) -> object:
        output = self.solo(images)
        output.mask_features.data.fill_(1.0)
        for kernels in output.kernels:
            kernels.data.fill_(self.sign)
        return output


@pytest.mark.parametrize(("sign", "share"), [(-1.0, "0.00 %"), (1.0, "100.00 %")])
def test_collapsed_masks_stop_the_training_with_what_to_do(sign, share):
    images, taught = _squares(2)
    training = SelfTraining(_Constant(_tiny(), sign), PLAIN)

    def steps() -> None:
        for look in range(1, 9):
            training.step.fill_(10 * look - 1)
            training(images.float() / 255, taught)

    with pytest.raises(CollapsedError, match=f"cover {share} of the image.*raise ramp"):
        steps()
    assert int(training.step) == 50  # the fifth look, ten steps apart


def test_sound_masks_and_images_without_any_go_on():
    images, taught = _squares(2)
    solo = _tiny()
    output = solo(torch.zeros(2, 3, 64, 64))
    assert 0.3 < mask_share(output, taught, solo) < 0.7  # before any step
    empty = [CoarseMasks(torch.zeros(0, 64, 64, dtype=torch.bool), torch.zeros(0, 128))] * 2
    assert mask_share(output, empty, solo) is None
    training = SelfTraining(solo, PLAIN)
    training.step.fill_(9)
    assert training(images.float() / 255, empty)["dice"].item() == 0


def test_boxes_of_the_published_slip_grow_by_where_they_begin_and_only_weak_views_have_them():
    masks = torch.zeros(1, 64, 64, dtype=torch.bool)
    masks[0, 5:15, 10:20] = True
    wrong = CoarseMasks(masks, torch.zeros(1, 128)).with_corner_boxes()
    assert wrong.boxes.tolist() == [[10, 5, 30, 20]]
    assert wrong.mirrored().boxes.tolist() == [[34, 5, 54, 20]]
    images, taught = _squares(2)
    _, after = training_views(images.float() / 255, taught, SelfTrainingConfig(corner_boxes=True))
    assert [one.boxes is None for one in after] == [False, False, True, True]


def test_the_published_slip_lets_wide_masks_pass_that_do_not_begin_at_the_left(monkeypatch):
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[0, :, 1:] = True  # 63 wide: 62 by the slip, both above 0.95 * 64 = 60.8
    masks[1, :, 2:] = True  # 62 wide: 60 by the slip
    found = Instances(masks, torch.ones(2), tight_boxes(masks), torch.zeros(2, 128))
    monkeypatch.setattr(self_training, "found_in", lambda *_: [found])
    image = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    assert [len(taught_by_network(None, image, width_slip=slip)[0].masks) for slip in (False, True)] == [0, 1]


def test_masks_as_wide_as_the_image_teach_nothing():
    images, _ = _squares(1)
    solo = _Constant(_tiny(), 1.0)
    with torch.no_grad():
        assert len(found_in(solo, images, InferenceConfig(score=0.0, update=0.0))[0].masks) > 0
    assert len(taught_by_network(solo, images, InferenceConfig(score=0.0, update=0.0))[0].masks) == 0


def test_what_does_not_fit_is_refused():
    images, taught = _squares(2)
    with pytest.raises(ValueError, match="masks of each of 2 images"):
        TaughtImages(images, taught[:1])
    with pytest.raises(ValueError, match="images must be uint8"):
        TaughtImages(images.float(), taught)
    with pytest.raises(ValueError, match="strong views"):
        SelfTrainingConfig(strong=False)
    with pytest.raises(ValueError, match="ramp"):
        SelfTrainingConfig(ramp=-1)
