"""Published checkpoints: of FreeSOLO, and of DenseCL, the self-supervised backbone it starts from; read without unpickling code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from torch import Tensor

from workbench.models.freesolo.network import FreeSolo
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

COUNTER = "_iter"
"""A counter of steps that published files hold beside the weights."""


def load_official_checkpoint(model: FreeSolo, path: str | os.PathLike[str]) -> LoadReport:
    """Load a published ``*.pth`` of FreeSOLO, whose tensors have detectron2's names, into the network of its size.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or of another network.
    """
    return load_tensors(model, read_checkpoint(path), ignored=[COUNTER])


def load_densecl(model: FreeSolo, path: str | os.PathLike[str]) -> LoadReport:
    """Load a published DenseCL backbone, with torchvision's or detectron2's names, into the ResNet of a network.

    Returns:
        What was missing of the ResNet alone; counters and a classifier's ``fc`` are in ``ignored``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or of another network.
    """
    tensors = read_checkpoint(path)
    extra = [name for name in tensors if name.endswith("num_batches_tracked") or name.startswith("fc.")]
    report = load_tensors(model.backbone.bottom_up, densecl_names({k: v for k, v in tensors.items() if k not in extra}))
    return LoadReport(report.missing, report.unexpected, tuple(extra))


def densecl_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return torchvision's names of a ResNet as detectron2's; those that are detectron2's already stay.

    >>> list(densecl_names({"bn1.weight": 0, "layer1.0.downsample.1.bias": 0, "layer4.2.conv3.weight": 0}))
    ['stem.conv1.norm.weight', 'res2.0.shortcut.norm.bias', 'res5.2.conv3.weight']
    """
    found = {}
    for old, value in tensors.items():
        name = re.sub(r"^(?=(conv|bn)\d)", "stem.", old)
        name = re.sub(r"^layer(\d)", lambda match: f"res{int(match[1]) + 1}", name)
        name = re.sub(r"\bbn(\d)", r"conv\1.norm", name)
        found[name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")] = value
    return found
