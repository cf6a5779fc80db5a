"""The measured latency of whole networks."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor, nn

from workbench.pruning.measure_convolutions import TorchTimer

STATISTICS = ("least", "mean")


@torch.inference_mode()
def measure_latency(
    model: nn.Module,
    example: Tensor,
    *,
    repetitions: int = 10,
    warm_up: int = 2,
    threads: int = 1,
    statistic: str = "least",
) -> float:
    """Return the ms of one forward pass in evaluation mode, on the device of ``example``.

    On a CPU with one thread the clock counts the CPU time of that thread, so that other programs do not matter; with more threads
    it is the wall clock, and on CUDA device events.  The published throughput is ``images / mean ms`` of 30 passes after 10, at
    batch 256 in float32: ``repetitions=30, warm_up=10, statistic="mean"``.

    Args:
        model: in any mode, which it has again afterwards.
        example: a batch.
        repetitions: of which the statistic is taken.
        warm_up: passes before, not counted.
        threads: that compute.
        statistic: ``"least"`` or ``"mean"``.

    Raises:
        ValueError: another statistic, or a number that is not positive.

    >>> 0 < measure_latency(nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 16, 16))
    True
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic must be one of {', '.join(STATISTICS)}, got {statistic!r}")
    timer = TorchTimer(str(example.device), repetitions=repetitions, warm_up=warm_up, threads=threads)
    training = {module: module.training for module in model.modules()}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        model.eval()
        for _ in range(warm_up):
            model(example)
        seconds = [timer.seconds(lambda: model(example)) for _ in range(repetitions)]
    finally:
        torch.set_num_threads(before)
        for module, mode in training.items():
            module.training = mode
    return 1e3 * (min(seconds) if statistic == "least" else statistics.fmean(seconds))
