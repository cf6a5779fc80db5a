"""What the networks do: the gate's band, equality with plain formulas, any size and precision, and bad input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import gelu

from workbench.models.fan import CHANNEL_FORMS, VARIANTS, ChannelDesign, Fan, FanSwin, plain_vit
from workbench.models.fan.blocks import Block, ClassAttentionBlock, TokenAttention
from workbench.models.fan.channels import ChannelProcessing
from workbench.models.fan.stems import FourierPositions
from workbench.models.fan.swin import WindowAttention, from_windows, shift_mask, to_windows

TINY = {"patch_size": 4, "num_classes": 10}


def network(**keywords):
    torch.manual_seed(0)
    return Fan(**{"embed_dim": 32, "depth": 2, "num_heads": 4, **TINY, **keywords}).eval()


def roughen(module):
    """Give every parameter a value that matters."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()


@given(st.integers(0, 999), st.sampled_from([1, 4, 9]), st.floats(0.1, 50))
@settings(max_examples=30, deadline=None)
def test_the_gate_stays_inside_its_band(seed, count, scale):
    torch.manual_seed(seed)
    block = ChannelProcessing(8, 2, 16)
    nn.init.normal_(block.q.weight, std=3.0)
    gate = block.gate(scale * torch.randn(2, count, 8)).detach()
    assert 0.5 <= float(gate.min()) <= float(gate.max()) <= 1 / (1 + math.exp(-1)) + 1e-6


def test_equal_tokens_give_a_gate_of_sigmoid_of_one_over_their_number():
    block = roughen(ChannelProcessing(8, 2, 16))
    nn.init.constant_(block.temperature, 2.0)
    for count in (1, 49, 196):
        gate = block.gate(torch.randn(1, 1, 8).expand(3, count, 8))
        torch.testing.assert_close(gate, torch.full((3, 8), 2 / (1 + math.exp(-1 / count))))


def test_efficient_channel_attention_is_its_formula_channel_by_channel():
    block = roughen(ChannelProcessing(6, 2, 12)).double()
    tokens = 3 * torch.randn(1, 4, 6, dtype=torch.float64)
    queries = torch.softmax(block.q(tokens)[0], 0)
    keys = torch.softmax(tokens[0], 0)
    values = block.norm_v(block.mlp_v(tokens, 2, 2))[0]
    expected = torch.empty(4, 6, dtype=torch.float64)
    for channel in range(6):
        head = channel // 3
        prototype = keys[:, 3 * head : 3 * head + 3].mean(1)
        gate = torch.sigmoid((queries[:, channel] * prototype).sum()) * block.temperature[head, 0, 0]
        expected[:, channel] = gate * values[:, channel]
    torch.testing.assert_close(block(tokens, 2, 2)[0], expected)


def test_channel_attention_is_equation_6():
    block = roughen(ChannelProcessing(6, 2, 12, ChannelDesign("ca")))
    tokens = torch.randn(2, 9, 6)
    queries, keys, values = block.q(tokens), block.k(tokens), block.norm_v(block.mlp_v(tokens, 3, 3))
    for head in (slice(0, 3), slice(3, 6)):
        scores = torch.einsum("bnd,bne->bde", queries[..., head], keys[..., head]) / 3
        expected = torch.einsum("bde,bne->bnd", scores.softmax(2), values[..., head])
        torch.testing.assert_close(block(tokens, 3, 3)[..., head], expected)
    torch.testing.assert_close(block.channel_map(tokens).sum(3), torch.ones(2, 2, 3))


def test_the_depthwise_mlp_is_its_formula_and_has_no_other_nonlinearity():
    block = roughen(ChannelProcessing(6, 2, 12, ChannelDesign("none", value_norm=False)))
    tokens = torch.randn(2, 15, 6)
    mlp = block.mlp_v
    hidden = mlp.fc1(tokens)
    maps = hidden.transpose(1, 2).reshape(2, 12, 3, 5)
    maps = mlp.dwconv.conv2(mlp.dwconv.bn(gelu(mlp.dwconv.conv1(maps))))
    expected = mlp.fc2(hidden + mlp.gamma * maps.flatten(2).transpose(1, 2))
    torch.testing.assert_close(block(tokens, 3, 5), expected)
    without = ChannelProcessing(6, 2, 12, ChannelDesign("none", residual=False, value_norm=False)).eval()
    without.load_state_dict(block.state_dict())
    torch.testing.assert_close(without(tokens, 3, 5), mlp.fc2(mlp.gamma * maps.flatten(2).transpose(1, 2)))


