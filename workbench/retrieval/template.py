"""From a region of a query picture to a template: which cells the object covers, and their feature vectors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench.retrieval.backbone import Backbone
from workbench.retrieval.features import Box, Features, Letterbox, check_cells, l2_normalise, letterbox_batch
from workbench.retrieval.regions import ImageSize, as_letterbox, check_box, coverage_of_box, coverage_of_mask


@dataclass(frozen=True)
class Template:
    """The feature vectors of an object of interest, and how much each cell counts.

    Attributes:
        vectors: float32 (C, th, tw), of length 1 (section 2, steps 2 and 3).
        weights: float32 (th, tw), m of the paper: 0 outside the object unless the template is unmasked.
        stride: canvas pixels per cell.
        outline: the object's box relative to the template's top left corner, in canvas pixels.
    """

    vectors: Tensor
    weights: Tensor
    stride: int
    outline: Box

    @property
    def cells(self) -> tuple[int, int]:
        """(th, tw): rows and columns of the template."""
        return tuple(self.weights.shape)

    @classmethod
    def from_box(
        cls,
        features: Mapping[int, Tensor],
        box: Sequence[float],
        image_size: ImageSize,
        *,
        stride: int,
        threshold: float = 0.5,
        masked: bool = True,
        weighting: str = "binary",
    ) -> Template:
        """Return the template of one box of a picture.

        A cell belongs to the object where the box covers at least ``threshold`` times as much of it as of the best covered cell,
        so that at least one cell is kept however small the object is (section 2, step 1).

        Args:
            features: stride -> (1, C, h, w) or (C, h, w) of the query picture, as a backbone gives it.
            box: (x0, y0, x1, y1) in pixels of the picture; what reaches beyond its edges is cut off with a warning.
            image_size: (height, width) of the picture in pixels, or its letterbox where it was scaled.
            stride: which of the maps.
            threshold: in (0, 1].
            masked: give weight 0 to the cells of the rectangle that do not belong to the object.
            weighting: ``"binary"``, or ``"coverage"``: by the covered share of each cell.

        Raises:
            ValueError: the box is empty, inverted, not finite or outside the picture; another option is out of its range; or
                there is no map of that stride, or it does not fit the picture.

        Warns:
            UserWarning: the object is smaller than one cell, or reaches beyond the picture.

        >>> features = {8: torch.randn(1, 40, 8, 8)}
        >>> template = Template.from_box(features, (16, 8, 40, 32), (64, 64), stride=8)
        >>> template.vectors.shape, template.weights.sum().item(), template.outline
        (torch.Size([40, 3, 3]), 9.0, (0.0, 0.0, 24.0, 24.0))
        """
        letterbox = as_letterbox(image_size)
        box = check_box(box, letterbox.image_size)
        values = _map_of(features, stride, letterbox)
        covered = coverage_of_box(box, letterbox, stride, values.shape[1:])
        return _cut(values, covered, box, letterbox, stride, threshold, masked, weighting)

    @classmethod
    def from_mask(
        cls,
        features: Mapping[int, Tensor],
        mask: np.ndarray | Tensor,
        image_size: ImageSize,
        *,
        stride: int,
        threshold: float = 0.5,
        masked: bool = True,
        weighting: str = "binary",
    ) -> Template:
        """Return the template of a mask: bool or [0, 1] (height, width) of the picture, such as
        :func:`~workbench.retrieval.regions.region_mask` gives.

        The other arguments, errors and warnings are those of :meth:`from_box`.

        Raises:
            ValueError: the mask has another shape, is empty, or has values outside [0, 1].

        >>> from workbench.retrieval import region_mask
        >>> mask = region_mask((64, 64), boxes=[(16, 8, 24, 16), (32, 24, 40, 32)])
        >>> Template.from_mask({8: torch.randn(1, 40, 8, 8)}, mask, (64, 64), stride=8).weights.tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
        """
        letterbox = as_letterbox(image_size)
        mask = torch.as_tensor(mask)
        if tuple(mask.shape) != tuple(letterbox.image_size):
            raise ValueError(f"mask has shape {tuple(mask.shape)}, expected {tuple(letterbox.image_size)}")
        if not bool((mask > 0).any()):
            raise ValueError("mask is empty: no pixel of it is above 0")
        if mask.dtype != torch.bool and not (float(mask.min()) >= 0 and float(mask.max()) <= 1):
            raise ValueError(f"mask must lie in [0, 1], got {float(mask.min()):g} to {float(mask.max()):g}")
        values = _map_of(features, stride, letterbox)
        covered = coverage_of_mask(mask, letterbox, stride, values.shape[1:])
        rows, columns = torch.nonzero(mask > 0, as_tuple=True)
        box = tuple(float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        return _cut(values, covered, box, letterbox, stride, threshold, masked, weighting)


def object_templates(
    backbone: Backbone,
    image: np.ndarray,
    box: Sequence[float],
    *,
    strides: Sequence[int] | None = None,
    scales: Sequence[float] = (1.0,),
    canvas_size: tuple[int, int] | None = None,
    **options: object,
) -> tuple[Template, ...]:
    """Return the templates of one object at several strides and scales: one entry of what ``mine`` takes.

    Matching does not follow an object through scales (section 9): ``scales=(0.7, 1, 1.4)`` also looks for smaller and larger ones.

    Args:
        backbone: the one that the pool was seen by.
        image: uint8 (height, width, 3).
        box: (x0, y0, x1, y1) in its pixels.
        strides: default all of the backbone's.
        scales: the query picture is resized by each, and cut at each.
        canvas_size: (height, width) to which the pool was scaled; None if it was not.
        **options: ``threshold``, ``masked`` and ``weighting`` of :meth:`Template.from_box`.

    Raises:
        TypeError, ValueError: as :meth:`Template.from_box` and
            :func:`~workbench.retrieval.features.letterbox_batch`; or a scale is not positive.
    """
    templates = []
    for scale in scales:
        features = scaled_features(backbone, image, scale, canvas_size)
        templates += [
            Template.from_box(features, box, features.letterboxes[0], stride=stride, **options)
            for stride in strides or backbone.strides
        ]
    return tuple(templates)


def scaled_features(
    backbone: Backbone, image: np.ndarray, scale: float = 1.0, canvas_size: tuple[int, int] | None = None
) -> Features:
    """Return the feature maps of one picture (height, width, 3), put on the pool's canvas and then resized by ``scale``.

    Raises:
        TypeError, ValueError: as :func:`~workbench.retrieval.features.letterbox_batch`; or the scale is not positive.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scales must be positive, got {scale!r}")
    base = Letterbox.fit(image.shape[:2], canvas_size).content_size
    size = base if scale == 1 else tuple(max(1, round(side * scale)) for side in base)
    return backbone.features(*letterbox_batch([image], None if size == image.shape[:2] else size))


