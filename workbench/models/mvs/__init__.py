"""NP-CVP-MVSNet: multi-view stereo that keeps a free distribution of depth for each pixel.

Yang, Alvarez, Liu, "Non-parametric Depth Distribution Modelling based Depth Inference for Multi-view Stereo", CVPR 2022.
"""

from workbench.models.mvs.checkpoint import load_official_checkpoint
from workbench.models.mvs.checks import pad_to_multiple
from workbench.models.mvs.ground_truth import patch_distribution
from workbench.models.mvs.hypotheses import Hypotheses, expectation_window, subdivide, uniform_planes
from workbench.models.mvs.losses import LossConfig, mvs_loss
from workbench.models.mvs.network import (
    DepthPrediction,
    LevelOutput,
    MvsConfig,
    NpCvpMvsNet,
    np_cvp_mvsnet,
    np_cvp_mvsnet_small,
)
from workbench.models.mvs.predictor import DepthPredictor, LevelDistribution, ViewPrediction

__all__ = [
    "DepthPrediction",
    "DepthPredictor",
    "Hypotheses",
    "LevelDistribution",
    "LevelOutput",
    "LossConfig",
    "MvsConfig",
    "NpCvpMvsNet",
    "ViewPrediction",
    "expectation_window",
    "load_official_checkpoint",
    "mvs_loss",
    "np_cvp_mvsnet",
    "np_cvp_mvsnet_small",
    "pad_to_multiple",
    "patch_distribution",
    "subdivide",
    "uniform_planes",
]
