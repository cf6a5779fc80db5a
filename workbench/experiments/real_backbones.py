"""The backbones that real pixels are seen by, from none at all to a vision transformer; each at the strides where objects lie."""

from __future__ import annotations

from collections.abc import Callable

from workbench.models.mobilenet_v2 import load_mobilenet_v2
from workbench.models.resnet50 import MEAN, STD, load_resnet50
from workbench.models.vit import PatchFeatures
from workbench.models.vit_s14 import load_vit_s14
from workbench.retrieval import (
    Backbone,
    EfficientNetLite0Backbone,
    HogColourBackbone,
    ModuleBackbone,
    TorchvisionBackbone,
)

VIT_BLOCK = 7
"""Block of the transformer, from 0, whose tokens are matched: the best of 4, 6, 7, 8, 9 and 11 on crowded tables at stride 14."""


def mobilenet_v2_backbone(device: str = "cpu") -> TorchvisionBackbone:
    """Return MobileNetV2 at strides 8 and 16: 32 and 96 channels of the last bottleneck of each.

    Raises:
        NotInstalledError: its weights are missing, and the message says how to get them.
    """
    return TorchvisionBackbone(load_mobilenet_v2(), {8: "features.6", 16: "features.13"}, device=device)


def resnet50_backbone(device: str = "cpu") -> TorchvisionBackbone:
    """Return ResNet-50 at strides 8 and 16: 512 and 1024 channels of its second and third stage.

    Raises:
        NotInstalledError: its weights are missing, and the message says how to get them.
    """
    return TorchvisionBackbone(load_resnet50(), {8: "layer2", 16: "layer3"}, MEAN, STD, device=device)


def vit_s14_backbone(device: str = "cpu", block: int = VIT_BLOCK, enlarge: int = 1) -> ModuleBackbone:
    """Return ViT-S/14 at stride 14, or 7 where pictures are enlarged twice: the 384 channels of a block's tokens.

    Enlarged, a picture of 512 x 320 pixels takes 2.4 s on one core instead of 0.3 s: attention grows with the square of the tokens.

    Raises:
        NotInstalledError: its weights are missing, and the message says how to get them.
    """
    network = load_vit_s14()
    settings = {"block": block, "enlarge": enlarge, "interpolate_offset": network.interpolate_offset}
    module = PatchFeatures(network, block, [enlarge])
    return ModuleBackbone(module, [network.patch_size // enlarge], settings, device=device)


BACKBONES: dict[str, Callable[[], Backbone]] = {
    "HOG and colour": lambda: HogColourBackbone(device="cpu"),
    "Lite0": lambda: EfficientNetLite0Backbone(device="cpu"),
    "MobileNetV2": mobilenet_v2_backbone,
    "ResNet-50": resnet50_backbone,
    "ViT-S/14": vit_s14_backbone,
}
"""By the name that the tables give them; the last three need weights that a person fetches."""
