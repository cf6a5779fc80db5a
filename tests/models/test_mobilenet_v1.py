"""MobileNetV1: the published names, widths and size."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from workbench.models.mobilenet_v1 import MobileNetV1, load_official_checkpoint, small_mobilenet_v1
from workbench.pruning import ChannelGraph


def test_parameters_and_macs_are_those_of_the_paper():
    """Table 8: 4.2 million parameters and 569 million multiply-adds at 224 pixels; a quarter of the width has 0.5 million."""
    with torch.device("meta"):
        model, quarter = MobileNetV1(), MobileNetV1(width=0.25)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.eval()(torch.zeros(1, 3, 224, 224))
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(4.2e6, rel=0.01)
    assert counter.get_total_flops() / 2 == pytest.approx(569e6, rel=0.001)
    assert sum(parameter.numel() for parameter in quarter.parameters()) == pytest.approx(0.5e6, rel=0.07)


def test_names_and_groups_are_the_published_ones():
    """Each pointwise convolution goes with the depthwise one that follows; the last one alone; the stem with the first."""
    with torch.device("meta"):
        model = MobileNetV1()
    graph = ChannelGraph.trace(model, torch.zeros(1, 3, 224, 224))
    first, *_, last = (group.layers for group in graph.groups)
    assert first == ("features.conv_bn.conv", "features.conv_dw1.conv1")
    assert last == ("features.conv_dw13.conv2",)
    assert [group.layers for group in graph.groups[1:-1]] == [
        (f"features.conv_dw{number}.conv2", f"features.conv_dw{number + 1}.conv1") for number in range(1, 13)
    ]
    assert not graph.frozen


def test_checkpoint_with_a_prefix(tmp_path):
    model, other = small_mobilenet_v1(), small_mobilenet_v1()
    torch.save({f"module.{name}": value for name, value in model.state_dict().items()}, tmp_path / "net.pth")
    assert load_official_checkpoint(other, tmp_path / "net.pth").complete
    images = torch.randn(2, 1, 16, 16)
    assert torch.equal(model.eval()(images), other.eval()(images))


def test_widths_that_leave_nothing():
    with pytest.raises(ValueError, match="width must be a positive factor, got 0"):
        MobileNetV1(width=0)
    with pytest.raises(ValueError, match=r"width 0.01 of 32, 64, .* channels leaves a layer without any"):
        MobileNetV1(width=0.01)
