"""Everything of a run that changes while it trains, and its way into a checkpoint and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel

from workbench.training.best import BestEpoch
from workbench.training.checkpoint import check_same_run, plain, read_checkpoint, write_checkpoint
from workbench.training.config import DECIDE_THE_RESULT, TrainingConfig
from workbench.training.seeds import rng_state, set_rng_state
from workbench.training.weights import weight_differences


@dataclass
class RunState:
    """The changing parts of one run.

    Attributes:
        identity: what a checkpoint's run must have in common with this one.
        model: the network itself, not Fabric's wrapper.
        optimizer: the optimizer itself, not Fabric's wrapper.
        scheduler: of the learning rate.
        average: moving average of the weights, or None.
        best: the best epoch so far.
        generators: of the order of samples and of the loader.
        epoch: finished epochs.
        history: one row per finished epoch.
    """

    identity: Mapping[str, Any]
    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    average: AveragedModel | None
    best: BestEpoch
    generators: Mapping[str, torch.Generator]
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def evaluated(self) -> nn.Module:
        """The model that is validated and kept: the average when there is one."""
        return self.model if self.average is None else self.average.module

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        parts |= {"average": self.average, "best": self.best}
        return {name: part for name, part in parts.items() if part is not None}

    def save(self, path: Path) -> None:
        """Write the checkpoint; every process calls this, the main one writes."""
        states = [rng_state(self.generators)]
        if self.identity["processes"] > 1:
            states *= self.identity["processes"]
            torch.distributed.all_gather_object(states, states[0])
        if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
            parts = {name: part.state_dict() for name, part in self._parts().items()}
            rest = {"identity": dict(self.identity), "random": states, "epoch": self.epoch, "history": self.history}
            write_checkpoint(path, parts | rest)

    def restore(self, path: Path, *, rank: int, epochs: int) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: the file is damaged, another run's, of a model with other names or shapes, or has more than ``epochs``.
        """
        came = read_checkpoint(path)
        check_same_run(path, came["identity"], self.identity)
        if differences := weight_differences(came["model"], self.model.state_dict()):
            raise ValueError(f"{path} is the checkpoint of another model: {differences}")
        if came["epoch"] > epochs:
            raise ValueError(f"epochs is {epochs}, expected at least {came['epoch']}, which {path} has finished")
        for name, part in self._parts().items():
            part.load_state_dict(came[name])
        self.epoch, self.history = came["epoch"], came["history"]
        set_rng_state(came["random"][rank], self.generators)


def run_identity(
    config: TrainingConfig,
    *,
    samples: int,
    precision: str,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
) -> dict[str, Any]:
    """Return what decides a run's result, apart from the model's shapes, the data and the code.

    >>> optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> identity = run_identity(TrainingConfig(), samples=9, precision="32-true", optimizer=optimizer, scheduler=None)
    >>> identity["batch_size"], identity["optimizer"], identity["learning rates"]
    (32, 'SGD', [0.5])
    """
    # A scheduler keeps the first rate as initial_lr; only the plateau's does not, and changes what it found.
    rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    identity = {name: getattr(config, name) for name in DECIDE_THE_RESULT}
    identity |= {
        "precision": precision,
        "processes": config.processes,
        "samples": samples,
        "optimizer": type(optimizer).__name__,
        "scheduler": None if scheduler is None else type(scheduler).__name__,
        "learning rates": None if isinstance(scheduler, ReduceLROnPlateau) else rates,
    }
    return plain(identity)
