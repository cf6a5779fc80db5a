"""Configurations, groups, masks and checkpoints in the published form, and what contradicts the network that they are for."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch
import yaml
from torchvision.models import ResNet
from torchvision.models.resnet import Bottleneck

from workbench.pruning import (
    ChannelPlan,
    LatencyTable,
    load_group_masks,
    load_layer_config,
    load_layer_numbers,
    load_pruned,
    load_published_run,
    save_group_masks,
    save_latency_table,
    shrink,
    trace_published,
)

from .networks import graph_of, random_plan, settled, small_resnet

IMAGES = torch.randn(1, 3, 32, 32, dtype=torch.double, generator=torch.Generator().manual_seed(0))


def small_bottlenecks():
    torch.manual_seed(0)
    return settled(ResNet(Bottleneck, [2, 1, 1, 1], num_classes=4))


def joined(names):
    return ", ".join(f"module.{name}" for name in names)


def layer_config():
    """The layer configuration of ``small_bottlenecks``, in the published form."""
    alone, together = [], []
    blocks = {1: 2, 2: 1, 3: 1, 4: 1}
    last = "conv1"
    for stage, count in blocks.items():
        first = f"layer{stage}.0"
        wide, reads = [f"{first}.downsample.0"], [last]
        for b in range(count):
            block = f"layer{stage}.{b}"
            alone.append((f"{block}.conv1", f"{block}.bn1", last))
            alone.append((f"{block}.conv2", f"{block}.bn2", f"{block}.conv1"))
            wide.append(f"{block}.conv3")
            reads.append(f"{block}.conv2")
            last = f"{block}.conv3"
        norms = [f"{first}.downsample.1"] + [name.replace("conv", "bn") for name in wide[1:]]
        together.append(
            {"layer_name": joined(wide), "bn_name": joined(norms), "gate_name": "g", "pre_conv": joined(reads)}
        )
    names, norms, reads = zip(*alone, strict=True)
    stem = {"layer_name": "module.conv1", "bn_name": "module.bn1", "gate_name": "module.gate1", "pre_conv": ""}
    inner = {"layer_name": joined(names), "bn_name": joined(norms), "gate_name": "g", "pre_conv": joined(reads)}
    return {
        "reg_groups": [
            {"reg_type": "GS_SPARSE", "layers": [stem, inner]},
            {"reg_type": "CL_GROUP", "layers": together},
        ]
    }


def written(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def config(tmp_path):
    return written(tmp_path / "layers.json", layer_config())


def test_groups_of_the_published_file_are_those_that_tracing_finds(config):
    model = small_bottlenecks()
    layers = load_layer_config(config)
    assert layers["layer1.1.conv3"].group == ("layer1.0.downsample.0", "layer1.0.conv3", "layer1.1.conv3")
    assert (layers["conv1"].reads, layers["layer1.1.conv1"].reads) == ("", "layer1.0.conv3")
    graph = trace_published(model, IMAGES, config, {"conv1": 32, "layer2.0.conv2": 8})
    traced = graph_of(model, *IMAGES.shape)
    assert graph.groups == traced.groups
    assert not graph.frozen


def test_layer_that_the_file_leaves_out_is_protected_and_one_that_it_couples_is_coupled(tmp_path):
    content = layer_config()
    inner = content["reg_groups"][0]["layers"][1]
    names = inner["layer_name"].split(", ")
    pair = [names.index(f"module.layer1.{block}.conv1") for block in (0, 1)]
    taken = {
        field: ", ".join(np.array(inner[field].split(", "))[pair]) for field in ("layer_name", "bn_name", "pre_conv")
    }
    for field in taken:
        inner[field] = ", ".join(np.delete(np.array(inner[field].split(", ")), pair))
    content["reg_groups"][0]["layers"] = [inner]
    content["reg_groups"][1]["layers"].append(taken)
    graph = trace_published(small_bottlenecks(), IMAGES, written(tmp_path / "layers.json", content))
    assert graph.frozen == {"conv1": "it is protected"}
    assert graph.group("layer1.0.conv1").layers == ("layer1.0.conv1", "layer1.1.conv1")


def changed(field, old, new, kind=0, entry=1):
    content = layer_config()
    layer = content["reg_groups"][kind]["layers"][entry]
    assert old in layer[field]
    layer[field] = layer[field].replace(old, new)
    return content


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "has no list 'reg_groups'"),
        ({"reg_groups": [{"reg_type": "L1", "layers": []}]}, "a 'reg_type' of GS_SPARSE or CL_GROUP, got 'L1'"),
        (
            {"reg_groups": [{"reg_type": "CL_GROUP", "layers": [{}]}]},
            "has no layer_name of names divided by commas, got None",
        ),
        (
            changed("bn_name", ", module.layer4.0.bn2", ""),
            "10 layer_name, 9 bn_name and 10 pre_conv, expected as many of each",
        ),
        (changed("layer_name", "module.layer4.0.conv2", "module.conv1"), "'conv1' is in two groups"),
        (
            changed("layer_name", "layer4.0.conv2", "layer9.0.conv2"),
            "layer9.0.conv2 is no convolution that ResNet runs",
        ),
        (
            changed("bn_name", "layer4.0.bn2", "layer4.0.bn1"),
            "the norm of layer4.0.conv2 is layer4.0.bn1, but it is layer4.0.bn2",
        ),
        (
            changed("pre_conv", "module.layer1.1.conv1", "module.layer1.0.conv1"),
            "layer1.1.conv2 reads layer1.0.conv1, but it reads other",
        ),
        (
            changed("pre_conv", "module.layer1.1.conv1", "module.nothing"),
            "layer1.1.conv2 reads nothing, which is no convolution",
        ),
        (
            changed("pre_conv", "module.conv1, ", ", "),
            "layer1.0.conv1 reads the input of the network, but its channels can be",
        ),
    ],
)
def test_files_that_contradict_the_network(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        trace_published(small_bottlenecks(), IMAGES, written(tmp_path / "layers.json", content))


def test_group_that_the_network_couples_further(tmp_path):
    content = layer_config()
    wide = content["reg_groups"][1]["layers"][0]
    for field in ("layer_name", "bn_name", "pre_conv"):
        wide[field] = wide[field].rpartition(", ")[0]
    with pytest.raises(ValueError, match=r"the group of layer1.0.downsample.0 is .*, but it is protected"):
        trace_published(small_bottlenecks(), IMAGES, written(tmp_path / "layers.json", content))


def test_side_of_an_input_that_is_another_one(config):
    with pytest.raises(
        ValueError, match=r"the input of conv1 has 224 pixels a side in the file, but \(\(32, 32\),\) here"
    ):
        trace_published(small_bottlenecks(), IMAGES, config, {"conv1": 224})
    with pytest.raises(ValueError, match="fc9 has a side in the file, but ResNet runs no such convolution"):
        trace_published(small_bottlenecks(), IMAGES, config, {"fc9": 7})


def test_masks_of_tensors_are_read_and_written_alike(tmp_path):
    model = small_resnet()
    graph = graph_of(model, 1, 3, 32, 32)
    plan = random_plan(graph, 0)
    path = save_group_masks(plan, tmp_path / "group_mask.pkl")
    raw = pickle.loads(path.read_bytes())
    assert next(iter(raw)) == ("module.conv1", "module.layer1.0.conv2")
    assert all(mask.dtype == torch.float32 for mask in raw.values())
    masks = load_group_masks(path)
    assert np.array_equal(ChannelPlan.from_masks(graph, masks).keep, plan.keep)
    parameters = {layers: torch.nn.Parameter(mask) for layers, mask in raw.items()}
    path.write_bytes(pickle.dumps(parameters))
    assert all(np.array_equal(mask, masks[layers]) for layers, mask in load_group_masks(path).items())


class Harmful:
    """Would make a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class Storage:
    """A tensor whose storage, read by torch's own reader, would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return torch.storage._load_from_bytes, (pickle.dumps(Harmful(self.path), 2),)


@pytest.mark.parametrize("harm", [Harmful, Storage])
def test_masks_that_name_a_function_are_refused_and_not_run(tmp_path, harm):
    path = tmp_path / "group_mask.pkl"
    path.write_bytes(pickle.dumps({("conv1",): harm(tmp_path / "made")}))
    with pytest.raises(ValueError, match=r"group_mask.pkl cannot be read as a pickle"):
        load_group_masks(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content, message",
    [
        ([], "holds list, expected masks by the names of a group's layers"),
        ({3: torch.ones(2)}, "3 is no tuple of names of layers"),
        ({("a",): 1.0}, "the mask of a is float, expected a tensor of one dimension"),
        ({("a",): torch.ones(2, 2)}, "the mask of a is Tensor, expected a tensor of one dimension"),
    ],
)
def test_mask_files_that_hold_something_else(tmp_path, content, message):
    path = tmp_path / "group_mask.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=message):
        load_group_masks(path)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_pruned_network_is_rebuilt_from_masks_and_checkpoint_with_a_dropped_block(tmp_path, prefix):
    model = small_bottlenecks()
    graph = graph_of(model, *IMAGES.shape)
    keep = random_plan(graph, 3).keep
    keep[graph.group("layer1.1.conv2").units] = False
    plan = ChannelPlan(graph, keep)
    small = shrink(model, plan)
    state = {f"{prefix}{name}": tensor for name, tensor in small.state_dict().items()}
    assert f"{prefix}layer1.1.add_bias" in state
    torch.save({"state_dict": state, "epoch": 3, "optimizer": {}}, tmp_path / "best_net.pth")
    masks = save_group_masks(plan, tmp_path / "group_mask.pkl")
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    rebuilt, report = load_pruned(other, IMAGES, masks, tmp_path / "best_net.pth")
    assert report.complete
    with torch.no_grad():
        assert torch.equal(rebuilt.eval()(IMAGES), small(IMAGES))
    with pytest.raises(FileNotFoundError, match="there is no checkpoint at"):
        load_pruned(model, IMAGES, masks, tmp_path / "none.pth")
    torch.save(model.state_dict(), tmp_path / "whole.pth")
    with pytest.raises(ValueError, match=r"has shape .*, expected"):
        load_pruned(model, IMAGES, masks, tmp_path / "whole.pth")


def run_file(folder, **values):
    """Write a configuration as published, with the files that it names, in ``configs`` and beside it."""
    (folder / "configs").mkdir(exist_ok=True)
    content = {
        "arch": "resnet50", "class_num": 1000, "learning_rate": 1.024, "momentum": 0.875, "weight_decay": 3.0517578125e-05,
        "prune_start_iter": 0, "prune_interval": 40, "prune_steps": 30, "prune_ratio": 0.45, "disable_layer_prune": False,
        "layer_cfg": "configs/layers.json", "group_size_cfg": "configs/groups.json", "latency_lut_file": "lut.pkl", "lut_bs": 256,
    }  # fmt: skip
    written(folder / "configs" / "layers.json", layer_config())
    written(folder / "configs" / "groups.json", {"module.conv1": 2, "module.layer1.0.conv1": 32})
    save_latency_table(LatencyTable({"256_3_64_224_7_2_1": 8.302}), folder / "lut.pkl")
    path = folder / "configs" / "run.yaml"
    path.write_text(yaml.safe_dump(content | values))
    return path


def test_published_run(tmp_path):
    run = load_published_run(run_file(tmp_path))
    assert run.halp.share == 0.55
    assert (run.halp.start, run.halp.interval, run.halp.steps, run.halp.keep_one) == (0, 40, 30, False)
    assert run.halp.group_size == {"conv1": 2, "layer1.0.conv1": 32}
    assert run.layers == tmp_path / "configs" / "layers.json"
    assert run.feature_maps is None
    assert len(run.table) == 1
    assert (run.lut_batch, run.training["learning_rate"], run.training["momentum"]) == (256, 1.024, 0.875)
    kept = load_published_run(run_file(tmp_path, disable_layer_prune=True), root=tmp_path)
    assert kept.halp.keep_one


@pytest.mark.parametrize(
    "values, error, message",
    [
        ({"prune_ratio": 1.2}, ValueError, "prune_ratio must be from 0 to below 1 of the latency, got 1.2"),
        ({"prune_ratio": "half"}, ValueError, "prune_ratio must be from 0 to below 1 of the latency, got 'half'"),
        ({"prune_steps": 0}, ValueError, "steps must be a whole number of at least 1, got 0"),
        ({"layer_cfg": "configs/none.json"}, FileNotFoundError, "names configs/none.json, which is not in"),
    ],
)
def test_published_runs_that_cannot_be(tmp_path, values, error, message):
    with pytest.raises(error, match=message):
        load_published_run(run_file(tmp_path, **values))


def test_files_that_are_missing_or_hold_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no configuration at"):
        load_published_run(tmp_path / "none.yaml")
    with pytest.raises(FileNotFoundError, match="there is no file at"):
        load_layer_config(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match="there is no file at"):
        load_group_masks(tmp_path / "none.pkl")
    (tmp_path / "run.yaml").write_text("arch: resnet50")
    with pytest.raises(ValueError, match="holds no prune_ratio: it is no configuration of a pruning run"):
        load_published_run(tmp_path / "run.yaml")
    (tmp_path / "run.yaml").write_text("arch: [")
    with pytest.raises(ValueError, match="is not readable as YAML"):
        load_published_run(tmp_path / "run.yaml")
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(ValueError, match="is not readable as JSON"):
        load_layer_numbers(tmp_path / "cut.json")
    with pytest.raises(ValueError, match="conv1 has 0, expected a positive whole number"):
        load_layer_numbers(written(tmp_path / "sizes.json", {"conv1": 0}))
    with pytest.raises(ValueError, match="holds a list, expected positive whole numbers by layer"):
        load_layer_numbers(written(tmp_path / "sizes.json", [1]))
