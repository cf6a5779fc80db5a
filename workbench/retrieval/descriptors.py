"""One vector per picture: the label-free baselines that template matching is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.retrieval.features import l2_normalise
from workbench.retrieval.template import Template

CLAMP = 1e-6
OVERLAP = 0.4


def gem(features: Tensor, p: float = 3.0, weights: Tensor | None = None) -> Tensor:
    """Return generalised means ``f_c = (mean over cells of x_c^p)^(1/p)``, of length 1.

    ``p = 1`` is average pooling, ``p = inf`` maximum pooling (MAC). Radenović et al., "Fine-tuning CNN Image Retrieval with No
    Human Annotation", PAMI 2019.

    Args:
        features: (N, C, h, w); values below 1e-6 count as 1e-6.
        p: above 0.
        weights: (N, h, w) weight of each cell in the mean, such as ``Features.valid`` gives; None for equal ones.

    Returns:
        Float32 (N, C).

    Raises:
        ValueError: p is not positive, or a picture's weights are all 0 or of another shape.

    >>> gem(torch.tensor([[[[3.0, 3.0]], [[4.0, 4.0]]]])).round(decimals=3).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    if not p > 0:
        raise ValueError(f"p must be above 0, got {p!r}")
    values = features.float().clamp(min=CLAMP)
    weights = _checked_weights(features, weights)
    largest = values.masked_fill(weights[:, None] == 0, 0).amax((2, 3), keepdim=True)
    if math.isinf(p):
        return l2_normalise(largest[:, :, 0, 0])
    share = weights / weights.sum((1, 2), keepdim=True)  # powers of x / max: large p neither over- nor underflows
    powers = ((values / largest) ** p * share[:, None]).sum((2, 3)) ** (1 / p)
    return l2_normalise(largest[:, :, 0, 0] * powers)


def crop_gem(template: Template, p: float = 3.0) -> Tensor:
    """Return the generalised mean over the cells of an object, (1, C): a query to compare with the pool's :func:`gem`.

    The cells have length 1 each, as they have in the template; see :func:`gem` for formula and errors. Compare it with the pool's
    ``gem(l2_normalise(maps))``.
    """
    return gem(template.vectors[None], p, template.weights[None])


@dataclass(frozen=True)
class Whitening:
    """A principal component analysis that gives every kept component the same variance.

    Attributes:
        mean: (C,).
        matrix: (C, D).
    """

    mean: Tensor
    matrix: Tensor

    @classmethod
    def fit(cls, vectors: Tensor, components: int) -> Whitening:
        """Learn from ``vectors`` (M, C), such as :func:`regional_maxima` of a pool, of which ``components`` are kept.

        Raises:
            ValueError: there are fewer directions of variance than ``components``.

        >>> white = Whitening.fit(torch.tensor([[0.0, 0, 7], [2, 1, 7], [4, 0, 7], [2, -1, 7]]), 2)
        >>> white(torch.tensor([[4.0, 0, 7]])).abs().round(decimals=3).tolist()
        [[1.4140000343322754, 0.0]]
        """
        vectors = vectors.double()
        mean = vectors.mean(0)
        variances, axes = torch.linalg.eigh((vectors - mean).T @ (vectors - mean) / len(vectors))
        variances, axes = variances.flip(0), axes.flip(1)
        directions = int((variances > 1e-10 * variances[0].clamp(min=1e-30)).sum())
        if not 1 <= components <= directions:
            raise ValueError(
                f"components must lie in 1 to {directions}, the directions of variance; got {components!r}"
            )
        matrix = axes[:, :components] / variances[:components].sqrt()
        return cls(mean.float(), matrix.float())

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the whitened vectors (M, D)."""
        return (vectors - self.mean) @ self.matrix


def r_mac(features: Tensor, levels: int = 3, valid: Tensor | None = None, whitening: Whitening | None = None) -> Tensor:
    """Return regional maximum activations: maxima over square regions, each of length 1, whitened if asked for, summed; length 1.

    Tolias, Sicre, Jégou, "Particular object retrieval with integral max-pooling of CNN activations", ICLR 2016.

    Args:
        features: (N, C, h, w).
        levels: scales l = 1 to ``levels``, with squares of side ``2 min(h, w) / (l + 1)``.
        valid: bool (N, h, w): only the rectangle of valid cells of a picture is looked at.
        whitening: of the regional vectors.

    Returns:
        Float32 (N, C), or (N, D) with whitening.

    Raises:
        ValueError: ``levels`` is below 1, or a picture has no valid cell.
    """
    pooled = []
    for regions in _regional(features, levels, valid):
        if whitening is not None:
            regions = l2_normalise(whitening(regions))
        pooled.append(regions.sum(0))
    return l2_normalise(torch.stack(pooled))


def regional_maxima(features: Tensor, levels: int = 3, valid: Tensor | None = None) -> Tensor:
    """Return the regional vectors of :func:`r_mac`, (M, C) of length 1, of all pictures: what :class:`Whitening` learns from."""
    return torch.cat(list(_regional(features, levels, valid)))


def r_mac_regions(height: int, width: int, levels: int = 3) -> list[tuple[int, int, int]]:
    """Return the squares (row, column, side) of a map: at level l, l along the short side, and more along the long one.

    The long side gets as many as bring the overlap of neighbours at level 1 closest to 40 %.

    >>> r_mac_regions(4, 6, levels=2)
    [(0, 0, 4), (0, 2, 4), (0, 0, 2), (0, 2, 2), (0, 4, 2), (2, 0, 2), (2, 2, 2), (2, 4, 2)]
    """
    short, long = min(height, width), max(height, width)
    more = (
        min(range(1, 7), key=lambda count: abs(1 - (long - short) / (count * short) - OVERLAP)) if long > short else 0
    )
    regions = []
    for level in range(1, levels + 1):
        side = max(2 * short // (level + 1), 1)
        rows, columns = (
            torch.linspace(0, extent - side, level + more * (extent == long and long > short)).round().int().tolist()
            for extent in (height, width)
        )
        regions += [(row, column, side) for row in rows for column in columns]
    return regions


def _regional(features: Tensor, levels: int, valid: Tensor | None) -> Iterator[Tensor]:
    """Yield the unit vectors of each picture's regions, (R, C)."""
    if levels < 1:
        raise ValueError(f"levels must be 1 or more, got {levels!r}")
    extents = _checked_weights(features, valid) > 0
    heights, widths = extents.any(2).sum(1).tolist(), extents.any(1).sum(1).tolist()
    for values, height, width in zip(features.float(), heights, widths, strict=True):
        regions = r_mac_regions(height, width, levels)
        maxima = [values[:, row : row + side, column : column + side].amax((1, 2)) for row, column, side in regions]
        yield l2_normalise(torch.stack(maxima))


def _checked_weights(features: Tensor, weights: Tensor | None) -> Tensor:
    """Return float weights (N, h, w)."""
    if features.ndim != 4:
        raise ValueError(f"features has shape {tuple(features.shape)}, expected (N, C, h, w)")
    expected = (len(features), *features.shape[2:])
    if weights is None:
        return torch.ones(expected, device=features.device)
    if tuple(weights.shape) != expected:
        raise ValueError(f"weights has shape {tuple(weights.shape)}, expected {expected}")
    weights = weights.to(features.device, torch.float32)
    empty = torch.nonzero(weights.sum((1, 2)) <= 0).flatten().tolist()
    if empty:
        raise ValueError(f"picture {empty[0]} has no cell of weight above 0")
    return weights
