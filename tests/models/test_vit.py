"""The vision transformer: published names and sizes, positions, intermediate maps, and equality with plain formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from workbench.models.vit import (
    Block,
    PatchFeatures,
    dinov2_vitb14,
    dinov2_vits14,
    load_official_checkpoint,
)
from workbench.retrieval import ModuleBackbone, recipe_hash

TINY = {"embed_dim": 12, "depth": 3, "num_heads": 2, "image_size": 56}


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = dinov2_vits14(**TINY).eval()
    for block in network.blocks:
        nn.init.normal_(block.ls1.gamma)
        nn.init.normal_(block.ls2.gamma)
    return network


def test_published_names_shapes_and_size():
    with torch.device("meta"):
        small, base = dinov2_vits14(), dinov2_vitb14()
    shapes = {name: tuple(value.shape) for name, value in small.state_dict().items()}
    assert len(shapes) == 4 + 12 * 14 + 2
    assert shapes["pos_embed"] == (1, 1370, 384)
    assert shapes["patch_embed.proj.weight"] == (384, 3, 14, 14)
    assert shapes["blocks.11.attn.qkv.weight"] == (1152, 384)
    assert shapes["blocks.0.ls1.gamma"] == (384,)
    assert shapes["blocks.0.mlp.fc1.bias"] == (1536,)
    assert (
        sum(math.prod(shape) for shape in shapes.values()) == 22_056_576 - 384
    )  # the published file's, less mask_token
    assert base.state_dict()["blocks.0.mlp.fc2.weight"].shape == (768, 3072)


def test_a_block_is_the_pre_norm_formula_with_scaled_branches():
    torch.manual_seed(0)
    block = Block(12, 3, 2.0)
    nn.init.normal_(block.ls1.gamma)
    nn.init.normal_(block.ls2.gamma)
    peer = nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        peer.in_proj_weight.copy_(block.attn.qkv.weight)
        peer.in_proj_bias.copy_(block.attn.qkv.bias)
        peer.out_proj.weight.copy_(block.attn.proj.weight)
        peer.out_proj.bias.copy_(block.attn.proj.bias)
    tokens = torch.randn(2, 7, 12)
    normal = block.norm1(tokens)
    expected = tokens + block.ls1.gamma * peer(normal, normal, normal)[0]
    hidden = nn.functional.gelu(block.mlp.fc1(block.norm2(expected)))
    expected = expected + block.ls2.gamma * block.mlp.fc2(hidden)
    torch.testing.assert_close(block(tokens), expected)


def test_patches_that_change_places_change_places_in_the_map(network):
    nn.init.zeros_(network.pos_embed)
    images = torch.rand(1, 3, 28, 42)
    swapped = images.clone()
    swapped[..., :14, :14], swapped[..., 14:, 28:] = images[..., 14:, 28:], images[..., :14, :14]
    with torch.no_grad():
        (plain,), (moved,) = (network.get_intermediate_layers(one, [2]) for one in (images, swapped))
        torch.testing.assert_close(network(images), network(swapped), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(moved[..., 0, 0], plain[..., 1, 2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(moved[..., 0, 1], plain[..., 0, 1], atol=1e-5, rtol=1e-4)


def test_positions_are_the_learned_ones_or_scaled(network):
    learned = network.pos_embed[:, 1:].reshape(1, 4, 4, 12)
    assert torch.equal(network.positions(4, 4), learned)
    rows = torch.linspace(0, 1, 4).reshape(1, 4, 1, 1).expand(1, 4, 4, 12)
    with torch.no_grad():
        network.pos_embed[:, 1:] = rows.flatten(1, 2)
    for network.interpolate_offset in (0.0, 0.1):
        scaled = network.positions(8, 6)
        assert scaled.shape == (1, 8, 6, 12)
        assert torch.all(scaled.diff(dim=1)[:, 1:-1] > 0)  # still rises from row to row
        torch.testing.assert_close(scaled, scaled[:, :, :1].expand_as(scaled))
    with torch.no_grad():
        network.pos_embed[:] = 3
    torch.testing.assert_close(network.positions(5, 9), torch.full((1, 5, 9, 12), 3.0))


def test_intermediate_layers_are_those_of_the_whole_run_and_later_blocks_rest(network):
    images = torch.rand(2, 3, 56, 28)
    with torch.no_grad():
        tokens, grid = network.embed(images)
        outputs = []
        for block in network.blocks:
            outputs.append(tokens := block(tokens))
        late, early = network.get_intermediate_layers(images, [2, 0], norm=False)
        assert torch.equal(network(images), network.norm(outputs[2])[:, 0])
        assert torch.equal(early[1, :, 3, 1], outputs[0][1, 1 + 3 * 2 + 1])
        assert torch.equal(late, outputs[2][:, 1:].transpose(1, 2).unflatten(2, grid))
        (normal,) = network.get_intermediate_layers(images, [0])
        torch.testing.assert_close(normal.mean(1), torch.zeros(2, 4, 2), atol=1e-6, rtol=0)
        network.blocks[1].forward = lambda tokens: pytest.fail("block 1 was run")
        network.get_intermediate_layers(images, [0])


def test_wrong_arguments_are_named(network):
    with pytest.raises(ValueError, match=r"images has shape \(1, 3, 30, 28\), expected .* multiples of 14"):
        network(torch.rand(1, 3, 30, 28))
    with pytest.raises(ValueError, match=r"blocks must lie in 0 to 2, got \[3\]"):
        network.get_intermediate_layers(torch.rand(1, 3, 28, 28), [3])
    with pytest.raises(ValueError, match="image_size must be a multiple of 14, got 225"):
        dinov2_vits14(image_size=225)
    with pytest.raises(ValueError, match="embed_dim must be a multiple of 6, got 32"):
        dinov2_vits14(embed_dim=32)
    with pytest.raises(ValueError, match="enlarge must hold divisors of the patch size 14, got 3"):
        PatchFeatures(network, 0, enlarge=[1, 3])
    with pytest.raises(ValueError, match="block must lie in 0 to 2, got 7"):
        PatchFeatures(network, 7)


def test_a_published_file_decides_every_output(network, tmp_path):
    path = tmp_path / "dinov2_vits14_pretrain.pth"
    torch.save(network.state_dict() | {"mask_token": torch.zeros(1, 12)}, path)
    other = dinov2_vits14(**TINY).eval()
    report = load_official_checkpoint(other, path)
    assert report.complete
    assert report.ignored == ("mask_token",)
    images = torch.rand(1, 3, 28, 28)
    with torch.no_grad():
        assert torch.equal(other(images), network(images))
    with pytest.raises(ValueError, match=r"pos_embed has shape \(1, 17, 12\), expected \(1, 26, 12\)"):
        load_official_checkpoint(dinov2_vits14(**(TINY | {"image_size": 70})), path)


def test_maps_at_half_the_stride_plug_into_retrieval(network):
    images = torch.rand(1, 3, 30, 40)
    hashes = set()
    for enlarge, stride, cells in ((1, 14, (3, 3)), (2, 7, (5, 6))):
        module = PatchFeatures(network, 1, [enlarge])
        backbone = ModuleBackbone(module, [stride], {"block": 1, "enlarge": enlarge}, device="cpu")
        assert backbone.features(images)[stride].shape == (1, 12, *cells)
        hashes.add(recipe_hash(backbone.recipe))
    assert len(hashes) == 2
    wrong = ModuleBackbone(PatchFeatures(network, 1), [7], device="cpu")
    with pytest.raises(ValueError, match=r"the module gives no map, expected \(1, C, 4, 6\) at stride 7"):
        wrong.features(torch.rand(1, 3, 28, 42))


def test_enlarged_maps_are_those_of_the_enlarged_image(network):
    images = torch.rand(1, 3, 28, 42)
    larger = nn.functional.interpolate(images, (56, 84), mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        torch.testing.assert_close(PatchFeatures(network, 0, [1, 2])(images)[7], PatchFeatures(network, 0)(larger)[14])
