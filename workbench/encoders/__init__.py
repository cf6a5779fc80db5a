"""Encoding protected attributes: target encoding and its regularisers, intersections, fairness metrics and the two sorts of bias.

Mougan et al., "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023.
"""

from workbench.encoders.categories import Categories
from workbench.encoders.category_table import CategoryTable, TrainingColumn
from workbench.encoders.columns import DropColumns, OneHotEncoder
from workbench.encoders.intersections import cross_columns, recoded_columns
from workbench.encoders.target_encoder import TargetEncoder

__all__ = [
    "Categories",
    "CategoryTable",
    "DropColumns",
    "OneHotEncoder",
    "TargetEncoder",
    "TrainingColumn",
    "cross_columns",
    "recoded_columns",
]
