"""MobileNetV2 trained on ImageNet, from a file of the person's."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError

import torch
from torchvision.models import MobileNetV2, mobilenet_v2

from workbench.datasets.extras import MOBILENET_V2, MOBILENET_V2_FILE


def mobilenet_v2_path(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of the weights: ``path``, else that of ``WORKBENCH_MOBILENET_V2``, else that of the cache.

    Raises:
        NotInstalledError: a FileNotFoundError; there is none, and the message says how to get it.
    """
    found = MOBILENET_V2.folder() / MOBILENET_V2_FILE if path is None else Path(path).expanduser()
    if not found.is_file():
        raise MOBILENET_V2.missing(found.parent, found.name)
    return found


def load_mobilenet_v2(path: str | os.PathLike[str] | None = None) -> MobileNetV2:
    """Return torchvision's MobileNetV2 with the weights of an official checkpoint, in evaluation mode.

    It maps images (B, 3, H, W), in [0, 1] and normalised as on ImageNet, to logits (B, 1000).
    Source: Sandler et al., "MobileNetV2", CVPR 2018; the file is torchvision's ``mobilenet_v2-b0353104.pth``.

    Args:
        path: of the checkpoint; None for the folder of ``WORKBENCH_MOBILENET_V2``, and without that the cache.

    Raises:
        NotInstalledError: a FileNotFoundError; there is no such file, and the message says how to get it.
        ValueError: the file is damaged, or holds other tensors.
    """
    path = mobilenet_v2_path(path)
    model = mobilenet_v2()
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, UnpicklingError, EOFError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} does not hold the weights of MobileNetV2 ({reason})") from None
    return model.eval()
