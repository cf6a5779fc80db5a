"""M2BEV: boxes and the ground, seen from above by all cameras at once.

Xie et al., "M2BEV: Multi-Camera Joint 3D Detection and Segmentation with Unified Birds-Eye View Representation", 2022.
"""

from workbench.models.m2bev.anchors import AnchorConfig, decode_boxes, encode_boxes, make_anchors
from workbench.models.m2bev.assignment import (
    FreeAnchorConfig,
    MaxIouConfig,
    assign_by_overlap,
    free_anchor_bag,
    free_anchor_loss,
    max_iou_loss,
)
from workbench.models.m2bev.bev_encoder import BevEncoder, VolumeEncoder
from workbench.models.m2bev.checkpoint import PUBLISHED_CLASSES, load_official_checkpoint
from workbench.models.m2bev.image_boxes import image_box_loss
from workbench.models.m2bev.inference import Detections, InferenceConfig, detections, ground
from workbench.models.m2bev.map_losses import bev_centerness, map_loss
from workbench.models.m2bev.network import M2Bev, M2BevConfig, M2BevOutput, m2bev_r50, m2bev_tiny, m2bev_x101
from workbench.models.m2bev.objective import LossConfig, M2BevTargets, m2bev_loss
from workbench.models.m2bev.pretraining import ImagePretraining, load_image_encoder
from workbench.models.m2bev.projection import VoxelTable, project_features, space_to_channel, voxel_table
from workbench.models.m2bev.samples import M2BevSample, collate, normalised, prepare

__all__ = [
    "PUBLISHED_CLASSES",
    "AnchorConfig",
    "BevEncoder",
    "Detections",
    "FreeAnchorConfig",
    "ImagePretraining",
    "InferenceConfig",
    "LossConfig",
    "M2Bev",
    "M2BevConfig",
    "M2BevOutput",
    "M2BevSample",
    "M2BevTargets",
    "MaxIouConfig",
    "VolumeEncoder",
    "VoxelTable",
    "assign_by_overlap",
    "bev_centerness",
    "collate",
    "decode_boxes",
    "detections",
    "encode_boxes",
    "free_anchor_bag",
    "free_anchor_loss",
    "ground",
    "image_box_loss",
    "load_image_encoder",
    "load_official_checkpoint",
    "m2bev_loss",
    "m2bev_r50",
    "m2bev_tiny",
    "m2bev_x101",
    "make_anchors",
    "map_loss",
    "max_iou_loss",
    "normalised",
    "prepare",
    "project_features",
    "space_to_channel",
    "voxel_table",
]
