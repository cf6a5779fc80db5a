"""The published recipes of ImageNet, and that they train on a tiny folder of the true format."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.datasets import read_class_folders
from workbench.experiments.imagenet_recipes import RECIPES, ImageNetRecipe, RandAugment
from workbench.experiments.imagenet_training import TransformedFiles, top_1, train_imagenet
from workbench.models.fan import Fan
from workbench.training import CancelToken

TINY = RECIPES["fan_tiny_12_p16_224"]


@pytest.fixture
def root(tmp_path):
    """Two classes, dark and bright, of images of several sizes."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 3)):
        for base, name in ((40, "n01440764"), (200, "n01443537")):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(base, base + 30, (40 + index, 52, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}_{index}.JPEG")
    return tmp_path


@pytest.fixture
def small(monkeypatch):
    """The published recipe with a network of two narrow blocks."""
    monkeypatch.setattr(
        ImageNetRecipe,
        "build",
        lambda self, num_classes=1000: Fan(
            16, 2, 2, patch_size=8, num_classes=num_classes, drop_path_rate=self.drop_path
        ),
    )
    return replace(TINY, batch_per_device=6, ema_decay=0.5, drop_path=0.1, warm_up=1, learning_rate=2e-3)


def test_the_recipe_trains_on_a_folder_and_resumes(root, small, tmp_path):
    options = {"workers": 0, "device": "cpu", "num_threads": 1, "checkpoint_path": tmp_path / "run.pt"}
    _, whole = train_imagenet(
        root, small, small.training_config(epochs=3, **options | {"checkpoint_path": None}), side=32
    )
    assert list(whole.history.columns) == ["epoch", "learning_rate", "train_loss", "accuracy"]
    assert whole.status == "finished"
    assert whole.history["accuracy"].between(0, 1).all()
    assert whole.history["learning_rate"].tolist() == pytest.approx([small.rate(epoch, 3) for epoch in range(3)])

    token, seen = CancelToken(), []

    def stop_in_the_second_epoch(step, steps, message=""):
        seen.append(step)
        if len(seen) == 3:
            token.cancel()

    config = small.training_config(epochs=3, **options)
    _, stopped = train_imagenet(root, small, config, side=32, progress=stop_in_the_second_epoch, cancel=token)
    assert stopped.status == "cancelled"
    assert len(stopped.history) < 3
    _, resumed = train_imagenet(root, small, config, side=32)
    np.testing.assert_allclose(resumed.history["train_loss"], whole.history["train_loss"], rtol=1e-5)


def test_recipes_are_the_published_ones():
    rows = {
        name: (one.batch_per_device, one.learning_rate, one.drop_path, one.erasing, one.warm_up)
        for name, one in RECIPES.items()
    }
    assert rows["fan_tiny_12_p16_224"] == (128, 2e-3, 0.0, 0.25, 5)
    assert rows["fan_large_24_p16_224"] == (32, 1e-3, 0.3, 0.3, 5)
    assert rows["fan_large_16_p4_hybrid"] == (64, 4e-3, 0.45, 0.3, 10)
    assert RECIPES["fan_swin_tiny_patch4_window7_224"].crop == 0.9
    assert {(one.epochs, one.weight_decay, one.ema_decay, one.mixup, one.cutmix) for one in RECIPES.values()} == {
        (300, 0.05, 0.99992, 0.8, 1.0)
    }


def test_the_whole_network_takes_the_recipe():
    recipe = RECIPES["fan_small_12_p16_224"]
    network = recipe.build(10)
    rates = {block.drop_path.p for block in network.blocks}
    assert rates == {0.2}
    decayed, spared = recipe.optimizer(network).param_groups
    assert decayed["weight_decay"] == 0.05
    assert spared["weight_decay"] == 0.0
    names = {id(part): name for name, part in network.named_parameters()}
    assert "cls_token" in {names[id(part)] for part in spared["params"]}
    assert all(part.ndim > 1 for part in decayed["params"])
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


def test_mixed_labels_are_shares_and_images_lie_between_their_parents():
    torch.manual_seed(0)
    images, labels = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 8, 8).contiguous(), torch.arange(4)
    for _ in range(10):
        mixed, shares = TINY.mix(4)(images, labels)
        torch.testing.assert_close(shares.sum(1), torch.ones(4))
        # A pixel is its parents' values by the labels' shares, whether blended or pasted.
        torch.testing.assert_close(mixed.mean((1, 2, 3)), shares @ torch.arange(4.0), atol=1e-5, rtol=0)


def test_images_come_out_normalised_and_square():
    torch.manual_seed(0)
    grey = torch.full((3, 70, 50), 128, dtype=torch.uint8)
    seen = TINY.eval_transform(32)(grey)
    assert seen.shape == (3, 32, 32)
    expected = (128 / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(seen.mean((1, 2)), expected)
    assert TINY.train_transform(32)(grey).shape == (3, 32, 32)
    assert replace(TINY, crop=0.9).eval_transform(224).transforms[0].size == [248]


def test_randaugment_draws_its_strength_around_nine_tenths():
    torch.manual_seed(0)
    augment, magnitudes, counts = RandAugment(), [], []
    for _ in range(200):
        augment(torch.zeros(3, 8, 8, dtype=torch.uint8))
        magnitudes.append(augment.policy.magnitude)
        counts.append(augment.policy.num_ops)
    assert np.mean(magnitudes) == pytest.approx(27, abs=0.4)
    assert max(magnitudes) <= 30
    assert np.mean(counts) == pytest.approx(1.0, abs=0.15)


def test_top_1_counts_what_is_right(root):
    files = TransformedFiles(read_class_folders(root / "val"), TINY.eval_transform(16))

    class Bright(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.anchor = torch.nn.Parameter(torch.zeros(()))

        def forward(self, images):
            mean = images.mean((1, 2, 3))
            return torch.stack([-mean, mean], 1)

    assert top_1(Bright(), files) == 1.0


def test_bad_input(root, small):
    with pytest.raises(ValueError, match=r"variant must be one of .* got 'fan_giant'"):
        ImageNetRecipe("fan_giant", 1, 1e-3, 0.0, 0.0)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        train_imagenet(root / "nowhere", small)
    (root / "val" / "n01443537").rename(root / "val" / "n09999999")
    with pytest.raises(ValueError, match="in only one of train and val"):
        train_imagenet(root, small, side=32)
