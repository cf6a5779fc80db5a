"""Prune a network to a latency while it is fine-tuned, make it small, and train it on: HALP's run on any data, by the shared loop.

Shen et al., NeurIPS 2022 (arXiv 2210.06659): pruning takes the first iterations of one fine-tuning run.  Here the network is made
small as soon as it is pruned, so that the rest of the run is as fast as the result; the momentum starts anew then, and constants of
dropped branches are trained as what they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset

from workbench.pruning import (
    ChannelGraph,
    ChannelPlan,
    HALPConfig,
    HALPPruner,
    Importance,
    LatencyTable,
    load_group_masks,
    save_group_masks,
    shrink,
)
from workbench.training import (
    CancelToken,
    Progress,
    TrainingConfig,
    TrainingResult,
    fit,
    load_weights,
    no_progress,
    save_weights,
)

MASKS, PRUNED, TUNING = "group_mask.pkl", "pruned.safetensors", "tuning.pt"


@dataclass(frozen=True)
class Task:
    """What is trained, and on what.

    Attributes:
        loss: ``loss(model, batch)``, as :func:`workbench.training.fit` takes it.
        data: map-style data set.
        validate: named numbers of a model.
        collate: makes a batch of samples; None for torch's.
    """

    loss: Callable[[nn.Module, Any], Tensor | Mapping[str, Tensor]]
    data: Dataset
    validate: Callable[[nn.Module], Mapping[str, float]]
    collate: Callable[[list[Any]], Any] | None = None


@dataclass(frozen=True)
class Schedule:
    """How it is optimised.

    Attributes:
        optimiser: of a model.
        rate: learning rate of an epoch, from 0, over that of the optimiser.
        epochs: of the whole run, in the first of which it is pruned.
        halp: the pruning schedule.
    """

    optimiser: Callable[[nn.Module], Optimizer]
    rate: Callable[[int], float]
    epochs: int
    halp: HALPConfig


@dataclass(frozen=True)
class PrunedRun:
    """What a run came to.

    Attributes:
        network: small, with the weights of its last epoch.
        plan: what was kept.
        pruning: history of the epochs in which it was pruned; None where that was done before.
        tuning: history of the others; None where there were none left.
    """

    network: nn.Module
    plan: ChannelPlan
    pruning: TrainingResult | None
    tuning: TrainingResult | None


def prune_and_tune(
    network: nn.Module,
    graph: ChannelGraph,
    table: LatencyTable,
    batch: int,
    task: Task,
    schedule: Schedule,
    config: TrainingConfig,
    folder: str | os.PathLike[str],
    *,
    importance: Importance | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> PrunedRun:
    """Prune a trained network in the first epochs of a run, and train the small one in the others.

    The masks (as published), the weights after pruning and a checkpoint of each later epoch are written to ``folder``: a run that
    was killed goes on after its pruning, or after its last epoch, when the same call is made again.

    Args:
        network: trained; pruned in place.
        graph: of the network.
        table: of the device.
        batch: images in a batch on the device.
        task: what is trained.
        schedule: how.
        config: of the loop; its epochs and checkpoint are set here.  The last epoch counts, not the best, and no average is taken.
        folder: made where there is none.
        importance: of channels; None for the published one.
        progress: as :func:`workbench.training.fit` takes it, as is ``cancel``.
        cancel: see there.

    Raises:
        ValueError: the run has too few iterations to prune in, or the folder holds another run.
    """
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    steps = -(-len(task.data) // config.batch_size) if not config.drop_last else len(task.data) // config.batch_size
    needed = schedule.halp.start + schedule.halp.steps * schedule.halp.interval
    first = -(-needed // max(steps, 1))
    if first > schedule.epochs:
        raise ValueError(
            f"{schedule.halp.steps} pruning steps every {schedule.halp.interval} iterations from {schedule.halp.start} on need "
            f"{needed}, but {schedule.epochs} epochs of {steps} have {schedule.epochs * steps}"
        )
    options = {"progress": progress, "cancel": cancel}
    pruning = None
    if not (folder / PRUNED).exists():
        pruner = HALPPruner(network, graph, table, batch, schedule.halp, importance=importance)
        pruning = _trained(network, task, schedule, replace(config, epochs=first), 0, pruner, **options)
        if not pruner.done:
            return PrunedRun(network, pruner.plan, pruning, None)  # cancelled
        save_group_masks(pruner.plan, folder / MASKS)
        save_weights(network, folder / PRUNED)
    plan = ChannelPlan.from_masks(graph, load_group_masks(folder / MASKS))
    load_weights(network, folder / PRUNED)
    small = shrink(network, plan)
    if first == schedule.epochs:
        return PrunedRun(small.eval(), plan, pruning, None)
    rest = replace(config, epochs=schedule.epochs - first, checkpoint_path=folder / TUNING)
    return PrunedRun(small, plan, pruning, _trained(small, task, schedule, rest, first, None, **options))


def _trained(
    network: nn.Module,
    task: Task,
    schedule: Schedule,
    config: TrainingConfig,
    epochs_before: int,
    pruner: HALPPruner | None,
    **options: Any,
) -> TrainingResult:
    optimiser = schedule.optimiser(network)
    handles = pruner.attach(optimiser) if pruner else ()
    try:
        return fit(
            network,
            task.loss,
            task.data,
            optimizer=optimiser,
            scheduler=LambdaLR(optimiser, lambda epoch: schedule.rate(epoch + epochs_before)),
            validate=task.validate,
            collate=task.collate,
            config=replace(
                config,
                restore_best=False,
                patience=None,
                ema_decay=None,
                checkpoint_path=None if pruner else config.checkpoint_path,
            ),
            **options,
        )
    finally:
        for handle in handles:
            handle.remove()


def reduced(parameters: nn.Module, weight_decay: float, spared: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Return the groups of an optimiser: parameters whose name is ``spared`` are not decayed."""
    named = [(name, value) for name, value in parameters.named_parameters() if value.requires_grad]
    return [
        {"params": [value for name, value in named if not spared(name)], "weight_decay": weight_decay},
        {"params": [value for name, value in named if spared(name)], "weight_decay": 0.0},
    ]
