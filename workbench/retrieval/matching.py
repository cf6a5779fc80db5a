"""Template matching: the masked correlation of templates with every picture of a pool, and where it is highest.

``S(u, v) = sum_ij m_ij <T_ij, F(u+i, v+j)> / sum_ij m_ij`` over unit vectors, where cells outside the map count 0.
Cosines of all template cells with all cells of the pool are one matrix product; S is then a sum of shifted planes of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, conv2d, max_pool2d, pad

from workbench.retrieval.features import NORM_EPSILON, Features, Letterbox, l2_normalise
from workbench.retrieval.prepared_features import PreparedFeatures
from workbench.retrieval.template import Template

CHUNK_CELLS = 2**15
"""Cells of pictures that are worked on at a time: their plane of cosines, 128 KB, stays in a processor's cache."""
BLOCK_CELLS = 64
"""Template cells whose planes are computed at a time, and at least those of one template."""
CONVOLVED = 8
"""From so many templates on, one convolution with all of them is faster than planes and shifts."""
KERNELS = 16
"""Templates of like size that are convolved together: as many as two registers of a processor hold."""


@dataclass(frozen=True)
class Matches:
    """The best match of T templates in each of N pictures.

    Attributes:
        scores: float32 (N, T): s(I), the maximum of S over the picture, in [-1, 1] (section 2, step 5).
        boxes: float32 (N, T, 4): the object's box there, in pixels of the original picture, cut to it.
    """

    scores: np.ndarray
    boxes: np.ndarray


