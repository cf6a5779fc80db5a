"""One optimizer step on a batch that is cut into pieces and shared among processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from workbench.training.progress import Cancelled

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Loss = Callable[[nn.Module, Any], Tensor | Mapping[str, Tensor]]
"""``loss_fn(model, batch)``: the mean loss of a batch's samples, or named losses, of which ``"loss"`` is minimised."""


def named_losses(losses: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a loss function gave as named scalars, ``"loss"`` among them.

    Raises:
        TypeError: it is neither a scalar tensor nor a mapping of such.
        ValueError: there is no ``"loss"``.

    >>> named_losses(torch.tensor(2.0))
    {'loss': tensor(2.)}
    >>> named_losses(torch.zeros(3))
    Traceback (most recent call last):
    TypeError: loss_fn returned a tensor of shape (3,) as 'loss', expected a scalar tensor
    """
    named = dict(losses) if isinstance(losses, Mapping) else {"loss": losses}
    for name, value in named.items():
        if not isinstance(value, Tensor) or value.ndim != 0:
            came = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"loss_fn returned {came} as {name!r}, expected a scalar tensor")
    if "loss" not in named:
        raise ValueError(f"loss_fn returned {', '.join(named) or 'nothing'}, expected 'loss' among the names")
    return named


class OptimizerStep:
    """Gradients of a whole batch, checked, clipped and applied.

    Parameters:
        fabric: launched.
        model: as Fabric set it up.
        optimizer: as Fabric set it up.
        loss_fn: the mean loss of a piece's samples.
        gradient_clip: largest L2 norm of the whole gradient (None: no clipping).
    """

    def __init__(
        self, fabric: Fabric, model: nn.Module, optimizer: Optimizer, loss_fn: Loss, gradient_clip: float | None
    ) -> None:
        self.fabric, self.model, self.optimizer = fabric, model, optimizer
        self.loss_fn, self.gradient_clip = loss_fn, gradient_clip
        self.names: list[str] | None = None

    def __call__(self, batches: Iterator[Any], counts: list[int], size: int, *, cancelled: bool) -> dict[str, float]:
        """Take one piece of ``batches`` for each of ``counts`` and change the weights once.

        Parameters:
            batches: this process's pieces.
            counts: samples that count in each of them.
            size: samples of the whole batch, over all pieces and processes.
            cancelled: whether Stop was asked for in this process.

        Returns:
            The whole batch's mean losses.

        Raises:
            Cancelled: Stop was asked for in any process; the weights are as before.
            FloatingPointError: a loss or gradient is not finite in any process; the weights are as before.
        """
        self.optimizer.zero_grad()
        sums = self._accumulate(batches, counts, size)
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients).to(self.fabric.device)
        stop = torch.tensor([float(cancelled)], dtype=torch.float64, device=self.fabric.device)
        shared = self.fabric.all_reduce(torch.cat([stop, sums]), reduce_op="sum")
        # The step's only wait for the device: losses and norm must be known before the weights change.
        stopped, *losses, norm_value = torch.cat([shared, norm.double().reshape(1)]).tolist()
        if stopped:
            raise Cancelled("stopped")
        means = dict(zip(self.names, losses, strict=True))
        for name, value in (means | {"norm of the gradient": norm_value}).items():
            if not math.isfinite(value):
                raise FloatingPointError(f"the {name} is {value}")
        if self.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.gradient_clip, norm)
        self.optimizer.step()
        return means

    def _accumulate(self, batches: Iterator[Any], counts: list[int], size: int) -> Tensor:
        """Add up gradients over this process's pieces and return its share of the batch's mean losses, shape (losses,)."""
        sums = 0.0
        for piece, count in enumerate(counts):
            batch = next(batches)
            with self.fabric.no_backward_sync(self.model, enabled=piece < len(counts) - 1):
                losses = named_losses(self.loss_fn(self.model, batch))
                # DDP averages gradients over processes; what is wanted is their sum weighted by samples.
                self.fabric.backward(losses["loss"] * (count * self.fabric.world_size / size))
            if list(losses) != (self.names or list(losses)):
                raise ValueError(
                    f"loss_fn returned {', '.join(losses)}, expected {', '.join(self.names)} as for the first batch"
                )
            self.names = list(losses)
            sums = sums + torch.stack([loss.detach().double() for loss in losses.values()]) * (count / size)
        return sums
