"""The tensors and nodes of an ONNX file, read without the package ``onnx``.

Such a file is a protocol buffer: fields of a number and a wire type, of which four kinds suffice here.  The field numbers are
those of ``onnx.proto`` (ONNX IR, version 3 and above).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATION = 1, 2, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_NAME, _TENSOR_RAW, _TENSOR_LOCATION = 1, 2, 4, 8, 9, 14
_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class OnnxNode:
    """One operation of the graph: its kind, such as ``"MatMul"``, and the names of what goes in and comes out."""

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OnnxGraph:
    """What :func:`read_onnx` returns.

    Attributes:
        nodes: in the order of the file, which is one of execution.
        tensors: the stored weights by name.
    """

    nodes: tuple[OnnxNode, ...]
    tensors: Mapping[str, np.ndarray]


def read_onnx(path: str | os.PathLike[str]) -> OnnxGraph:
    """Return the nodes and the stored tensors of an ONNX model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no ONNX model, is truncated, or keeps its tensors in another file or of a type that is not read here.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no ONNX file at {path}")
    try:
        content = memoryview(path.read_bytes())
        graphs = [value for number, value in _fields(content) if number == _MODEL_GRAPH]
        if len(graphs) != 1 or not isinstance(graphs[0], memoryview):
            raise _DamagedError("it has no graph")
        nodes, tensors = [], {}
        for number, value in _fields(graphs[0]):
            if number == _GRAPH_NODE:
                nodes.append(_node(value))
            elif number == _GRAPH_INITIALIZER:
                name, tensor = _tensor(value)
                tensors[name] = tensor
    except _DamagedError as error:
        raise ValueError(f"{path} is not an ONNX model that can be read here: {error}") from None
    return OnnxGraph(tuple(nodes), tensors)


class _DamagedError(Exception):
    """What is wrong with the file, without its name."""


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message: an int, or the bytes of a text, a message or packed numbers."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, position = _varint(content, position)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _varint(content, position)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise _DamagedError(f"byte {position} starts no field")
        if position + length > len(content):
            raise _DamagedError("it is truncated or damaged")
        yield number, content[position : position + length]
        position += length


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """Return a whole number of seven bits a byte, the lowest first, and the position behind it."""
    value = shift = 0
    while position < len(content) and shift < 64:
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise _DamagedError("it is truncated or damaged")


def _node(message: memoryview) -> OnnxNode:
    inputs, outputs, operation = [], [], ""
    for number, value in _fields(message):
        if number == _NODE_INPUT:
            inputs.append(_text(value))
        elif number == _NODE_OUTPUT:
            outputs.append(_text(value))
        elif number == _NODE_OPERATION:
            operation = _text(value)
    return OnnxNode(operation, tuple(inputs), tuple(outputs))


def _tensor(message: memoryview) -> tuple[str, np.ndarray]:
    name, shape, kind, raw = "", [], 0, None
    for number, value in _fields(message):
        if number == _TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif number == _TENSOR_TYPE:
            kind = value
        elif number == _TENSOR_NAME:
            name = _text(value)
        elif number in (_TENSOR_RAW, _TENSOR_FLOATS):
            raw = value
        elif number == _TENSOR_LOCATION and value:
            raise _DamagedError("its tensors lie in another file")
    if kind not in _DTYPES:
        raise _DamagedError(f"tensor {name!r} is of the type {kind}; expected one of {sorted(_DTYPES)}")
    dtype, count = np.dtype(_DTYPES[kind]), int(np.prod(shape, dtype=np.int64))
    if not isinstance(raw, memoryview) or len(raw) != dtype.itemsize * count:
        came = "no" if raw is None else f"{len(raw) if isinstance(raw, memoryview) else 1}"
        raise _DamagedError(
            f"tensor {name!r} has {came} bytes; expected {dtype.itemsize * count} of shape {tuple(shape)}"
        )
    return name, np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)


def _packed(content: memoryview) -> list[int]:
    values, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        values.append(value)
    return values


def _text(value: int | memoryview) -> str:
    if not isinstance(value, memoryview):
        raise _DamagedError("a name is no text")
    return bytes(value).decode("utf-8", "replace")
