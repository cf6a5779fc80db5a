"""A small training problem that the tests run in their own process, in a process that they kill, and in two at once."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import torch
from torch import nn

from workbench.datasets.files import atomic_write
from workbench.training import CancelToken, TrainingConfig, fit, seed_everything


class Samples:
    """Inputs of 4 numbers and a target; noisy ones draw from torch's, numpy's and Python's generators at each read."""

    def __init__(
        self, count: int, *, noisy: bool = False, stuck_after: int | None = None, broken: int | None = None
    ) -> None:
        generator = torch.Generator().manual_seed(11)
        self.inputs = torch.randn(count, 4, generator=generator)
        self.targets = torch.tanh(self.inputs @ torch.tensor([1.0, -2.0, 0.5, 1.5])) + self.inputs[:, 0]
        if broken is not None:
            self.targets[broken] = float("nan")
        self.noisy, self.left = noisy, stuck_after

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                time.sleep(600)
        noise = 0.0
        if self.noisy:
            noise = 0.1 * torch.rand(()) + 0.1 * np.random.rand() + 0.1 * random.random()  # noqa: NPY002 (as people do)
        return self.inputs[index] + noise, self.targets[index]


def build_model(*, seed: int = 0, dropout: float = 0.0) -> nn.Module:
    seed_everything(seed)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))


def mean_squared_error(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
    residual = model(batch[0]).squeeze(1) - batch[1]
    return {"loss": residual.square().mean(), "absolute": residual.abs().mean()}


def falling(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    """A scheduler whose rate follows from its own count of epochs, not from the rate before."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch)


def train(config: TrainingConfig, *, samples: Samples, dropout: float = 0.0, model: nn.Module | None = None, **options):
    """Train the small model with momentum and a falling learning rate; return it and the result."""
    model = build_model(seed=config.seed, dropout=dropout) if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = falling(optimizer)
    clean = Samples(8)
    options.setdefault(
        "validate", lambda model: {"error": (model(clean.inputs).squeeze(1) - clean.targets).abs().mean()}
    )
    options.setdefault("loss_fn", mean_squared_error)
    loss_fn = options.pop("loss_fn")
    return model, fit(model, loss_fn, samples, optimizer=optimizer, scheduler=scheduler, config=config, **options)


def killed_config(checkpoint: Path) -> TrainingConfig:
    return TrainingConfig(
        epochs=6, batch_size=8, seed=3, device="cpu", num_threads=1, ema_decay=0.5, checkpoint_path=checkpoint
    )


def shared_config(**options) -> TrainingConfig:
    """Two batches of 8 and one of 1, which leaves one of two processes without a sample."""
    return TrainingConfig(epochs=4, batch_size=8, device="cpu", gradient_clip=1.0, monitor="error", **options)


def outcome(model: nn.Module, result) -> dict[str, object]:
    weights = torch.cat([value.flatten() for value in model.state_dict().values()])
    return {"status": result.status, "history": result.history.to_dict("list"), "weights": weights.tolist()}


def in_two_processes(folder: Path) -> None:
    """Run everything that several processes must agree on; each writes what it came to."""
    config = shared_config(devices=2, strategy="ddp")
    report = {"curve": outcome(*train(config, samples=Samples(17)))}
    rank = int(os.environ.get("RANK", os.environ["LOCAL_RANK"]))
    report["pieces"] = outcome(*train(shared_config(devices=2, accumulate=3), samples=Samples(17)))

    token = CancelToken()
    steps = 0

    def stop_in_one_process(model, batch):
        nonlocal steps
        steps += 1
        if rank == 1 and steps == 5:
            token.cancel()
        return mean_squared_error(model, batch)

    noisy = {"samples": Samples(17, noisy=True), "dropout": 0.3}
    report["whole"] = outcome(*train(config, **noisy))
    resumable = shared_config(devices=2, checkpoint_path=folder / "shared.pt")
    report["cancelled"] = outcome(*train(resumable, loss_fn=stop_in_one_process, cancel=token, **noisy))
    report["resumed"] = outcome(*train(resumable, **noisy))
    try:
        train(shared_config(devices=2, shuffle=False), samples=Samples(17, broken=7))
    except FloatingPointError as error:
        report["error"] = str(error)
    with atomic_write(folder / f"rank{rank}.json") as temporary:
        temporary.write_text(json.dumps(report))


def to_be_killed(folder: Path) -> None:
    """Train until the third epoch's second of three batches, and be stuck there."""
    (folder / "pid.txt").write_text(str(os.getpid()))
    train(killed_config(folder / "run.pt"), samples=Samples(20, noisy=True, stuck_after=2 * 20 + 10), dropout=0.3)


def fork_all(folder: Path) -> int:
    """Run every part in a process of its own, forked after the slow imports; return how many failed."""
    import lightning_fabric  # noqa: F401 (here, once, and not in each of the forked processes)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    parts = [({}, to_be_killed)]
    parts += [(torchrun | {"RANK": rank, "LOCAL_RANK": rank}, in_two_processes) for rank in ("0", "1")]
    for environment, part in parts:
        if os.fork() == 0:
            os.environ.update(environment)
            try:
                part(folder)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
    return sum(os.wait()[1] not in (0, signal.SIGKILL) for _ in parts)


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        sys.exit(fork_all(Path(sys.argv[2])))
    in_two_processes(Path(sys.argv[2]))  # as a person's script, which Fabric or torchrun starts in each process
