"""Latency-saliency pruning: which channels of a network to keep, so that it is fast on a device and loses least.

Shen et al., "Structural Pruning via Latency-Saliency Knapsack", NeurIPS 2022 (arXiv 2210.06659).  In the order of the method:

- :class:`LatencyTable` answers the ms of a :class:`ConvSpec`: measured (:class:`TorchTimer`, :class:`OnnxRuntimeTimer`), simulated,
  or read from a file; :func:`calibrate` relates its sums to whole networks.
- :meth:`ChannelGraph.trace` finds which channels of a network go together.
- :class:`TaylorImportance` says how much the loss changes without each of them; others are there to compare it with.
- :func:`solve_knapsack` chooses the most important that fit a budget, exactly.
- :class:`HALPPruner` does so in steps while a network is trained, or at once (:meth:`HALPPruner.solve`), and gives a
  :class:`ChannelPlan`.
- :func:`mask` sets what is not kept to zero, :func:`recalibrate_bn` renews the statistics, :func:`shrink` makes the network
  small, and :func:`measure_latency` measures it.
- :func:`load_published_run`, :func:`trace_published` and :func:`load_pruned` read what the authors published.

A plan without training, on a simulated device:

>>> import torch
>>> from torch import nn
>>> from workbench.pruning import *
>>> _ = torch.manual_seed(0)
>>> network = nn.Sequential(
...     nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 96, 3), nn.ReLU(), nn.Conv2d(96, 8, 1)
... )
>>> graph = ChannelGraph.trace(network, torch.zeros(1, 3, 32, 32))
>>> pruner = HALPPruner(network, graph, simulate_latency_table("titan_v"), batch=64, config=HALPConfig(refill=True))
>>> scores = MagnitudeImportance(graph).scores(network)
>>> plan = pruner.solve(0.8 * pruner.initial_latency, scores)
>>> plan.widths, round(plan.latency / pruner.initial_latency, 2)
({'0': (3, 64), '3': (64, 64), '5': (64, 8)}, 0.73)
>>> shrink(network, plan)[3]
Conv2d(64, 64, kernel_size=(3, 3), stride=(1, 1))
"""

from workbench.pruning.calibration import Calibration, calibrate
from workbench.pruning.channel_graph import ChannelGraph, ChannelGroup, ConvLayer
from workbench.pruning.channel_plan import ChannelPlan
from workbench.pruning.conv_spec import ConvSpec
from workbench.pruning.grouping import check_group_sizes, latency_group_sizes, step_size
from workbench.pruning.importance import Importance, MagnitudeImportance, RandomImportance, TaylorImportance
from workbench.pruning.integer_programme import solve_knapsack_highs
from workbench.pruning.knapsack import Plan, solve_knapsack, solve_knapsack_greedy
from workbench.pruning.knapsack_items import GroupItems, knapsack_items
from workbench.pruning.latency_files import load_latency_table, save_latency_table, save_specs
from workbench.pruning.latency_table import LatencyTable
from workbench.pruning.masking import Masks, mask
from workbench.pruning.measure_convolutions import OnnxRuntimeTimer, TorchTimer
from workbench.pruning.network_latency import measure_latency
from workbench.pruning.pruner import HALPConfig, HALPPruner
from workbench.pruning.published import PublishedRun, load_pruned, load_published_run, trace_published
from workbench.pruning.published_files import (
    PublishedLayer,
    load_group_masks,
    load_layer_config,
    load_layer_numbers,
    save_group_masks,
)
from workbench.pruning.published_knapsack import solve_knapsack_published
from workbench.pruning.recalibration import recalibrate_bn
from workbench.pruning.schedule import exponential_schedule
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
    "GroupItems",
    "HALPConfig",
    "HALPPruner",
    "Importance",
    "LatencyTable",
    "MagnitudeImportance",
    "Masks",
    "OnnxRuntimeTimer",
    "Plan",
    "PublishedLayer",
    "PublishedRun",
    "RandomImportance",
    "SimulatedPlatform",
    "TaylorImportance",
    "TorchTimer",
    "calibrate",
    "check_group_sizes",
    "exponential_schedule",
    "knapsack_items",
    "latency_group_sizes",
    "load_group_masks",
    "load_latency_table",
    "load_layer_config",
    "load_layer_numbers",
    "load_pruned",
    "load_published_run",
    "mask",
    "measure_latency",
    "recalibrate_bn",
    "save_group_masks",
    "save_latency_table",
    "save_specs",
    "shrink",
    "simulate_latency_table",
    "solve_knapsack",
    "solve_knapsack_greedy",
    "solve_knapsack_highs",
    "solve_knapsack_published",
    "step_size",
    "titan_v_table",
    "trace_published",
]
