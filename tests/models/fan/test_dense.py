"""Backbones of dense prediction and the head of SegFormer: shapes, names, positions, windows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.models.fan import Fan
from workbench.models.fan.dense import (
    OUT_BLOCKS,
    FanBackbone,
    FanSegmenter,
    SegFormerHead,
    fan_segmenter,
    load_official_segmenter,
    sliding_logits,
)


def small(hybrid=(1, 1), **keywords):
    torch.manual_seed(0)
    return Fan(32, 3, 4, hybrid=hybrid, num_classes=0, floored=False, **keywords)


@torch.no_grad()
def test_a_hybrid_gives_four_maps_and_shares_its_blocks_with_the_classifier():
    network = small().eval()
    backbone = FanBackbone(network, (1,)).eval()
    images = torch.randn(2, 3, 64, 96)
    maps = backbone(images)
    assert [tuple(one.shape[1:]) for one in maps] == [(128, 16, 24), (256, 8, 12), (32, 4, 6), (32, 4, 6)]
    assert backbone.channels == tuple(one.shape[1] for one in maps)
    stages = list(network.token_stages(images))
    torch.testing.assert_close(maps[2].flatten(2).transpose(1, 2), stages[2][0])
    torch.testing.assert_close(maps[3].flatten(2).transpose(1, 2), network.attend_to_classes(stages[-1][0])[:, 1:])


@torch.no_grad()
def test_a_convolution_stem_and_a_detector():
    backbone = FanBackbone(small(None), (0, 1, 2), downsample_last=True).eval()
    sides = [tuple(one.shape[1:]) for one in backbone(torch.randn(1, 3, 48, 80))]
    assert sides == [(32, 3, 5)] * 3 + [(768, 2, 3)]
    assert {"learnable_downsample.weight", "learnable_downsample.bias"} <= set(backbone.state_dict())


@torch.no_grad()
def test_the_other_position_encoding_changes_the_maps():
    images = torch.randn(1, 3, 64, 64)
    networks = [small().eval(), Fan(32, 3, 4, hybrid=(1, 1), num_classes=0).eval()]
    networks[1].load_state_dict(networks[0].state_dict())
    first, second = (FanBackbone(network, (2,)).eval()(images) for network in networks)
    assert torch.equal(first[1], second[1])
    assert float((first[2] - second[2]).abs().max()) > 1e-3


@torch.no_grad()
def test_the_head_is_its_formula():
    torch.manual_seed(0)
    head = SegFormerHead((4, 5, 6, 7), num_classes=3, width=8).eval()
    maps = [torch.randn(1, channels, 8 // 2**index, 8 // 2**index) for index, channels in enumerate((4, 5, 6, 7))]
    parts = [head.linear_c4, head.linear_c3, head.linear_c2, head.linear_c1]
    same = []
    for part, one in zip(parts, maps[::-1], strict=True):
        projected = torch.einsum("oc,bchw->bohw", part.proj.weight, one) + part.proj.bias[:, None, None]
        same.append(nn.functional.interpolate(projected, (8, 8), mode="bilinear", align_corners=False))
    fused = head.linear_fuse.bn(head.linear_fuse.conv(torch.cat(same, 1))).relu()
    torch.testing.assert_close(head(maps), head.linear_pred(fused))


def test_published_names_of_segmentation():
    with torch.device("meta"):
        state = fan_segmenter("fan_tiny_8_p4_hybrid").state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes["decode_head.linear_c3.proj.weight"] == (768, 192)
    assert shapes["decode_head.linear_fuse.conv.weight"] == (768, 3072, 1, 1)
    assert shapes["decode_head.linear_pred.weight"] == (19, 768, 1, 1)
    assert "decode_head.linear_fuse.conv.bias" not in shapes
    assert "backbone.patch_embed.backbone.stages.1.downsample.1.weight" in shapes
    assert not [name for name in shapes if name.startswith(("backbone.head", "backbone.norm."))]
    with torch.device("meta"):
        for name, blocks in OUT_BLOCKS.items():
            assert len(fan_segmenter(name).backbone.channels) == 4, blocks


def test_a_published_file_of_segmentation_loads_and_its_unused_layer_is_told(tmp_path):
    model, other = (FanSegmenter(FanBackbone(small(), (2,)), 5, width=16).eval() for _ in range(2))
    unused = {"decode_head.conv_seg.weight": torch.zeros(5, 256, 1, 1), "decode_head.conv_seg.bias": torch.zeros(5)}
    torch.save({"meta": {"epoch": 1}, "state_dict": {**model.state_dict(), **unused}}, tmp_path / "city.pth")
    nn.init.zeros_(other.decode_head.linear_pred.weight)
    report = load_official_segmenter(other, tmp_path / "city.pth")
    assert report.complete
    assert report.ignored == tuple(unused)
    images = torch.randn(1, 3, 33, 50)
    assert torch.equal(model(images), other(images))
    assert model(images).shape == (1, 5, 33, 50)


@pytest.mark.parametrize("height, width", [(10, 10), (7, 25), (5, 3)])
def test_windows_cover_every_pixel_and_average(height, width):
    """A model that acts on single pixels gives the same through windows; one that counts its calls shows the overlap."""
    images = torch.randn(2, 3, height, width)
    model = nn.Conv2d(3, 4, 1)
    torch.testing.assert_close(sliding_logits(model, images, window=8, stride=6), model(images).detach())
    sides = []
    sliding_logits(lambda part: (sides.append(part.shape[2:]), part)[1], images, window=8, stride=6)
    assert set(sides) == {torch.Size([min(height, 8), min(width, 8)])}


def test_bad_input():
    with pytest.raises(ValueError, match=r"out_blocks must lie in 0 to 2, got \[3\]"):
        FanBackbone(small(), (3,))
    with pytest.raises(ValueError, match="the network halves its grid between blocks"):
        FanBackbone(small(late=(48, 1, 4)), (1,))
    with pytest.raises(ValueError, match="name must be one of fan_tiny_8_p4_hybrid"):
        fan_segmenter("fan_huge")
    with pytest.raises(ValueError, match="stride must lie in 1 to 8, got 9"):
        sliding_logits(nn.Identity(), torch.zeros(1, 3, 9, 9), window=8, stride=9)
    with pytest.raises(TypeError, match="expected float tensor normalised"):
        FanBackbone(small(), (1,))(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
