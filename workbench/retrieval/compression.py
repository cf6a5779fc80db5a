"""How a store keeps feature vectors: in half precision or as bytes, whole or projected to fewer dimensions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from workbench.retrieval.backbone import recipe_hash
from workbench.retrieval.features import l2_normalise
from workbench.retrieval.mining import Shard
from workbench.retrieval.template import Template

DTYPES = ("float16", "int8")
STEPS = 127
"""What a component of 1 is stored as in int8: one scale for all cells, because all have length 1."""
RESIDUAL_STEPS = 255
ORTHONORMAL_WITHIN = 1e-4
CHUNK = 2**16


@dataclass(frozen=True, eq=False)
class Projection:
    """A linear map to fewer dimensions along orthonormal directions through the origin.

    Nothing is centred: scalar products of vectors that lie in the span are kept, so cosines stay cosines.

    Attributes:
        matrix: float32 (d, C), orthonormal rows.

    Raises:
        ValueError: the matrix is not (d, C) with d <= C, or its rows are not orthonormal.

    >>> half = Projection(np.eye(2, 4, dtype=np.float32))
    >>> half(torch.tensor([[3.0, 4.0, 0.0, 1.0]])).tolist()
    [[3.0, 4.0]]
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        matrix = np.ascontiguousarray(self.matrix, np.float32)
        if matrix.ndim != 2 or not 1 <= len(matrix) <= matrix.shape[1]:
            raise ValueError(f"matrix has shape {matrix.shape}, expected (d, C) with 1 <= d <= C")
        if not np.abs(matrix.astype(float) @ matrix.T.astype(float) - np.eye(len(matrix))).max() <= ORTHONORMAL_WITHIN:
            raise ValueError("the rows of matrix are not orthonormal, so it would not keep cosines")
        object.__setattr__(self, "matrix", matrix)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return float32 (..., d) of vectors (..., C)."""
        return vectors.float() @ torch.from_numpy(self.matrix).to(vectors.device).T

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the matrix."""
        content = f"{self.matrix.shape}".encode() + self.matrix.astype("<f4").tobytes()
        return hashlib.sha256(content).hexdigest()[:16]


