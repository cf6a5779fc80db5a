"""Published FAN checkpoints: read without unpickling code, their old names understood, their network told by its shapes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor, nn

from workbench.models.fan.variants import VARIANTS
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

HEAD = ("head.weight", "head.bias")


def published_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by the names of the last release: without ``module.``, ``pos_embeder``, or fused ``qkv`` of class attention.

    >>> list(published_names({"module.pos_embeder.token_projection.bias": torch.zeros(1)}))
    ['pos_embed.token_projection.bias']
    """
    found = {}
    for old, value in tensors.items():
        name = old.removeprefix("module.").replace("pos_embeder.", "pos_embed.")
        if fused := re.fullmatch(r"(cls_attn_blocks\.\d+\.attn\.)qkv(\.\w+)", name):
            if len(value) % 3:
                raise ValueError(f"{old} has {len(value)} rows, expected queries, keys and values of equal number")
            parts = zip("qkv", value.chunk(3), strict=True)
            found.update({f"{fused[1]}{letter}{fused[2]}": part for letter, part in parts})
        else:
            found[name] = value
    return found


def load_official_checkpoint(model: nn.Module, path: str | os.PathLike[str], ema: bool = False) -> LoadReport:
    """Load a published file into the network of its name.

    Args:
        model: changed in place.
        path: ``*.pth.tar`` or ``*.pth`` as timm saves them, or ``*.safetensors``.
        ema: take the running average of the weights, ``state_dict_ema``, instead of ``state_dict``; the published evaluation takes
            the latter.

    Returns:
        What was missing or left over. A head of another number of classes is not loaded: it is in ``missing`` and ``ignored``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, is of another network, or has no running average.
    """
    tensors = published_names(read_checkpoint(path, "state_dict_ema" if ema else None))
    expected = model.state_dict()
    other = [name for name in HEAD if name in tensors and _shape(tensors, name) != _shape(expected, name)]
    report = load_tensors(model, {name: value for name, value in tensors.items() if name not in other})
    return LoadReport(report.missing, report.unexpected, (*report.ignored, *other))


def variant_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the name of the published network whose tensors these are, told by names and shapes other than the head's.

    Raises:
        ValueError: of none.
    """
    shapes = {name: tuple(value.shape) for name, value in published_names(tensors).items() if name not in HEAD}
    for name in VARIANTS:
        if _variant_shapes(name) == shapes:
            return name
    raise ValueError(f"{len(shapes)} tensors fit none of the published networks {', '.join(VARIANTS)}")


@cache
def _variant_shapes(name: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = VARIANTS[name](num_classes=0).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def _shape(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
