"""Free Mask: coarse object masks from the features of a network that never saw a label.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, section 3.1, with the constants of its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workbench.ops.matrix_nms import matrix_nms

_LEAST_NORM = 1e-12
_LEAST_RANGE = 1e-6
"""Of a similarity map; below it the features are constant and what is left is rounding."""


@dataclass(frozen=True)
class FreeMaskConfig:
    """The constants of Free Mask.

    Attributes:
        scales: at which the feature map gives queries; coarse ones make whole objects.
        threshold: of a similarity scaled to 0 to 1.
        kernel, sigma: of Matrix NMS.
        keep: most masks that pass on to the filters.
        top_share: a mask whose mean occupied row lies in this upper share of the image is dropped, such as sky.
        width_share: a mask at least this share of the image wide is dropped.
        least_score: of maskness after Matrix NMS.
        embedding_size: numbers kept of a query.

    Raises:
        ValueError: a field lies outside its range.
    """

    scales: tuple[float, ...] = (1.0, 0.5, 0.25)
    threshold: float = 0.5
    kernel: str = "gaussian"
    sigma: float = 2.0
    keep: int = 20
    top_share: float = 0.2
    width_share: float = 0.95
    least_score: float = 0.7
    embedding_size: int = 128

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"scales must lie in 0 to 1, got {self.scales!r}")
        for name in ("threshold", "width_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 to 1, got {getattr(self, name)!r}")
        for name in ("top_share", "least_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 to 1, got {getattr(self, name)!r}")
        for name in ("keep", "embedding_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


@dataclass(frozen=True, eq=False)
class FreeMasks:
    """Masks of one image, the best first.

    Attributes:
        masks: boolean (n, height, width).
        scores: (n,) maskness after Matrix NMS.
        maskness: (n,) before it.
        embeddings: (n, embedding size), the shortened queries.
        boxes: (n, 4) x0, y0, x1, y1, tight and half-open, pixels.
        queries: (n,) place of the query in the stack of all scales.
    """

    masks: Tensor
    scores: Tensor
    maskness: Tensor
    embeddings: Tensor
    boxes: Tensor
    queries: Tensor


def multi_scale_queries(keys: Tensor, scales: Sequence[float] = (1.0, 0.5, 0.25)) -> Tensor:
    """Return the unit queries (N, channels): every place of ``keys`` (channels, height, width) resized by each scale, in order.

    Raises:
        ValueError: ``keys`` has another shape, is not finite, or is too small for a scale.

    >>> multi_scale_queries(torch.randn(3, 8, 12)).shape  # 96 + 24 + 6
    torch.Size([126, 3])
    """
    if keys.ndim != 3:
        raise ValueError(f"keys must be (channels, height, width), got {tuple(keys.shape)}")
    if not bool(keys.isfinite().all()):
        raise ValueError("keys must be finite, got NaN or infinity")
    parts = []
    for scale in scales:
        size = [int(side * scale) for side in keys.shape[1:]]
        if min(size) < 1:
            raise ValueError(f"feature map {keys.shape[1]}x{keys.shape[2]} is too small for scale {scale:g}")
        resized = (
            keys if scale == 1 else functional.interpolate(keys[None], size, mode="bilinear", align_corners=False)[0]
        )
        parts.append(resized.flatten(1).T)
    return functional.normalize(torch.cat(parts), dim=1, eps=_LEAST_NORM)


def scaled_similarity(queries: Tensor, keys: Tensor) -> Tensor:
    """Return the cosine (N, height, width) of queries and keys, each query's map scaled to 0 to 1 by itself.

    A flat map, of features that are alike everywhere, is 0: it segments nothing.
    """
    unit = functional.normalize(keys.flatten(1), dim=0, eps=_LEAST_NORM)
    rows = queries @ unit
    rows = rows - rows.amin(1, keepdim=True)
    span = rows.amax(1, keepdim=True)
    rows = torch.where(span > _LEAST_RANGE, rows / span.clamp(min=_LEAST_RANGE), torch.zeros_like(rows))
    return rows.unflatten(1, keys.shape[1:])


def maskness(soft: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the mean confidence inside each hard mask, (n,), of soft masks (n, height, width); 0 for an empty one.

    >>> maskness(torch.tensor([[[1.0, 0.6, 0.1]]])).item().__round__(3)
    0.8
    """
    hard = (soft >= threshold).to(soft)
    return (soft * hard).sum((1, 2)) / hard.sum((1, 2)).clamp(min=1)