@dataclass(frozen=True)
class Encoding:
    """What a store keeps of each cell's vector f.

    With a projection P, a template is projected too, and what matching sees are the cosines within its span (section 5).

    Attributes:
        dtype: ``"float16"``: ``P f`` as it is; or ``"int8"``: its direction ``127 P f / |P f|``, rounded, in half the bytes. The
            length of f, which no cosine asks for, is lost in int8; GeM and other pooled descriptors need it.
        projections: stride -> P; strides without one keep all channels.
        residual: keep beside each int8 vector, as one byte, how much of ``f / |f|`` lies outside the span of P: what a search
            needs to prove that it missed nothing.

    Raises:
        ValueError: another dtype, or a residual without int8.

    >>> Encoding("int8", {8: Projection(np.eye(24, 40))}).channels(8, 40)
    24
    """

    dtype: str = "float16"
    projections: Mapping[int, Projection] = field(default_factory=dict)
    residual: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(map(repr, DTYPES))}, got {self.dtype!r}")
        if self.residual and self.dtype != "int8":
            raise ValueError("residual is kept with dtype 'int8' only")
        object.__setattr__(self, "projections", dict(sorted(self.projections.items())))

    @property
    def recipe(self) -> dict[str, object]:
        """What decides the stored values, beside the features themselves, in values that JSON can hold."""
        projections = {str(stride): projection.digest for stride, projection in self.projections.items()}
        return {"dtype": self.dtype, "residual": self.residual, "projections": projections, "version": 1}

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change when anything of the encoding does."""
        return recipe_hash(self.recipe)

    def channels(self, stride: int, channels: int) -> int:
        """Return how many values a cell of ``channels`` channels has in the store."""
        return len(self.projections[stride].matrix) if stride in self.projections else channels

    def project(self, template: Template) -> Template:
        """Return a template as it matches this store: its vectors projected, and of length 1 again.

        Raises:
            ValueError: the template has another number of channels than the projection.
        """
        projection = self.projections.get(template.stride)
        if projection is None:
            return template
        channels = projection.matrix.shape[1]
        if len(template.vectors) != channels:
            raise ValueError(
                f"a template of stride {template.stride} has {len(template.vectors)} channels, the projection {channels}"
            )
        projected = projection(template.vectors.permute(1, 2, 0)).permute(2, 0, 1)
        return replace(template, vectors=l2_normalise(projected, 0))


@dataclass(frozen=True)
class Encoded:
    """Cells as a store keeps them.

    Attributes:
        values: float16 or int8 (N, h, w, d).
        residual: uint8 (N, h, w): upper bounds of 255 r, where r is the length of ``f / |f|`` outside the span; None unless kept.
        error: float32 (N,): the largest ``|P f / |f| - sqrt(1 - r^2) values / 127|`` of each picture's cells, for the r that is
            stored: what rounding did; None unless the residual is kept.
    """

    values: np.ndarray
    residual: np.ndarray | None = None
    error: np.ndarray | None = None


def encode(maps: Tensor, encoding: Encoding, stride: int) -> Encoded:
    """Return maps (N, C, h, w) as a store keeps them.

    Raises:
        ValueError: the projection is for another number of channels, or a value is not finite or too large for half precision.
    """
    cells = maps.detach().cpu().permute(0, 2, 3, 1).float()
    projection = encoding.projections.get(stride)
    if projection is not None and projection.matrix.shape[1] != cells.shape[3]:
        came, expected = cells.shape[3], projection.matrix.shape[1]
        raise ValueError(f"features of stride {stride} have {came} channels, the projection of the store {expected}")
    if not bool(torch.isfinite(cells).all()):
        raise ValueError(f"features of stride {stride} are not finite")
    if encoding.dtype == "float16":
        values = (cells if projection is None else projection(cells)).numpy()
        if (largest := float(np.abs(values).max(initial=0))) > float(np.finfo(np.float16).max):
            raise ValueError(f"features of stride {stride} reach {largest:g}, too much for half precision: use 'int8'")
        return Encoded(values.astype(np.float16))
    whole = l2_normalise(cells, 3)
    inside = whole if projection is None else projection(whole)
    length = torch.linalg.vector_norm(whole, dim=3, keepdim=True)  # 1, but for cells that are as good as dead
    values = (STEPS * length * l2_normalise(inside, 3)).round().to(torch.int8)
    if not encoding.residual:
        return Encoded(values.numpy())
    residual = torch.zeros(cells.shape[:3], dtype=torch.uint8)
    if projection is not None:  # rounded up, with room for single precision: no bound may come out too low
        outside = torch.linalg.vector_norm(whole - inside @ torch.from_numpy(projection.matrix), dim=3) + 1e-5
        residual = (RESIDUAL_STEPS * outside).ceil().clamp(max=RESIDUAL_STEPS).to(torch.uint8)
    rounding = torch.linalg.vector_norm(inside - decoded_share(residual)[..., None] * values / STEPS, dim=3)
    return Encoded(values.numpy(), residual.numpy(), rounding.flatten(1).amax(1).numpy())


def decoded_share(residual: Tensor) -> Tensor:
    """Return float32 ``sqrt(1 - r^2)`` of stored residuals: the length of a unit vector inside the span."""
    return (1 - (residual.float() / RESIDUAL_STEPS).square()).clamp(min=0).sqrt()


def fit_projections(
    pool: Iterable[Shard], dimensions: Mapping[int, int], *, sample: int | None = None
) -> dict[int, Projection]:
    """Return, for each stride, the directions that keep most of the unit vectors' length: PCA without centring.

    They are the first eigenvectors of ``sum of f f^T / |f|^2`` over the cells that show a picture.

    Args:
        pool: shards with all channels; a few thousand pictures are plenty.
        dimensions: stride -> d, at most its channels.
        sample: look only at the first so many pictures.

    Raises:
        ValueError: the pool is empty, lacks a stride, or d is out of its range.

    >>> from workbench.retrieval import Features, Letterbox
    >>> maps = torch.randn(3, 6, 4, 4) * torch.tensor([5.0, 4.0, 0.1, 0.1, 0.1, 0.1]).reshape(6, 1, 1)
    >>> pool = Shard(tuple("abc"), Features({8: maps}, [Letterbox.fit((32, 32))] * 3))
    >>> np.square(fit_projections([pool], {8: 2})[8].matrix).sum(0).round().tolist()
    [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    moments: dict[int, Tensor] = {}
    left = sample
    for shard in pool:
        if left is not None and left <= 0:
            break
        count = len(shard.image_ids) if left is None else min(left, len(shard.image_ids))
        left = None if left is None else left - count
        for stride in dimensions:
            if stride not in shard.features:
                raise ValueError(f"dimensions name stride {stride}, but the features have {shard.features.strides}")
            moment = _moment(shard.features[stride][:count], shard.features.valid(stride)[:count])
            moments[stride] = moments[stride] + moment if stride in moments else moment
    if not moments and dimensions:
        raise ValueError("pool is empty, expected at least one picture")
    found = {}
    for stride, count in dimensions.items():
        channels = len(moments[stride])
        if not 1 <= count <= channels:
            raise ValueError(f"dimensions[{stride}] must lie in 1 to {channels}, got {count}")
        vectors = np.linalg.eigh(moments[stride].numpy())[1][:, ::-1][:, :count].T
        largest = np.abs(vectors).argmax(1)[:, None]
        found[stride] = Projection(vectors * np.sign(np.take_along_axis(vectors, largest, 1)))
    return found


def _moment(maps: Tensor, valid: Tensor) -> Tensor:
    """Return float64 (C, C): the sum over the valid cells of the outer products of their unit vectors."""
    total = torch.zeros(maps.shape[1], maps.shape[1], dtype=torch.float64)
    step = max(1, CHUNK // max(1, maps.shape[2] * maps.shape[3]))
    for start in range(0, len(maps), step):
        cells = l2_normalise(maps[start : start + step]).permute(0, 2, 3, 1)[valid[start : start + step]]
        total += (cells.T @ cells).double().cpu()
    return total
