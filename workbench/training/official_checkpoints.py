"""Checkpoints that the authors of a network published: read without unpickling code, loaded by the official names."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


@dataclass(frozen=True)
class LoadReport:
    """What loading an official checkpoint did.

    Attributes:
        missing: tensors of the model that the file lacks; they keep what they had.
        unexpected: tensors of the file that the model has no place for.
        ignored: tensors of the file that this model is known not to need, such as a training head.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    ignored: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every tensor of the model came from the file, and nothing of the file was left over unknown."""
        return not self.missing and not self.unexpected


def read_checkpoint(path: str | os.PathLike[str], under: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a ``*.safetensors`` file or of one that ``torch.save`` wrote, on the CPU; no code in it is run.

    A state dict that lies under ``"state_dict"`` or ``"model"``, as training programs save it beside their optimiser and the
    ``argparse.Namespace`` of their options, is found.

    Args:
        path: of the file.
        under: where in the file the state dict lies, such as ``"state_dict_ema"``; None to look in the usual places.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds no state dict, or not where it should.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # holds values, runs nothing
            found = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a damaged pickle makes its reader stumble in a dozen ways
        reason = (str(error).strip() or "it is empty").splitlines()[0]
        raise ValueError(f"{path} is no readable checkpoint ({reason})") from None
    if under is not None and not (isinstance(found, Mapping) and isinstance(found.get(under), Mapping)):
        held = ", ".join(map(str, list(found)[:5])) if isinstance(found, Mapping) else type(found).__name__
        raise ValueError(f"{path} has no {under!r}; it has {held}")
    for name in ("state_dict", "model") if under is None else (under,):
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} holds a {type(found).__name__}, expected tensors by name")
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"{path} holds no tensor; it has {', '.join(map(str, list(found)[:5])) or 'nothing'}")
    return tensors


def load_tensors(model: nn.Module, tensors: Mapping[str, Tensor], ignored: Collection[str] = ()) -> LoadReport:
    """Load tensors by name into a model, and say what did not find its counterpart.

    Args:
        model: changed in place, on whatever device it is.
        tensors: by the model's names.
        ignored: names that may be in ``tensors`` and are not loaded.

    Raises:
        ValueError: a shape differs, or not one name fits; then nothing is loaded.

    >>> load_tensors(nn.Linear(2, 1), {"weight": torch.ones(1, 2), "head": torch.ones(3)}, ignored=["head"])
    LoadReport(missing=('bias',), unexpected=(), ignored=('head',))
    """
    expected = model.state_dict()
    fitting = {name: value for name, value in tensors.items() if name in expected}
    if not fitting:
        some = ", ".join(list(tensors)[:5])
        raise ValueError(
            f"no name fits {type(model).__name__}: got {some}, expected such as {next(iter(expected), '')}"
        )
    for name, value in fitting.items():
        if value.shape != expected[name].shape:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {tuple(expected[name].shape)}")
    model.load_state_dict(fitting, strict=False)
    left = [name for name in tensors if name not in expected]
    return LoadReport(
        missing=tuple(name for name in expected if name not in tensors),
        unexpected=tuple(name for name in left if name not in ignored),
        ignored=tuple(name for name in left if name in ignored),
    )
