"""The metrics that the benchmarks of each field report."""

from workbench.metrics.bev_maps import BevIoU
from workbench.metrics.coco import InstanceSet, coco_scores, corloc
from workbench.metrics.depth_maps import boundary_band, depth_errors, hypothesis_coverage
from workbench.metrics.detection import BoxSet, intersection_over_union, voc_average_precision
from workbench.metrics.nuscenes import NuScenesScores, nuscenes_scores
from workbench.metrics.nuscenes_boxes import (
    ATTRIBUTE_NAMES,
    CLASS_RANGE,
    DETECTION_NAMES,
    BicycleRacks,
    DetectionBoxes,
    judged,
)
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
    "ATTRIBUTE_NAMES",
    "CLASS_RANGE",
    "DETECTION_NAMES",
    "TANKS_TAU",
    "BevIoU",
    "BicycleRacks",
    "BoxSet",
    "CropVolume",
    "DetectionBoxes",
    "InstanceSet",
    "NuScenesScores",
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
    "judged",
    "lift",
    "mean_corruption_error",
    "mean_iou",
    "nuscenes_scores",
    "precision_at",
    "recall_at",
    "retention",
    "subset_accuracy",
    "voc_average_precision",
]
