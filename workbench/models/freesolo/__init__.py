"""FreeSOLO: segment objects without a single label.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022.
"""

from workbench.models.freesolo.checkpoint import load_densecl, load_official_checkpoint
from workbench.models.freesolo.free_mask import FreeMaskConfig, FreeMasks, free_masks
from workbench.models.freesolo.network import (
    FreeSolo,
    SoloConfig,
    SoloOutput,
    freesolo_r50,
    freesolo_r101,
    freesolo_tiny,
)
from workbench.ops.matrix_nms import matrix_nms

__all__ = [
    "FreeMaskConfig",
    "FreeMasks",
    "FreeSolo",
    "SoloConfig",
    "SoloOutput",
    "free_masks",
    "freesolo_r50",
    "freesolo_r101",
    "freesolo_tiny",
    "load_densecl",
    "load_official_checkpoint",
    "matrix_nms",
]
