"""Fresh statistics for batch norms: without them every pruned network is near chance, whatever was removed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate_bn(model: nn.Module, batches: Iterable[Tensor], *, device: torch.device | str | None = None) -> int:
    """Replace the running statistics of all batch norms by the mean over some batches; weights are not changed.

    Li et al., "EagleEye", ECCV 2020 (arXiv 2007.02491), adaptive batch normalisation.

    Args:
        model: in any mode, which it has again afterwards; only its batch norms are in training mode meanwhile.
        batches: inputs, mostly 8 to 10 batches.
        device: to move them to; None for that of the network's parameters.

    Returns:
        How many batches there were.

    Raises:
        ValueError: there were none, or the network has no batch norm with running statistics.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        raise ValueError(
            f"{type(model).__name__} has no batch norm with running statistics, so none can be recalibrated"
        )
    device = next(model.parameters()).device if device is None else device
    training = {module: module.training for module in model.modules()}
    momenta = [norm.momentum for norm in norms]
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    count = 0
    try:
        model.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative mean
            norm.train()
        for batch in batches:
            model(batch.to(device))
            count += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in training.items():
            module.training = mode
        if not count:
            for norm, buffers in zip(norms, before, strict=True):
                for name, buffer in buffers.items():
                    getattr(norm, name).copy_(buffer)
    if not count:
        raise ValueError("batches is empty: the statistics are left as they were")
    return count
