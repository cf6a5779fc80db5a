"""What a person asks of one image: a query's answer, who suppresses whom, and what the filters throw away.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, section 3.1, step by step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from workbench.models.freesolo import FreeMaskConfig, matrix_nms
from workbench.models.freesolo.free_mask import (
    maskness,
    multi_scale_queries,
    scaled_similarity,
    tight_boxes,
)
from workbench.ops.matrix_nms import mask_iou

KEPT, WEAK, TOP, WIDE = "kept", "score too low", "too high up", "too wide"
"""What becomes of a mask, in the order in which the method asks."""


@dataclass(frozen=True, eq=False)
class Asked:
    """An image with every query asked of it, so that clicks and sliders only look up.

    Attributes:
        image: uint8 (height, width, 3).
        keys: (C, h, w).
        grids: rows and columns of the queries of each scale.
        cosine: (N, h, w) of each query with each key.
        soft: (N, h, w), each map scaled to 0 to 1 by itself.
    """

    image: NDArray[np.uint8]
    keys: Tensor
    grids: tuple[tuple[int, int], ...]
    cosine: Tensor
    soft: Tensor

    def query_at(self, row: float, column: float, scale: int) -> int:
        """Return the query whose place, at one of the scales, holds a pixel.

        Raises:
            ValueError: the pixel lies outside the image, or there is no such scale.
        """
        height, width = self.image.shape[:2]
        if not (-0.5 <= row <= height - 0.5 and -0.5 <= column <= width - 0.5):
            raise ValueError(f"the pixel must lie in the image, {height} rows of {width}, got {row:g}, {column:g}")
        if not 0 <= scale < len(self.grids):
            raise ValueError(f"scale must be 0 to {len(self.grids) - 1}, got {scale}")
        rows, columns = self.grids[scale]
        before = sum(first * second for first, second in self.grids[:scale])
        down = min(int((row + 0.5) / height * rows), rows - 1)
        across = min(int((column + 0.5) / width * columns), columns - 1)
        return before + down * columns + across

    def place_of(self, query: int) -> tuple[float, float, int]:
        """Return row and column, pixels, of the middle of a query's place, and its scale.

        Raises:
            ValueError: there is no such query.
        """
        if not 0 <= query < len(self.soft):
            raise ValueError(f"query must be 0 to {len(self.soft) - 1}, got {query}")
        height, width = self.image.shape[:2]
        ends = np.cumsum([rows * columns for rows, columns in self.grids])
        scale = int(np.searchsorted(ends, query, side="right"))
        rows, columns = self.grids[scale]
        down, across = divmod(query - (ends[scale] - rows * columns), columns)
        return float((down + 0.5) * height / rows - 0.5), float((across + 0.5) * width / columns - 0.5), scale

    def answer(self, query: int, threshold: float = 0.5) -> Answer:
        """Return what a query finds at a threshold.

        Raises:
            ValueError: there is no such query, or the threshold lies outside 0 to 1.
        """
        self.place_of(query)
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must lie in 0 to 1, got {threshold}")
        soft = self.soft[query]
        large = functional.interpolate(soft[None, None], self.image.shape[:2], mode="bilinear", align_corners=False)
        return Answer(
            self.cosine[query].numpy(),
            soft.numpy(),
            (large[0, 0] >= threshold).numpy(),
            float(maskness(soft[None], threshold)[0]),
        )


@dataclass(frozen=True, eq=False)
class Answer:
    """What one query finds.

    Attributes:
        cosine: (h, w) with each key.
        soft: (h, w), the same scaled to 0 to 1.
        mask: boolean (height, width), where the enlarged soft map reaches the threshold.
        maskness: mean of the soft map where it does.
    """

    cosine: NDArray[np.float32]
    soft: NDArray[np.float32]
    mask: NDArray[np.bool_]
    maskness: float


def ask(image: NDArray[np.uint8], keys: Tensor, scales: tuple[float, ...] = (1.0, 0.5, 0.25)) -> Asked:
    """Return an image (height, width, 3) with every query of its keys (C, h, w) asked.

    Raises:
        ValueError: shapes do not fit, or the keys are too few for a scale.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be uint8 (height, width, 3), got {image.dtype} {image.shape}")
    queries = multi_scale_queries(keys, scales)
    unit = functional.normalize(keys.flatten(1), dim=0, eps=1e-12)
    grids = tuple(tuple(int(side * scale) for side in keys.shape[1:]) for scale in scales)
    cosine = (queries @ unit).unflatten(1, keys.shape[1:])
    return Asked(image, keys, grids, cosine, scaled_similarity(queries, keys))


