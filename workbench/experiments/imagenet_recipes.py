"""How the published networks were trained on ImageNet-1k: recipes, and what they ask of images, labels and the learning rate.

Zhou et al., "Understanding The Robustness in Vision Transformers", ICML 2022, and the training commands published with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, v2

from workbench.datasets.imagenet import IMAGENET_MEAN, IMAGENET_STD
from workbench.models.fan import VARIANTS
from workbench.training import TrainingConfig

MAGNITUDE, MAGNITUDE_SPREAD, MAGNITUDES, OPERATIONS = 9.0, 0.5, 10.0, 2
"""Of RandAugment: mean and standard deviation of the magnitude, of 10, and operations of which each is done half of the time."""


@dataclass(frozen=True)
class ImageNetRecipe:
    """How one network is trained from nothing on ImageNet-1k.

    Attributes:
        variant: name of :data:`workbench.models.fan.VARIANTS`.
        batch_per_device: images a step on each device; how many devices the authors had is published for one variant only
            (``fan_tiny_8_p4_hybrid``, 32).
        learning_rate: of AdamW, the highest; it goes with the batch of all devices.
        drop_path: probability that an image skips a half of a block.
        erasing: probability that a rectangle is replaced by noise.
        warm_up: epochs from ``least_rate`` to ``learning_rate``.
        crop: share of the shorter side that is kept in evaluation.
        epochs, weight_decay, least_rate, ema_decay, mixup, cutmix, label_smoothing: as published, for all alike.
    """

    variant: str
    batch_per_device: int
    learning_rate: float
    drop_path: float
    erasing: float
    warm_up: int = 5
    crop: float = 1.0
    epochs: int = 300
    weight_decay: float = 0.05
    least_rate: float = 1e-6
    ema_decay: float = 0.99992
    mixup: float = 0.8
    cutmix: float = 1.0
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {self.variant!r}")

    def build(self, num_classes: int = 1000) -> nn.Module:
        """Return the untrained network."""
        return VARIANTS[self.variant](num_classes=num_classes, drop_path_rate=self.drop_path)

    def training_config(self, devices: int = 1, nodes: int = 1, **overrides: object) -> TrainingConfig:
        """Return the options of :func:`workbench.training.fit`.

        >>> config = RECIPES["fan_tiny_8_p4_hybrid"].training_config(devices=8, nodes=4)
        >>> config.batch_size, config.epochs, config.ema_decay
        (1024, 300, 0.99992)
        """
        options = {
            "epochs": self.epochs,
            "batch_size": self.batch_per_device * devices * nodes,
            "drop_last": True,
            "ema_decay": self.ema_decay,
            "monitor": "accuracy",
            "mode": "max",
            "workers": 8,
        }
        return TrainingConfig(**{**options, "devices": devices, "nodes": nodes, **overrides})

    def optimizer(self, network: nn.Module) -> torch.optim.AdamW:
        """Return AdamW; biases, other tensors of one dimension and the class token are not decayed."""
        spared = [part for name, part in network.named_parameters() if part.ndim <= 1 or name == "cls_token"]
        kept = {id(part) for part in spared}
        decayed = [part for part in network.parameters() if id(part) not in kept]
        groups = [{"params": decayed}, {"params": spared, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)

    def scheduler(
        self, optimizer: torch.optim.Optimizer, epochs: int | None = None
    ) -> torch.optim.lr_scheduler.LambdaLR:
        """Return a line from ``least_rate`` up and a cosine down to it, stepped after each epoch."""
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: self.rate(epoch, epochs) / self.learning_rate)

    def rate(self, epoch: int, epochs: int | None = None) -> float:
        """Return the learning rate of an epoch, from 0.

        >>> recipe = RECIPES["fan_tiny_12_p16_224"]
        >>> [f"{recipe.rate(epoch):.1e}" for epoch in (0, 5, 150, 300)]
        ['1.0e-06', '2.0e-03', '1.0e-03', '1.0e-06']
        """
        if epoch < self.warm_up:
            return self.least_rate + (self.learning_rate - self.least_rate) * epoch / self.warm_up
        half = 0.5 * (1 + math.cos(math.pi * epoch / (epochs or self.epochs)))
        return self.least_rate + (self.learning_rate - self.least_rate) * half

    def train_transform(self, side: int = 224) -> Callable[[Tensor], Tensor]:
        """Return uint8 (3, H, W) -> normalised (3, side, side): a random part, mirrored, RandAugment, a rectangle erased.

        The published commands name a colour jitter of 0.4 too, which their library leaves out beside RandAugment.
        """
        return v2.Compose(
            [
                v2.RandomResizedCrop(side, interpolation=InterpolationMode.BICUBIC, antialias=True),
                v2.RandomHorizontalFlip(),
                RandAugment(),
                *_normalise(),
                v2.RandomErasing(self.erasing, value="random"),
            ]
        )

    def eval_transform(self, side: int = 224) -> Callable[[Tensor], Tensor]:
        """Return uint8 (3, H, W) -> normalised (3, side, side): the middle ``crop`` of the shorter side, bicubic."""
        resize = v2.Resize(math.floor(side / self.crop), interpolation=InterpolationMode.BICUBIC, antialias=True)
        return v2.Compose([resize, v2.CenterCrop(side), *_normalise()])

    def mix(self, num_classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return what mixes a batch and its labels by mixup or cutmix, as often the one as the other; labels become shares."""
        parts = [
            v2.MixUp(alpha=self.mixup, num_classes=num_classes),
            v2.CutMix(alpha=self.cutmix, num_classes=num_classes),
        ]
        return v2.RandomChoice(parts)