def test_a_plain_block_is_that_of_a_vit():
    """The encoder layer of torch, pre-norm with GELU, given the same weights."""
    block = plain_vit(8, 1, 2, patch_size=4).eval().blocks[0]
    for norm in (block.norm1, block.norm2):
        nn.init.normal_(norm.weight)
    peer = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True).eval()
    state = {
        "self_attn.in_proj_weight": torch.cat([block.attn.q.weight, block.attn.kv.weight]),
        "self_attn.in_proj_bias": torch.cat([block.attn.q.bias, block.attn.kv.bias]),
    }
    for ours, theirs in (
        ("attn.proj", "self_attn.out_proj"),
        ("mlp.mlp_v.fc1", "linear1"),
        ("mlp.mlp_v.fc2", "linear2"),
    ):
        state |= {f"{theirs}.{kind}": block.state_dict()[f"{ours}.{kind}"] for kind in ("weight", "bias")}
    for name in ("norm1", "norm2"):
        state |= {f"{name}.{kind}": block.state_dict()[f"{name}.{kind}"] for kind in ("weight", "bias")}
    peer.load_state_dict(state)
    tokens = torch.randn(2, 6, 8)
    torch.testing.assert_close(block(tokens, 2, 3), peer(tokens), atol=1e-5, rtol=1e-4)