def theatre(asked: Asked, config: FreeMaskConfig | None = None, hard: float = 0.5) -> pd.DataFrame:
    """Return what Matrix NMS does to every mask of more than one place, a row a mask by falling maskness.

    Returns:
        Columns ``query``, ``scale`` (its index), ``area`` (percent of the places), ``maskness``, ``decay``, ``score``, ``by``
        (query of the mask that lowers it most; -1 for none), ``overlap`` (with that mask) and ``hard`` (whether greedy suppression
        at an overlap of ``hard`` keeps it).

    Args:
        asked: the image.
        config: of Free Mask: threshold, kernel and sigma.
        hard: overlap from which the greedy way drops a mask.
    """
    config = config or FreeMaskConfig()
    masks = asked.soft >= config.threshold
    chosen = torch.nonzero(masks.sum((1, 2)) > 1)[:, 0]
    raw = maskness(asked.soft[chosen], config.threshold)
    order = torch.argsort(raw, descending=True, stable=True)
    chosen, raw = chosen[order], raw[order]
    masks = masks[chosen]
    overlap = mask_iou(masks, masks).triu(1)
    score = matrix_nms(masks, raw, kernel=config.kernel, sigma=config.sigma)
    decay = score / raw.clamp(min=1e-12)
    by, shared = _suppressors(overlap, config.kernel, config.sigma)
    lowered = decay < 1 - 1e-6
    scales = np.repeat(np.arange(len(asked.grids)), [rows * columns for rows, columns in asked.grids])
    return pd.DataFrame(
        {
            "query": chosen.numpy(),
            "scale": scales[chosen.numpy()],
            "area": 100 * masks.flatten(1).float().mean(1).numpy(),
            "maskness": raw.numpy(),
            "decay": decay.numpy(),
            "score": score.numpy(),
            "by": torch.where(lowered, chosen[by] if len(by) else by, -1).numpy(),
            "overlap": torch.where(lowered, shared, 0).numpy(),
            "hard": greedy_nms(overlap, hard),
        }
    )


def greedy_nms(overlap: Tensor, threshold: float) -> NDArray[np.bool_]:
    """Return which masks stay, (n,), when each by falling score drops all later ones that it overlaps by more than ``threshold``.

    Args:
        overlap: (n, n) of masks by falling score; only what lies above the diagonal is looked at.
        threshold: intersection over union.

    >>> greedy_nms(torch.tensor([[0, 0.6, 0.1], [0, 0, 0.9], [0, 0, 0]]), 0.5).tolist()
    [True, False, True]
    """
    near = (overlap > threshold).numpy()
    kept = np.ones(len(near), bool)
    for index in range(len(near)):
        if kept[index]:
            kept[index + 1 :] &= ~near[index, index + 1 :]
    return kept


def fates(asked: Asked, table: pd.DataFrame, config: FreeMaskConfig | None = None) -> pd.DataFrame:
    """Return what becomes of the best masks: the rows of :func:`theatre` that are among ``config.keep``, by falling score.

    Returns:
        The columns of the theatre and ``fate``: :data:`KEPT`, or the first rule that drops it, :data:`WEAK`, :data:`TOP` or
        :data:`WIDE`, these two at the size of the image; ``middle`` (mean occupied row, percent of the height) and ``width``.
    """
    config = config or FreeMaskConfig()
    best = table.sort_values("score", ascending=False, kind="stable").head(config.keep).reset_index(drop=True)
    if not len(best):
        return best.assign(fate=[], middle=[], width=[])
    masks = image_masks(asked, best["query"].to_numpy(), config.threshold)
    size = masks.shape[1:]
    occupied = masks.any(2)
    rows = torch.arange(size[0])
    middle = (rows * occupied).sum(1) / occupied.sum(1).clamp(min=1)
    boxes = tight_boxes(masks)
    width = boxes[:, 2] - boxes[:, 0]
    fate = np.full(len(best), KEPT, object)
    fate[(width >= config.width_share * size[1]).numpy()] = WIDE
    fate[~(middle > config.top_share * size[0]).numpy()] = TOP
    fate[(best["score"] < config.least_score).to_numpy()] = WEAK
    return best.assign(fate=fate, middle=100 * middle.numpy() / size[0], width=100 * width.numpy() / size[1])


def image_masks(asked: Asked, queries: Iterable[int], threshold: float = 0.5) -> Tensor:
    """Return the masks (n, height, width) of queries at the size of the image."""
    soft = asked.soft[torch.tensor([int(query) for query in queries], dtype=torch.long)]
    if not len(soft):
        return torch.zeros(0, *asked.image.shape[:2], dtype=torch.bool)
    large = functional.interpolate(soft[:, None], asked.image.shape[:2], mode="bilinear", align_corners=False)
    return large[:, 0] >= threshold


def principal_colours(keys: Tensor) -> NDArray[np.uint8]:
    """Return keys (C, h, w) as a picture (h, w, 3): their first three principal components, each from its 2nd to 98th percentile.

    Places of like features have like colours; which colour means nothing.

    Raises:
        ValueError: another shape.
    """
    if keys.ndim != 3:
        raise ValueError(f"keys must be (channels, height, width), got {tuple(keys.shape)}")
    flat = functional.normalize(keys.flatten(1), dim=0, eps=1e-12).T.double()
    flat = flat - flat.mean(0)
    _, _, directions = torch.linalg.svd(flat, full_matrices=False)
    values = np.zeros((len(flat), 3))
    found = (flat @ directions[:3].T).numpy()
    values[:, : found.shape[1]] = found
    low, high = np.percentile(values, (2, 98), axis=0)
    scaled = (values - low) / np.maximum(high - low, 1e-9)
    return (255 * scaled.clip(0, 1)).astype(np.uint8).reshape(*keys.shape[1:], 3)


def _suppressors(overlap: Tensor, kernel: str, sigma: float) -> tuple[Tensor, Tensor]:
    """Return which earlier mask lowers each mask most, (n,), and their overlap; the first has itself and 0."""
    if not len(overlap):
        return torch.zeros(0, dtype=torch.long), torch.zeros(0)
    covered = overlap.amax(0)[:, None]
    if kernel == "gaussian":
        decay = torch.exp(-sigma * (overlap**2 - covered**2))
    else:
        decay = (1 - overlap) / (1 - covered).clamp(min=1e-6)
    by = torch.where(torch.ones_like(decay).triu(1) > 0, decay, torch.inf).argmin(0)
    return by, overlap.gather(0, by[None])[0]
