"""The weights of a TensorFlow.js model: a ``model.json`` and the files of numbers that it names."""

from __future__ import annotations

import os

import numpy as np

from workbench.datasets._annotation_fields import field, read_json


def read_tfjs(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Return the float32 weights of a layers model by their names.

    ``weightsManifest`` lists groups of weights; the files of a group, in their order, hold its numbers one after the other.

    Args:
        path: of the ``model.json``; the files of numbers lie beside it.

    Raises:
        FileNotFoundError: the file or one that it names is missing.
        ValueError: it is no such model, is truncated, or has weights that are not float32.
    """
    path, model = read_json(path)
    weights = {}
    for index, group in enumerate(field(model, "weightsManifest", list, str(path))):
        where = f"{path}, group {index}"
        parts = [path.parent / name for name in field(group, "paths", list, where)]
        for part in parts:
            if not part.is_file():
                raise FileNotFoundError(f"{path.parent} has no {part.name}, which {path.name} names")
        content, position = b"".join(part.read_bytes() for part in parts), 0
        for entry in field(group, "weights", list, where):
            name = field(entry, "name", str, where)
            shape, dtype = (
                field(entry, "shape", list, f"{where}, {name}"),
                field(entry, "dtype", str, f"{where}, {name}"),
            )
            if dtype != "float32" or "quantization" in entry:
                raise ValueError(f"{where}: {name} is {dtype}, perhaps quantised; expected plain float32")
            count = int(np.prod(shape, dtype=np.int64))
            if position + 4 * count > len(content):
                raise ValueError(f"{where}: the files end within {name}; they are truncated")
            weights[name] = np.frombuffer(content, "<f4", count, position).reshape(shape)
            position += 4 * count
        if position != len(content):
            raise ValueError(f"{where}: {len(content) - position} bytes are left over after its last weight")
    return weights
