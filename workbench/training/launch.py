"""Fabric for a configuration: one process, several on this machine, or those that torchrun or SLURM started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.training.config import TrainingConfig, choose_device, choose_precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def launch(config: TrainingConfig) -> Fabric:
    """Return a launched Fabric with the configuration's device, precision and number of processes.

    Raises:
        ValueError: torchrun started another number of processes than ``devices * nodes``.

    >>> launch(TrainingConfig(device="cpu")).world_size
    1
    """
    # Here, not above: Fabric brings torch's compiler with it, seconds that a notebook pays only when it trains.
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import TorchElasticEnvironment

    if TorchElasticEnvironment.detect() and (started := TorchElasticEnvironment().world_size()) != config.processes:
        raise ValueError(
            f"devices * nodes is {config.devices} * {config.nodes} = {config.processes}, "
            f"expected {started}: torchrun started as many processes"
        )
    device = choose_device(config.device)
    several = config.processes > 1 and config.strategy == "auto"
    fabric = Fabric(
        accelerator=device.type,
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if several else config.strategy,
        precision=choose_precision(config.precision, device),
    )
    fabric.launch()
    return fabric
