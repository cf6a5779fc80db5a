"""Masks as COCO writes them: run lengths down the columns, compressed to a text or not, and polygons.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, the data format's mask encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST = 48
"""Code of the character that stands for 0; each carries five bits, and a sixth that says whether more follow."""


def encode_mask(mask: NDArray[Any]) -> dict[str, Any]:
    """Return the compressed run lengths of a boolean mask (height, width), ready for JSON.

    Runs go down the columns and alternate from 0. From the fourth on, each is written less the one two before it, in groups of five
    bits, the least first.

    Raises:
        ValueError: another shape.

    >>> encode_mask(np.array([[0, 1], [0, 1]]))
    {'size': [2, 2], 'counts': '22'}
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"mask must be (height, width), got {mask.shape}")
    flat = mask.astype(bool).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    text = [_characters(count - (counts[index - 2] if index > 2 else 0)) for index, count in enumerate(counts)]
    return {"size": [int(side) for side in mask.shape], "counts": "".join(text)}


def decode_mask(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the boolean mask (height, width) of what COCO has under ``segmentation``.

    Args:
        segmentation: an object with ``size`` and ``counts``, a text or a list of run lengths; or a list of polygons, each
            x, y, x, y, ... in pixels.
        size: height and width of the image.

    Raises:
        ValueError: it is none of these, of another size, or its runs do not fill the image.

    >>> decode_mask({"size": [2, 2], "counts": [2, 2]}, (2, 2)).astype(int)
    array([[0, 1],
           [0, 1]])
    """
    if isinstance(segmentation, list):
        return fill_polygons(segmentation, size)
    if not isinstance(segmentation, dict) or "size" not in segmentation or "counts" not in segmentation:
        raise ValueError(f"segmentation is {segmentation!r:.60}; expected polygons, or an object with size and counts")
    if list(segmentation["size"]) != list(size):
        raise ValueError(f"size of the mask is {segmentation['size']}, of the image {list(size)}; expected the same")
    counts = segmentation["counts"]
    if isinstance(counts, str | bytes):
        counts = _counts(counts if isinstance(counts, str) else counts.decode("ascii"))
    runs = np.asarray(counts)
    if runs.ndim != 1 or runs.dtype.kind not in "iu" or (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise ValueError(f"run lengths are {counts!r:.60}; expected whole numbers whose sum is {size[0] * size[1]}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(size, order="F")


def fill_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (height, width) of pixels whose centre lies in one of the polygons, each x, y, x, y, ...

    COCO's own code rounds corners to a fifth of a pixel first, so that single pixels on an edge can differ from it.

    Raises:
        ValueError: a polygon of fewer than three corners, or of other than finite numbers.

    >>> fill_polygons([[1, 0, 3, 0, 3, 2, 1, 2]], (2, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0]])
    """
    height, width = size
    mask = np.zeros(size, bool)
    for polygon in polygons:
        try:
            corners = np.asarray(polygon, float)
        except (TypeError, ValueError):
            corners = np.zeros(0)
        if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2 or not np.isfinite(corners).all():
            raise ValueError(f"polygon is {polygon!r:.60}; expected at least three corners x, y, x, y, ...")
        x, y = corners.reshape(-1, 2).T
        next_x, next_y = np.roll(x, -1), np.roll(y, -1)
        rows = np.arange(height)[:, None] + 0.5
        crossed = (y <= rows) != (next_y <= rows)
        slope = (next_x - x) / np.where(next_y == y, 1, next_y - y)
        places = np.ceil(x + (rows - y) * slope - 0.5).clip(0, width).astype(int)  # the first centre right of the edge
        flips = np.zeros((height, width + 1), int)
        row, edge = np.nonzero(crossed)
        np.add.at(flips, (row, places[row, edge]), 1)
        mask |= flips.cumsum(1)[:, :width] % 2 == 1
    return mask


def _characters(number: int) -> str:
    text = ""
    while True:
        bits, number = number & 31, number >> 5
        last = number == (-1 if bits & 16 else 0)
        text += chr(_FIRST + bits + (0 if last else 32))
        if last:
            return text


def _counts(text: str) -> list[int]:
    counts: list[int] = []
    number, shift = 0, 0
    for character in text:
        code = ord(character) - _FIRST
        if not 0 <= code < 64:
            raise ValueError(f"run lengths hold the character {character!r}; expected '0' to 'o'")
        number |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                number -= 1 << shift
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number, shift = 0, 0
    if shift:
        raise ValueError(f"run lengths {text[-20:]!r} end within a number")
    return counts
