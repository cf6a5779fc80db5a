"""Encoding protected attributes: target encoding and its regularisers, intersections, fairness metrics and the two sorts of bias.

Mougan et al., "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023.
"""

from workbench.encoders.bias import (
    BiasTerms,
    bias_terms,
    encoding_distribution,
    expected_equal_opportunity,
    flip_probability,
    noise_attenuation,
    optimal_smoothing,
    positive_probability,
)
from workbench.encoders.categories import Categories
from workbench.encoders.category_table import CategoryTable, TrainingColumn
from workbench.encoders.columns import DropColumns, OneHotEncoder
from workbench.encoders.fairness import gaps, group_rates, overall
from workbench.encoders.intersections import cross_columns, recoded_columns
from workbench.encoders.intervals import difference_interval, wilson_interval
from workbench.encoders.score_metrics import group_auc, strong_parity, wasserstein
from workbench.encoders.sweep import Encoding, encodings, sweep
from workbench.encoders.target_encoder import TargetEncoder

__all__ = [
    "BiasTerms",
    "Categories",
    "CategoryTable",
    "DropColumns",
    "Encoding",
    "OneHotEncoder",
    "TargetEncoder",
    "TrainingColumn",
    "bias_terms",
    "cross_columns",
    "difference_interval",
    "encoding_distribution",
    "encodings",
    "expected_equal_opportunity",
    "flip_probability",
    "gaps",
    "group_auc",
    "group_rates",
    "noise_attenuation",
    "optimal_smoothing",
    "overall",
    "positive_probability",
    "recoded_columns",
    "strong_parity",
    "sweep",
    "wasserstein",
    "wilson_interval",
]
