"""The one training loop, checkpoints, seeds, progress and Stop.

:func:`fit` trains any network: it takes a model, a loss function, a data set and an optimizer, on one device or on many.

>>> import torch
>>> from workbench.training import TrainingConfig, fit, seed_everything
>>> _ = seed_everything(0)
>>> model = torch.nn.Linear(1, 1)
>>> inputs = torch.linspace(-1, 1, 16).reshape(16, 1)
>>> result = fit(
...     model,
...     lambda model, batch: torch.nn.functional.mse_loss(model(batch[0]), batch[1]),
...     torch.utils.data.TensorDataset(inputs, 2 * inputs),
...     optimizer=torch.optim.SGD(model.parameters(), lr=0.5),
...     validate=lambda model: {"error": (model(torch.ones(1, 1)) - 2).abs().item()},
...     config=TrainingConfig(epochs=5, batch_size=4, device="cpu", monitor="error"),
... )
>>> result.status, list(result.history.columns)
('finished', ['epoch', 'learning_rate', 'train_loss', 'error'])
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "config": ("TrainingConfig", "TrainingResult", "choose_device"),
    "loop": ("Validate", "fit"),
    "official_checkpoints": ("LoadReport", "load_tensors", "read_checkpoint"),
    "progress": ("CancelToken", "Cancelled", "Progress", "no_progress", "tqdm_progress"),
    "seeds": ("derived_seed", "seed_everything"),
    "step": ("Loss",),
    "weights": ("load_weights", "save_weights"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    # On first use: what only needs progress and Stop must not wait the seconds that importing torch takes.
    if name in _HOME_OF:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
