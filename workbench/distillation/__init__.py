"""Distillation of pose networks by optimal transport between their local predictions.

Guo, Hu, Alvarez, Salzmann, "Knowledge Distillation for 6D Pose Estimation by Aligning Distributions of Local Predictions",
CVPR 2023.
"""

from workbench.distillation.dense import DenseConfig, dense_distillation_loss
from workbench.distillation.features import FeatureDistillation, attention_masks
from workbench.distillation.keypoints import (
    NORMALISATIONS,
    DistillationConfig,
    DistillationLoss,
    Votes,
    keypoint_distillation_loss,
    naive_distillation_loss,
)
from workbench.distillation.plan import TransportPlan, transport_plan
from workbench.distillation.sinkhorn import joint_diameter, sinkhorn_divergence

__all__ = [
    "NORMALISATIONS",
    "DenseConfig",
    "DistillationConfig",
    "DistillationLoss",
    "FeatureDistillation",
    "TransportPlan",
    "Votes",
    "attention_masks",
    "dense_distillation_loss",
    "joint_diameter",
    "keypoint_distillation_loss",
    "naive_distillation_loss",
    "sinkhorn_divergence",
    "transport_plan",
]
