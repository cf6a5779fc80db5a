"""FreeSOLO: segment objects without a single label.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022.
"""

from workbench.models.freesolo.free_mask import FreeMaskConfig, FreeMasks, free_masks

__all__ = ["FreeMaskConfig", "FreeMasks", "free_masks"]
