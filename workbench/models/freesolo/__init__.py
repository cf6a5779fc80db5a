"""FreeSOLO: segment objects without a single label.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022.
"""

from workbench.models.freesolo.checkpoint import load_densecl, load_official_checkpoint
from workbench.models.freesolo.free_mask import FreeMaskConfig, FreeMasks, free_masks
from workbench.models.freesolo.inference import SELF_TRAINING, InferenceConfig, Instances, instances, segment
from workbench.models.freesolo.network import (
    FreeSolo,
    SoloConfig,
    SoloOutput,
    freesolo_r50,
    freesolo_r101,
    freesolo_tiny,
)
from workbench.models.freesolo.objective import LossWeights, colour_pairs, solo_loss
from workbench.models.freesolo.targets import CoarseMasks
from workbench.ops.matrix_nms import matrix_nms

__all__ = [
    "SELF_TRAINING",
    "CoarseMasks",
    "FreeMaskConfig",
    "FreeMasks",
    "FreeSolo",
    "InferenceConfig",
    "Instances",
    "LossWeights",
    "SoloConfig",
    "SoloOutput",
    "colour_pairs",
    "free_masks",
    "freesolo_r50",
    "freesolo_r101",
    "freesolo_tiny",
    "instances",
    "load_densecl",
    "load_official_checkpoint",
    "matrix_nms",
    "segment",
    "solo_loss",
]
