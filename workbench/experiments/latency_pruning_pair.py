"""The detector that ships, whole and pruned to half its latency, and what each finds in the same scene."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import nn

from workbench.datasets.files import data_dir
from workbench.datasets.object_scenes import object_scene
from workbench.experiments.latency_pruning_detector import DEFAULTS, FIRST_TEST, DetectorTask
from workbench.experiments.latency_pruning_methods import LAYERS
from workbench.experiments.latency_pruning_scenes import NAMES, SCENES, SIDE, as_input, things_in
from workbench.experiments.results import load_results
from workbench.models.ssd import SSD, detect, small_ssd
from workbench.pruning import ChannelGraph, ChannelPlan, shrink
from workbench.training import load_weights, save_weights

SEED = 0
"""Of the network that ships."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes in a scene.

    Attributes:
        corners: (n, 4) x0, y0, x1, y1 in pixels.
        names: (n,) classes.
        scores: (n,) from 0 to 1; 1 for what is there.
    """

    corners: Array
    names: tuple[str, ...]
    scores: Array


@dataclass(frozen=True, eq=False)
class Comparison:
    """A scene, and what two detectors find in it.

    Attributes:
        image: (64, 64, 3) of bytes.
        truth: what is there.
        whole: what the whole network finds.
        small: what the pruned one finds.
    """

    image: NDArray[np.uint8]
    truth: Boxes
    whole: Boxes
    small: Boxes


@dataclass(frozen=True, eq=False)
class DetectorPair:
    """A detector, whole and pruned.

    Attributes:
        whole: in evaluation mode.
        small: what is left of it, tuned.
        plan: what was kept.
    """

    whole: SSD = field(repr=False)
    small: nn.Module = field(repr=False)
    plan: ChannelPlan = field(repr=False)

    def compare(self, scene: int = 0, least_score: float = 0.4) -> Comparison:
        """Return a scene that neither saw in training, and the boxes that both find in it.

        Args:
            scene: its number, from 0.
            least_score: boxes of lower scores are left out, from 0 to 1.

        Raises:
            ValueError: a number is out of range.
        """
        if scene < 0:
            raise ValueError(f"scene must be at least 0, got {scene!r}")
        drawn = object_scene(FIRST_TEST + scene, SCENES)
        corners, labels = things_in(drawn)
        truth = Boxes(SIDE * corners.double().numpy(), _names(labels), np.ones(len(labels)))
        return Comparison(
            drawn.image, truth, *(self._found(net, drawn.image, least_score) for net in (self.whole, self.small))
        )

    def _found(self, network: nn.Module, image: NDArray[np.uint8], least_score: float) -> Boxes:
        one = detect(network, as_input([image]), DEFAULTS, least_score=least_score)[0]
        return Boxes(one.boxes.double().numpy(), _names(one.labels), one.scores.double().numpy())


def _names(labels: torch.Tensor) -> tuple[str, ...]:
    return tuple(NAMES[label - 1] for label in labels.tolist())


def ship_pair(task: DetectorTask, method: str, small: nn.Module, plan: ChannelPlan) -> None:
    """Write whole and pruned weights of the first seed to ``data/weights``, where HALP that keeps every layer pruned them."""
    if task.seed != SEED or method != LAYERS:
        return
    folder, command = data_dir() / "weights", "python -m workbench.experiments latency_pruning_detector"
    kept = {name: units.tolist() for name, units in plan.kept.items()}
    save_weights(
        copy.deepcopy(task.model).half(), folder / f"pruning_detector_{SEED}.safetensors", metadata={"command": command}
    )
    about = {"command": command, "method": method, "kept": json.dumps(kept)}
    save_weights(copy.deepcopy(small).half(), folder / f"pruning_detector_{SEED}_half.safetensors", metadata=about)


@cache
def shipped_pair() -> DetectorPair:
    """Return the detector that ships, whole and pruned.

    Raises:
        FileNotFoundError: the weights are not there.
    """
    whole, folder = small_ssd(1 + len(NAMES)), data_dir() / "weights"
    load_weights(whole, folder / f"pruning_detector_{SEED}.safetensors")
    graph = ChannelGraph.trace(whole.eval(), torch.zeros(1, 3, SIDE, SIDE))
    path = folder / f"pruning_detector_{SEED}_half.safetensors"
    with safe_open(path, framework="pt") as file:
        plan = ChannelPlan.keeping(graph, json.loads(file.metadata()["kept"]))
    small = shrink(whole, plan)
    load_weights(small, path)
    return DetectorPair(whole, small.eval(), plan)


def measured_pair() -> pd.DataFrame:
    """Return the stored rows of the pair by method; ``precision`` is the mean average precision in percent, ``ms`` of an image."""
    table = load_results("latency_pruning_detector")
    return table[table["seed"] == SEED].set_index("method")
