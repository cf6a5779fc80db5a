"""What a training run is asked to do, and what it hands back."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "32-true", "bf16-mixed"),
    "strategy": ("auto", "ddp", "ddp_find_unused_parameters_true"),
    "mode": ("min", "max"),
    "scheduler_step": ("epoch", "step"),
}
WHOLE_NUMBERS = {
    "epochs": 1,
    "batch_size": 1,
    "accumulate": 1,
    "workers": 0,
    "devices": 1,
    "nodes": 1,
    "seed": 0,
    "num_threads": 1,
    "patience": 1,
    "checkpoint_every": 1,
}
OPTIONAL = ("num_threads", "patience")
DECIDE_THE_RESULT = (
    "batch_size",
    "accumulate",
    "shuffle",
    "drop_last",
    "seed",
    "gradient_clip",
    "scheduler_step",
    "ema_decay",
    "monitor",
    "mode",
)
"""The options that a checkpoint must share with the call that resumes it."""


@dataclass(frozen=True)
class TrainingConfig:
    """The options of :func:`workbench.training.fit`.

    Parameters:
        epochs: passes over the training data.
        batch_size: samples of one optimizer step, over all processes and all pieces; the last batch may be smaller.
        accumulate: pieces that a batch is cut into, one after the other, so that it needs less memory.
        shuffle: draw a new order in every epoch.
        drop_last: leave out a last batch that is smaller than ``batch_size``.
        workers: processes that load data beside each training process (0: none).
        device: ``"auto"`` (CUDA when there, else CPU), ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"`` (bfloat16 mixed on a CUDA device that has it, else 32 bit), ``"32-true"``, ``"bf16-mixed"``.
        devices: training processes on each node, one device each.
        nodes: machines, when started by ``torchrun`` or SLURM.
        strategy: ``"auto"`` (DDP when there are several processes), ``"ddp"``, ``"ddp_find_unused_parameters_true"``.
        seed: of Python, numpy, torch, the order of samples and the loader's workers, from 0 to 2**32 - 1.
        deterministic: choose deterministic algorithms where torch has them (it warns where it has none).
        num_threads: torch's threads within an operation during the run (None: as they are); restored afterwards.
        gradient_clip: largest L2 norm of the whole gradient (None: no clipping).
        scheduler_step: whether the scheduler steps after each ``"epoch"`` or after each optimizer ``"step"``.
        ema_decay: decay per optimizer step of an exponential moving average of the weights, in (0, 1).  The average is
            then what is validated, kept and returned (None: no average).
        monitor: column of the history that decides which epoch is best.
        mode: whether ``"min"`` or ``"max"`` of ``monitor`` is best.
        patience: stop after this many epochs without a better ``monitor`` (None: never).
        restore_best: leave the model with the best epoch's weights, not the last one's.
        checkpoint_path: file to resume from when it exists and to write to (None: no checkpoint).
        checkpoint_every: epochs between two checkpoints; the last epoch always gets one.

    Raises:
        TypeError: a number is not of the right type.
        ValueError: an option is outside its range.

    >>> TrainingConfig(epochs=3, batch_size=8).precision
    'auto'
    >>> TrainingConfig(mode="best")
    Traceback (most recent call last):
    ValueError: mode is 'best', expected one of 'min', 'max'
    >>> TrainingConfig(epochs=0)
    Traceback (most recent call last):
    ValueError: epochs is 0, expected a whole number of at least 1
    """

    epochs: int = 10
    batch_size: int = 32
    accumulate: int = 1
    shuffle: bool = True
    drop_last: bool = False
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    seed: int = 0
    deterministic: bool = True
    num_threads: int | None = None
    gradient_clip: float | None = None
    scheduler_step: str = "epoch"
    ema_decay: float | None = None
    monitor: str = "train_loss"
    mode: str = "min"
    patience: int | None = None
    restore_best: bool = True
    checkpoint_path: str | os.PathLike[str] | None = None
    checkpoint_every: int = 1

    def __post_init__(self) -> None:
        for name, smallest in WHOLE_NUMBERS.items():
            _check_whole(name, getattr(self, name), smallest, optional=name in OPTIONAL)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                listed = ", ".join(map(repr, choices))
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {listed}")
        if self.seed > 2**32 - 1:
            raise ValueError(f"seed is {self.seed}, expected at most 2**32 - 1")
        if self.gradient_clip is not None and not (math.isfinite(self.gradient_clip) and self.gradient_clip > 0):
            raise ValueError(f"gradient_clip is {self.gradient_clip}, expected None or a finite number above 0")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}, expected None or a number between 0 and 1")

    @property
    def processes(self) -> int:
        """Training processes over all nodes."""
        return self.devices * self.nodes

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint's path, ``~`` expanded."""
        return None if self.checkpoint_path is None else Path(self.checkpoint_path).expanduser()


def _check_whole(name: str, value: object, smallest: int, *, optional: bool) -> None:
    if value is None and optional:
        return
    expected = f"{'None or ' if optional else ''}a whole number of at least {smallest}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}, expected {expected}")
    if value < smallest:
        raise ValueError(f"{name} is {value}, expected {expected}")


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training run came to.

    Attributes:
        history: one row per finished epoch: ``epoch`` (from 1), ``learning_rate`` (of the first parameter group when the
            epoch began), ``train_loss`` (mean over the epoch's samples), ``train_<name>`` of further losses, and what
            ``validate`` gave.
        best_epoch: the epoch with the best ``monitor``; None when no epoch was finished.
        best_value: the monitored value of that epoch.
        status: ``"finished"``, ``"stopped early"`` or ``"cancelled"``.
        seconds: wall time of this call; a resumed run does not count the time before.
        best_weights: state dict of the best epoch, on the CPU.
    """

    history: pd.DataFrame
    best_epoch: int | None
    best_value: float | None
    status: str
    seconds: float
    best_weights: dict[str, torch.Tensor] | None = field(repr=False)


def choose_device(device: str = "auto") -> torch.device:
    """Return the torch device of a ``device`` option: ``"auto"`` is CUDA when there, else the CPU.

    Raises:
        ValueError: the name is unknown, or it is ``"cuda"`` and there is no CUDA device.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device not in CHOICES["device"]:
        raise ValueError(f"device is {device!r}, expected one of {', '.join(map(repr, CHOICES['device']))}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch finds no CUDA device here: use 'auto' or 'cpu'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def choose_precision(precision: str, device: torch.device) -> str:
    """Return Fabric's name for a ``precision`` option on a device.

    >>> choose_precision("auto", torch.device("cpu"))
    '32-true'
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "32-true"