def _cut(
    values: Tensor,
    covered: Tensor,
    box: Box,
    letterbox: Letterbox,
    stride: int,
    threshold: float,
    masked: bool,
    weighting: str,
) -> Template:
    """Return the template of the cells whose coverage (h, w) is high enough."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie above 0 and up to 1, got {threshold!r}")
    if weighting not in ("binary", "coverage"):
        raise ValueError(f"weighting must be 'binary' or 'coverage', got {weighting!r}")
    if (share := float(covered.sum())) < 1:
        warnings.warn(
            f"the object covers {share:.1g} of one cell at stride {stride}; try stride {max(stride // 2, 1)}",
            stacklevel=3,
        )
    kept = covered >= threshold * covered.max()
    rows, columns = torch.nonzero(kept.any(1)).flatten(), torch.nonzero(kept.any(0)).flatten()
    top, left = int(rows[0]), int(columns[0])
    window = (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))
    weights = covered[window] if weighting == "coverage" else torch.ones_like(covered[window])
    if masked:
        weights = weights * kept[window]
    x0, y0, x1, y1 = letterbox.to_canvas(box)
    outline = (x0 - left * stride, y0 - top * stride, x1 - left * stride, y1 - top * stride)
    vectors = l2_normalise(values[(slice(None), *window)], 0) * (weights > 0).to(values.device)
    return Template(vectors, weights.to(values.device), stride, outline)


def _map_of(features: Mapping[int, Tensor], stride: int, letterbox: Letterbox) -> Tensor:
    """Return the (C, h, w) map of one picture."""
    if stride not in features:
        there = ", ".join(str(one) for one in features)
        raise ValueError(f"stride is {stride!r}, but the features have {there}")
    values = features[stride]
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim != 3:
        raise ValueError(
            f"features[{stride}] has shape {tuple(values.shape)}, expected those of one picture, (1, C, h, w)"
        )
    check_cells(values.shape[1:], letterbox, stride)
    return values
