"""Checkpoints that the released training program of NP-CVP-MVSNet wrote."""

from __future__ import annotations

import os
import re

from workbench.models.mvs.network import NpCvpMvsNet
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

_LEVEL = re.compile(r"feature_extractor\.conv_out\d+\.2\.weight")


def load_official_checkpoint(model: NpCvpMvsNet, path: str | os.PathLike[str]) -> LoadReport:
    """Load ``model_*.ckpt`` of the released program, and sample as it does from then on (``model.legacy_grid``).

    Args:
        model: of as many levels; changed in place.
        path: a dictionary of ``epoch``, ``model`` and ``optimizer``, or a bare state dict; names may begin with ``module.``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or of another network.
    """
    tensors = {name.removeprefix("module."): value for name, value in read_checkpoint(path).items()}
    levels, own = (len([name for name in names if _LEVEL.fullmatch(name)]) for names in (tensors, model.state_dict()))
    if levels != own:
        # Most names and shapes would fit, so that it would half load.
        raise ValueError(f"{path} is of a network of {levels} levels, the network has {own}")
    report = load_tensors(model, tensors)
    model.legacy_grid = True
    return report
