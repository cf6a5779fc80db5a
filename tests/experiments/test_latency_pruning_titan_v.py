"""Claim C1 on the rows of a TITAN V: importances come from a seed, and the knapsack keeps more of them than its peers."""

from __future__ import annotations

import pytest
from torchvision.models import resnet50

from workbench.experiments.latency_pruning_methods import RANK, REFILL, prune_to
from workbench.experiments.latency_pruning_titan_v import drawn_subject


@pytest.fixture(scope="module")
def of():
    return drawn_subject(0, resnet50())


def test_the_whole_network_is_as_slow_as_published(of):
    assert of.dense == pytest.approx(304.7, abs=0.1)


def test_knapsack_keeps_more_importance_than_one_rank_at_no_more_latency(of):
    plan, rank = (prune_to(0.6, method, of, singly=False) for method in (REFILL, RANK))
    assert max(plan.latency, rank.latency) <= 0.6 * of.dense * (1 + 1e-9)
    assert plan.importance > rank.importance


def test_importances_come_from_the_seed(of):
    same, other = drawn_subject(0, resnet50()).taylor, drawn_subject(1, resnet50()).taylor
    assert (same == of.taylor).all()
    assert (other != of.taylor).any()
