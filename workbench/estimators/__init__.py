"""Scaling laws, data requirement and optimal collection: how many samples does a target need, and when to buy them?

Mahmood et al., "How Much More Data Do I Need?", CVPR 2022, and "Optimizing Data Collection for Machine Learning", NeurIPS 2022.
"""

from workbench.estimators.advice import next_sizes
from workbench.estimators.broken import BrokenPowerLaw
from workbench.estimators.campaign import simulate_campaign, summarise_campaign
from workbench.estimators.campaign_log import CampaignLog, CampaignLogError
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
from workbench.estimators.planning import CollectionPlan, expected_cost, plan
from workbench.estimators.policies import CollectionProblem, EnsemblePolicy, LocPolicy, Policy, RegressionPolicy
from workbench.estimators.requirement import DataRequirementEstimator, Requirement
from workbench.estimators.requirement_distribution import RequirementDistribution
from workbench.estimators.source_policies import SourcesLocPolicy, SourcesRegressionPolicy
from workbench.estimators.sources import source_law, source_requirement
from workbench.estimators.triangulated_oracle import TriangulatedOracle

__all__ = [
    "CURVES",
    "PUBLISHED_FAMILY",
    "AlgebraicRoot",
    "Arctan",
    "BrokenPowerLaw",
    "CampaignLog",
    "CampaignLogError",
    "CollectionPlan",
    "CollectionProblem",
    "Correction",
    "DataRequirementEstimator",
    "Diagnosis",
    "EnsemblePolicy",
    "LearningCurveOracle",
    "LocPolicy",
    "Logarithmic",
    "Policy",
    "PowerLaw",
    "PowerLawSaturating",
    "RegressionPolicy",
    "Requirement",
    "RequirementDistribution",
    "ScalingCurve",
    "SourcesLocPolicy",
    "SourcesRegressionPolicy",
    "Trajectories",
    "TriangulatedOracle",
    "diagnose",
    "expected_cost",
    "next_sizes",
    "plan",
    "simulate_campaign",
    "simulate_collection",
    "simulate_many",
    "source_law",
    "source_requirement",
    "summarise_campaign",
    "tune_correction",
]
