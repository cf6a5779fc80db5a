"""Targeted selection: find the pictures of a pool that contain an object of interest, from one box around it and no labels.

Kothawade et al., "Object-Level Targeted Selection via Deep Template Matching", IV 2022 (arXiv 2207.01778).

>>> import numpy as np
>>> from workbench.retrieval import HogColourBackbone, Shard, letterbox_batch, mine, object_templates
>>> pictures = np.random.default_rng(0).integers(100, 140, (4, 64, 96, 3), np.uint8)
>>> for picture, x in zip(pictures[:3], (8, 40, 64)):
...     picture[16:40, x : x + 16] = (200, 40, 40)
>>> backbone = HogColourBackbone()
>>> pool = Shard(("query", "right", "far right", "none"), backbone.features(*letterbox_batch(pictures)))
>>> query = object_templates(backbone, pictures[0], (8, 16, 24, 40))
>>> for found in mine([pool], [query], top=2, exclude=["query"]).matches:
...     print(found.image_id, found.box)
far right (64.0, 16.0, 80.0, 40.0)
right (40.0, 16.0, 56.0, 40.0)
"""

from workbench.retrieval.backbone import (
    Backbone,
    EfficientNetLite0Backbone,
    ModuleBackbone,
    TorchvisionBackbone,
    recipe_hash,
)
from workbench.retrieval.compression import Encoding, Projection, fit_projections
from workbench.retrieval.descriptors import Whitening, crop_gem, gem, r_mac, regional_maxima
from workbench.retrieval.diversity import covering_facility_location, facility_location, graph_cut
from workbench.retrieval.efficientnet_lite import EfficientNetLite0, load_efficientnet_lite0
from workbench.retrieval.embedding import compress, embed
from workbench.retrieval.features import Features, Letterbox, l2_normalise, letterbox_batch
from workbench.retrieval.hog import HogColourBackbone
from workbench.retrieval.matching import Matches, match, score_map
from workbench.retrieval.mining import Match, Mining, PoolScores, Shard, mine, rank, score_shard, z_scores
from workbench.retrieval.prepared_features import PreparedFeatures
from workbench.retrieval.regions import coverage_of_box, coverage_of_mask, region_mask
from workbench.retrieval.search import TwoStage, two_stage
from workbench.retrieval.store import FeatureStore
from workbench.retrieval.store_mining import mine_store
from workbench.retrieval.template import Template, object_templates, scaled_features

__all__ = [
    "Backbone",
    "EfficientNetLite0",
    "EfficientNetLite0Backbone",
    "Encoding",
    "FeatureStore",
    "Features",
    "HogColourBackbone",
    "Letterbox",
    "Match",
    "Matches",
    "Mining",
    "ModuleBackbone",
    "PoolScores",
    "PreparedFeatures",
    "Projection",
    "Shard",
    "Template",
    "TorchvisionBackbone",
    "TwoStage",
    "Whitening",
    "compress",
    "coverage_of_box",
    "coverage_of_mask",
    "covering_facility_location",
    "crop_gem",
    "embed",
    "facility_location",
    "fit_projections",
    "gem",
    "graph_cut",
    "l2_normalise",
    "letterbox_batch",
    "load_efficientnet_lite0",
    "match",
    "mine",
    "mine_store",
    "object_templates",
    "r_mac",
    "rank",
    "recipe_hash",
    "region_mask",
    "regional_maxima",
    "scaled_features",
    "score_map",
    "score_shard",
    "two_stage",
    "z_scores",
]
