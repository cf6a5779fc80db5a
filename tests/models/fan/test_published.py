"""The published networks: their sizes and names, their outputs for known weights, and their checkpoint files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from workbench.models.fan import VARIANTS, ChannelDesign, load_official_checkpoint, published_names, variant_of
from workbench.models.fan.channels import ChannelProcessing

from .fill import fill, image

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())
SIZES = {
    "fan_tiny_12_p16_224": (7_319_920, 439),
    "fan_small_12_p16_224": (28_345_336, 439),
    "fan_base_18_p16_224": (54_350_320, 625),
    "fan_large_24_p16_224": (80_574_100, 811),
    "fan_tiny_8_p4_hybrid": (7_467_240, 355),
    "fan_small_12_p4_hybrid": (26_117_944, 417),
    "fan_base_16_p4_hybrid": (50_475_048, 603),
    "fan_large_16_p4_hybrid": (76_855_140, 807),
    "fan_Xlarge_16_p4_hybrid": (120_407_316, 860),
    "fan_swin_tiny_patch4_window7_224": (29_538_940, 340),
    "fan_swin_small_patch4_window7_224": (53_064_220, 694),
    "fan_swin_base_patch4_window7_224": (93_599_448, 694),
    "fan_swin_large_patch4_window7_224": (208_941_136, 694),
}
"""Parameters and entries of the state dict of each published network with 1 000 classes."""


def filled(module: nn.Module) -> nn.Module:
    state = module.state_dict()
    new = {
        name: torch.from_numpy(fill(name, tuple(value.shape)))
        for name, value in state.items()
        if value.is_floating_point()
    }
    module.load_state_dict({**state, **new})
    return module.eval()


@pytest.fixture(scope="module")
def tiny():
    return filled(VARIANTS["fan_tiny_12_p16_224"]())


def meta(name, **keywords):
    with torch.device("meta"):
        return VARIANTS[name](**keywords)


@pytest.mark.parametrize("name", SIZES)
def test_parameters_and_entries_are_the_published_ones(name):
    network = meta(name)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert (parameters, len(network.state_dict())) == SIZES[name]


def test_there_is_no_other_variant():
    assert list(VARIANTS) == list(SIZES)


def test_names_and_shapes_of_the_tiny_network_are_the_published_ones(tiny):
    shapes = {name: list(value.shape) for name, value in tiny.state_dict().items()}
    expected = dict(PUBLISHED["names"])
    for name in PUBLISHED["names"]:
        if name.startswith("blocks.1."):
            expected.update({name.replace("s.1.", f"s.{index}."): expected[name] for index in range(2, 12)})
    assert shapes == expected


@pytest.mark.parametrize(
    "variant, names",
    [
        (
            "fan_large_16_p4_hybrid",
            ["patch_embed.backbone.stem.1.weight", "patch_embed.backbone.stages.1.blocks.4.mlp.fc2.weight"],
        ),
        ("fan_large_16_p4_hybrid", ["patch_embed.backbone.stages.1.downsample.1.weight", "patch_embed.proj.weight"]),
        ("fan_swin_tiny_patch4_window7_224", ["layers.0.blocks.1.attn_mask", "layers.2.downsample.reduction.weight"]),
        (
            "fan_swin_tiny_patch4_window7_224",
            ["layers.2.blocks.5.mlp.mlp_v.dwconv.bn.bias", "layers.3.blocks.0.mlp.fc1.bias"],
        ),
    ],
)
def test_names_of_the_other_families(variant, names):
    assert set(names) <= set(meta(variant).state_dict())


def test_the_registered_squeeze_and_excitation_network_has_its_published_size():
    """``fan_small_12_p16_224_se_attn``: squeeze by 4, with biases; no LayerNorm behind the MLP and no temperature."""
    network = meta("fan_small_12_p16_224", design=ChannelDesign("se", value_norm=False))
    assert sum(parameter.numel() for parameter in network.parameters()) == 27_452_440


@torch.no_grad()
def test_logits_are_the_published_ones(tiny):
    plain = PUBLISHED["plain"]
    logits = tiny(torch.from_numpy(image(7, (2, 3, 224, 224))))
    torch.testing.assert_close(logits[:, :32], torch.tensor(plain["logits_head"]), atol=1e-5, rtol=0)
    torch.testing.assert_close(logits.norm(dim=1), torch.tensor(plain["logits_l2"]), atol=1e-4, rtol=0)
    assert logits.argmax(1).tolist() == plain["argmax"]
    logits = tiny(torch.from_numpy(image(11, (1, 3, 160, 256))))
    torch.testing.assert_close(logits[0, :32], torch.tensor(plain["rect_logits_head"]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_tokens_behind_every_block_are_the_published_ones(tiny):
    stages = PUBLISHED["stages"]
    for index, (tokens, _, _) in enumerate(tiny.token_stages(torch.from_numpy(image(7, (2, 3, 224, 224))))):
        if index:
            published = stages[f"blocks.{index - 1}"]
            torch.testing.assert_close(tokens[0, 0, :4], torch.tensor(published["first"]), atol=1e-5, rtol=0)
            assert float(tokens.norm()) == pytest.approx(published["l2"], abs=1e-3)
    assert float(tiny.attend_to_classes(tokens).norm()) == pytest.approx(stages["cls_attn_blocks.1"]["l2"], abs=1e-3)


@torch.no_grad()
def test_logits_with_gates_that_differ_are_the_published_ones():
    network, hot = filled(VARIANTS["fan_tiny_12_p16_224"]()), PUBLISHED["hot"]
    for block in network.blocks:
        block.mlp.q.weight *= 2
        block.norm2.weight *= 8
    images = torch.from_numpy(image(7, (2, 3, 224, 224)))
    logits = network(images)
    head = torch.tensor(hot["logits_head"])
    torch.testing.assert_close(logits[:, : head.shape[1]], head, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits.norm(dim=1), torch.tensor(hot["logits_l2"]), atol=1e-4, rtol=0)


@torch.no_grad()
def test_one_channel_block_with_an_open_gate_is_the_published_one():
    unit = PUBLISHED["unit"]
    block = filled(ChannelProcessing(unit["dim"], unit["heads"], unit["mlp_hidden"]))
    assert {name: list(value.shape) for name, value in block.state_dict().items()} == unit["state_dict"]
    tokens = torch.from_numpy(image(3, (2, 49, 32)))
    tokens[:, 10] += 12.0
    tokens[:, 30] -= 5.0
    gate = block.gate(tokens)
    torch.testing.assert_close(gate.flatten()[:12], torch.tensor(unit["gate_first"]), atol=1e-6, rtol=0)
    over = gate.unflatten(1, (unit["heads"], -1)) / block.temperature[..., 0]
    assert float(over.min()) == pytest.approx(unit["gate_over_temperature_min"], abs=1e-6)
    assert float(over.max()) == pytest.approx(unit["gate_over_temperature_max"], abs=1e-6)
    out = block(tokens, 7, 7)
    torch.testing.assert_close(out.flatten()[:12], torch.tensor(unit["out_first"]), atol=1e-5, rtol=0)
    torch.testing.assert_close(out[1, 10, :8], torch.tensor(unit["out_token10_first"]), atol=1e-5, rtol=0)


def small(**keywords):
    torch.manual_seed(0)
    return VARIANTS["fan_tiny_12_p16_224"](**{"embed_dim": 32, "depth": 2, "num_classes": 5, **keywords}).eval()


def test_a_file_as_the_published_program_saves_it_loads(tmp_path):
    network, other = small(), small()
    average = {
        f"module.{name}": value + 1 if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    saved = {"epoch": 3, "arch": "fan", "state_dict": network.state_dict(), "args": argparse.Namespace(lr=1.0)}
    torch.save({**saved, "state_dict_ema": average}, tmp_path / "run.pth.tar")
    nn.init.zeros_(other.norm.weight)
    assert load_official_checkpoint(other, tmp_path / "run.pth.tar").complete
    assert torch.equal(other.norm.weight, network.norm.weight)
    assert load_official_checkpoint(other, tmp_path / "run.pth.tar", ema=True).complete
    assert torch.equal(other.norm.weight, network.norm.weight + 1)
    torch.save(saved, tmp_path / "plain.pth.tar")
    with pytest.raises(ValueError, match=r"plain.pth.tar has no 'state_dict_ema'; it has epoch, arch, state_dict"):
        load_official_checkpoint(other, tmp_path / "plain.pth.tar", ema=True)


def test_old_names_are_understood(tmp_path):
    network = small()
    state = network.state_dict()
    for kind in ("weight", "bias"):
        for index in range(2):
            parts = [state.pop(f"cls_attn_blocks.{index}.attn.{letter}.{kind}") for letter in "qkv"]
            state[f"cls_attn_blocks.{index}.attn.qkv.{kind}"] = torch.cat(parts)
    old = {f"module.{name.replace('pos_embed.', 'pos_embeder.')}": value for name, value in state.items()}
    torch.save({"state_dict": old}, tmp_path / "old.pth")
    other = small()
    for parameter in other.parameters():
        nn.init.constant_(parameter, 0.3)
    assert load_official_checkpoint(other, tmp_path / "old.pth").complete
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(network(images), other(images))


def test_a_head_of_other_classes_is_told_and_left(tmp_path):
    torch.save(small(num_classes=7).state_dict(), tmp_path / "22k.pth")
    network = small()
    before = network.head.weight.clone()
    report = load_official_checkpoint(network, tmp_path / "22k.pth")
    assert report.missing == report.ignored == ("head.weight", "head.bias")
    assert torch.equal(network.head.weight, before)
    torch.save(small(embed_dim=48).state_dict(), tmp_path / "wide.pth")
    with pytest.raises(ValueError, match=r"has shape \(.*48.*\), expected \(.*32.*\)"):
        load_official_checkpoint(network, tmp_path / "wide.pth")


def test_the_network_is_told_from_the_tensors():
    for name in ("fan_tiny_12_p16_224", "fan_small_12_p4_hybrid", "fan_swin_tiny_patch4_window7_224"):
        state = {f"module.{key}": value for key, value in meta(name, num_classes=12).state_dict().items()}
        assert variant_of(state) == name
    with pytest.raises(ValueError, match="1 tensors fit none of the published networks fan_tiny"):
        variant_of({"weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="has 4 rows, expected queries, keys and values"):
        published_names({"cls_attn_blocks.0.attn.qkv.bias": torch.zeros(4)})
