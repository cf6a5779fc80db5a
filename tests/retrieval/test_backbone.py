"""Backbones: shapes, padding, independence of the batch, recipes, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from workbench.retrieval import (
    EfficientNetLite0Backbone,
    HogColourBackbone,
    Letterbox,
    TorchvisionBackbone,
    l2_normalise,
    recipe_hash,
)
from workbench.retrieval.efficientnet_lite import load_efficientnet_lite0


@pytest.fixture(scope="module")
def backbones():
    torch.manual_seed(0)
    return {
        "lite0": EfficientNetLite0Backbone({4: 1, 8: 2, 16: 4, 32: 6}, device="cpu"),
        "resnet": TorchvisionBackbone(resnet18(), {8: "layer2", 16: "layer3"}, device="cpu"),
        "hog": HogColourBackbone(device="cpu"),
    }


NAMES = pytest.mark.parametrize("name", ["lite0", "resnet", "hog"])


def smooth_images(count: int, height: int, width: int) -> torch.Tensor:
    coarse = torch.rand(count, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(3))
    return nn.functional.interpolate(coarse, (height, width), mode="bilinear")


@NAMES
def test_features_do_not_depend_on_the_rest_of_the_batch(backbones, name):
    images = smooth_images(8, 96, 128)
    together = backbones[name].features(images)
    for index in (0, 5):
        alone = backbones[name].features(images[index : index + 1])
        for stride in together:
            difference = l2_normalise(together[stride][index : index + 1]) - l2_normalise(alone[stride])
            assert difference.abs().max() < 1e-5


@NAMES
def test_maps_have_a_cell_per_stride_of_the_padded_picture(backbones, name):
    backbone = backbones[name]
    features = backbone.features(smooth_images(2, 72, 104), [Letterbox.fit((72, 104)), Letterbox.fit((50, 40))])
    largest = max(backbone.strides)
    padded = [-(-side // largest) * largest for side in (72, 104)]
    assert features.strides == backbone.strides
    for stride, values in features.items():
        assert values.shape[2:] == (padded[0] // stride, padded[1] // stride)
        rows, columns = (-(-side // stride) for side in (50, 40))
        assert features.valid(stride)[1].sum() == rows * columns
        assert not values.requires_grad


@NAMES
def test_what_is_no_batch_of_images_is_named(backbones, name):
    backbone = backbones[name]
    with pytest.raises(TypeError, match=r"images is torch.uint8, expected a float tensor in \[0, 1\]"):
        backbone.features(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"images must lie in \[0, 1\], got 0 to 255: divide 8-bit values by 255"):
        backbone.features(torch.tensor([0.0, 255.0]).repeat(1, 3, 32, 16))
    with pytest.raises(ValueError, match=r"got nan to nan"):
        backbone.features(torch.full((1, 3, 32, 32), torch.nan))
    for shape in ((3, 32, 32), (1, 1, 32, 32), (0, 3, 32, 32)):
        with pytest.raises(ValueError, match=r"expected \(N, 3, H, W\)"):
            backbone.features(torch.zeros(shape))
    with pytest.raises(ValueError, match="letterboxes has 1 entries for 2 images"):
        backbone.features(torch.zeros(2, 3, 32, 32), [Letterbox.fit((32, 32))])
    with pytest.raises(ValueError, match=r"letterboxes\[0\] places \(40, 32\) pixels on a canvas of \(32, 32\)"):
        backbone.features(torch.zeros(1, 3, 32, 32), [Letterbox.fit((40, 32))])


def test_lite0_gives_the_stages_of_its_network(backbones):
    images = smooth_images(1, 64, 64)
    features = backbones["lite0"].features(images)
    with torch.no_grad():
        outputs = load_efficientnet_lite0().stage_outputs((255 * images - 127) / 128)
    for stride, stage in {4: 1, 8: 2, 16: 4, 32: 6}.items():
        torch.testing.assert_close(features[stride], outputs[stage], atol=1e-3, rtol=1e-4)
    with pytest.raises(ValueError, match=r"stages\[16\] is 2; the stages of stride 16 are \[3, 4\]"):
        EfficientNetLite0Backbone({16: 2}, device="cpu")


def test_torchvision_gives_the_layers_and_runs_no_further(backbones):
    torch.manual_seed(1)
    model = resnet18().eval()
    backbone = TorchvisionBackbone(model, {8: "layer2"}, mean=(0, 0, 0), std=(1, 1, 1), device="cpu")
    images = smooth_images(1, 64, 64)
    with torch.no_grad():
        stem = model.maxpool(model.relu(model.bn1(model.conv1(images))))
        expected = model.layer2(model.layer1(stem))
    torch.testing.assert_close(backbone.features(images)[8], expected)
    backbone._model.layer3.forward = lambda inputs: pytest.fail("layer3 was run")
    backbone.features(images)


def test_training_the_model_further_changes_nothing():
    model = resnet18()
    backbone = TorchvisionBackbone(model, {8: "layer2"}, device="cpu")
    assert model.training
    images = smooth_images(1, 64, 64)
    before = backbone.features(images)[8]
    nn.init.zeros_(model.layer2[0].conv1.weight)
    assert torch.equal(backbone.features(images)[8], before)


def test_layers_that_do_not_fit_are_named():
    model = resnet18()
    with pytest.raises(ValueError, match=r"layers\[8\] is 'layer9', which ResNet lacks; it has conv1, bn1"):
        TorchvisionBackbone(model, {8: "layer9"})
    images = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ValueError, match=r"layer 'layer3' gives \(1, 256, 4, 4\), expected \(1, C, 8, 8\) at stride 8"):
        TorchvisionBackbone(model, {8: "layer3"}, device="cpu").features(images)
    with pytest.raises(ValueError, match=r"layer 'fc' gives \(1, 1000\), expected"):
        TorchvisionBackbone(model, {8: "fc"}, device="cpu").features(images)
    model.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="layer 'spare' gives no tensor"):
        TorchvisionBackbone(model, {8: "spare"}, device="cpu").features(images)


def test_the_recipe_changes_with_what_decides_the_features(backbones):
    hashes = [recipe_hash(backbone.recipe) for backbone in backbones.values()]
    torch.manual_seed(5)
    model = resnet18()
    for layers, mean in (({8: "layer2"}, (0, 0, 0)), ({8: "layer2"}, (0, 0, 1)), ({8: "layer2.0"}, (0, 0, 0))):
        hashes.append(recipe_hash(TorchvisionBackbone(model, layers, mean, device="cpu").recipe))
    with torch.no_grad():
        model.fc.bias[0] += 1
    hashes.append(recipe_hash(TorchvisionBackbone(model, {8: "layer2"}, (0, 0, 0), device="cpu").recipe))
    hashes += [recipe_hash(EfficientNetLite0Backbone({16: stage}, device="cpu").recipe) for stage in (3, 4)]
    assert len(set(hashes)) == len(hashes)
    again = EfficientNetLite0Backbone({16: 4}, device="cpu")
    assert recipe_hash(again.recipe) == hashes[-1]