def match(templates: Sequence[Template], features: Features, *, order_free: bool = False) -> Matches:
    """Return score and place of the best match of every template in every picture.

    Args:
        templates: of any strides that the features have; those of one stride share their product.
        features: of N pictures.
        order_free: score ``B(I) = sum_ij m_ij max(0, max_uv <T_ij, F(u, v)>) / sum_ij m_ij``, in which each cell of the template
            finds its own best place. It is never below s(I): the 0 stands for a place outside the map. Boxes stay those of S.

    Raises:
        ValueError: there is no template, or the features lack its stride or have another number of channels.
    """
    if not len(templates):
        raise ValueError("templates is empty, expected at least one")
    _check_templates(templates, features)
    scores = torch.empty(len(features.letterboxes), len(templates))
    boxes = np.empty((len(features.letterboxes), len(templates), 4), np.float32)
    for stride in sorted({template.stride for template in templates}):
        which = [index for index, template in enumerate(templates) if template.stride == stride]
        group = [templates[index] for index in which]
        maps, valid = features[stride], features.valid(stride)
        valid = None if bool(valid.all()) else valid
        ready = _prepared_for(group, features, stride)
        step = max(1, CHUNK_CELLS // (maps.shape[2] * maps.shape[3]))
        for start in range(0, len(maps), step):
            part = slice(start, start + step)
            seen = None if valid is None else valid[part]
            if len(group) >= CONVOLVED and not order_free:
                values, places = _best_by_convolution(group, maps[part], seen, unit=ready is not None)
            else:
                unit, width = _padded_unit_vectors(group, maps[part], seen) if ready is None else _flat(ready[part])
                values, places = _best_in(group, unit, width, maps[part].shape, seen, order_free)
            scores[part, which] = values.cpu()
            boxes[part, which] = _boxes(group, places.cpu().numpy(), features.letterboxes[part])
    return Matches(scores.numpy(), boxes)


def score_map(template: Template, features: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the score map S, float32 (N, h + th - 1, w + tw - 1).

    Entry (r, c) is S(u, v) with the template's top left cell at row u = r - (th - 1) and column v = c - (tw - 1).

    Args:
        template: th x tw cells.
        features: (N, C, h, w) of its stride, of any float dtype.
        valid: bool (N, h, w); other cells count 0, and places that touch no valid cell are -inf, so that padding never wins.

    Raises:
        ValueError: the features have another number of channels.

    >>> vectors = torch.zeros(2, 1, 1)
    >>> vectors[0] = 1
    >>> template = Template(vectors, torch.ones(1, 1), 8, (0, 0, 8, 8))
    >>> features = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
    >>> score_map(template, features).round(decimals=3).tolist()
    [[[1.0, 0.0]]]
    """
    _check_channels(template, features)
    unit, width = _padded_unit_vectors([template], features, valid)
    planes = _weighted_cells(template).to(unit) @ unit.T
    return _score_maps(template, planes, features.shape, width, valid)


def _best_in(
    templates: Sequence[Template],
    unit: Tensor,
    width: int,
    shape: Sequence[int],
    valid: Tensor | None,
    order_free: bool,
) -> tuple[Tensor, Tensor]:
    """Return scores (B, T) and the row and column u, v of each template's best place, (T, B, 2), in maps of ``shape``."""
    scores, places = [], []
    for block in _blocks(templates):
        planes = torch.cat([_weighted_cells(template) for template in block]).to(unit) @ unit.T
        counts = [int((template.weights > 0).sum()) for template in block]
        for template, part in zip(block, planes.split(counts), strict=True):
            field = _score_maps(template, part, shape, width, valid)
            best, index = field.flatten(1).max(1)
            rows, columns = index // field.shape[2], index % field.shape[2]
            places.append(torch.stack([rows - (template.cells[0] - 1), columns - (template.cells[1] - 1)], 1))
            if order_free:
                best = part.view(len(part), shape[0], -1).amax(2).clamp(min=0).sum(0)
            scores.append(best)
    return torch.stack(scores, 1), torch.stack(places)


def _best_by_convolution(
    templates: Sequence[Template], maps: Tensor, valid: Tensor | None, *, unit: bool
) -> tuple[Tensor, Tensor]:
    """Return what :func:`_best_in` does, for many templates at once: S is a convolution with ``m T / sum m``.

    Kernels of one size also reach places where a smaller template sees no cell at all. There S is 0, so that where the maximum
    is positive it is right; the few pictures where one is not are done again.
    """
    cells = maps if unit else l2_normalise(maps) if valid is None else l2_normalise(maps) * valid[:, None]
    cells = cells.contiguous(memory_format=torch.channels_last)
    scores = cells.new_empty(len(maps), len(templates))
    places = torch.empty(len(templates), len(maps), 2, dtype=torch.long, device=maps.device)
    for which in _of_like_size(templates):
        kernel = convolution_kernel([templates[index] for index in which], cells)
        th, tw = kernel.shape[2:]
        field = conv2d(cells, kernel, padding=(th - 1, tw - 1))
        best, index = adaptive_max_pool2d(field, 1, return_indices=True)
        scores[:, which] = best[..., 0, 0]
        rows, columns = index[..., 0, 0] // field.shape[3], index[..., 0, 0] % field.shape[3]
        places[which] = torch.stack([rows - (th - 1), columns - (tw - 1)], 2).transpose(0, 1)
    again = torch.nonzero(~(scores > 0).all(1))[:, 0]
    if len(again):
        seen = None if valid is None else valid[again]
        flat, width = _padded_unit_vectors(templates, maps[again], seen)
        scores[again], places[:, again] = _best_in(templates, flat, width, maps[again].shape, seen, False)
    return scores, places


def convolution_kernel(templates: Sequence[Template], like: Tensor) -> Tensor:
    """Return ``m T / sum m`` of templates, (T, C, th, tw), zeros below and to the right of the smaller ones."""
    rows, columns = (max(template.cells[axis] for template in templates) for axis in (0, 1))
    kernel = torch.zeros(len(templates), len(templates[0].vectors), rows, columns)
    for row, template in zip(kernel, templates, strict=True):
        row[:, : template.cells[0], : template.cells[1]] = template.vectors * template.weights / template.weights.sum()
    return kernel.to(like).contiguous(memory_format=torch.channels_last)


def _of_like_size(templates: Sequence[Template]) -> list[list[int]]:
    """Return the templates in runs of KERNELS, the largest first."""
    order = sorted(range(len(templates)), key=lambda index: -math.prod(templates[index].cells))
    return [order[start : start + KERNELS] for start in range(0, len(order), KERNELS)]


def _blocks(templates: Sequence[Template]) -> Iterator[list[Template]]:
    """Yield runs of templates that together have about BLOCK_CELLS cells: few enough for the cache, enough for a fast product."""
    block, count = [], 0
    for template in templates:
        block.append(template)
        count += int((template.weights > 0).sum())
        if count >= BLOCK_CELLS:
            yield block
            block, count = [], 0
    if block:
        yield block


def _weighted_cells(template: Template) -> Tensor:
    """Return the vectors of the kept cells, times m / sum m, (k, C)."""
    return (template.vectors * (template.weights / template.weights.sum()))[:, template.weights > 0].T


def _padded_unit_vectors(templates: Sequence[Template], maps: Tensor, valid: Tensor | None) -> tuple[Tensor, int]:
    """Return the unit vectors of all cells, (B * Hp * Wp, C), and Wp.

    Each picture gets th - 1 rows and tw - 1 columns of zeros below and to the right, where th and tw are those of the largest
    template: then a shift in two dimensions is one in the flat plane of cosines, because what wraps around is 0.
    """
    rows, columns = (max(template.cells[axis] for template in templates) - 1 for axis in (0, 1))
    count, channels, height, width = maps.shape
    cells = maps.detach().permute(0, 2, 3, 1).float()
    inverse = 1 / (torch.linalg.vector_norm(cells, dim=3, keepdim=True) + NORM_EPSILON)
    if valid is not None:
        inverse *= valid[..., None]
    padded = cells.new_zeros(count, height + rows, width + columns, channels)
    torch.mul(cells, inverse, out=padded[:, :height, :width])
    return padded.view(-1, channels), width + columns


def _prepared_for(templates: Sequence[Template], features: Features, stride: int) -> Tensor | None:
    """Return padded unit vectors (N, Hp, Wp, C) where the features have them with room enough for the templates."""
    if not isinstance(features, PreparedFeatures):
        return None
    largest = max(max(template.cells) for template in templates)
    return features.padded[stride] if largest <= features.room + 1 else None


def _flat(padded: Tensor) -> tuple[Tensor, int]:
    """Return (B, Hp, Wp, C) as (B * Hp * Wp, C), and Wp."""
    return padded.reshape(-1, padded.shape[3]), padded.shape[2]


def _score_maps(template: Template, planes: Tensor, shape: Sequence[int], width: int, valid: Tensor | None) -> Tensor:
    """Return S of one template, (B, h + th - 1, w + tw - 1), from its k planes, of which ij adds its u+i, v+j to S(u, v)."""
    th, tw = template.cells
    total = torch.zeros_like(planes[0])
    for plane, (i, j) in zip(planes, torch.nonzero(template.weights > 0).tolist(), strict=True):
        shift = (th - 1 - i) * width + (tw - 1 - j)
        total[shift:] += plane[: plane.shape[0] - shift]
    field = total.view(shape[0], -1, width)[:, : shape[2] + th - 1, : shape[3] + tw - 1]
    if valid is None:
        return field
    touched = max_pool2d(pad(valid[:, None].float(), (tw - 1, tw - 1, th - 1, th - 1)), (th, tw), 1)[:, 0] > 0
    return field.masked_fill(~touched, -torch.inf)


def _boxes(templates: Sequence[Template], corners: np.ndarray, letterboxes: Sequence[Letterbox]) -> np.ndarray:
    """Return (B, T, 4) boxes in pixels of the original pictures from the templates' corners (T, B, 2), in rows and columns."""
    strides = np.array([template.stride for template in templates])
    shift = np.tile(corners[..., ::-1], 2).transpose(1, 0, 2) * strides[:, None]
    scale = np.array([one.scale[::-1] * 2 for one in letterboxes])[:, None]
    size = np.array([one.image_size[::-1] for one in letterboxes], float)[:, None]
    boxes = (np.array([template.outline for template in templates]) + shift) / scale
    low = np.clip(boxes[..., :2], 0, size - 1)  # an object cut off by the border keeps at least a pixel
    return np.concatenate([low, np.clip(boxes[..., 2:], low + 1, size)], 2)


def _check_templates(templates: Sequence[Template], features: Features) -> None:
    for template in templates:
        if template.stride not in features:
            raise ValueError(f"a template has stride {template.stride}, but the features have {features.strides}")
        _check_channels(template, features[template.stride])


def _check_channels(template: Template, maps: Tensor) -> None:
    channels = len(template.vectors)
    if maps.ndim != 4 or maps.shape[1] != channels:
        raise ValueError(f"features have shape {tuple(maps.shape)}, expected (N, {channels}, h, w) as the template has")
