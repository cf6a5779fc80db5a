"""The metrics that the benchmarks of each field report."""

from workbench.metrics.retrieval import average_precision, lift, precision_at, recall_at

__all__ = ["average_precision", "lift", "precision_at", "recall_at"]
