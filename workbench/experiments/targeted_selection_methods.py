"""Rankings by every method, on every layer and backbone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from workbench.datasets import emoji_pool
from workbench.experiments.targeted_selection_bench import (
    Array,
    Bench,
    Rows,
    Scored,
    crop_gem_scores,
    gem_scores,
    make_bench,
    match_queries,
    r_mac_scores,
    random_scores,
    ranking_rows,
)
from workbench.experiments.targeted_selection_config import SelectionConfig
from workbench.retrieval import (
    Backbone,
    EfficientNetLite0,
    EfficientNetLite0Backbone,
    HogColourBackbone,
    TorchvisionBackbone,
    gem,
    letterbox_batch,
    load_efficientnet_lite0,
    match,
    z_scores,
)
from workbench.training import CancelToken, Progress, no_progress

MEAN, SCALE = (127 / 255,) * 3, (128 / 255,) * 3
"""What EfficientNet-Lite0 normalises images in [0, 1] with."""

CALIBRATION_SEED, CALIBRATION_SCENES = 2_000_000, 16
"""Scenes that set the batch normalisation of the network without training."""


def default_backbone() -> Backbone:
    """Return the network with ImageNet weights at strides 8, 16 and 32: 40, 80 and 320 channels."""
    return EfficientNetLite0Backbone({8: 2, 16: 3, 32: 6}, device="cpu")


def random_backbone(seed: int = 0) -> Backbone:
    """Return the same network with random weights (He et al., ICCV 2015), its batch normalisation set by scenes without labels.

    Without that its signals fade from layer to layer, and it would fail for that reason alone.
    """
    network, generator = EfficientNetLite0(), torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            deviation = (2 / module.weight[0].numel()) ** 0.5
            torch.nn.init.normal_(module.weight, 0, deviation, generator=generator)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics of all that it sees
    scenes = [entry.load().image for entry in emoji_pool(CALIBRATION_SCENES, CALIBRATION_SEED)]
    with torch.no_grad():
        network.train().stage_outputs((letterbox_batch(scenes)[0] - MEAN[0]) / SCALE[0], last=3)
    return TorchvisionBackbone(network, {8: "_blocks.4", 16: "_blocks.7"}, MEAN, SCALE, device="cpu")


OTHER_BACKBONES: dict[str, Callable[[], Backbone]] = {
    "Lite0, 112 channels": lambda: EfficientNetLite0Backbone({16: 4}, device="cpu"),
    "Lite0, random weights": random_backbone,
    "HOG and colour": lambda: HogColourBackbone(device="cpu"),
}
"""What else than the default backbone is tried: a later layer of stride 16, no training, and no network."""


def backbone_rows(
    config: SelectionConfig, name: str, seed: int, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Rows:
    """C3: every method on one of the other backbones."""
    backbone = OTHER_BACKBONES[name]()
    bench = make_bench(config.pool_of(seed), backbone, seed, progress, cancel)
    yield from method_rows(bench, match_queries(bench, backbone.strides), "backbone", name)


def method_rows(bench: Bench, scored: Scored, experiment: str, setting: str) -> Rows:
    """C1, C3, C5: every method at every stride of the bench, and at 8 and 16 together where it has both."""
    free = match(scored.templates, bench.pool.features, order_free=True).scores
    stride_of = np.array([template.stride for template in scored.templates])
    strides = bench.pool.features.strides
    rankings: list[tuple[str, str, Array]] = [("random", "", random_scores(bench))]
    for stride in strides:
        rankings += [
            ("DTM", str(stride), scored.each((stride,))),
            ("order-free", str(stride), free[:, stride_of == stride]),
            ("GeM", str(stride), gem_scores(bench, stride)),
            ("crop-GeM", str(stride), crop_gem_scores(bench, stride)),
            ("R-MAC", str(stride), r_mac_scores(bench, stride)),
            ("R-MAC, whitened", str(stride), r_mac_scores(bench, stride, whiten=True)),
        ]
    if {8, 16} <= set(strides):
        fused = z_scores(free[:, stride_of == 8]) + z_scores(free[:, stride_of == 16])
        rankings += [
            ("DTM", "8+16", scored.each((8, 16))),
            ("order-free", "8+16", fused),
            ("GeM", "8+16", z_scores(gem_scores(bench, 8)) + z_scores(gem_scores(bench, 16))),
        ]
    if experiment == "method" and 32 in strides:
        rankings.append(("GeM", "head", head_gem_scores(bench)))
    for method, stride, scores in rankings:
        labels = {"experiment": experiment, "setting": setting, "x": np.nan, "method": method, "stride": stride}
        yield from ranking_rows(bench, scores, **labels)


def head_gem_scores(bench: Bench) -> Array:
    """Return GeM cosines (N, Q) of the 1280 channels that the network classifies by, where GeM is usually taken.

    They are one cell-wise layer after the map of stride 32.
    """
    network = load_efficientnet_lite0()

    def pooled(maps: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            heads = (torch.nn.functional.relu6(network._bn1(network._conv_head(part))) for part in maps.split(16))
            return torch.cat([gem(head) for head in heads])

    return (pooled(bench.pool.features[32]) @ torch.cat([pooled(one[32]) for one in bench.seen]).T).numpy()
