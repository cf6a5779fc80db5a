"""Published checkpoints of WDRNet and WDRNet+, read without unpickling code and loaded by their own names."""

from __future__ import annotations

import os

from workbench.models.pose.network import WdrNet
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

IGNORED = ("backbone.output.", "anchor_generator.cell_anchors.", "backbone.features.final_pool.")
"""Beginnings of names that a network does not need: the ImageNet classifier, and cells, which are computed."""


def load_official_checkpoint(model: WdrNet, path: str | os.PathLike[str]) -> LoadReport:
    """Load a published ``final.pth`` or ``latest.pth`` into the network of its backbone and number of classes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or of another backbone or number of classes.
    """
    tensors = {name.removeprefix("module."): value for name, value in read_checkpoint(path).items()}
    known = [name for name in tensors if name.startswith(IGNORED)]
    return load_tensors(model, tensors, ignored=known)


def load_imagenet_backbone(model: WdrNet, path: str | os.PathLike[str]) -> LoadReport:
    """Load a DarkNet trained on ImageNet, with the names ``features.*`` and ``output.*``, into the backbone of a network.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or of another backbone.
    """
    tensors = read_checkpoint(path)
    return load_tensors(model.backbone, tensors, ignored=[name for name in tensors if name.startswith("output.")])
