"""The best epoch so far and its weights."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class BestEpoch:
    """Keep the weights of the epoch with the best monitored value; the first of equals, and never one that is NaN.

    >>> best = BestEpoch("accuracy", "max")
    >>> model = nn.Linear(1, 1)
    >>> for epoch, accuracy in enumerate([0.5, 0.8, 0.8, float("nan")], start=1):
    ...     best.look(epoch, {"accuracy": accuracy}, model)
    >>> best.epoch, best.value
    (2, 0.8)
    """

    def __init__(self, monitor: str, mode: str) -> None:
        self.monitor, self.mode = monitor, mode
        self.epoch: int | None = None
        self.value: float | None = None
        self.weights: dict[str, torch.Tensor] | None = None

    def look(self, epoch: int, metrics: Mapping[str, float], model: nn.Module) -> None:
        """Take this epoch and a copy of the model's weights when it is the best so far.

        Raises:
            ValueError: the monitored metric is not among ``metrics``.
        """
        if self.monitor not in metrics:
            raise ValueError(
                f"monitor is {self.monitor!r}, expected one of the history's columns: {', '.join(metrics)}"
            )
        value = metrics[self.monitor]
        better = operator.lt if self.mode == "min" else operator.gt
        if not math.isnan(value) and (self.value is None or better(value, self.value)):
            self.epoch, self.value = epoch, value
            # A copy, also on the CPU, where state_dict() would go on changing with the model.
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"epoch": self.epoch, "value": self.value, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self.epoch, self.value, self.weights = state["epoch"], state["value"], state["weights"]
