"""Tensors and nodes come out of an ONNX file as they were written, and damage is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.datasets.onnx_file import read_onnx


def varint(value: int) -> bytes:
    """Return a whole number in groups of seven bits, the lowest first."""
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def message(number: int, content: bytes | str) -> bytes:
    """Return a field that holds a text, a message or packed numbers."""
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def whole_number(field: int, value: int) -> bytes:
    """Return a field that holds a whole number."""
    return varint(field << 3) + varint(value)


def tensor(name: str, values: np.ndarray, kind: int = 1) -> bytes:
    """Return a TensorProto with raw data; kind 1 is float32."""
    dims = b"".join(whole_number(1, side) for side in values.shape)
    return dims + whole_number(2, kind) + message(8, name) + message(9, values.tobytes())


def node(operation: str, inputs: list[str], outputs: list[str]) -> bytes:
    """Return a NodeProto."""
    names = [message(1, name) for name in inputs] + [message(2, name) for name in outputs]
    return b"".join(names) + message(4, operation)


def model(nodes: list[bytes], tensors: list[bytes]) -> bytes:
    """Return a ModelProto: version, producer, and the graph."""
    graph = [message(1, one) for one in nodes] + [message(2, "graph")] + [message(5, one) for one in tensors]
    return whole_number(1, 7) + message(2, "a test") + message(7, b"".join(graph))


def _file(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    return path


def test_nodes_and_tensors_come_back(tmp_path):
    weight, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, -2, 3], np.int64)
    nodes = [node("MatMul", ["x", "weight"], ["product"]), node("Add", ["product", "bias"], ["y"])]
    tensors = [tensor("weight", weight), tensor("bias", bias, kind=7)]
    graph = read_onnx(_file(tmp_path, model(nodes, tensors)))
    assert [(one.operation, one.inputs, one.outputs) for one in graph.nodes] == [
        ("MatMul", ("x", "weight"), ("product",)),
        ("Add", ("product", "bias"), ("y",)),
    ]
    assert np.array_equal(graph.tensors["weight"], weight)
    assert graph.tensors["bias"].tolist() == [1, -2, 3]


@given(st.lists(st.integers(1, 400), min_size=0, max_size=3))
def test_shapes_of_any_size(tmp_path_factory, shape):
    values = np.zeros(shape if np.prod(shape, dtype=int) < 10**5 else shape[:1], np.float32)
    for dims in (
        b"".join(whole_number(1, side) for side in values.shape),
        message(1, b"".join(varint(side) for side in values.shape)),  # packed
    ):
        content = dims + whole_number(2, 1) + message(8, "w") + message(9, values.tobytes())
        graph = read_onnx(_file(tmp_path_factory.mktemp("onnx"), model([], [content])))
        assert graph.tensors["w"].shape == values.shape


def test_damage_is_named(tmp_path):
    whole = model([], [tensor("weight", np.zeros((40, 3), np.float32))])
    with pytest.raises(FileNotFoundError, match="no ONNX file at"):
        read_onnx(tmp_path / "absent.onnx")
    for content, reason in (
        (whole[: len(whole) // 2], "truncated or damaged"),
        (b"not a model at all", "starts no field|truncated|no graph"),
        (b"", "it has no graph"),
        (model([], [whole_number(1, 4) + whole_number(2, 1) + message(8, "w")]), "'w' has no bytes"),
        (
            model([], [tensor("w", np.zeros(3, np.float32), kind=8)]),
            "'w' is of the type 8; expected one of",
        ),
        (model([], [tensor("w", np.zeros(3, np.float32), kind=11)]), "'w' has 12 bytes; expected 24"),
        (model([], [tensor("w", np.zeros(3, np.float32)) + whole_number(14, 1)]), "lie in another file"),
    ):
        with pytest.raises(ValueError, match=rf"model.onnx is not an ONNX model that can be read here: .*({reason})"):
            read_onnx(_file(tmp_path, content))
