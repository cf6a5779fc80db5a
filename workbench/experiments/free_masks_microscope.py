"""The weak losses on one mask: free logits, taught by a coarse mask, watched step by step.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from workbench.models.freesolo import LossWeights, losses

TERMS = ("max", "average", "pairwise", "dice")
_RATE = 0.3
_START = 0.1
"""Largest logit at the start, of either sign; no mask is preferred."""


@dataclass(frozen=True)
class MicroscopeConfig:
    """How a mask is fitted.

    Attributes:
        weights: of the terms; ``semantic`` plays no part, as a mask has no embedding.
        steps: of Adam.
        ramp: steps over which the pairwise term grows to its weight.
        stride: pixels of the image to a place of the mask.
        seed: of the first logits.

    Raises:
        ValueError: a number below 1.
    """

    weights: LossWeights = field(default_factory=LossWeights)
    steps: int = 48
    ramp: int = 24
    stride: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "ramp", "stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A mask as it was fitted.

    Attributes:
        probabilities: (frames, h, w), float32, the first before any step.
        steps: step of each frame.
        terms: a row a step: ``step`` and each of :data:`TERMS`, not weighted.
    """

    probabilities: NDArray[np.float32]
    steps: NDArray[np.int64]
    terms: pd.DataFrame


def fit_mask(
    image: NDArray[np.uint8], coarse: NDArray[np.bool_], config: MicroscopeConfig | None = None, frames: int = 17
) -> Fitted:
    """Return how free logits fit a coarse mask by projections, and the image's colours by pairs.

    Args:
        image: uint8 (height, width, 3).
        coarse: boolean (height, width), such as a person draws.
        config: None for the paper's weights.
        frames: how many of the steps are kept to look at.

    Raises:
        ValueError: shapes differ, or the coarse mask is empty at the size of the mask.
    """
    config = config or MicroscopeConfig()
    if image.ndim != 3 or image.shape[2] != 3 or coarse.shape != image.shape[:2]:
        raise ValueError(f"coarse must be a mask of the image's {image.shape[:2]}, got {coarse.shape}")
    target = small_target(coarse, config.stride)
    if not bool(target.any()):
        raise ValueError(f"coarse must have more than a few of its pixels set, got {int(coarse.sum())}")
    similar = pair_similarity(image, config.stride)
    generator = torch.Generator().manual_seed(config.seed)
    logits = _START * (2 * torch.rand(target.shape, generator=generator) - 1)
    logits.requires_grad_(True)
    optimiser = torch.optim.Adam([logits], lr=_RATE)
    shown = np.unique(np.linspace(0, config.steps, frames).round().astype(int))
    kept, rows = [], []
    for step in range(config.steps + 1):
        if step in shown:
            kept.append(logits.detach().sigmoid()[0].numpy().copy())
        terms = _terms(logits, target, similar, config.weights)
        rows.append({"step": step, **{name: float(value.detach()) for name, value in terms.items()}})
        if step < config.steps:
            ramp = min((step + 1) / config.ramp, 1)
            optimiser.zero_grad()
            sum(
                getattr(config.weights, name) * (ramp if name == "pairwise" else 1) * terms[name] for name in TERMS
            ).backward()
            optimiser.step()
    return Fitted(np.stack(kept), shown, pd.DataFrame(rows))


def small_target(coarse: NDArray[np.bool_], stride: int) -> Tensor:
    """Return a coarse mask (height, width) as (1, h, w), 0 or 1, at 1 / ``stride`` of its size."""
    whole = torch.from_numpy(np.asarray(coarse, np.float32))[None, None]
    size = [side // stride for side in coarse.shape]
    return (functional.interpolate(whole, size, mode="bilinear", align_corners=False)[0] >= 0.5).float()


def pair_similarity(image: NDArray[np.uint8], stride: int) -> Tensor:
    """Return the colour similarity (8, h, w) of neighbours two places apart, of an image (height, width, 3)."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return losses.colour_similarity(losses.rgb_to_lab(functional.avg_pool2d(pixels, stride)[0]))


def connected_pairs(
    image: NDArray[np.uint8], coarse: NDArray[np.bool_], stride: int = 3, threshold: float = 0.3
) -> NDArray[np.float64]:
    """Return the pairs that the pairwise term joins, (n, 4): column and row, image pixels, of one end and the other; each once.

    Pairs of like colour, inside the box of the coarse mask.
    """
    similar = pair_similarity(image, stride)
    inside = losses.box_of(small_target(coarse, stride))[0]
    joined = (similar >= threshold) & (inside > 0)
    offsets = [(down, across) for down in (-2, 0, 2) for across in (-2, 0, 2) if (down, across) != (0, 0)]
    found = []
    for index, (down, across) in enumerate(offsets[4:], start=4):  # the other four are these, seen from the other end
        rows, columns = np.nonzero(joined[index].numpy())
        found.append(np.stack([columns, rows, columns + across, rows + down], 1))
    return (np.concatenate(found) + 0.5) * stride - 0.5


def agreement(probabilities: NDArray[np.float32], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the intersection over union, (frames,), of masks fitted (frames, h, w) and the true one (height, width)."""
    large = functional.interpolate(
        torch.from_numpy(probabilities)[:, None], truth.shape, mode="bilinear", align_corners=False
    )
    masks = (large[:, 0] >= 0.5).numpy()
    return (masks & truth).sum((1, 2)) / np.maximum((masks | truth).sum((1, 2)), 1)


def _terms(logits: Tensor, target: Tensor, similar: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    soft = logits.sigmoid()
    return {
        "max": losses.max_projection_loss(soft, target).mean(),
        "average": losses.average_projection_loss(soft, target).mean(),
        "pairwise": losses.pairwise_loss(logits, similar, losses.box_of(target), weights.similarity),
        "dice": losses.dice_loss(soft, target).mean(),
    }
