"""The published runs of HALP: their configuration, their graph of channels, and the pruned networks that they left."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from workbench.pruning.channel_graph import ChannelGraph
from workbench.pruning.channel_plan import ChannelPlan
from workbench.pruning.latency_files import load_latency_table
from workbench.pruning.latency_table import LatencyTable
from workbench.pruning.pruner import HALPConfig
from workbench.pruning.published_files import (
    load_group_masks,
    load_layer_config,
    load_layer_numbers,
    unprefixed,
)
from workbench.pruning.shrink import shrink
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

HALP_KEYS = {"prune_start_iter": "start", "prune_interval": "interval", "prune_steps": "steps"}
FILE_KEYS = ("layer_cfg", "fmap_cfg", "group_size_cfg", "latency_lut_file")


@dataclass(frozen=True)
class PublishedRun:
    """A configuration of the published code (``rn50_imagenet_prune.yaml``).

    Attributes:
        halp: the schedule; ``prune_ratio`` is what is removed, so ``share`` is 1 less that.
        layers: the layer configuration; None where the file names none, as are the others.
        feature_maps: sides of inputs, by layer.
        table: of latencies.
        lut_batch: images in a batch of the table.
        training: all other values, by their published names.
    """

    halp: HALPConfig
    layers: Path | None
    feature_maps: dict[str, int] | None
    table: LatencyTable | None
    lut_batch: int
    training: dict[str, Any]


def load_published_run(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> PublishedRun:
    """Read a configuration of the published code, and the files that it names.

    Args:
        path: of the YAML file.
        root: the folder that the names of its files start from; None for the nearest folder above it that has them.

    Raises:
        FileNotFoundError: there is no such file, or one that it names is missing.
        ValueError: it is no configuration, or a value is out of its range.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no configuration at {path}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not readable as YAML: {error}") from None
    if not isinstance(values, dict) or "prune_ratio" not in values:
        raise ValueError(f"{path} holds no prune_ratio: it is no configuration of a pruning run")
    ratio = values.pop("prune_ratio")
    if not isinstance(ratio, (int, float)) or isinstance(ratio, bool) or not 0 <= ratio < 1:
        raise ValueError(f"{path}: prune_ratio must be from 0 to below 1 of the latency, got {ratio!r}")
    files = {key: _named(path, values.pop(key, None), root) for key in FILE_KEYS}
    options = {ours: values.pop(theirs) for theirs, ours in HALP_KEYS.items() if theirs in values}
    if files["group_size_cfg"]:
        options["group_size"] = load_layer_numbers(files["group_size_cfg"])
    try:
        halp = HALPConfig(round(1 - ratio, 12), keep_one=bool(values.pop("disable_layer_prune", False)), **options)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return PublishedRun(
        halp=halp,
        layers=files["layer_cfg"],
        feature_maps=load_layer_numbers(files["fmap_cfg"]) if files["fmap_cfg"] else None,
        table=load_latency_table(files["latency_lut_file"]) if files["latency_lut_file"] else None,
        lut_batch=values.pop("lut_bs", 256),
        training=values,
    )


def trace_published(
    model: nn.Module,
    example: Tensor | Sequence[Tensor],
    layers: str | os.PathLike[str],
    feature_maps: Mapping[str, int] | None = None,
) -> ChannelGraph:
    """Return the channel graph of a network with the groups of a published layer configuration.

    The network is traced, and what the file says is held against it: couplings that it adds are made, layers that it leaves out are
    protected, and what contradicts the network is an error.

    Args:
        model: with the published names; for the residual networks these are torchvision's.
        example: its input.
        layers: the layer configuration.
        feature_maps: sides of inputs, by layer.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file and the network contradict each other; the message names the layer.
    """
    published = load_layer_config(layers)
    traced = ChannelGraph.trace(model, example)
    for name, layer in published.items():
        if name not in traced.layers:
            raise ValueError(f"{layers}: {name} is no convolution that {type(model).__name__} runs")
        if traced.layers[name].norm != layer.norm:
            raise ValueError(
                f"{layers}: the norm of {name} is {layer.norm}, but it is {traced.layers[name].norm} there"
            )
    graph = ChannelGraph.trace(
        model,
        example,
        protect=[name for name in traced.layers if name not in published],
        couple=sorted({layer.group for layer in published.values() if len(layer.group) > 1}),
    )
    for name, layer in published.items():
        found = graph.group(name).layers if name not in graph.frozen else ()
        if set(found) != set(layer.group):
            reason = f"it has {', '.join(found)}" if found else graph.frozen[name]
            raise ValueError(f"{layers}: the group of {name} is {', '.join(layer.group)}, but {reason}")
        _check_reads(graph, name, layer.reads, layers)
    for name, side in (feature_maps or {}).items():
        if name not in graph.layers:
            raise ValueError(f"{name} has a side in the file, but {type(model).__name__} runs no such convolution")
        sizes = graph.layers[name].sizes
        if any(size != (side, side) for size in sizes):
            raise ValueError(f"the input of {name} has {side} pixels a side in the file, but {sizes} here")
    return graph


def load_pruned(
    model: nn.Module,
    example: Tensor | Sequence[Tensor],
    masks: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str],
) -> tuple[nn.Module, LoadReport]:
    """Return a published pruned network: the whole one shrunk by a mask file, with the tensors of a checkpoint.

    Args:
        model: the whole network, with the published names; it is not changed.
        example: its input.
        masks: ``group_mask.pkl``.
        checkpoint: with smaller tensors, and ``add_bias`` for each dropped block; names may start with ``module.``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file is damaged, or they and the network do not fit each other.
    """
    plan = ChannelPlan.from_masks(ChannelGraph.trace(model, example), load_group_masks(masks))
    small = shrink(model, plan)
    return small, load_tensors(small, unprefixed(read_checkpoint(checkpoint)))


def _check_reads(graph: ChannelGraph, name: str, reads: str, where: str | os.PathLike[str]) -> None:
    inputs = graph.layers[name].inputs
    if reads and reads not in graph.layers:
        raise ValueError(f"{where}: {name} reads {reads}, which is no convolution of the network")
    outputs = graph.layers[reads].outputs if reads else None
    if outputs is None and (inputs >= 0).any():
        raise ValueError(f"{where}: {name} reads the input of the network, but its channels can be removed there")
    if outputs is not None and (len(outputs) != len(inputs) or (outputs != inputs).any()):
        raise ValueError(f"{where}: {name} reads {reads}, but it reads other channels there")


def _named(path: Path, name: object, root: str | os.PathLike[str] | None) -> Path | None:
    """Return a file that a configuration names."""
    if not name:
        return None
    roots = [Path(root)] if root is not None else [path.parent, *path.parent.resolve().parents]
    for folder in roots:
        if (folder / str(name)).is_file():
            return folder / str(name)
    raise FileNotFoundError(f"{path} names {name}, which is not in {roots[0]}{'' if root else ' or a folder above it'}")
