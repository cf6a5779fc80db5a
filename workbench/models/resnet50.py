"""ResNet-50 trained on ImageNet, from a file of the person's: Keras' weights in torchvision's network."""

from __future__ import annotations

import os
import string
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import ResNet, resnet50

from workbench.datasets.extras import RESNET50
from workbench.datasets.tfjs_file import read_tfjs
from workbench.training.official_checkpoints import load_tensors

MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
STD = (1 / 255, 1 / 255, 1 / 255)
"""Of images in [0, 1], red first: these weights were trained on 0 to 255 less a mean, without a division."""
BATCH_NORM_EPSILON = 1e-3


def load_resnet50(folder: str | os.PathLike[str] | None = None) -> ResNet:
    """Return torchvision's ResNet-50 with the weights of Keras Applications (74.9 % top-1), in evaluation mode.

    It maps images (B, 3, H, W), in [0, 1], RGB, and normalised with ``MEAN`` and ``STD``, to logits (B, 1000). Two things differ
    from torchvision's own weights: the stride of stages 2 to 4 sits in the first 1x1 convolution, as in He et al., "Deep Residual
    Learning for Image Recognition", CVPR 2016; and BatchNorm has epsilon 1e-3.

    Args:
        folder: with ``model.json`` and its ``group1-shard*.bin``; None for the folder of ``WORKBENCH_RESNET50``, and without that
            the cache.

    Raises:
        NotInstalledError: a FileNotFoundError; a file is missing, and the message says how to get it.
        ValueError: a file is damaged, or holds another network.
    """
    folder = RESNET50.folder(folder)
    for name in RESNET50.members:
        if not (folder / name).is_file():
            raise RESNET50.missing(folder, name)
    model = keras_resnet50()
    try:
        tensors = torchvision_tensors(read_tfjs(folder / "model.json"), model)
    except KeyError as error:
        raise ValueError(f"{Path(folder) / 'model.json'} holds another network: it has no {error}") from None
    load_tensors(model, tensors)
    return model.eval()


def keras_resnet50() -> ResNet:
    """Return torchvision's ResNet-50, untrained, with strides and epsilon of Keras."""
    model = resnet50()
    for stage in (model.layer2, model.layer3, model.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = BATCH_NORM_EPSILON
    return model


def torchvision_tensors(weights: dict[str, np.ndarray], model: ResNet) -> dict[str, Tensor]:
    """Return Keras' weights by torchvision's names: kernels as (out, in, h, w), and for RGB instead of BGR.

    Keras' convolutions have a bias, torchvision's none: what BatchNorm subtracts is lowered by it.

    Raises:
        KeyError: a weight is missing, by its name in Keras.
    """
    found = {"fc.weight": weights["fc1000/kernel"].T, "fc.bias": weights["fc1000/bias"]}
    for name, (convolution, norm) in _places(model).items():
        keras, keras_norm = name, name.replace("res", "bn") if name.startswith("res") else f"bn_{name}"
        found[f"{convolution}.weight"] = weights[f"{keras}/kernel"].transpose(3, 2, 0, 1)
        found[f"{norm}.weight"] = weights[f"{keras_norm}/gamma"]
        found[f"{norm}.bias"] = weights[f"{keras_norm}/beta"]
        found[f"{norm}.running_mean"] = weights[f"{keras_norm}/moving_mean"] - weights[f"{keras}/bias"]
        found[f"{norm}.running_var"] = weights[f"{keras_norm}/moving_variance"]
    found["conv1.weight"] = found["conv1.weight"][:, ::-1]
    return {name: torch.from_numpy(np.array(values, np.float32, order="C")) for name, values in found.items()}


def _places(model: ResNet) -> dict[str, tuple[str, str]]:
    """Return torchvision's convolution and BatchNorm by Keras' name of the convolution, such as ``res2a_branch2a``."""
    places = {"conv1": ("conv1", "bn1")}
    for stage in range(1, 5):
        for index, block in enumerate(getattr(model, f"layer{stage}")):
            ours, theirs = f"layer{stage}.{index}", f"res{stage + 1}{string.ascii_lowercase[index]}"
            for step in (1, 2, 3):
                branch = f"{theirs}_branch2{'abc'[step - 1]}"
                places[branch] = (f"{ours}.conv{step}", f"{ours}.bn{step}")
            if block.downsample is not None:
                places[f"{theirs}_branch1"] = (f"{ours}.downsample.0", f"{ours}.downsample.1")
    return places
