"""Feature maps of pictures, and how each picture lies on the network's canvas."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels, half-open."""

NORM_EPSILON = 1e-6
"""Added to norms, so that a zero vector stays zero; in float32, for in half precision it vanishes."""

PADDING_GREY = 127 / 255
"""Value of the padding: what the networks' own normalisation takes to about zero, as their inner padding is."""


@dataclass(frozen=True)
class Letterbox:
    """How a picture lies on a canvas: scaled to ``content_size`` at the top left, padding below and to the right.

    Attributes:
        image_size: (height, width) of the picture, pixels.
        content_size: (height, width) that it takes on the canvas, pixels.

    >>> placed = Letterbox.fit((600, 800), (320, 512))
    >>> placed.content_size, placed.to_canvas((0, 0, 400, 300))
    ((320, 427), (0.0, 0.0, 213.5, 160.0))
    >>> placed.to_image(placed.to_canvas((10, 20, 30, 60)))
    (10.0, 20.0, 30.0, 60.0)
    """

    image_size: tuple[int, int]
    content_size: tuple[int, int]

    @classmethod
    def fit(cls, image_size: tuple[int, int], canvas_size: tuple[int, int] | None = None) -> Letterbox:
        """Return the largest placement on a canvas (height, width) that keeps the shape; at its own size without a canvas."""
        if canvas_size is None:
            return cls(image_size, image_size)
        scale = min(canvas / image for canvas, image in zip(canvas_size, image_size, strict=True))
        return cls(image_size, tuple(max(1, round(side * scale)) for side in image_size))

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels per picture pixel, (vertical, horizontal): equal but for rounding to whole pixels."""
        return tuple(content / image for content, image in zip(self.content_size, self.image_size, strict=True))

    def to_canvas(self, box: Box) -> Box:
        """Return a box of the picture in canvas pixels."""
        (height, width), (rows, columns) = self.image_size, self.content_size
        return (box[0] * columns / width, box[1] * rows / height, box[2] * columns / width, box[3] * rows / height)

    def to_image(self, box: Box) -> Box:
        """Return a box of the canvas in pixels of the picture."""
        return Letterbox(self.content_size, self.image_size).to_canvas(box)


class Features(Mapping[int, Tensor]):
    """Feature maps of a batch: a mapping of stride (pixels per cell) to a tensor (N, C, h, w).

    Attributes:
        letterboxes: N of them: where each picture lies on the canvas.
        maps: the same tensors as a plain dictionary.

    Raises:
        ValueError: a map has another number of pictures, or too few cells for a picture.

    >>> features = Features({8: torch.zeros(2, 40, 5, 8)}, [Letterbox.fit((33, 64)), Letterbox.fit((40, 60))])
    >>> features[8].shape, features.strides, features.valid(8).sum((1, 2)).tolist()
    (torch.Size([2, 40, 5, 8]), (8,), [40, 40])
    """

    def __init__(self, maps: Mapping[int, Tensor], letterboxes: Sequence[Letterbox]) -> None:
        self.maps, self.letterboxes = dict(sorted(maps.items())), tuple(letterboxes)
        for stride, values in self.maps.items():
            if values.ndim != 4 or len(values) != len(self.letterboxes):
                expected = f"({len(self.letterboxes)}, C, h, w)"
                raise ValueError(f"maps[{stride}] has shape {tuple(values.shape)}, expected {expected}")
            for letterbox in {id(one): one for one in self.letterboxes}.values():
                check_cells(values.shape[2:], letterbox, stride)

    def __getitem__(self, stride: int) -> Tensor:
        if stride not in self.maps:
            raise KeyError(f"no features of stride {stride}; there are {', '.join(map(str, self.maps))}")
        return self.maps[stride]

    def __iter__(self) -> Iterator[int]:
        return iter(self.maps)

    def __len__(self) -> int:
        return len(self.maps)

    @classmethod
    def concatenate(cls, parts: Sequence[Features]) -> Features:
        """Return the features of all pictures of ``parts``, in their order.

        Raises:
            ValueError: there is no part, or the parts have different strides, or maps of different sizes.
        """
        if not parts:
            raise ValueError("parts is empty, expected the features of at least one batch")
        if len({part.strides for part in parts}) > 1:
            raise ValueError(f"parts have different strides: {sorted({part.strides for part in parts})}")
        for stride in parts[0].strides:
            if len(sizes := {tuple(part[stride].shape[1:]) for part in parts}) > 1:
                raise ValueError(f"parts have maps of different sizes (C, h, w) at stride {stride}: {sorted(sizes)}")
        maps = {stride: torch.cat([part[stride] for part in parts]) for stride in parts[0].strides}
        return cls(maps, [letterbox for part in parts for letterbox in part.letterboxes])

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides, the finest first."""
        return tuple(self.maps)

    def valid(self, stride: int) -> Tensor:
        """Return bool (N, h, w): the cells that cover a pixel of the picture; the others see only padding."""
        height, width = self[stride].shape[2:]
        sizes = {id(one): one.content_size for one in self.letterboxes}  # of thousands of pictures most lie alike
        cells = torch.tensor([[math.ceil(side / stride) for side in size] for size in sizes.values()]).reshape(-1, 2)
        rows, columns = torch.arange(height) < cells[:, :1], torch.arange(width) < cells[:, 1:]
        masks = (rows[:, :, None] & columns[:, None, :]).to(self[stride].device)
        if len(masks) == 1:
            return masks.expand(len(self.letterboxes), -1, -1)
        order = {key: index for index, key in enumerate(sizes)}
        return masks[[order[id(one)] for one in self.letterboxes]]

    def select(self, indices: Sequence[int]) -> Features:
        """Return the features of the pictures at ``indices``, in that order."""
        indices = list(indices)
        maps = {stride: values[indices] for stride, values in self.maps.items()}
        return Features(maps, [self.letterboxes[index] for index in indices])


