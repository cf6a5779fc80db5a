"""Gradient and colour cells respond to direction and hue, and not to brightness or contrast."""

from __future__ import annotations

import pytest
import torch

from workbench.retrieval import HogColourBackbone


def cells(image: torch.Tensor) -> torch.Tensor:
    return HogColourBackbone(device="cpu").features(image[None])[8][0]


def ramp(degrees: float, slope: float = 0.01) -> torch.Tensor:
    angle = torch.deg2rad(torch.tensor(degrees))
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    plane = slope * (x * torch.cos(angle) + y * torch.sin(angle))
    return (0.5 + plane - plane.mean()).repeat(3, 1, 1).clamp(0, 1)


@pytest.mark.parametrize("index", range(18))
def test_a_ramp_votes_for_its_direction_and_its_axis(index):
    inner = cells(ramp(20.0 * index))[:, 2, 2]
    assert inner[:18].argmax() == index
    assert inner[18:27].argmax() == index % 9


def test_a_direction_between_two_is_shared():
    inner = cells(ramp(30))[:18, 2, 2]
    torch.testing.assert_close(inner[1], inner[2], rtol=1e-3, atol=0)


def test_brightness_and_contrast_cancel():
    texture = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0)).repeat(3, 1, 1)
    one, other = cells(0.2 + 0.3 * texture), cells(0.1 + 0.6 * texture)
    torch.testing.assert_close(one[:27], other[:27], rtol=0, atol=0.01)
    assert one[27:].abs().max() < 1e-6  # grey has no hue


def test_colour_is_relative_to_grey():
    red = torch.tensor([0.9, 0.3, 0.3])[:, None, None].expand(3, 16, 16)
    colour = cells(red)[27:, 0, 0]
    torch.testing.assert_close(colour / colour[0], torch.tensor([1.0, -0.5, -0.5]))
    assert cells(red)[:27].abs().max() < 1e-6
