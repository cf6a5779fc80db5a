"""Weights in safetensors files."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.training import load_weights, save_weights


def network(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_weights_and_metadata_come_back(tmp_path):
    model = network()
    model(torch.randn(8, 2))  # moves the running statistics, which are no parameters
    path = save_weights(model, tmp_path / "new" / "small.safetensors", metadata={"command": "make weights"})
    other = network()
    assert load_weights(other, path) == {"command": "make weights"}
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_tied_and_transposed_weights_are_written(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight = nn.Parameter(torch.arange(9.0).reshape(3, 3).T)
    other = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    load_weights(other, save_weights(model, tmp_path / "tied.safetensors"))
    assert torch.equal(other[0].weight, model[0].weight)
    assert torch.equal(other[1].weight, model[0].weight)


def test_every_difference_is_listed_and_nothing_is_loaded(tmp_path):
    path = save_weights(nn.Sequential(nn.Linear(2, 4), nn.PReLU()), tmp_path / "other.safetensors")
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"other\.safetensors does not fit Sequential") as caught:
        load_weights(model, path)
    message = str(caught.value)
    assert "missing 1.bias, 1.running_mean, 1.running_var, 1.num_batches_tracked" in message
    assert "0.weight is (4, 2), expected (3, 2)" in message
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    with pytest.raises(ValueError, match=r"unexpected 1\.bias"):
        load_weights(nn.Sequential(nn.Linear(2, 3)), save_weights(network(), tmp_path / "small.safetensors"))


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights file at .*absent\.safetensors"):
        load_weights(network(), tmp_path / "absent.safetensors")
    path = save_weights(network(), tmp_path / "cut.safetensors")
    for content in (path.read_bytes()[:-8], b"", b"not weights at all"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cut\.safetensors is not a readable safetensors file"):
            load_weights(network(), path)


def test_metadata_is_text(tmp_path):
    with pytest.raises(TypeError, match=r"metadata\['epochs'\] is 3, expected text"):
        save_weights(network(), tmp_path / "small.safetensors", metadata={"epochs": 3})
    assert not list(tmp_path.iterdir())
