"""The campaign as a game: a person's orders are billed as the policies' are, and nobody beats the optimum."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.estimators import CollectionProblem, LocPolicy, RegressionPolicy, simulate_campaign
from workbench.experiments.campaign_game import (
    PlacedOrders,
    advice,
    measured_so_far,
    own_campaign,
    rivals,
    scoreboard,
)
from workbench.experiments.tasks import load_task

TASK = load_task("CIFAR-10")
PROBLEM = CollectionProblem(86.0, rounds=2, cost=2.0, penalty=1e6)
NEEDED = TASK.oracle.required_size(86.0) - TASK.initial_size


def test_the_least_sufficient_order_meets_the_target_and_one_sample_less_misses_it():
    met = own_campaign(TASK, PROBLEM, (NEEDED,)).iloc[-1]
    assert (met["status"], met["paid"], met["total"]) == ("met", 2 * NEEDED, 2 * NEEDED)
    missed = own_campaign(TASK, PROBLEM, (NEEDED - 2, 1)).iloc[-1]
    assert (missed["status"], missed["n"]) == ("missed", TASK.initial_size + NEEDED - 1)
    assert missed["total"] == 2 * (NEEDED - 1) + 1e6


def test_a_game_is_open_until_it_is_met_given_up_or_out_of_rounds():
    assert [
        own_campaign(TASK, PROBLEM, orders)["status"].iloc[-1] for orders in ((), (10,), (10, 10), (10, 0), (0,))
    ] == [
        "open",
        "open",
        "missed",
        "give up",
        "give up",
    ]
    gave_up = own_campaign(TASK, PROBLEM, (10, 0)).iloc[-1]
    assert gave_up["total"] == 2 * 10 + 1e6
    assert own_campaign(TASK, PROBLEM, (10,))["total"].iloc[-1] == 2 * 10


def test_orders_after_the_end_count_for_nothing():
    assert len(own_campaign(TASK, PROBLEM, (NEEDED, 500))) == 2


@pytest.mark.parametrize("order", [-1.0, np.nan, np.inf])
def test_impossible_orders_are_refused(order):
    with pytest.raises(ValueError, match="orders must not be negative"):
        PlacedOrders((order,))


def test_replaying_a_policys_orders_gives_its_campaign():
    theirs = simulate_campaign(TASK.oracle, LocPolicy(n_boot=50), PROBLEM, TASK.start_sizes)
    ours = own_campaign(TASK, PROBLEM, tuple(theirs["order"].iloc[1:]))
    columns = ["round", "n", "score", "paid", "status", "total", "optimum"]
    assert ours[columns].equals(theirs[columns])


def test_advice_at_the_start_is_a_policys_first_order_and_later_sees_the_new_point():
    policy = RegressionPolicy()
    theirs = simulate_campaign(TASK.oracle, policy, PROBLEM, TASK.start_sizes)
    first = advice(TASK, own_campaign(TASK, PROBLEM, ()), PROBLEM, policy)
    assert np.ceil(first.size[0]) == theirs["n"].iloc[1]
    after = own_campaign(TASK, PROBLEM, (theirs["order"].iloc[1],))
    assert np.ceil(advice(TASK, after, PROBLEM, policy).size[0]) == theirs["n"].iloc[2]
    sizes, scores = measured_so_far(TASK, after)
    assert sizes[-1] == theirs["n"].iloc[1]
    assert scores[-1] == pytest.approx(float(TASK.oracle.score(sizes[-1])))


def test_tau_of_the_second_rival_meets_every_target_of_the_task_it_was_learned_on():
    for rounds in (1, 3):
        policy = rivals("power", "uniform", rounds)["regression + tau"]
        for target in TASK.published_targets:
            problem = CollectionProblem(float(target), rounds)
            assert simulate_campaign(TASK.oracle, policy, problem, TASK.start_sizes)["status"].iloc[-1] == "met"


@pytest.mark.parametrize("penalty", [1e6, 100.0])
@pytest.mark.parametrize("target", [86.0, 99.0])
def test_nobody_pays_less_than_the_optimum(penalty, target):
    problem = CollectionProblem(target, 3, 1.0, penalty)
    games = {
        name: simulate_campaign(TASK.oracle, policy, problem, TASK.start_sizes)
        for name, policy in rivals("power", "doubling", 3).items()
    }
    board = scoreboard(games, problem).set_index("player")
    assert (
        board["total"].min() == board.loc["optimum", "total"] == min(problem.penalty, games["LOC"]["optimum"].iloc[0])
    )
    assert board.loc["optimum", "result"] == ("met" if (penalty, target) == (1e6, 86.0) else "gave up")


def test_a_target_that_is_met_already_costs_nothing():
    problem = CollectionProblem(70.0, 3)
    board = scoreboard({"you": own_campaign(TASK, problem, ())}, problem)
    assert board["bill"].tolist() == [0, 0]
    assert board["result"].tolist() == ["met", "met"]
    assert board["data"].tolist() == [TASK.initial_size] * 2
