"""The metrics that the benchmarks of each field report."""

from workbench.metrics.coco import InstanceSet, coco_scores, corloc
from workbench.metrics.detection import BoxSet, intersection_over_union, voc_average_precision
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
    "BoxSet",
    "InstanceSet",
    "average_precision",
    "coco_scores",
    "confusion_matrix",
    "corloc",
    "corruption_errors",
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
