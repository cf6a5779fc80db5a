"""One pass over a compressed store: an estimate of every score, and a bound that no score exceeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, conv2d, pad

from workbench.retrieval.compression import RESIDUAL_STEPS, STEPS, Encoding, decoded_share
from workbench.retrieval.features import Features
from workbench.retrieval.matching import convolution_kernel
from workbench.retrieval.template import Template

CHUNK_CELLS = 2**15
"""Cells of pictures that are worked on at a time, so that products stay in a processor's cache."""
FOLD = 4
"""Cells of a row that are seen as one cell with as many channels: products of 16 channels leave matrix units half empty."""
UNIT_ROUNDOFF = {torch.bfloat16: 2.0**-8, torch.float32: 2.0**-24}


@dataclass(frozen=True)
class CoarseScan:
    """What a scan looks for.

    Attributes:
        templates: T of them, of all channels.
        encoding: of the store, which is kept in int8.
        dtype: of the products: bfloat16 is several times faster where the processor has instructions for it.
    """

    templates: tuple[Template, ...]
    encoding: Encoding
    dtype: torch.dtype

    def estimates(self, features: Features) -> np.ndarray:
        """Return float32 (N, T): s(I) of the projected templates in int8 features; 0 where that is negative."""
        projected = [self.encoding.project(template) for template in self.templates]

        def cells(stride: int, part: slice) -> Tensor:
            return (
                features[stride][part].permute(0, 2, 3, 1).to(self.dtype)
            )  # whole numbers up to 127: exact in bfloat16

        return self._maxima(projected, features, cells) / STEPS

    def upper_bounds(self, features: Features, residuals: dict[int, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return float32 (N, T): numbers that s(I) over all channels does not exceed.

        ``<t, f> <= n <P t, q> + |P t| e + |t - P'P t| r`` for each cell (section 5), with the residual r, ``n = sqrt(1 - r^2)``,
        the stored direction q and its rounding error e: a correlation like S with one channel more, and room for what rounding
        does in the sums.

        Args:
            features: int8.
            residuals: stride -> residual (N, h, w) and error (N,), see :class:`~workbench.retrieval.compression.Encoded`.
        """
        extended, inside = zip(*(self._extended(template) for template in self.templates), strict=True)

        def cells(stride: int, part: slice) -> Tensor:
            residual = torch.from_numpy(residuals[stride][0][part])
            values = features[stride][part].permute(0, 2, 3, 1).float()
            values *= (decoded_share(residual) / STEPS)[..., None]
            both = values.new_empty((*residual.shape, values.shape[3] + 1), dtype=self.dtype)
            both[..., :-1] = values
            both[..., -1] = residual.float() / RESIDUAL_STEPS
            return both

        found = self._maxima(extended, features, cells)
        for column, template in enumerate(self.templates):
            found[:, column] += inside[column] * residuals[template.stride][1]
        return found + self._rounding(found)

    def _extended(self, template: Template) -> tuple[Template, float]:
        """Return a template with one more channel, ``|t - P'P t|``, and the weighted mean of ``|P t|``."""
        vectors, projection = template.vectors, self.encoding.projections.get(template.stride)
        if projection is None:
            inside, outside = vectors, torch.zeros(template.cells)
        else:
            matrix = torch.from_numpy(projection.matrix)
            inside = torch.einsum("dc,cij->dij", matrix, vectors)
            outside = torch.linalg.vector_norm(vectors - torch.einsum("dc,dij->cij", matrix, inside), dim=0)
        length = torch.linalg.vector_norm(inside, dim=0)
        mean = float((template.weights * length).sum() / template.weights.sum())
        return replace(template, vectors=torch.cat([inside, outside[None]])), mean

    def _rounding(self, found: np.ndarray) -> np.ndarray:
        """Return what rounding of the factors, of the sums of bound and score, and of the result may amount to."""
        unit, single = UNIT_ROUNDOFF[self.dtype], UNIT_ROUNDOFF[torch.float32]
        slack = []
        for template in self.templates:
            terms = template.vectors.numel() + 10  # at least as many as products are summed
            longest = 1 + np.sqrt(len(template.vectors)) / (2 * STEPS)  # a cell, with what rounding to bytes may add
            slack.append(longest * (2 * unit + unit**2 + 2 * terms * single))
        return np.float32(slack) + np.float32(unit) * np.abs(found)

    def _maxima(
        self, templates: Sequence[Template], features: Features, cells: Callable[[int, slice], Tensor]
    ) -> np.ndarray:
        """Return (N, T): the maximum over all places of the correlation of each template with cells(stride, part), (B, h, w, d)."""
        found = np.empty((len(features.letterboxes), len(templates)), np.float32)
        for stride in sorted({template.stride for template in templates}):
            group = [index for index, template in enumerate(templates) if template.stride == stride]
            kernel = folded_kernel([templates[index] for index in group], self.dtype)
            padding = (kernel.shape[2] - 1, kernel.shape[3] - 1)
            valid = features.valid(stride)
            whole = bool(valid.all())
            for part in self._parts(features[stride]):
                values = cells(stride, part)
                if not whole:
                    values = values * valid[part, ..., None].to(values.dtype)
                best = adaptive_max_pool2d(conv2d(folded(values), kernel, padding=padding), 1)
                found[part, group] = best.view(len(values), FOLD, -1).amax(1).float().numpy()
        return found

    @staticmethod
    def _parts(maps: Tensor) -> Iterator[slice]:
        step = max(1, CHUNK_CELLS // (maps.shape[2] * maps.shape[3]))
        return (slice(start, start + step) for start in range(0, len(maps), step))


def folded(cells: Tensor) -> Tensor:
    """Return cells (B, h, w, d) as (B, FOLD d, h, ceil(w / FOLD)): each group of cells of a row is one."""
    count, height, width, channels = cells.shape
    if width % FOLD:
        cells = pad(cells, (0, 0, 0, FOLD - width % FOLD))
    return cells.reshape(count, height, -1, FOLD * channels).permute(0, 3, 1, 2)


def folded_kernel(templates: Sequence[Template], dtype: torch.dtype) -> Tensor:
    """Return the kernels that match templates to :func:`folded` cells, (FOLD T, FOLD d, th, ceil((tw + FOLD - 1) / FOLD)).

    A template may begin at any cell of a group: each of these is a kernel of its own, all templates of one beginning together.
    """
    kernel = convolution_kernel(templates, templates[0].vectors)
    count, channels, rows, columns = kernel.shape
    groups = math.ceil((columns + FOLD - 1) / FOLD)
    placed = torch.zeros(FOLD, count, rows, groups * FOLD, channels)
    for first in range(FOLD):
        placed[first, :, :, first : first + columns] = kernel.permute(0, 2, 3, 1)
    kernels = placed.reshape(FOLD * count, rows, groups, FOLD * channels).permute(0, 3, 1, 2)
    return kernels.to(dtype).contiguous(memory_format=torch.channels_last)


def fast_dtype() -> torch.dtype:
    """Return bfloat16 where this processor multiplies it in hardware, else float32."""
    in_hardware = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if in_hardware else torch.float32
