"""What a person asks of one picture: corrupted, seen by two networks, and its tokens in groups.

The networks are a plain ViT and a FAN of the same stem and as many parameters, trained by :class:`Recipe` on Fashion-MNIST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from workbench.datasets import data_dir
from workbench.experiments.robust_transformers_config import FAN, SIDE, VIT, Recipe, build_network
from workbench.experiments.robust_transformers_measure import CLEAN, predict, stages_of
from workbench.experiments.robust_transformers_train import CORRUPTION_SEED, STD, as_input, slug, trained_network
from workbench.models.fan.grouping import effective_rank, feature_spectrum, significant_count, spectral_groups
from workbench.ops.corruptions import corrupt
from workbench.training import load_weights, save_weights

SHIPPED = (VIT, FAN)
"""The networks whose weights ship with the workbench."""
SHIPPED_SEED = 0
COMMAND = "python -m workbench.experiments robust_transformers_errors"
"""What trains them among the others, and writes their weights."""


def weights_path(name: str) -> Path:
    """Return where the weights of a shipped network lie."""
    return data_dir() / "weights" / f"fashion_{slug(name).replace('-', '_')}.safetensors"


def ship_network(name: str, cache: Path | None = None) -> Path:
    """Write a trained network to ``data/weights`` in half precision; it is trained first where the cache does not have it."""
    network = trained_network(name, seed=SHIPPED_SEED, cache=cache)
    # One entry of metadata only: safetensors writes several in any order, and the bytes would change from run to run.
    origin = f"{name}, seed {SHIPPED_SEED}, {Recipe()}, half precision, by {COMMAND}"
    return save_weights(network.half(), weights_path(name), metadata={"origin": origin})


@lru_cache(maxsize=1)
def shipped_networks() -> Mapping[str, nn.Module]:
    """Return the plain ViT and the FAN that ship, by name, in evaluation mode and single precision; do not train them.

    Raises:
        FileNotFoundError: the weights are not there.
        ValueError: they are of another network.
    """
    networks = {name: build_network(name).half() for name in SHIPPED}
    for name, network in networks.items():
        load_weights(network, weights_path(name))
    return {name: network.float().eval() for name, network in networks.items()}


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as it was shown and what networks make of it.

    Attributes:
        picture: uint8 (28, 28).
        confidence: probabilities of the ten classes, (10,), by network.
    """

    picture: np.ndarray
    confidence: Mapping[str, np.ndarray]


def corrupt_and_predict(
    picture: np.ndarray,
    corruption: str,
    severity: int,
    seed: int = CORRUPTION_SEED,
    networks: Mapping[str, nn.Module] | None = None,
    index: int = 0,
) -> Seen:
    """Corrupt one picture with the constants for small images, and ask each network; some 5 ms.

    Args:
        picture: grey uint8 (28, 28).
        corruption: a name of :data:`workbench.ops.corruptions.CORRUPTIONS` or ``EXTRA_CORRUPTIONS``, or ``"none"``.
        severity: 1 to 5; not looked at without a corruption.
        seed, index: what is drawn depends on them; the index is the picture's place in the data set.
        networks: by name, default :func:`shipped_networks`.

    Raises:
        TypeError: the picture is not uint8.
        ValueError: another shape, corruption or severity.
    """
    picture = _checked(picture)
    networks = shipped_networks() if networks is None else networks
    if corruption != CLEAN:
        picture = corrupt(picture[None], corruption, severity, seed=seed, indices=[index], constants="cifar")[0]
    logits = {name: predict(network, picture[None])[0] for name, network in networks.items()}
    return Seen(picture, {name: one.softmax(0).numpy() for name, one in logits.items()})


@dataclass(frozen=True, eq=False)
class TokenGroups:
    """The tokens of one picture at one depth.

    Attributes:
        spectrum: squared singular values of the centred tokens, largest first.
        effective_rank: ``exp(entropy)`` of the spectrum.
        significant: values above ``tau`` times the largest.
        labels: group of each token, (7, 7), 0 to k - 1.
        painted: the same for each pixel, (28, 28).
    """

    spectrum: np.ndarray
    effective_rank: float
    significant: int
    labels: np.ndarray
    painted: np.ndarray


def token_groups(
    network: nn.Module,
    picture: np.ndarray,
    depth: int,
    groups: int = 3,
    tau: float = 0.01,
    sigma: float = 0.0,
    seed: int = 0,
) -> TokenGroups:
    """Return the spectrum and the spectral clusters of one picture's tokens; some 20 ms.

    Args:
        network: of this experiment.
        picture: grey uint8 (28, 28).
        depth: 0 behind the stem, then behind each block.
        groups: clusters.
        tau: threshold of a significant value.
        sigma: standard deviation of noise that is added to the network's input, where pixels go from 0 to 1.
        seed: of that noise and of k-means.

    Raises:
        TypeError: the picture is not uint8.
        ValueError: another shape, no such depth, or a number of groups or ``tau`` out of range.
    """
    images = as_input(_checked(picture)[None])
    images = images + sigma / STD * torch.from_numpy(np.random.default_rng(seed).standard_normal(images.shape)).float()
    with torch.inference_mode():
        stages = stages_of(network)(images)
    if not 0 <= depth < len(stages):
        raise ValueError(f"depth must lie in 0 to {len(stages) - 1}, got {depth}")
    tokens = stages[depth][0]
    spectrum, side = feature_spectrum(tokens), round(len(tokens) ** 0.5)
    labels = spectral_groups(tokens, groups, seed).reshape(side, side)
    painted = np.kron(labels, np.ones((SIDE // side, SIDE // side), labels.dtype))
    return TokenGroups(spectrum, effective_rank(spectrum), significant_count(spectrum, tau), labels, painted)


def _checked(picture: np.ndarray) -> np.ndarray:
    if picture.dtype != np.uint8:
        raise TypeError(f"picture is {picture.dtype}, expected uint8")
    if picture.shape != (SIDE, SIDE):
        raise ValueError(f"picture has shape {picture.shape}, expected ({SIDE}, {SIDE})")
    return picture
