"""Which features free masks are made of: the same images through random weights, colour, and trained networks.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, section 3.1, takes those of DenseCL.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.datasets import ObjectScene
from workbench.experiments.free_masks_evaluation import (
    QUALITIES,
    SceneConfig,
    image_tensor,
    quality,
    test_scenes,
    truth_masks,
)
from workbench.metrics.coco import InstanceSet
from workbench.models.freesolo import FreeMaskConfig, free_masks, freesolo_tiny
from workbench.models.freesolo.inference import normalised
from workbench.models.freesolo.losses import rgb_to_lab
from workbench.models.resnet50 import MEAN, STD, load_resnet50
from workbench.models.vit import PatchFeatures
from workbench.models.vit_s14 import load_vit_s14
from workbench.retrieval import EfficientNetLite0Backbone, TorchvisionBackbone
from workbench.training import CancelToken, Progress, no_progress

KeyMap = Callable[[Tensor], Tensor]
"""Images (B, 3, H, W), RGB in 0 to 1, to keys (B, C, h, w): what Free Mask asks and is asked."""
SIDE = 24
"""Keys along the shorter side of an image, whatever the network."""
NOTHING, LABELS, SALIENCY = "nothing", "ImageNet labels", "images, then a saliency head"
COLUMNS = ("features", "learned_from", "seed", *QUALITIES, "seconds")
"""Columns of the table: a row per choice and seed; qualities in percent, ``masks`` and CPU ``seconds`` per image."""


@dataclass(frozen=True)
class FeatureChoice:
    """Features by a name.

    Attributes:
        name: as tables have it.
        learned_from: what the weights were trained on.
        load: makes the keys, given a seed that only random weights look at.
    """

    name: str
    learned_from: str
    load: Callable[[int], KeyMap]


def enlarged(images: Tensor, stride: int, side: int = SIDE) -> Tensor:
    """Return images resized so that a network of that stride has ``side`` keys along the shorter side.

    Raises:
        ValueError: they are no images (B, 3, H, W).
    """
    size = [stride * count for count in key_grid(images, side)]
    return functional.interpolate(images, size, mode="bicubic", align_corners=False).clamp(0, 1)


def key_grid(images: Tensor, side: int = SIDE) -> tuple[int, int]:
    """Return how many keys lie along height and width of images (B, 3, H, W): ``side`` along the shorter.

    Raises:
        ValueError: they are no images.

    >>> key_grid(torch.zeros(1, 3, 240, 320))
    (24, 32)
    """
    if images.ndim != 4 or images.shape[1] != 3 or not min(images.shape[2:]):
        raise ValueError(f"images must be (B, 3, height, width), got {tuple(images.shape)}")
    height, width = images.shape[2:]
    return max(round(side * height / min(height, width)), side), max(round(side * width / min(height, width)), side)


def colour_keys(images: Tensor) -> Tensor:
    """Return nine numbers (B, 9, h, w) of each cell: mean, deviation and slope of L*a*b*, less their mean over the image.

    A descriptor made by hand, as what a feature has to beat; cosine compares directions, so the mean must go.
    """
    lab = torch.stack([rgb_to_lab(image) for image in images.clamp(0, 1)])
    across = functional.pad(lab, (1, 1, 0, 0), mode="replicate")
    down = functional.pad(lab, (0, 0, 1, 1), mode="replicate")
    slope = ((across[..., 2:] - across[..., :-2]).square() + (down[..., 2:, :] - down[..., :-2, :]).square()).sqrt()
    mean, square, slope = (functional.adaptive_avg_pool2d(one, key_grid(images)) for one in (lab, lab.square(), slope))
    parts = [mean, (square - mean.square()).clamp(min=0).sqrt(), slope]
    keys = torch.cat(parts, 1)
    return keys - keys.mean((2, 3), keepdim=True)


def backbone_keys(model: nn.Module, stage: str) -> KeyMap:
    """Return the keys of a stage, ``"res2"`` to ``"res5"``, of a FreeSOLO backbone of this package, trained by whatever means.

    Args:
        model: maps normalised images to features by stage, as :class:`~workbench.models.freesolo.backbone.ResNet`.
        stage: whose features are taken.
    """
    model = model.eval()
    with torch.no_grad():
        probe = model(torch.zeros(1, 3, 64, 64))
    if stage not in probe:
        raise ValueError(f"stage must be one of {', '.join(probe)}, got {stage!r}")
    stride = 64 // probe[stage].shape[2]

    def keys(images: Tensor) -> Tensor:
        with torch.no_grad():
            return model(normalised(enlarged(images, stride)))[stage]

    return keys


def _random_resnet(seed: int) -> KeyMap:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return backbone_keys(freesolo_tiny().backbone.bottom_up, "res4")


def _lite0(stride: int) -> Callable[[int], KeyMap]:
    def load(seed: int) -> KeyMap:
        backbone = EfficientNetLite0Backbone(device="cpu")
        return lambda images: backbone.features(enlarged(images, stride))[stride]

    return load


def _resnet50(stride: int) -> Callable[[int], KeyMap]:
    layers = {8: "layer2", 16: "layer3", 32: "layer4"}

    def load(seed: int) -> KeyMap:
        backbone = TorchvisionBackbone(load_resnet50(), {stride: layers[stride]}, MEAN, STD, device="cpu")
        return lambda images: backbone.features(enlarged(images, stride))[stride]

    return load


def _vit(block: int) -> Callable[[int], KeyMap]:
    def load(seed: int) -> KeyMap:
        features = PatchFeatures(load_vit_s14(), block, norm=block == 11).eval().requires_grad_(False)

        def keys(images: Tensor) -> Tensor:
            with torch.no_grad():
                return features(enlarged(images, 14))[14]

        return keys

    return load


CHOICES = {
    one.name: one
    for one in (
        FeatureChoice("random weights", NOTHING, _random_resnet),
        FeatureChoice("Lab colour and edges", NOTHING, lambda seed: colour_keys),
        FeatureChoice("Lite0, stride 8", LABELS, _lite0(8)),
        FeatureChoice("Lite0, stride 16", LABELS, _lite0(16)),
        FeatureChoice("ResNet-50, stride 8", LABELS, _resnet50(8)),
        FeatureChoice("ResNet-50, stride 16", LABELS, _resnet50(16)),
        FeatureChoice("ViT-S/14, block 4", SALIENCY, _vit(4)),
        FeatureChoice("ViT-S/14, block 7", SALIENCY, _vit(7)),
        FeatureChoice("ViT-S/14, block 11", SALIENCY, _vit(11)),
    )
}


@dataclass(frozen=True)
class FeaturesConfig:
    """What is measured.

    Attributes:
        choices: names in :data:`CHOICES`.
        scenes: test scenes; each seed has its own.
        masks: constants of Free Mask; the published ones, for all features alike.
    """

    choices: tuple[str, ...] = tuple(CHOICES)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    masks: FreeMaskConfig = field(default_factory=FreeMaskConfig)


FULL = FeaturesConfig()


def free_mask_instances(keys: Tensor, image_size: tuple[int, int], config: FreeMaskConfig | None = None) -> InstanceSet:
    """Return the free masks of keys (C, h, w) with their scores, as metrics take them."""
    found = free_masks(keys, image_size, config)
    return InstanceSet(found.masks.numpy(), found.scores.numpy())


def scene_keys(keys: KeyMap, scenes: Sequence[ObjectScene], cancel: CancelToken | None = None) -> list[Tensor]:
    """Return the keys (C, h, w) of every scene.

    Raises:
        Cancelled: Stop was asked for.
    """
    found = []
    for scene in scenes:
        if cancel is not None:
            cancel.raise_if_cancelled()
        found.append(keys(image_tensor(scene.image))[0])
    return found


def measure_choice(
    config: FeaturesConfig,
    name: str,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> pd.DataFrame:
    """Return the rows of one choice of features, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: its weights are not on this machine, and the message says how to get them.
        Cancelled: Stop was asked for.
    """
    choice, rows = CHOICES[name], []
    for done, seed in enumerate(config.scenes.seeds):
        progress(done, len(config.scenes.seeds), f"{name}, seed {seed}")
        keys, scenes = choice.load(seed), test_scenes(config.scenes, seed)
        started = time.process_time()
        found = [
            free_mask_instances(one, scene.image.shape[:2], config.masks)
            for one, scene in zip(scene_keys(keys, scenes, cancel), scenes, strict=True)
        ]
        seconds = (time.process_time() - started) / len(scenes)
        scores = quality(found, map(truth_masks, scenes))
        rows.append({"features": name, "learned_from": choice.learned_from, "seed": seed, **scores, "seconds": seconds})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def measure_features(
    config: FeaturesConfig = FULL, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return the rows of every choice, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: weights of a choice are not on this machine.
        Cancelled: Stop was asked for.
    """
    return pd.concat([measure_choice(config, name, progress, cancel) for name in config.choices], ignore_index=True)
