"""Features without any weights: histograms of oriented gradients and colour, in cells of 8 pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from workbench.retrieval.backbone import prepared
from workbench.retrieval.features import Features, Letterbox
from workbench.training.config import choose_device

CELL = 8
ORIENTATIONS = 18
CLIP = 0.2
COLOUR_WEIGHT = 2.0


class HogColourBackbone:
    """Oriented gradients (18 signed and 9 unsigned orientations) and 3 colour differences: 30 channels at stride 8.

    Each cell's histogram is divided by the energy of the four blocks of 2 x 2 cells around it, clipped and averaged, as in
    Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based Models", PAMI 2010. What a pretrained network
    adds over it is an ablation, and it serves where no weights may be used.

    >>> HogColourBackbone(device="cpu").features(torch.rand(1, 3, 40, 64))[8].shape
    torch.Size([1, 30, 5, 8])
    """

    strides = (CELL,)

    def __init__(self, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.recipe = {"network": "hog_colour", "clip": CLIP, "colour_weight": COLOUR_WEIGHT, "version": 1}

    def features(self, images: Tensor, letterboxes: Sequence[Letterbox] | None = None) -> Features:
        batch, letterboxes = prepared(images, letterboxes, CELL, self.device)
        with torch.no_grad():
            values = torch.cat([_gradient_cells(batch), _colour_cells(batch)], 1)
        return Features({CELL: values}, letterboxes)


def _gradient_cells(images: Tensor) -> Tensor:
    """Return (N, 27, h, w): normalised histograms of 18 signed orientations, then of 9 unsigned ones."""
    framed = pad(images, (1, 1, 1, 1), mode="replicate")
    x = framed[:, :, 1:-1, 2:] - framed[:, :, 1:-1, :-2]
    y = framed[:, :, 2:, 1:-1] - framed[:, :, :-2, 1:-1]
    strongest = (x**2 + y**2).argmax(1, keepdim=True)  # the colour channel that sees the edge best
    x, y = (part.gather(1, strongest) for part in (x, y))
    magnitude = torch.hypot(x, y)
    place = (torch.atan2(y, x) % (2 * math.pi)) * (ORIENTATIONS / (2 * math.pi))
    low = place.floor()
    share = place - low
    votes = torch.zeros(len(images), ORIENTATIONS, *images.shape[2:], device=images.device)
    votes.scatter_add_(1, low.long() % ORIENTATIONS, magnitude * (1 - share))
    votes.scatter_add_(1, (low.long() + 1) % ORIENTATIONS, magnitude * share)
    signed = avg_pool2d(votes, CELL)
    unsigned = signed[:, : ORIENTATIONS // 2] + signed[:, ORIENTATIONS // 2 :]
    energy = (unsigned**2).sum(1, keepdim=True)
    blocks = 4 * avg_pool2d(pad(energy, (1, 1, 1, 1), mode="replicate"), 2, 1)
    norms = (blocks + 1e-4).sqrt()  # noise of a flat cell stays small
    height, width = energy.shape[2:]
    around = [norms[:, :, row : row + height, column : column + width] for row in (0, 1) for column in (0, 1)]
    return torch.stack([(torch.cat([signed, unsigned], 1) / norm).clamp(max=CLIP) for norm in around]).mean(0)


def _colour_cells(images: Tensor) -> Tensor:
    """Return (N, 3, h, w): mean red, green and blue of a cell, less their mean."""
    colours = avg_pool2d(images, CELL)
    return COLOUR_WEIGHT * (colours - colours.mean(1, keepdim=True))
