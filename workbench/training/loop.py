"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from workbench.training.batches import ShardedBatches
from workbench.training.best import BestEpoch
from workbench.training.config import TrainingConfig, TrainingResult, choose_precision
from workbench.training.launch import launch
from workbench.training.progress import Cancelled, CancelToken, Progress, no_progress
from workbench.training.seeds import derived_seed, preserved_settings, seed_everything, use_settings
from workbench.training.state import RunState, run_identity
from workbench.training.step import Loss, OptimizerStep

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Validate = Callable[[nn.Module], Mapping[str, float]]
"""``validate(model)``: named numbers that say how good the model is."""

FIRST_COLUMNS = ["epoch", "learning_rate", "train_loss"]


def fit(
    model: nn.Module,
    loss_fn: Loss,
    data: Dataset,
    *,
    optimizer: Optimizer,
    scheduler: LRScheduler | None = None,
    validate: Validate | None = None,
    collate: Callable[[list[Any]], Any] | None = None,
    config: TrainingConfig = TrainingConfig(),  # noqa: B008 (frozen, so that one instance can serve all calls)
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> TrainingResult:
    r"""Train a model, and leave it on the chosen device in evaluation mode with the best epoch's weights.

    A step minimises :math:`\frac{1}{n}\sum_k n_k L_k` over the pieces ``k`` of a batch of ``n`` samples, so that cutting the
    batch (``config.accumulate``) or sharing it among processes (``config.devices``) changes the curve by rounding only.
    That holds for a ``loss_fn`` that is a mean over samples and a model whose samples do not see each other (batch
    normalisation in training mode does) and draw no random numbers.

    With ``config.checkpoint_path`` a run that was killed or cancelled goes on when the same call is made again, and ends
    with the weights and history of a run that was never stopped; ``epochs`` and ``patience`` may differ.  With several
    processes, ``fit`` starts the script again in each (as Fabric's ``"ddp"`` does), or takes part in what ``torchrun``
    started; every process returns the same result.

    Parameters:
        model: moved to the device in place.
        loss_fn: ``loss_fn(model, batch)`` calls ``model(...)`` (never another method, for the sake of DDP) and returns a
            scalar tensor, or a mapping of names to scalars with ``"loss"``; the others go to the history as
            ``train_<name>``.  The batch is on the model's device.
        data: map-style data set of samples (``len`` and ``[i]``); ``fit`` makes the batches.
        optimizer: over the model's parameters.
        scheduler: of the learning rate; stepped as ``config.scheduler_step`` says.
        validate: called after each epoch on the main process, in evaluation mode and without gradients, with the model
            (the averaged one under ``config.ema_decay``) in 32 bit.
        collate: makes a batch of a list of samples (default: torch's).
        config: everything else, see :class:`TrainingConfig`.
        progress: called after each optimizer step on the main process.
        cancel: looked at in each step.  ``fit`` then returns with status ``"cancelled"``; the checkpoint stays as it was
            after the last epoch that wrote one.

    Raises:
        FloatingPointError: a loss or gradient is NaN or infinite; the message gives epoch and step.
        TypeError: ``data`` has no length, or ``loss_fn`` returns something else.
        ValueError: an option does not fit, or the checkpoint is damaged or another run's.

    >>> inputs = torch.linspace(-1, 1, 16).reshape(16, 1)
    >>> line = nn.Linear(1, 1)
    >>> result = fit(
    ...     line,
    ...     lambda model, batch: nn.functional.mse_loss(model(batch[0]), batch[1]),
    ...     torch.utils.data.TensorDataset(inputs, 3 * inputs + 1),
    ...     optimizer=torch.optim.SGD(line.parameters(), lr=0.5),
    ...     config=TrainingConfig(epochs=20, batch_size=8, device="cpu"),
    ... )
    >>> result.status, result.history.shape, round(line.weight.item(), 2), round(line.bias.item(), 2)
    ('finished', (20, 3), 3.0, 1.0)
    """
    started = time.perf_counter()
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise TypeError(
            f"data is {type(data).__name__}, expected a map-style data set with a length: fit makes the batches"
        )
    if isinstance(scheduler, ReduceLROnPlateau) and config.scheduler_step == "step":
        raise ValueError("scheduler_step is 'step', expected 'epoch' for ReduceLROnPlateau, which looks at the monitor")
    with preserved_settings():
        fabric = launch(config)
        use_settings(num_threads=config.num_threads, deterministic=config.deterministic)
        generators = _seeded(fabric, config)
        loader = _loader(fabric, data, collate, generators, config)
        wrapped, wrapped_optimizer = fabric.setup(model, optimizer)
        state = _state(fabric, config, model, optimizer, scheduler, generators, len(data))
        step = OptimizerStep(fabric, wrapped, wrapped_optimizer, loss_fn, config.gradient_clip)
        run = _Run(fabric, config, state, loader, step, validate)
        try:
            status = run.train(progress, cancel)
        except Cancelled:
            status = "cancelled"
        run.finish()
    best = state.best
    history = pd.DataFrame(state.history, columns=list(state.history[0]) if state.history else FIRST_COLUMNS)
    return TrainingResult(history, best.epoch, best.value, status, time.perf_counter() - started, best.weights)


def _seeded(fabric: Fabric, config: TrainingConfig) -> dict[str, torch.Generator]:
    """Seed this process, and return generators of the order (the same in every process) and of the loader (its own)."""
    rank = fabric.global_rank
    seed_everything(config.seed if rank == 0 else derived_seed(config.seed, rank))
    return {
        "order": torch.Generator().manual_seed(derived_seed(config.seed, 0, 1)),
        "loader": torch.Generator().manual_seed(derived_seed(config.seed, rank, 2)),
    }


def _state(
    fabric: Fabric,
    config: TrainingConfig,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    generators: Mapping[str, torch.Generator],
    samples: int,
) -> RunState:
    """Return the state before the first epoch; the model is on its device already."""
    average = None
    if config.ema_decay is not None:
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
    precision = choose_precision(config.precision, fabric.device)
    identity = run_identity(config, samples=samples, precision=precision, optimizer=optimizer, scheduler=scheduler)
    return RunState(identity, model, optimizer, scheduler, average, BestEpoch(config.monitor, config.mode), generators)


def _loader(
    fabric: Fabric,
    data: Dataset,
    collate: Callable[[list[Any]], Any] | None,
    generators: Mapping[str, torch.Generator],
    config: TrainingConfig,
) -> DataLoader:
    """Return this process's loader, which moves batches to the device."""
    batches = ShardedBatches(
        len(data),
        config.batch_size,
        accumulate=config.accumulate,
        processes=fabric.world_size,
        rank=fabric.global_rank,
        shuffle=config.shuffle,
        drop_last=config.drop_last,
        generator=generators["order"],
    )
    # Workers start afresh in each epoch (not persistent), so that a resumed run seeds them as the first one did.
    loader = DataLoader(
        data,
        batch_sampler=batches,
        num_workers=config.workers,
        collate_fn=collate,
        pin_memory=fabric.device.type == "cuda",
        generator=generators["loader"],
    )
    return fabric.setup_dataloaders(loader, use_distributed_sampler=False)


@dataclass
class _Run:
    """One call of :func:`fit` after all is set up."""

    fabric: Fabric
    config: TrainingConfig
    state: RunState
    loader: DataLoader
    step: OptimizerStep
    validate: Validate | None

    @property
    def batches(self) -> ShardedBatches:
        return self.loader.batch_sampler

    def train(self, progress: Progress, cancel: CancelToken | None) -> str:
        """Train the epochs that are left and return the status."""
        config, state = self.config, self.state
        self._resume()
        while (status := self._status()) is None:
            row = {"epoch": state.epoch + 1, "learning_rate": float(state.optimizer.param_groups[0]["lr"])}
            row |= self._train_epoch(progress, cancel)
            row |= self._validated(row)
            state.epoch += 1
            state.history.append(row)
            state.best.look(state.epoch, row, state.evaluated)
            self._step_scheduler("epoch", row)
            if config.checkpoint and (self._status() or state.epoch % config.checkpoint_every == 0):
                state.save(config.checkpoint)
        total = config.epochs * self.batches.steps
        self._report(
            progress, total, total, f"{status}, {config.monitor} {state.best.value} in epoch {state.best.epoch}"
        )
        return status

    def finish(self) -> None:
        """Leave the model ready for use."""
        state = self.state
        state.optimizer.zero_grad()
        state.best.weights = self.fabric.broadcast(state.best.weights)
        if self.config.restore_best and state.best.weights is not None:
            state.model.load_state_dict(state.best.weights)
        elif state.average is not None and state.average.n_averaged > 0:
            state.model.load_state_dict(state.average.module.state_dict())
        state.model.eval()

    def _resume(self) -> None:
        """Read the checkpoint, or write one of the untrained state for a run that is cut off in its first epoch."""
        path = self.config.checkpoint
        if path is None:
            return
        # The main process looks before it writes, and all do as it found.
        if self.fabric.broadcast(path.exists()):
            self.state.restore(path, rank=self.fabric.global_rank, epochs=self.config.epochs)
        else:
            self.state.save(path)

    def _status(self) -> str | None:
        """Say why there is nothing left to train, or None."""
        config, state = self.config, self.state
        if state.epoch >= config.epochs:
            return "finished"
        if config.patience is not None and state.epoch - (state.best.epoch or 0) >= config.patience:
            return "stopped early"
        return None

    def _train_epoch(self, progress: Progress, cancel: CancelToken | None) -> dict[str, float]:
        """Train one epoch and return its mean losses."""
        epoch, steps, epochs = self.state.epoch, self.batches.steps, self.config.epochs
        self.state.model.train()
        pieces, sums, samples = iter(self.loader), {}, 0
        for number in range(steps):
            size, counts = self.batches.batch_samples(number), self.batches.counts(number)
            try:
                losses = self.step(pieces, counts, size, cancelled=cancel is not None and cancel.cancelled)
            except FloatingPointError as error:
                raise FloatingPointError(
                    f"{error} in epoch {epoch + 1}, step {number + 1} of {steps}; the weights are those before that step. "
                    "Look for bad samples, lower the learning rate or set gradient_clip"
                ) from None
            if self.state.average is not None:
                self.state.average.update_parameters(self.state.model)
            self._step_scheduler("step", {})
            samples += size
            sums = {name: sums.get(name, 0.0) + size * loss for name, loss in losses.items()}
            message = f"epoch {epoch + 1} of {epochs}, loss {losses['loss']:.4g}"
            self._report(progress, epoch * steps + number + 1, epochs * steps, message)
        return {f"train_{name}": value / samples for name, value in sums.items()}

    def _validated(self, row: Mapping[str, float]) -> dict[str, float]:
        """Validate on the main process and return the metrics in every process."""
        if self.validate is None:
            return {}
        metrics = None
        if self.fabric.is_global_zero:
            self.state.evaluated.eval()
            try:
                with torch.no_grad():
                    metrics = {str(name): float(value) for name, value in self.validate(self.state.evaluated).items()}
            except Cancelled:
                pass  # None tells the other processes
        metrics = self.fabric.broadcast(metrics)
        if metrics is None:
            raise Cancelled("stopped")
        if taken := sorted(set(metrics) & set(row)):
            raise ValueError(
                f"validate returned {', '.join(taken)}, expected other names: the history has these already"
            )
        return metrics

    def _step_scheduler(self, when: str, row: Mapping[str, float]) -> None:
        scheduler = self.state.scheduler
        if scheduler is None or self.config.scheduler_step != when:
            return
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(row[self.config.monitor])
        else:
            scheduler.step()

    def _report(self, progress: Progress, done: int, total: int, message: str) -> None:
        if self.fabric.is_global_zero:
            progress(done, total, message)
