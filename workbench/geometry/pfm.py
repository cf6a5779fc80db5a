"""Portable float maps: depth and disparity as float32, the bottom row first in the file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

_HEADER = re.compile(rb"(P[Ff])\s+(\d+)\s+(\d+)\s+(\S+?)[ \t]*\r?\n")


def read_pfm(path: str | os.PathLike[str]) -> np.ndarray:
    """Return a map as float32 (height, width), or (height, width, 3) of a colour one; the top row first, contiguous and writable.

    Both byte orders are read, told by the sign of the scale, whose size is left alone.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no header of a portable float map, or another number of bytes after it than its size needs.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    content = path.read_bytes()
    header = _HEADER.match(content)
    if header is None:
        raise ValueError(
            f"{path} ({len(content)} bytes) begins with {content[:16]!r}; expected 'Pf' or 'PF', width, height and a scale"
        )
    kind, width, height, scale = header.groups()
    try:
        order = "<" if float(scale) < 0 else ">"
    except ValueError:
        raise ValueError(f"{path} ({len(content)} bytes) has the scale {scale!r}; expected a number") from None
    shape = (int(height), int(width), 3) if kind == b"PF" else (int(height), int(width))
    expected, came = 4 * int(np.prod(shape)), len(content) - header.end()
    if came != expected:
        raise ValueError(
            f"{path} holds {came} bytes of a map of {int(width)} x {int(height)}, expected {expected}: it is truncated, or "
            "its line ends were converted"
        )
    values = np.frombuffer(content, f"{order}f4", offset=header.end()).reshape(shape)
    return np.ascontiguousarray(values[::-1], np.float32)


def write_pfm(path: str | os.PathLike[str], values: np.ndarray) -> None:
    """Write a map (height, width), or a colour one (height, width, 3), as float32, little endian.

    Raises:
        ValueError: another shape.
    """
    values = np.asarray(values)
    if values.ndim != 2 and not (values.ndim == 3 and values.shape[2] == 3):
        raise ValueError(f"values must be (height, width) or (height, width, 3), got {values.shape}")
    kind = b"Pf" if values.ndim == 2 else b"PF"
    header = kind + f"\n{values.shape[1]} {values.shape[0]}\n-1.0\n".encode()
    Path(path).write_bytes(header + np.ascontiguousarray(values[::-1], "<f4").tobytes())
