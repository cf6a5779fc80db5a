"""The network without attention: what it sees is near, and it takes what a FAN takes."""

from __future__ import annotations

import pytest
import torch

from workbench.models.fan import Fan
from workbench.models.fan.control import ConvControl


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ConvControl(16, 1, patch_size=4, num_classes=3, in_chans=1).eval()


def test_a_block_looks_two_cells_far_where_a_block_of_attention_looks_everywhere(network):
    images = torch.rand(1, 1, 48, 48)
    other = images.clone()
    other[..., -4:, -4:] += 1

    def changed(blocks):
        return (blocks(images) - blocks(other)).abs().amax((0, 1))[0, 0]

    assert changed(lambda x: network.blocks[0](network.patch_embed(x))) == 0
    torch.manual_seed(0)
    fan = Fan(16, 1, 2, patch_size=4, num_classes=3, in_chans=1).eval()

    def attended(x):
        *_, (tokens, height, width) = fan.token_stages(x)
        return tokens.transpose(1, 2).unflatten(2, (height, width))

    assert changed(attended) > 0


def test_its_grid_is_that_of_a_fan_at_every_size(network):
    fan = Fan(16, 1, 2, patch_size=4, num_classes=3, in_chans=1).eval()
    for size in ((28, 28), (30, 41)):
        images = torch.rand(2, 1, *size)
        assert network.patch_embed(images).shape[2:] == fan.embed(images)[1:]
        assert network(images).shape == (2, 3)


def test_bad_input(network):
    with pytest.raises(TypeError, match="expected float tensor"):
        network(torch.zeros(1, 1, 28, 28, dtype=torch.uint8))
    with pytest.raises(ValueError, match="NaN"):
        network(torch.full((1, 1, 28, 28), torch.nan))
    with pytest.raises(ValueError, match="expected"):
        network(torch.zeros(1, 3, 28, 28))
