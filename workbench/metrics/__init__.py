"""The metrics that the benchmarks of each field report."""

from workbench.metrics.coco import InstanceSet, coco_scores, corloc
from workbench.metrics.depth_maps import boundary_band, depth_errors, hypothesis_coverage
from workbench.metrics.detection import BoxSet, intersection_over_union, voc_average_precision
from workbench.metrics.point_clouds import TANKS_TAU, CropVolume, ObservedVolume, dtu_scores, f_score
from workbench.metrics.retrieval import average_precision, lift, precision_at, recall_at
from workbench.metrics.robustness import (
    ALEXNET_ERROR,
    confusion_matrix,
    corruption_errors,
    mean_corruption_error,
    mean_iou,
    retention,
    subset_accuracy,
)

__all__ = [
    "ALEXNET_ERROR",
    "TANKS_TAU",
    "BoxSet",
    "CropVolume",
    "InstanceSet",
    "ObservedVolume",
    "average_precision",
    "boundary_band",
    "coco_scores",
    "confusion_matrix",
    "corloc",
    "corruption_errors",
    "depth_errors",
    "dtu_scores",
    "f_score",
    "hypothesis_coverage",
    "intersection_over_union",
    "lift",
    "mean_corruption_error",
    "mean_iou",
    "precision_at",
    "recall_at",
    "retention",
    "subset_accuracy",
    "voc_average_precision",
]
