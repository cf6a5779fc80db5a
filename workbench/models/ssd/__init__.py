"""SSD, a detector in one pass: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, with residual backbones."""

from workbench.models.ssd.default_boxes import (
    SMALL,
    SSD300_VOC,
    SSD512_VOC,
    BoxConfig,
    decode,
    default_boxes,
    encode,
    match,
    targets_of,
)
from workbench.models.ssd.detection import DetectionLoss, Found, detect, multibox_loss
from workbench.models.ssd.network import (
    SSD,
    VOC_CLASSES,
    ExtraStage,
    load_official_checkpoint,
    resnet50_backbone,
    small_ssd,
    ssd300_resnet50,
    ssd512_resnet50,
)

__all__ = [
    "SMALL",
    "SSD",
    "SSD300_VOC",
    "SSD512_VOC",
    "VOC_CLASSES",
    "BoxConfig",
    "DetectionLoss",
    "ExtraStage",
    "Found",
    "decode",
    "default_boxes",
    "detect",
    "encode",
    "load_official_checkpoint",
    "match",
    "multibox_loss",
    "resnet50_backbone",
    "small_ssd",
    "ssd300_resnet50",
    "ssd512_resnet50",
    "targets_of",
]
