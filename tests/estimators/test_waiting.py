"""The value of waiting: against the exact plans of every horizon."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.estimators import RequirementDistribution, plan
from workbench.estimators.waiting import cost_by_rounds
from workbench.experiments.tasks import load_task


@pytest.mark.parametrize("task, target, family", [("CIFAR-100", 65, "power"), ("nuScenes", 27, "root")])
@pytest.mark.parametrize("penalty", [1e4, 1e6, 1e9])
def test_every_horizon_costs_what_its_exact_plan_costs(task, target, family, penalty):
    task = load_task(task)
    owned = task.initial_size
    law = RequirementDistribution.from_curve(
        task.start_sizes, task.oracle.scores[: task.subsets], target, family=family
    )
    costs, chances = cost_by_rounds(law, owned, cost=2.0, penalty=penalty, rounds=8)
    plans = [plan(law, owned, cost=2.0, penalty=penalty, rounds=rounds, whole=False) for rounds in range(1, 9)]
    exact = np.array([best.expected_cost for best in plans])
    assert np.all(costs >= exact * (1 - 1e-9))
    assert costs == pytest.approx(exact, rel=2e-3)
    assert chances[[0, -1]] == pytest.approx([plans[0].success_probability, plans[-1].success_probability], abs=1e-3)
    assert np.all(np.diff(costs) <= 1e-9 * costs[0])


def test_a_target_that_is_met_costs_nothing_and_one_out_of_reach_the_penalty():
    sizes, scores = [1000, 2000, 3000, 4000], [50.0, 60.0, 65.0, 67.0]
    met = RequirementDistribution.from_curve(sizes, scores, 60)
    never = RequirementDistribution.from_curve(sizes, scores, 99, family="power_saturating", q_max=5_000)
    assert never.p_unreachable == 1
    for law, cost, chance in ((met, 0.0, 1.0), (never, 1e5, 0.0)):
        costs, chances = cost_by_rounds(law, 4000, cost=1, penalty=1e5, rounds=3)
        assert costs.tolist() == [cost] * 3
        assert chances.tolist() == [chance] * 3
