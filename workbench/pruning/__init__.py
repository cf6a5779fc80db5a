"""Latency-saliency pruning: which channels of a network to keep, so that it is fast on a device and loses least.

Shen et al., "Structural Pruning via Latency-Saliency Knapsack", NeurIPS 2022 (arXiv 2210.06659).
"""

from workbench.pruning.integer_programme import solve_knapsack_highs
from workbench.pruning.knapsack import Plan, solve_knapsack, solve_knapsack_greedy
from workbench.pruning.published_knapsack import solve_knapsack_published

__all__ = [
    "Plan",
    "solve_knapsack",
    "solve_knapsack_greedy",
    "solve_knapsack_highs",
    "solve_knapsack_published",
]
