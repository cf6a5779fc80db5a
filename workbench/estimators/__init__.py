"""Scaling laws and data requirement (Mahmood et al., CVPR 2022): how many samples does a target score need?"""

from workbench.estimators.advice import next_sizes
from workbench.estimators.broken import BrokenPowerLaw
from workbench.estimators.collection import (
    Correction,
    LearningCurveOracle,
    Trajectories,
    simulate_collection,
    simulate_many,
    tune_correction,
)
from workbench.estimators.curves import (
    CURVES,
    PUBLISHED_FAMILY,
    AlgebraicRoot,
    Arctan,
    Logarithmic,
    PowerLaw,
    PowerLawSaturating,
    ScalingCurve,
)
from workbench.estimators.diagnostics import Diagnosis, diagnose
from workbench.estimators.requirement import DataRequirementEstimator, Requirement

__all__ = [
    "CURVES",
    "PUBLISHED_FAMILY",
    "AlgebraicRoot",
    "Arctan",
    "BrokenPowerLaw",
    "Correction",
    "DataRequirementEstimator",
    "Diagnosis",
    "LearningCurveOracle",
    "Logarithmic",
    "PowerLaw",
    "PowerLawSaturating",
    "Requirement",
    "ScalingCurve",
    "Trajectories",
    "diagnose",
    "next_sizes",
    "simulate_collection",
    "simulate_many",
    "tune_correction",
]
