"""The idx format of MNIST and its successors: a big-endian header and a dense array, plain or compressed."""

from __future__ import annotations

import gzip
import lzma
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(dtype).newbyteorder("="): code for code, dtype in _DTYPES.items()}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an idx file, plain, gzip or xz (told by its content, not by its name).

    Header: two zero bytes, one byte of dtype (0x08 uint8, 0x09 int8, 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64), one
    byte of rank, then each dimension as a big-endian uint32; the values follow in C order, big-endian.
    Source: the description of the format on the MNIST page of LeCun, Cortes and Burges.

    Returns:
        Array of the header's shape, in the machine's byte order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file, a damaged compression, or more or fewer values than the header says.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 8, 9]))
    >>> read_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no idx file at {path}")
    content = _decompressed(path)
    if len(content) < 4:
        raise ValueError(f"{path} holds {len(content)} bytes; an idx file starts with a header of at least 8")
    if content[:2] != b"\0\0" or content[2] not in _DTYPES:
        came = content[:4].hex(" ")
        raise ValueError(
            f"{path} is not an idx file: it starts with {came}, expected 00 00, a dtype of 08 to 0e, a rank"
        )
    dtype, rank = np.dtype(_DTYPES[content[2]]), content[3]
    start = 4 + 4 * rank
    if rank == 0 or len(content) < start:
        raise ValueError(
            f"{path} is truncated or damaged: the header says rank {rank} but the file holds {len(content)} bytes"
        )
    shape = struct.unpack(f">{rank}I", content[4:start])
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        raise ValueError(
            f"{path} holds {len(content) - start} bytes of values, but shape {shape} of {dtype.newbyteorder('=')} takes {expected}"
            + (": the file is truncated" if len(content) - start < expected else "")
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def idx_bytes(array: np.ndarray) -> bytes:
    """Return an array as an uncompressed idx file; the inverse of :func:`read_idx`.

    Raises:
        TypeError: the format has no code for the dtype.
        ValueError: rank 0 or above 255.

    >>> idx_bytes(np.array([7, 8], dtype=np.uint8)).hex(" ")
    '00 00 08 01 00 00 00 02 07 08'
    """
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        raise TypeError(f"idx files hold {', '.join(map(str, _CODES))}; got {array.dtype}")
    if not 1 <= array.ndim <= 255:
        raise ValueError(f"an idx file has 1 to 255 dimensions, got {array.ndim}")
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.astype(_DTYPES[code]).tobytes()


def _decompressed(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        if content.startswith(b"\x1f\x8b"):
            return gzip.decompress(content)
        if content.startswith(b"\xfd7zXZ\0"):
            return lzma.decompress(content)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(
            f"{path} is truncated or damaged: its compressed data ends or breaks early ({error})"
        ) from None
    return content
