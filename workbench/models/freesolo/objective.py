"""The loss of Self-Supervised SOLO, over all levels of a batch.

Wang et al., "FreeSOLO", CVPR 2022, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workbench.models.freesolo import losses
from workbench.models.freesolo.network import SoloConfig, SoloOutput, dynamic_masks
from workbench.models.freesolo.targets import CoarseMasks, level_targets, small_masks


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss.

    Attributes:
        average, max, pairwise, semantic: of each term; the paper's alpha is ``average``, its beta ``semantic``. The published code
            multiplies the semantic term by 0, which leaves embeddings untaught.
        dice: of a Dice loss of whole masks, which FreeSOLO does without; for comparison.
        similarity: least colour similarity of a pair.
    """

    average: float = 0.1
    max: float = 1.0
    pairwise: float = 1.0
    semantic: float = 4.0
    dice: float = 0.0
    similarity: float = 0.3


def colour_pairs(images: Tensor, stride: int, valid: Tensor | None = None) -> Tensor:
    """Return the colour similarity (B, 8, H, W) of images (B, 3, height, width), RGB in 0 to 1, averaged over ``stride`` pixels.

    Args:
        images: before normalisation.
        stride: of the mask features.
        valid: boolean (B, height, width), False where padded; None for everywhere.

    Raises:
        ValueError: values outside 0 to 1.
    """
    small = functional.avg_pool2d(images, stride)
    rows = torch.ones_like(small[:, 0], dtype=torch.bool) if valid is None else valid[:, ::stride, ::stride]
    return torch.stack(
        [losses.colour_similarity(losses.rgb_to_lab(one), mask) for one, mask in zip(small, rows, strict=True)]
    )


def solo_loss(
    output: SoloOutput,
    taught: Sequence[CoarseMasks],
    pairs: Tensor,
    config: SoloConfig,
    stride: int,
    weights: LossWeights | None = None,
    ramp: float = 1.0,
) -> dict[str, Tensor]:
    """Return the terms of the loss, weighted; their sum is to be minimised.

    ``L = focal + average * L_avg + max * L_max + ramp * pairwise * L_pair + semantic * L_sem``. The terms of masks are means over
    the positive cells of a level, then over the levels that have any; without any they are 0 and keep a gradient.

    Args:
        output: of the network.
        taught: the coarse masks of each image.
        pairs: (B, 8, H, W) of :func:`colour_pairs`.
        config: of the network.
        stride: of the mask features.
        weights: None for the paper's.
        ramp: 0 to 1, of the pairwise term, which would else collapse masks before these exist.

    Raises:
        ValueError: not as many coarse masks as images, or of another size.
    """
    weights = weights or LossWeights()
    _check(output, taught, stride)
    terms: dict[str, list[Tensor]] = {name: [] for name in ("average", "max", "pairwise", "dice")}
    guesses, truths, predicted, wanted = [], [], [], []
    small = [small_masks(one.masks, stride).to(output.mask_features) for one in taught]
    for level, (categories, kernels, embeddings) in enumerate(
        zip(output.categories, output.kernels, output.embeddings, strict=True)
    ):
        logits, masks, near = [], [], []
        for image, one in enumerate(taught):
            target = level_targets(one.masks, config, level, stride, one.boxes)
            truth = torch.zeros_like(categories[image])
            truth[0] = target.positive
            guesses.append(categories[image].flatten())
            truths.append(truth.flatten())
            predicted.append(embeddings[image].permute(1, 2, 0)[target.positive])
            wanted.append(one.embeddings[target.owners[target.positive]])
            logits.append(dynamic_masks(kernels[image].flatten(1).T[target.cells], output.mask_features[image]))
            masks.append(small[image][target.objects])
            near.append(pairs[image].expand(len(target.objects), -1, -1, -1))
        if sum(map(len, masks)):
            _mask_terms(terms, torch.cat(logits), torch.cat(masks), torch.cat(near), weights)
    nothing = sum(part.sum() for part in (*output.kernels, *output.embeddings, output.mask_features)) * 0
    found = {name: torch.stack(values).mean() if values else nothing for name, values in terms.items()}
    found["semantic"] = losses.semantic_loss(torch.cat(predicted), torch.cat(wanted)) + nothing
    scaled = {name: getattr(weights, name) * value for name, value in found.items()}
    scaled["pairwise"] = ramp * scaled["pairwise"]
    return {"focal": losses.focal_loss(torch.cat(guesses), torch.cat(truths)), **scaled}


def _mask_terms(
    terms: dict[str, list[Tensor]], logits: Tensor, masks: Tensor, near: Tensor, weights: LossWeights
) -> None:
    soft = logits.sigmoid()
    terms["average"].append(losses.average_projection_loss(soft, masks).mean())
    terms["max"].append(losses.max_projection_loss(soft, masks).mean())
    terms["dice"].append(losses.dice_loss(soft, masks).mean())
    terms["pairwise"].append(losses.pairwise_loss(logits, near, losses.box_of(masks), weights.similarity))


def _check(output: SoloOutput, taught: Sequence[CoarseMasks], stride: int) -> None:
    count, _, height, width = output.mask_features.shape
    if len(taught) != count:
        raise ValueError(f"taught must have the masks of each of {count} images, got {len(taught)}")
    for index, one in enumerate(taught):
        if one.masks.shape[1:] != (height * stride, width * stride):
            raise ValueError(
                f"masks of image {index} must be {height * stride}x{width * stride}, got {tuple(one.masks.shape[1:])}"
            )
