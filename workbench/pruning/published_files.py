"""Files of the published code of HALP: masks, the configuration of groups, of a run, and checkpoints of pruned networks.

Repository NVlabs/HALP (arXiv 2210.06659).  Its layers carry the prefix ``module.`` of data-parallel training, left out here.
"""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.datasets.files import atomic_write
from workbench.pruning.channel_plan import ChannelPlan
from workbench.pruning.plain_pickle import PlainUnpickler, load_plain_pickle

PREFIX = "module."
REGULARISATIONS = ("GS_SPARSE", "CL_GROUP")


@dataclass(frozen=True)
class PublishedLayer:
    """What the published configuration says of a layer.

    Attributes:
        name: of the convolution.
        group: the convolutions that are kept or removed with it, itself among them.
        norm: its batch norm.
        reads: the convolution whose channels it reads, ``""`` for the input of the network.
    """

    name: str
    group: tuple[str, ...]
    norm: str
    reads: str


def load_layer_config(path: str | os.PathLike[str]) -> dict[str, PublishedLayer]:
    """Read a layer configuration (``rn50_prune_layer.json``): each prunable convolution, by its name.

    Under ``GS_SPARSE`` each name stands alone; under ``CL_GROUP`` those of an entry are kept or removed together.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such configuration; the message says where.
    """
    content = _read_json(path)
    layers: dict[str, PublishedLayer] = {}
    groups = content.get("reg_groups") if isinstance(content, dict) else None
    if not isinstance(groups, list):
        raise ValueError(f"{path} has no list 'reg_groups'")
    for place, group in enumerate(groups):
        kind = group.get("reg_type") if isinstance(group, dict) else None
        if kind not in REGULARISATIONS or not isinstance(group.get("layers"), list):
            raise ValueError(
                f"{path}, group {place}: expected 'layers' and a 'reg_type' of {' or '.join(REGULARISATIONS)}, got {kind!r}"
            )
        for number, entry in enumerate(group["layers"]):
            where = f"{path}, group {place}, entry {number}"
            names, norms, before = (_names(entry, field, where) for field in ("layer_name", "bn_name", "pre_conv"))
            if not len(names) == len(norms) == len(before):
                raise ValueError(
                    f"{where} has {len(names)} layer_name, {len(norms)} bn_name and {len(before)} pre_conv, expected as many of "
                    "each"
                )
            for name, norm, reads in zip(names, norms, before, strict=True):
                if not name or name in layers:
                    raise ValueError(f"{where}: {name!r} is {'in two groups' if name else 'no name'}")
                layers[name] = PublishedLayer(name, names if kind == "CL_GROUP" else (name,), norm, reads)
    return layers


def load_layer_numbers(path: str | os.PathLike[str]) -> dict[str, int]:
    """Read whole numbers by layer: group sizes (``rn50_prune_groups.json``) or sides of inputs (``rn50_fmap.json``).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    content = _read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected positive whole numbers by layer")
    for name, number in content.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{path}: {name} has {number!r}, expected a positive whole number")
    return {name.removeprefix(PREFIX): number for name, number in content.items()}


def load_group_masks(path: str | os.PathLike[str]) -> dict[tuple[str, ...], NDArray[np.float64]]:
    """Read a mask file (``group_mask.pkl``): 0 or 1 a channel, by the names of a group's layers; for ``ChannelPlan.from_masks``.

    It is a pickle of tensors.  Only what tensors are made of is read; a pickle that names anything else is refused and not run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, names a class or function, or holds something else.
    """
    content = load_plain_pickle(path, _TensorUnpickler)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} holds {type(content).__name__}, expected masks by the names of a group's layers")
    masks = {}
    for layers, mask in content.items():
        names = (layers,) if isinstance(layers, str) else layers
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names) or not names:
            raise ValueError(f"{path}: {layers!r:.80} is no tuple of names of layers")
        if not isinstance(mask, Tensor) or mask.dim() != 1:
            raise ValueError(
                f"{path}: the mask of {names[0]} is {type(mask).__name__}, expected a tensor of one dimension"
            )
        masks[tuple(name.removeprefix(PREFIX) for name in names)] = mask.detach().double().numpy()
    return masks


def save_group_masks(plan: ChannelPlan, path: str | os.PathLike[str]) -> Path:
    """Write the masks of a plan in the published form, whole or not at all; return the path."""
    path = Path(path)
    masks = {
        tuple(f"{PREFIX}{name}" for name in group.layers): torch.from_numpy(plan.keep[group.units].astype(np.float32))
        for group in plan.graph.groups
    }
    with atomic_write(path) as temporary:
        temporary.write_bytes(pickle.dumps(masks, protocol=2))
    return path


def unprefixed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors of a checkpoint without the prefix that data-parallel training gives their names."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}


class _TensorUnpickler(PlainUnpickler):
    """Reads tensors too: their parts are put together by torch's reader that runs no code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _storage
        if (module, name) == ("_codecs", "encode"):  # how older pickles write bytes
            return _latin
        if (module, name) in {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")}:
            return getattr(torch._utils, name)
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        return super().find_class(module, name)


def _latin(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding}, and only bytes are read")
    return text.encode("latin1")


def _storage(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), "cpu", weights_only=True)


def _read_json(path: str | os.PathLike[str]) -> Any:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file at {path}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON: {error}") from None


def _names(entry: Any, field: str, where: str) -> tuple[str, ...]:
    text = entry.get(field) if isinstance(entry, dict) else None
    if not isinstance(text, str):
        raise ValueError(f"{where} has no {field} of names divided by commas, got {text!r}")
    return tuple(_unprefixed_names(text.split(",")))


def _unprefixed_names(names: Iterable[str]) -> Iterable[str]:
    return (name.strip().removeprefix(PREFIX) for name in names)
