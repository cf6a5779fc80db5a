"""Published checkpoints load by name; what does not fit is reported, and nothing in the file is run."""

from __future__ import annotations

import argparse

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from workbench.training import load_tensors, read_checkpoint


def test_what_is_missing_left_over_and_known_is_told_apart():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    tensors = {
        "0.weight": torch.ones(3, 2),
        "1.weight": torch.full((3,), 7.0),
        "teacher": torch.ones(1),
        "head": torch.ones(1),
    }
    before = model[0].bias.clone()
    report = load_tensors(model, tensors, ignored=["head", "other"])
    assert report.missing == ("0.bias", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked")
    assert (report.unexpected, report.ignored, report.complete) == (("teacher",), ("head",), False)
    assert torch.equal(model[0].bias, before)
    assert model[1].weight.tolist() == [7, 7, 7]
    assert load_tensors(model, model.state_dict()).complete


def test_a_wrong_shape_or_another_network_loads_nothing():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = model[0].weight.clone()
    with pytest.raises(ValueError, match=r"1.weight has shape \(2, 3\), expected \(1, 3\)"):
        load_tensors(model, {"0.weight": torch.zeros(3, 2), "1.weight": torch.zeros(2, 3)})
    assert torch.equal(model[0].weight, before)
    with pytest.raises(ValueError, match=r"no name fits Sequential: got a, expected such as 0.weight"):
        load_tensors(model, {"a": torch.zeros(1)})


def test_tensors_are_read_from_every_usual_container(tmp_path):
    tensors = {"weight": torch.arange(3.0)}
    torch.save(tensors, tmp_path / "plain.pth")
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "run.pth")
    torch.save({"model": tensors, "optimizer": {}}, tmp_path / "other.pth")
    save_file(tensors, tmp_path / "plain.safetensors")
    for path in tmp_path.iterdir():
        assert read_checkpoint(path)["weight"].tolist() == [0, 1, 2]


def test_what_is_no_checkpoint_is_named(tmp_path):
    path = tmp_path / "net.pth"
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*net.pth"):
        read_checkpoint(path)
    torch.save(nn.Linear(1, 1), path)  # a pickle of code, which is never run
    with pytest.raises(ValueError, match=r"net.pth is no readable checkpoint"):
        read_checkpoint(path)
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net.pth is no readable checkpoint"):
            read_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match=r"holds a list, expected tensors by name"):
        read_checkpoint(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(ValueError, match=r"holds no tensor; it has epoch"):
        read_checkpoint(path)


def test_options_beside_the_tensors_are_read_as_values_and_a_place_can_be_chosen(tmp_path):
    saved = {"args": argparse.Namespace(lr=1.0), "state_dict": {"a": torch.ones(1)}, "ema": {"a": torch.zeros(1)}}
    torch.save(saved, tmp_path / "run.pth.tar")
    assert read_checkpoint(tmp_path / "run.pth.tar")["a"] == 1
    assert read_checkpoint(tmp_path / "run.pth.tar", "ema")["a"] == 0
    with pytest.raises(ValueError, match="has no 'best'; it has args, state_dict, ema"):
        read_checkpoint(tmp_path / "run.pth.tar", "best")