def letterbox_batch(
    images: Sequence[np.ndarray], canvas_size: tuple[int, int] | None = None
) -> tuple[Tensor, tuple[Letterbox, ...]]:
    """Put pictures of any size on canvases of one size.

    Args:
        images: uint8 (height, width, 3) each, RGB.
        canvas_size: (height, width) to which every picture is scaled; None keeps their sizes, on a canvas that holds the largest.

    Returns:
        Float32 (N, 3, H, W) in [0, 1], padded with grey, and the N placements.

    Raises:
        TypeError, ValueError: ``images`` is empty, or one of them is no such array.

    >>> batch, placed = letterbox_batch([np.zeros((30, 40, 3), np.uint8), np.zeros((60, 40, 3), np.uint8)], (30, 40))
    >>> batch.shape, [one.content_size for one in placed]
    (torch.Size([2, 3, 30, 40]), [(30, 40), (30, 20)])
    """
    if not len(images):
        raise ValueError("images is empty, expected at least one picture")
    for index, image in enumerate(images):
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            came = getattr(image, "dtype", type(image).__name__)
            raise TypeError(f"images[{index}] is {came}, expected a uint8 array (height, width, 3)")
        if image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"images[{index}] has shape {image.shape}, expected (height, width, 3)")
    letterboxes = tuple(Letterbox.fit(image.shape[:2], canvas_size) for image in images)
    height, width = canvas_size or np.max([image.shape[:2] for image in images], 0).tolist()
    batch = torch.full((len(images), 3, height, width), PADDING_GREY)
    for canvas, image, placed in zip(batch, images, letterboxes, strict=True):
        pixels = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
        if placed.content_size != placed.image_size:
            pixels = interpolate(pixels[None], placed.content_size, mode="bilinear", antialias=True)[0].clamp(0, 1)
        canvas[:, : placed.content_size[0], : placed.content_size[1]] = pixels
    return batch, letterboxes


def check_cells(shape: Sequence[int], letterbox: Letterbox, stride: int) -> None:
    """Raise ValueError when a map of ``shape`` (h, w) is too small for the picture at that stride."""
    needed = tuple(math.ceil(side / stride) for side in letterbox.content_size)
    if shape[0] < needed[0] or shape[1] < needed[1]:
        size = "{} x {}".format(*letterbox.content_size)
        raise ValueError(
            f"features of stride {stride} have {shape[0]} x {shape[1]} cells, but a picture of {size} pixels (height x width) "
            f"needs {needed[0]} x {needed[1]}"
        )


def l2_normalise(vectors: Tensor, dim: int = 1) -> Tensor:
    """Return float32 vectors divided by their norm + 1e-6 along ``dim``; a zero vector stays zero.

    >>> l2_normalise(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).round(decimals=3).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    vectors = vectors.float()
    return vectors / (torch.linalg.vector_norm(vectors, dim=dim, keepdim=True) + NORM_EPSILON)