def test_attention_weights_reproduce_the_mixture():
    part = roughen(TokenAttention(8, 2))
    tokens = torch.randn(2, 5, 8)
    values = part.kv(tokens)[..., 8:].unflatten(2, (2, 4)).transpose(1, 2)
    mixed = (part.attention(tokens) @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(part(tokens), part.proj(mixed))


def test_class_attention_changes_patches_only_by_norms_and_doubling():
    block = roughen(ClassAttentionBlock(8, 2, 16))
    tokens = torch.randn(1, 5, 8)
    patches = tokens[:, 1:]
    expected = 2 * block.norm2(patches + block.gamma1 * block.norm1(patches))
    torch.testing.assert_close(block(tokens)[:, 1:], expected)
    shuffled = tokens[:, [0, 3, 1, 4, 2]]
    torch.testing.assert_close(block(shuffled)[:, 0], block(tokens)[:, 0])


@pytest.mark.parametrize("floored", [True, False])
def test_positions_are_their_formula(floored):
    part = FourierPositions(5, floored)
    waves = part.waves(3, 4, torch.device("cpu"), torch.float64)
    assert waves.shape == (1, 64, 3, 4)
    for index in (0, 1, 6, 7, 31):
        exponent = 2 * (index // 2) / 32 if floored else index / 32
        wave = math.cos if index % 2 else math.sin
        row, column = 2 / (3 + 1e-6) * 2 * math.pi, 4 / (4 + 1e-6) * 2 * math.pi
        assert float(waves[0, index, 1, 3]) == pytest.approx(wave(row / 10000**exponent), abs=1e-9)
        assert float(waves[0, 32 + index, 1, 3]) == pytest.approx(wave(column / 10000**exponent), abs=1e-9)


@pytest.mark.parametrize("form", CHANNEL_FORMS)
@pytest.mark.parametrize("depthwise, value_norm", [(True, True), (False, False), (False, True)])
def test_every_design_trains(form, depthwise, value_norm):
    model = network(design=ChannelDesign(form, depthwise, value_norm)).train()
    model(torch.randn(4, 3, 16, 16)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("patch", [4, 8, 16])
@given(st.integers(1, 50), st.integers(1, 50))
@settings(max_examples=10, deadline=None)
def test_any_size_is_taken_and_the_grid_rounds_up(patch, height, width):
    model = network(patch_size=patch)
    with torch.no_grad():
        tokens, rows, columns = model.embed(torch.randn(1, 3, height, width))
        assert (rows, columns) == (-(-height // patch), -(-width // patch))
        assert tokens.shape == (1, rows * columns, 32)
        assert model(torch.randn(1, 3, height, width)).isfinite().all()


@torch.no_grad()
def test_a_hybrid_rounds_down_and_a_late_stage_halves_the_grid():
    model = Fan(32, 2, 4, hybrid=(1, 1), late=(48, 1, 6), num_classes=7).eval()
    grids = [
        (rows, columns, tokens.shape[2]) for tokens, rows, columns in model.token_stages(torch.randn(1, 3, 63, 100))
    ]
    assert grids == [(3, 6, 32), (3, 6, 32), (2, 3, 48), (2, 3, 48)]
    assert model(torch.randn(1, 3, 63, 100)).shape == (1, 7)
    with pytest.raises(ValueError, match="images are 15x40, expected sides of at least 16 pixels"):
        model(torch.randn(1, 3, 15, 40))


@pytest.mark.parametrize("make", [network, lambda **k: FanSwin(24, (2, 2), (2, 4), num_classes=10, **k).eval()])
@torch.no_grad()
def test_double_and_half_precision(make):
    model, images = make(), torch.randn(2, 3, 36, 36)
    single = model(images)
    double = model.double()(images.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, atol=1e-5, rtol=1e-4)
    for dtype, tolerance in ((torch.float16, 0.02), (torch.bfloat16, 0.1)):
        half = model.to(dtype)(images.to(dtype))
        assert half.dtype == dtype
        torch.testing.assert_close(half.float(), single, atol=tolerance, rtol=0.1)


@pytest.mark.parametrize("make", [network, lambda: FanSwin(24, (2, 2), (2, 4), num_classes=10).eval()])
@torch.no_grad()
def test_an_image_is_seen_alike_in_any_batch(make):
    model, images = make(), torch.randn(3, 3, 30, 42)
    torch.testing.assert_close(model(images)[1:2], model(images[1:2]), atol=1e-5, rtol=1e-4)


def test_no_classes_gives_features_and_other_channels_are_taken():
    assert network(num_classes=0, in_chans=1)(torch.randn(2, 1, 12, 12)).shape == (2, 32)
    assert FanSwin(24, (2, 2), (2, 4), num_classes=0, in_chans=1)(torch.randn(2, 1, 30, 30)).shape == (2, 48)


def test_dropped_paths_leave_the_input():
    block = Block(8, 2, 16, drop_path_rate=1.0)
    tokens = torch.randn(2, 4, 8)
    assert torch.equal(block(tokens, 2, 2), tokens)
    assert not torch.equal(block.eval()(tokens, 2, 2), tokens)
    rates = [
        block.drop_path.p for stage in FanSwin(24, (2, 2), (2, 4), drop_path_rate=0.3).layers for block in stage.blocks
    ]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [block.drop_path.p for block in network(drop_path_rate=0.3).blocks] == [0.3, 0.3]


def test_gates_of_all_blocks():
    gates = [gate.detach() for gate in network().gates(torch.randn(3, 3, 28, 28))]
    assert [tuple(gate.shape) for gate in gates] == [(3, 32)] * 2
    assert all(float(gate.min()) > 0.5 and float(gate.max()) < 0.5322 for gate in gates)  # near sigmoid(1 / 49)
    with pytest.raises(ValueError, match="the form 'none' has no gate"):
        network(design=ChannelDesign("none")).gates(torch.randn(1, 3, 8, 8))
    with pytest.raises(ValueError, match="the form 'eca' has no map of channels"):
        ChannelProcessing(8, 2, 16).channel_map(torch.randn(1, 4, 8))


def test_windows_and_their_mask():
    grid = torch.arange(14 * 21.0).reshape(1, 14, 21, 1)
    windows = to_windows(grid)
    assert windows.shape == (6, 49, 1)
    assert windows[1, :3, 0].tolist() == [7, 8, 9]
    assert windows[1, 7, 0] == 28
    assert torch.equal(from_windows(windows, 14, 21), grid)
    mask = shift_mask(14, 14, 3)
    assert not mask[0].any()  # the first window holds one piece
    assert {int((row == 0).sum()) for row in mask[1]} == {7 * 4, 7 * 3}
    assert {int((row == 0).sum()) for row in mask[3]} == {16, 12, 9}


def test_the_offset_bias_depends_on_the_offset_alone():
    part = WindowAttention(4, 1)
    index = part.relative_position_index.reshape(7, 7, 7, 7)
    assert index[3, 3, 3, 3] == index[0, 0, 0, 0]
    assert index[2, 5, 1, 3] == index[4, 3, 3, 1]
    assert len(index.unique()) == 13**2


@torch.no_grad()
def test_a_window_sees_no_other_window():
    """Without a shift or depthwise convolutions, changing one window of a Swin stage changes no other; with a shift it does."""
    model = FanSwin(24, (1,), (2,), num_classes=0).eval()
    block = model.layers[0].blocks[0]
    tokens = torch.randn(1, 14 * 14, 24)
    changed = tokens.clone()
    changed.view(14, 14, 24)[:7, :7] += 1
    for shift, alone in ((0, True), (3, False)):
        block.shift = shift
        difference = (block(tokens, 14, 14) - block(changed, 14, 14)).view(14, 14, 24).abs().sum(2)
        assert bool((difference[7:] == 0).all() and (difference[:, 7:] == 0).all()) is alone
        assert bool((difference[:7, :7] > 0).all())


@pytest.mark.parametrize(
    "images, error, match",
    [
        (
            torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
            TypeError,
            "uint8, expected float tensor normalised with mean/std",
        ),
        (torch.zeros(3, 8, 8), ValueError, r"shape \(3, 8, 8\), expected \(B, 3, H, W\)"),
        (torch.zeros(1, 1, 8, 8), ValueError, r"shape \(1, 1, 8, 8\), expected \(B, 3, H, W\)"),
        (torch.full((1, 3, 8, 8), math.nan), ValueError, "images holds NaN or infinity"),
        (torch.zeros(1, 3, 0, 8), ValueError, "images are 0x8, expected sides of at least 1"),
    ],
)
@pytest.mark.parametrize("make", [network, lambda: FanSwin(24, (1,), (2,))])
def test_images_that_are_refused(make, images, error, match):
    with pytest.raises(error, match=match):
        make()(images)


def test_sizes_that_are_refused():
    with pytest.raises(ValueError, match="dim 192 is not divisible by 5 heads"):
        VARIANTS["fan_tiny_12_p16_224"](num_heads=5)
    with pytest.raises(ValueError, match="patch_size must be 4, 8 or 16, got 5"):
        network(patch_size=5)
    with pytest.raises(ValueError, match="embed_dim must be a multiple of 8"):
        network(patch_size=16, embed_dim=36)
    with pytest.raises(ValueError, match="form must be one of none, se, ca, eca, got 'xca'"):
        ChannelDesign("xca")
