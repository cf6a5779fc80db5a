"""FreeSOLO: segment objects without a single label.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022.
"""

from workbench.models.freesolo.checkpoint import load_densecl, load_official_checkpoint
from workbench.models.freesolo.densecl import DenseCL, DenseCLConfig
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
from workbench.models.freesolo.self_training import (
    CollapsedError,
    SelfTraining,
    SelfTrainingConfig,
    TaughtImages,
    found_in,
    taught_by_network,
    together,
)
from workbench.models.freesolo.targets import CoarseMasks
from workbench.ops.matrix_nms import matrix_nms

__all__ = [
    "SELF_TRAINING",
    "CoarseMasks",
    "CollapsedError",
    "DenseCL",
    "DenseCLConfig",
    "FreeMaskConfig",
    "FreeMasks",
    "FreeSolo",
    "InferenceConfig",
    "Instances",
    "LossWeights",
    "SelfTraining",
    "SelfTrainingConfig",
    "SoloConfig",
    "SoloOutput",
    "TaughtImages",
    "colour_pairs",
    "found_in",
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
    "taught_by_network",
    "together",
]
