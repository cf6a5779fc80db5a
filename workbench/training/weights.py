"""Weights of a network in a safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from workbench.datasets.files import atomic_write

SHOWN = 5


def save_weights(model: nn.Module, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a model's state dict to a safetensors file, whole or not at all.

    Parameters:
        model: its ``state_dict()`` is written; tensors that share memory are written once each.
        path: the file, usually ``*.safetensors``; its folder is made.
        metadata: text that travels with the weights, such as the command that trained them.

    Returns:
        The path written.

    Raises:
        TypeError: a key or value of ``metadata`` is not text.

    >>> import tempfile
    >>> model = nn.Linear(2, 1)
    >>> path = save_weights(model, Path(tempfile.mkdtemp()) / "line.safetensors", metadata={"epochs": "3"})
    >>> load_weights(nn.Linear(2, 1), path)
    {'epochs': '3'}
    """
    metadata = dict(metadata or {})
    for key, value in metadata.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"metadata[{key!r}] is {value!r}, expected text for both: the file holds nothing else")
    path = Path(path)
    # A copy of each: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    return path


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> dict[str, str]:
    """Load a safetensors file into a model on whatever device it is, and return the file's metadata.

    Nothing is loaded when a name or shape does not fit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no safetensors file, or its names or shapes are not the model's; the message lists them.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the file is no mapping)
            metadata = dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from error
    if differences := weight_differences(tensors, model.state_dict()):
        raise ValueError(f"{path} does not fit {type(model).__name__}: {differences}")
    model.load_state_dict(tensors)
    return metadata


def weight_differences(came: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str:
    """Say in one line how names and shapes of two state dicts differ; ``""`` when they do not.

    >>> weight_differences({"weight": torch.zeros(3, 2)}, {"weight": torch.zeros(4, 2), "bias": torch.zeros(4)})
    'missing bias; shape of weight is (3, 2), expected (4, 2)'
    """
    shapes = [
        f"{name} is {tuple(came[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected
        if name in came and came[name].shape != expected[name].shape
    ]
    parts = {
        "missing": [name for name in expected if name not in came],
        "unexpected": [name for name in came if name not in expected],
        "shape of": shapes,
    }
    return "; ".join(f"{what} {_some(names)}" for what, names in parts.items() if names)


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