def tight_boxes(masks: Tensor) -> Tensor:
    """Return boxes (n, 4) x0, y0, x1, y1, half-open, float32, of boolean masks (n, height, width); an empty mask has four zeros.

    >>> tight_boxes(torch.tensor([[[0, 0, 0], [0, 1, 1]]]).bool())
    tensor([[1., 1., 3., 2.]])
    """
    boxes = []
    for occupied in (masks.any(1), masks.any(2)):
        places = torch.arange(1, occupied.shape[1] + 1, device=masks.device) * occupied
        last = places.amax(1)
        boxes.append((occupied.int().argmax(1), last))
    (left, right), (top, bottom) = boxes
    return torch.stack([left, top, right, bottom], 1).float()


def centred_boxes(masks: Tensor) -> Tensor:
    """Return the boxes (n, 4) of the published code: as wide as columns are occupied, around their mean place; likewise rows.

    For one connected object it is :func:`tight_boxes` moved by -0.5 pixel; of an object in parts it leaves out the gaps.
    Kept for parity: nothing here uses it.
    """
    sides = []
    for occupied in (masks.any(1), masks.any(2)):
        count = occupied.sum(1).float()
        places = torch.arange(occupied.shape[1], device=masks.device)
        centre = (places * occupied).sum(1) / count.clamp(min=1)
        sides.append((centre - count / 2, centre + count / 2))
    (left, right), (top, bottom) = sides
    return torch.stack([left, top, right, bottom], 1)


def plausible(masks: Tensor, config: FreeMaskConfig | None = None) -> Tensor:
    """Return which boolean masks (n, height, width) are neither at the top nor nearly as wide as the image, nor empty, (n,)."""
    config = config or FreeMaskConfig()
    height, width = masks.shape[1:]
    rows = masks.any(2)
    middle = (torch.arange(height, device=masks.device) * rows).sum(1) / rows.sum(1).clamp(min=1)
    boxes = tight_boxes(masks)
    narrow = boxes[:, 2] - boxes[:, 0] < config.width_share * width
    return rows.any(1) & (middle > config.top_share * height) & narrow


def short_embeddings(queries: Tensor, size: int = 128) -> Tensor:
    """Return queries (n, channels) resized along channels by linear interpolation to (n, size).

    >>> short_embeddings(torch.arange(2048.0)[None])[0, :3]  # means of channels 7 and 8, 23 and 24, 39 and 40
    tensor([ 7.5000, 23.5000, 39.5000])
    """
    if not len(queries):
        return queries.new_zeros(0, size)
    return functional.interpolate(queries[:, None], size, mode="linear", align_corners=False)[:, 0]


def free_masks(keys: Tensor, image_size: tuple[int, int], config: FreeMaskConfig | None = None) -> FreeMasks:
    """Return the masks that self-supervised features give by themselves.

    Every place of the feature map, at each scale, is asked which places look like it; the answers are scored by maskness and
    thinned by Matrix NMS at the size of the features, and only what is left is resized to the image.

    Args:
        keys: (channels, height, width), float, of one image.
        image_size: height and width of the image, pixels.
        config: None for the published constants.

    Raises:
        ValueError: ``keys`` or ``image_size`` has another shape, is not finite, or is too small for a scale.
    """
    config = config or FreeMaskConfig()
    if len(image_size) != 2 or min(image_size) < 1:
        raise ValueError(f"image_size must be height and width of at least 1 pixel, got {image_size!r}")
    queries = multi_scale_queries(keys, config.scales)
    soft = scaled_similarity(queries, keys)
    hard = soft >= config.threshold
    chosen = torch.nonzero(hard.sum((1, 2)) > 1)[:, 0]
    raw = maskness(soft[chosen], config.threshold)
    scores = matrix_nms(hard[chosen], raw, kernel=config.kernel, sigma=config.sigma)
    order = torch.argsort(scores, descending=True, stable=True)[: config.keep]
    order = order[scores[order] >= config.least_score]
    chosen, raw, scores = chosen[order], raw[order], scores[order]
    masks = torch.zeros(0, *image_size, dtype=torch.bool, device=keys.device)
    if len(chosen):
        large = functional.interpolate(soft[chosen][:, None], tuple(image_size), mode="bilinear", align_corners=False)[
            :, 0
        ]
        masks = large >= config.threshold
    kept = plausible(masks, config)
    masks, chosen = masks[kept], chosen[kept]
    embeddings = short_embeddings(queries[chosen], config.embedding_size)
    return FreeMasks(masks, scores[kept], raw[kept], embeddings, tight_boxes(masks), chosen)
