"""Latency-saliency pruning: which channels of a network to keep, so that it is fast on a device and loses least.

Shen et al., "Structural Pruning via Latency-Saliency Knapsack", NeurIPS 2022 (arXiv 2210.06659).
"""

from workbench.pruning.calibration import Calibration, calibrate
from workbench.pruning.channel_graph import ChannelGraph, ChannelGroup, ConvLayer
from workbench.pruning.channel_plan import ChannelPlan
from workbench.pruning.conv_spec import ConvSpec
from workbench.pruning.integer_programme import solve_knapsack_highs
from workbench.pruning.knapsack import Plan, solve_knapsack, solve_knapsack_greedy
from workbench.pruning.latency_files import load_latency_table, save_latency_table, save_specs
from workbench.pruning.latency_table import LatencyTable
from workbench.pruning.masking import Masks, mask
from workbench.pruning.measure_convolutions import OnnxRuntimeTimer, TorchTimer
from workbench.pruning.published_knapsack import solve_knapsack_published
from workbench.pruning.shrink import shrink
from workbench.pruning.simulated_platforms import PLATFORMS, SimulatedPlatform, simulate_latency_table
from workbench.pruning.titan_v import MOBILENET_V1_ROWS, RESNET_ROWS, titan_v_table

__all__ = [
    "MOBILENET_V1_ROWS",
    "PLATFORMS",
    "RESNET_ROWS",
    "Calibration",
    "ChannelGraph",
    "ChannelGroup",
    "ChannelPlan",
    "ConvLayer",
    "ConvSpec",
    "LatencyTable",
    "Masks",
    "OnnxRuntimeTimer",
    "Plan",
    "SimulatedPlatform",
    "TorchTimer",
    "calibrate",
    "load_latency_table",
    "mask",
    "save_latency_table",
    "save_specs",
    "shrink",
    "simulate_latency_table",
    "solve_knapsack",
    "solve_knapsack_greedy",
    "solve_knapsack_highs",
    "solve_knapsack_published",
    "titan_v_table",
]
