"""Checkpoints of a run: written whole or not at all, read without unpickling, refused when they are another run's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.datasets.files import atomic_write

FORMAT = "workbench training checkpoint, version 1"


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a run's state, replacing the file at once when all of it is on disk.

    Parameters:
        path: the file; its folder is made.
        state: names to tensors, state dicts, numbers, text, lists, tuples and dicts of these.
    """
    with atomic_write(path) as temporary:
        torch.save({"format": FORMAT, **{name: plain(value) for name, value in state.items()}}, temporary)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return a run's state, tensors on the CPU.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is damaged, or is no checkpoint of this package.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.pt"
    >>> write_checkpoint(path, {"epoch": 3})
    >>> read_checkpoint(path)["epoch"]
    3
    >>> _ = path.write_bytes(path.read_bytes()[:100])
    >>> read_checkpoint(path)
    Traceback (most recent call last):
    ValueError: .../run.pt is not a readable checkpoint (...): delete it to start again, or give another checkpoint_path
    """
    advice = "delete it to start again, or give another checkpoint_path"
    with open(path, "rb") as file:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # damage in archive or pickle surfaces as any type of exception, OSError among them
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ValueError(f"{path} is not a readable checkpoint ({reason}): {advice}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint of workbench.training: {advice}")
    return state


def check_same_run(path: Path, came: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise a ValueError that names every option in which a checkpoint's run differs from this one.

    >>> check_same_run(Path("run.pt"), {"seed": 1, "batch_size": 8}, {"seed": 0, "batch_size": 8})
    Traceback (most recent call last):
    ValueError: run.pt is the checkpoint of another run: seed is 1, expected 0. Use its options, ...
    """
    differences = [
        f"{name} is {came.get(name)!r}, expected {value!r}"
        for name, value in expected.items()
        if came.get(name) != value
    ]
    if differences:
        raise ValueError(
            f"{path} is the checkpoint of another run: {'; '.join(differences)}. Use its options, "
            "give another checkpoint_path, or delete it to start again"
        )


def plain(value: Any) -> Any:
    """Return nested state with numpy's numbers as Python's, which ``torch.load(weights_only=True)`` can read.

    >>> plain({"lr": np.float64(0.1), "betas": (np.float32(0.5), 1)})
    {'lr': 0.1, 'betas': (0.5, 1)}
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    if type(value) is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    return value
