"""From what the network says to the objects of an image.

Wang et al., "SOLOv2", NeurIPS 2020, section 3.3, with the constants of FreeSOLO's code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workbench.models.freesolo.free_mask import tight_boxes
from workbench.models.freesolo.network import PIXEL_MEAN, PIXEL_STD, FreeSolo, SoloOutput, dynamic_masks
from workbench.ops.matrix_nms import matrix_nms


@dataclass(frozen=True)
class InferenceConfig:
    """Thresholds of inference.

    Attributes:
        score: least score of a cell.
        mask: probability from which a pixel belongs to a mask.
        candidates: most masks that Matrix NMS sees.
        update: least score after it.
        keep: most objects of an image.
        kernel, sigma: of Matrix NMS.
        scrambled: read embeddings as the published code does, which reshapes (size, S, S) to (S S, size) without moving channels
            last, so that their numbers belong to other cells. For comparison only.

    Raises:
        ValueError: a threshold outside 0 to 1, or a number below 1.
    """

    score: float = 0.1
    mask: float = 0.5
    candidates: int = 500
    update: float = 0.05
    keep: int = 100
    kernel: str = "gaussian"
    sigma: float = 2.0
    scrambled: bool = False

    def __post_init__(self) -> None:
        for name in ("score", "mask", "update"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 to 1, got {getattr(self, name)!r}")
        for name in ("candidates", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


SELF_TRAINING = InferenceConfig(update=0.3, keep=20)
"""What a network's own masks must pass to teach the next round."""


@dataclass(frozen=True, eq=False)
class Instances:
    """Objects of an image, the surest first.

    Attributes:
        masks: boolean (n, height, width).
        scores: (n,).
        boxes: (n, 4) x0, y0, x1, y1, tight and half-open, pixels.
        embeddings: (n, size).
    """

    masks: Tensor
    scores: Tensor
    boxes: Tensor
    embeddings: Tensor


def points_nms(scores: Tensor) -> Tensor:
    """Return scores (C, S, S), 0 where the cell on the left, above, or between these is greater.

    >>> points_nms(torch.tensor([[[0.5, 0.4], [0.6, 0.1]]]))
    tensor([[[0.5000, 0.0000],
             [0.6000, 0.0000]]])
    """
    greatest = functional.max_pool2d(scores[None], 2, stride=1, padding=1)[0, :, :-1, :-1]
    return scores * (greatest == scores)


def instances(
    output: SoloOutput,
    index: int,
    image_size: tuple[int, int],
    strides: tuple[int, ...],
    config: InferenceConfig | None = None,
) -> Instances:
    """Return the objects of one image of a batch.

    Cells that pass a point-wise NMS give masks; a score is multiplied by the mean probability inside its mask; Matrix NMS, at the
    size of the mask features, thins them; what is left is resized to the padded image and cut to the image.

    Args:
        output: of the network.
        index: of the image.
        image_size: its height and width without padding, pixels.
        strides: of each level; a mask must have more pixels, of the mask features, than its level's.
        config: None for the published thresholds.
    """
    config = config or InferenceConfig()
    features = output.mask_features[index]
    scores, kernels, embeddings, least = _cells_above(output, index, strides, config)
    soft = dynamic_masks(kernels, features).sigmoid()
    hard = soft > config.mask
    area = hard.sum((1, 2))
    confidence = (soft * hard).sum((1, 2)) / area.clamp(min=1)
    scores = scores * confidence
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[(area > least)[order]][: config.candidates]
    lowered = matrix_nms(hard[order], scores[order], kernel=config.kernel, sigma=config.sigma)
    best = torch.argsort(lowered, descending=True, stable=True)[: config.keep]
    best = best[lowered[best] >= config.update]
    chosen, final = order[best], lowered[best]
    masks = _at_image_size(soft[chosen], image_size, strides[0] // 2) > config.mask
    seen = masks.flatten(1).any(1)
    masks = masks[seen]
    return Instances(masks, final[seen], tight_boxes(masks), embeddings[chosen][seen])


@torch.no_grad()
def segment(model: FreeSolo, image: Tensor, config: InferenceConfig | None = None) -> Instances:
    """Return the objects of an image (3, height, width), RGB in 0 to 1, at its own size.

    Raises:
        ValueError: another shape, or values outside 0 to 1.
    """
    if image.ndim != 3 or len(image) != 3 or not bool(((image >= 0) & (image <= 1)).all()):
        raise ValueError(f"image must be RGB (3, height, width) in 0 to 1, got {image.dtype} {tuple(image.shape)}")
    height, width = image.shape[1:]
    padded = functional.pad(normalised(image), (0, -width % model.divisor, 0, -height % model.divisor))
    return instances(model(padded[None]), 0, (height, width), model.strides, config)


def normalised(images: Tensor) -> Tensor:
    """Return images (..., 3, height, width), RGB in 0 to 1, less the mean and over the deviation that the network expects."""
    mean, deviation = (images.new_tensor(values)[:, None, None] / 255 for values in (PIXEL_MEAN, PIXEL_STD))
    return (images - mean) / deviation


def _cells_above(
    output: SoloOutput, index: int, strides: tuple[int, ...], config: InferenceConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return score, kernel, embedding and least area of every cell above its threshold; only the first category counts."""
    found: list[tuple[Tensor, ...]] = []
    for level, stride in enumerate(strides):
        scores = points_nms(output.categories[level][index, :1].sigmoid()).flatten()
        cells = torch.nonzero(scores > config.score)[:, 0]
        kernels, embeddings = (part[level][index].flatten(1).T for part in (output.kernels, output.embeddings))
        if config.scrambled:
            embeddings = output.embeddings[level][index].reshape(embeddings.shape)
        found.append((scores[cells], kernels[cells], embeddings[cells], torch.full_like(cells, stride)))
    scores, kernels, embeddings, least = (torch.cat(parts) for parts in zip(*found, strict=True))
    return scores, kernels, embeddings, least


def _at_image_size(soft: Tensor, image_size: tuple[int, int], stride: int) -> Tensor:
    if not len(soft):
        return soft.new_zeros(0, *image_size)
    large = functional.interpolate(soft[:, None], scale_factor=float(stride), mode="bilinear", align_corners=False)
    return large[:, 0, : image_size[0], : image_size[1]]
