"""The stored tables of latency pruning: their shape, that they are what the code gives, and what they show."""

from __future__ import annotations

import pytest

from workbench.experiments.latency_pruning import FULL, pruned, rank_correlations
from workbench.experiments.latency_pruning_claims import claims
from workbench.experiments.latency_pruning_methods import MAGNITUDE, METHODS, RANK, REFILL, UNIFORM, prune_to, subject
from workbench.experiments.latency_pruning_task import pruning_task
from workbench.experiments.results import load_results
from workbench.pruning import PLATFORMS, simulate_latency_table


@pytest.fixture(scope="module")
def budgets():
    return load_results("latency_pruning_budgets")


def test_stored_budgets_are_whole_and_met(budgets):
    assert len(budgets) == len(FULL.seeds) * len(FULL.shares) * len(METHODS)
    assert not budgets.duplicated(["seed", "method", "share"]).any()
    assert (budgets["reached"] <= budgets["share"] * (1 + 1e-6)).all()
    assert budgets["after"].notna().sum() == len(FULL.seeds) * len(FULL.tuned_shares) * len(FULL.tuned_methods)
    assert (budgets["dense"] > 90).all()


def test_the_stored_budgets_are_what_the_code_gives(budgets):
    task = pruning_task(0)
    plan = prune_to(0.6, REFILL, subject(task, simulate_latency_table(FULL.platform), FULL.batch))
    stored = budgets.query("seed == 0 and share == 0.6 and method == @REFILL").iloc[0]
    assert plan.latency == pytest.approx(stored["latency_ms"], rel=0.02)
    assert task.accuracy(pruned(task, plan)) == pytest.approx(stored["before"], abs=2)


def test_halp_comes_first_at_sixty_percent_and_uniform_at_forty(budgets):
    """At 40 % uniform widths are 2 points better after tuning, which is not what the paper claims."""
    mean = budgets.groupby(["share", "method"])[["before", "after"]].mean()
    assert mean.loc[(0.6, REFILL), "before"] > mean.loc[(0.6, RANK), "before"] > mean.loc[(0.6, MAGNITUDE), "before"]
    assert mean.loc[(0.6, REFILL), "after"] > max(mean.loc[(0.6, name), "after"] for name in (RANK, UNIFORM))
    assert mean.loc[(0.4, UNIFORM), "after"] > mean.loc[(0.4, REFILL), "after"] > mean.loc[(0.4, RANK), "after"]


def test_stored_platforms_and_networks():
    platforms = load_results("latency_pruning_platforms")
    assert len(platforms) == len(FULL.seeds) * len(PLATFORMS) ** 2
    own = platforms.query("planned_for == run_on")
    assert own["reached"].between(0.2, 0.5).all()
    networks = load_results("latency_pruning_networks")
    assert len(networks) == FULL.subnets + 1
    assert rank_correlations(networks)["table_ms"] > rank_correlations(networks)["macs"]


def test_claims_are_judged_by_the_stored_numbers(budgets):
    table = claims(budgets).set_index("claim")
    assert table["holds"].to_dict() == {"C1": "yes", "C2": "yes", "C3": "partly", "C4": "partly", "C6": "partly"}
    worse = budgets.assign(after=budgets["after"].where(budgets["method"] != REFILL, 10.0))
    assert claims(worse).set_index("claim").loc["C4", "holds"] == "no"
