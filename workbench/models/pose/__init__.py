"""6D pose networks: WDRNet, whose cells vote for key points, and a dense one, whose pixels tell a code of the surface."""

from workbench.models.pose.cells import Cells, quota
from workbench.models.pose.checkpoint import load_imagenet_backbone, load_official_checkpoint
from workbench.models.pose.crops import Crop, box_of, crop_around
from workbench.models.pose.losses import (
    WdrLoss,
    focal_loss,
    object_space_loss,
    positive_votes,
    wdrnet_loss,
)
from workbench.models.pose.network import WdrNet, WdrOutput, check_same_task, wdrnet
from workbench.models.pose.predictor import CellVotes, PoseEstimate, PosePredictor, SelectionConfig, select_votes
from workbench.models.pose.targets import PoseTargets, cell_labels

__all__ = [
    "CellVotes",
    "Cells",
    "Crop",
    "PoseEstimate",
    "PosePredictor",
    "PoseTargets",
    "SelectionConfig",
    "WdrLoss",
    "WdrNet",
    "WdrOutput",
    "box_of",
    "cell_labels",
    "check_same_task",
    "crop_around",
    "focal_loss",
    "load_imagenet_backbone",
    "load_official_checkpoint",
    "object_space_loss",
    "positive_votes",
    "quota",
    "select_votes",
    "wdrnet",
    "wdrnet_loss",
]