class RandAugment(nn.Module):
    """Two random operations of a magnitude drawn from N(9, 0.5) of 10, each done half of the time: uint8 (3, H, W) -> the same.

    Cubuk et al., "RandAugment", NeurIPS 2020, with torchvision's operations. The published recipe has those of timm, two of which
    torchvision lacks (invert, and solarise by addition); magnitudes are of each library's own scale.
    """

    def __init__(self) -> None:
        super().__init__()
        self.policy = v2.RandAugment(num_ops=OPERATIONS)

    def forward(self, image: Tensor) -> Tensor:
        bins = self.policy.num_magnitude_bins - 1
        magnitude = (MAGNITUDE + MAGNITUDE_SPREAD * torch.randn(())).clamp(0, MAGNITUDES) / MAGNITUDES
        self.policy.magnitude = round(float(magnitude) * bins)
        self.policy.num_ops = int((torch.rand(OPERATIONS) < 0.5).sum())
        return self.policy(image)


def _normalise() -> tuple[nn.Module, nn.Module]:
    return v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)


def _swin(name: str) -> ImageNetRecipe:
    return ImageNetRecipe(name, 32, 5e-4, 0.3, 0.25, crop=0.9)


RECIPES = MappingProxyType(
    {
        recipe.variant: recipe
        for recipe in (
            ImageNetRecipe("fan_tiny_12_p16_224", 128, 20e-4, 0.0, 0.25),
            ImageNetRecipe("fan_small_12_p16_224", 32, 20e-4, 0.2, 0.25),
            ImageNetRecipe("fan_base_18_p16_224", 64, 20e-4, 0.35, 0.3),
            ImageNetRecipe("fan_large_24_p16_224", 32, 10e-4, 0.3, 0.3),
            ImageNetRecipe("fan_tiny_8_p4_hybrid", 32, 10e-4, 0.1, 0.3),
            ImageNetRecipe("fan_small_12_p4_hybrid", 64, 40e-4, 0.25, 0.3),
            ImageNetRecipe("fan_base_16_p4_hybrid", 64, 40e-4, 0.35, 0.3, warm_up=10),
            ImageNetRecipe("fan_large_16_p4_hybrid", 64, 40e-4, 0.45, 0.3, warm_up=10),
            _swin("fan_swin_tiny_patch4_window7_224"),
            _swin("fan_swin_small_patch4_window7_224"),
        )
    }
)
"""The published recipes, by variant; none was published for the others."""
