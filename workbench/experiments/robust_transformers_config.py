"""Which small networks are compared, how they are trained, and what is measured of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from workbench.models.fan import PLAIN_VIT, ChannelDesign, Fan
from workbench.models.fan.control import ConvControl

VIT, FAN, CNN, LINEAR = "plain ViT", "FAN", "CNN", "linear"
DESIGNS = {
    VIT: PLAIN_VIT,
    "ECA, no DW": ChannelDesign(depthwise=False),
    "ECA, no LN_v": ChannelDesign(value_norm=False),
    "DW": ChannelDesign("none", value_norm=False),
    "DW + LN_v": ChannelDesign("none"),
    "SE": ChannelDesign("se"),
    "CA": ChannelDesign("ca"),
    FAN: ChannelDesign(),
}
"""Channel halves of the blocks; where nothing else is said they have the depthwise convolutions and LN_v of the published block."""
NETWORKS = (VIT, FAN, CNN, *(name for name in DESIGNS if name not in (VIT, FAN)), LINEAR)
"""Everything that is trained; the linear classifier of pixels is the reference of mCE."""
SIDE, CLASSES = 28, 10


@dataclass(frozen=True)
class Recipe:
    """How every network is trained, on Fashion-MNIST.

    Attributes:
        train: training images, of the 20 000 that ship; the same for every network and seed.
        epochs, batch_size: passes and images a step.
        learning_rate: highest, of AdamW, reached after ``warm_up`` of the steps and brought to 0 along a cosine.
        weight_decay: of tensors with two or more dimensions.
        label_smoothing: of cross entropy.
        jitter: share of the images whose contrast and brightness are changed: ``x * U(0.5, 1.4) + U(-0.1, 0.3)``.
        shift: largest shift in pixels; images are also mirrored at random.
        embed_dim, depth, heads: of every transformer; the hidden width is chosen so that all have as many parameters as FAN.
    """

    train: int = 15_000
    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 2e-3
    warm_up: float = 0.05
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    jitter: float = 0.5
    shift: int = 2
    embed_dim: int = 48
    depth: int = 4
    heads: int = 4


@dataclass(frozen=True)
class RobustConfig:
    """What :func:`workbench.experiments.robust_transformers.run` measures.

    Attributes:
        recipe: of training.
        networks: names of :data:`NETWORKS`.
        seeds: of the weights at the start, the order of images and their jitter.
        test: test images, as many of each class, that each of the 75 sets has.
        grouped: test images of which spectra, groups and the decay of noise are taken.
        sigma: standard deviation of that noise, where pixels go from 0 to 1.
    """

    recipe: Recipe = field(default_factory=Recipe)
    networks: tuple[str, ...] = NETWORKS
    seeds: tuple[int, ...] = (0, 1, 2)
    test: int = 500
    grouped: int = 100
    sigma: float = 0.1

    def __post_init__(self) -> None:
        unknown = [name for name in self.networks if name not in NETWORKS]
        if unknown:
            raise ValueError(f"networks must be some of {', '.join(NETWORKS)}, got {unknown[0]!r}")


def build_network(name: str, recipe: Recipe | None = None, seed: int = 0) -> nn.Module:
    """Return an untrained network: images (B, 1, 28, 28), normalised, to logits (B, 10).

    Raises:
        ValueError: an unknown name.

    >>> abs(count_parameters(build_network("plain ViT")) / count_parameters(build_network("FAN")) - 1) < 0.01
    True
    """
    if name not in NETWORKS:
        raise ValueError(f"name must be one of {', '.join(NETWORKS)}, got {name!r}")
    recipe = recipe or Recipe()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == LINEAR:
            return nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, CLASSES))
        if name == CNN:
            return ConvControl(recipe.embed_dim, recipe.depth, patch_size=4, num_classes=CLASSES, in_chans=1)
        wanted = count_parameters(_transformer(FAN, recipe, 4 * recipe.embed_dim))
        few, more = (count_parameters(_transformer(name, recipe, hidden)) for hidden in (8, 9))
        torch.manual_seed(seed)
        return _transformer(name, recipe, 8 + round((wanted - few) / (more - few)))


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def _transformer(name: str, recipe: Recipe, hidden: int) -> Fan:
    return Fan(
        *(recipe.embed_dim, recipe.depth, recipe.heads),
        patch_size=4,
        num_classes=CLASSES,
        in_chans=1,
        mlp_ratio=(hidden + 0.5) / recipe.embed_dim,  # half a unit more, so that rounding down gives the width
        class_depth=1,
        design=DESIGNS[name],
    )
