"""What a free mask's embedding knows: found objects in clusters, set against what they are.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, section 3.2, semantic embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from workbench.experiments.free_masks_evaluation import SceneConfig, test_scenes
from workbench.experiments.free_masks_features import CHOICES, scene_keys
from workbench.models.freesolo import free_masks
from workbench.ops.matrix_nms import mask_iou
from workbench.training import CancelToken, Progress, no_progress

COLUMNS = (
    *("features", "scene", "score", "x0", "y0", "x1", "y1", "overlap", "category", "cluster"),
    *("across", "along"),
)
"""Columns of the table: a row a found mask; ``scene`` counts the test scenes, ``overlap`` is that with the true object nearest to
the mask, whose ``category`` it has; ``across`` and ``along`` are its place on a map on which near embeddings lie near."""
NOTHING = "background"
"""Category of a mask that overlaps no object by :data:`LEAST`."""
LEAST = 0.3


@dataclass(frozen=True)
class EmbeddingsConfig:
    """What is measured.

    Attributes:
        features: names in :data:`~workbench.experiments.free_masks_features.CHOICES`.
        scenes: only the first seed's are looked at.
        clusters: number of them, for k-means.
        seed: of k-means and of the map.
    """

    features: tuple[str, ...] = ("random weights", "Lab colour and edges", "ViT-S/14, block 7", "ViT-S/14, block 11")
    scenes: SceneConfig = field(default_factory=lambda: SceneConfig(count=240))
    clusters: int = 12
    seed: int = 0


FULL = EmbeddingsConfig()


def purity(clusters: ArrayLike, categories: ArrayLike) -> float:
    """Return the share of members that have their cluster's most frequent category.

    >>> purity([0, 0, 0, 1], ["bus", "bus", "tree", "tree"])
    0.75
    """
    counts = pd.crosstab(np.asarray(clusters), np.asarray(categories)).to_numpy()
    return float(counts.max(1).sum() / counts.sum()) if counts.size else float("nan")


def chance_purity(clusters: ArrayLike, categories: ArrayLike, draws: int = 200, seed: int = 0) -> NDArray[np.float64]:
    """Return the purity, (draws,), when categories are dealt out at random among the members."""
    rng, categories = np.random.default_rng(seed), np.asarray(categories)
    return np.array([purity(clusters, rng.permutation(categories)) for _ in range(draws)])


def group(
    embeddings: NDArray[np.float32], clusters: int, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the cluster (n,) of each embedding (n, size), by k-means of their directions, and its place (n, 2) on a map.

    The map is t-SNE of the first 30 principal components; with fewer than eight embeddings it is their first two.
    """
    count = len(embeddings)
    if not count:
        return np.zeros(0, np.int64), np.zeros((0, 2))
    unit = normalize(np.asarray(embeddings, float))
    labels = KMeans(min(clusters, count), n_init=4, random_state=seed).fit_predict(unit)
    if count < 8:
        places = np.zeros((count, 2))
        if count > 1:
            found = PCA(min(2, count)).fit_transform(unit)
            places[:, : found.shape[1]] = found
        return labels, places
    reduced = PCA(min(30, count, unit.shape[1]), random_state=seed).fit_transform(unit)
    return labels, TSNE(perplexity=min(15, (count - 1) / 3), init="pca", random_state=seed).fit_transform(reduced)


def measure_part(
    config: EmbeddingsConfig, features: str, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return the found masks of one kind of features, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: its weights are not on this machine, and the message says how to get them.
        Cancelled: Stop was asked for.
    """
    seed = config.scenes.seeds[0]
    scenes = test_scenes(config.scenes, seed)
    progress(0, 1, features)
    rows, embeddings = [], []
    for index, (scene, keys) in enumerate(
        zip(scenes, scene_keys(CHOICES[features].load(seed), scenes, cancel), strict=True)
    ):
        found = free_masks(keys, scene.image.shape[:2])
        embeddings.append(found.embeddings.numpy())
        overlaps = mask_iou(found.masks, torch.from_numpy(scene.masks)).numpy()
        for mask in range(len(found.masks)):
            nearest = int(overlaps[mask].argmax())
            overlap = float(overlaps[mask, nearest])
            corners = zip(("x0", "y0", "x1", "y1"), found.boxes[mask].int().tolist(), strict=True)
            named = scene.categories[nearest] if overlap >= LEAST else NOTHING
            rows.append(
                {
                    "scene": index,
                    "score": float(found.scores[mask]),
                    **dict(corners),
                    "overlap": overlap,
                    "category": named,
                }
            )
    labels, places = group(np.concatenate(embeddings), config.clusters, config.seed)
    frame = pd.DataFrame(rows).assign(features=features, cluster=labels, across=places[:, 0], along=places[:, 1])
    return frame[list(COLUMNS)]


def summary(table: pd.DataFrame, draws: int = 200) -> pd.DataFrame:
    """Return, for each kind of features, how pure its clusters are.

    Returns:
        Columns ``features``, ``objects`` (masks of an object), ``purity`` of their clusters, and ``chance`` and ``chance_high``,
        the mean and the 97.5th percentile of the purity when categories are dealt out at random; percent.
    """
    rows = []
    for features, part in table.groupby("features", sort=False):
        objects = part[part["category"] != NOTHING]
        drawn = chance_purity(objects["cluster"], objects["category"], draws)
        values = {"purity": purity(objects["cluster"], objects["category"]), "chance": drawn.mean()}
        values["chance_high"] = np.quantile(drawn, 0.975)
        percent = {name: 100 * value for name, value in values.items()}
        rows.append({"features": features, "objects": len(objects), **percent})
    return pd.DataFrame(rows)


def measure_embeddings(
    config: EmbeddingsConfig = FULL, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return the found masks of every kind of features, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: weights are not on this machine.
        Cancelled: Stop was asked for.
    """
    return pd.concat([measure_part(config, name, progress, cancel) for name in config.features], ignore_index=True)
