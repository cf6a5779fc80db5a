"""The stored tables of latency pruning: their shape, that they are what the code gives, and what they show."""

from __future__ import annotations

import pytest

from workbench.experiments.latency_pruning import FULL, MEASURED, pruned, rank_correlations
from workbench.experiments.latency_pruning_claims import claims
from workbench.experiments.latency_pruning_methods import LAYERS, MACS, METHODS, REFILL, prune_to, subject
from workbench.experiments.latency_pruning_platforms import EXACT
from workbench.experiments.latency_pruning_steps import IN_STEPS
from workbench.experiments.latency_pruning_task import pruning_task
from workbench.experiments.results import load_results
from workbench.pruning import PLATFORMS, simulate_latency_table

NAMES = [
    "C1",
    "C2",
    "C3",
    "C3 in steps",
    "C4",
    "C4 in steps",
    "C4 measured",
    "C4 tuned",
    "C4 Pareto",
    "C5",
    "C6",
    "A groups",
    "A steps",
    "A importance",
    "A solver",
]


@pytest.fixture(scope="module")
def budgets():
    return load_results("latency_pruning_budgets")


def test_stored_budgets_are_whole_and_met(budgets):
    assert len(budgets) == len(FULL.seeds) * len(FULL.shares) * len(METHODS)
    assert not budgets.duplicated(["seed", "method", "share"]).any()
    assert (budgets["reached"] <= budgets["share"] * (1 + 1e-6)).all()
    assert budgets["after"].notna().sum() == len(FULL.seeds) * len(FULL.tuned_shares) * len(METHODS)
    assert (budgets["dense"] > 90).all()


def test_the_stored_budgets_are_what_the_code_gives(budgets):
    task = pruning_task(0)
    plan = prune_to(0.6, REFILL, subject(task, simulate_latency_table(FULL.platform), FULL.batch))
    stored = budgets.query("seed == 0 and share == 0.6 and method == @REFILL").iloc[0]
    assert plan.latency == pytest.approx(stored["latency_ms"], rel=0.02)
    assert task.accuracy(pruned(task, plan)) == pytest.approx(stored["before"], abs=2)


def test_stored_steps_are_whole_and_met():
    steps = load_results("latency_pruning_steps")
    assert len(steps) == len(FULL.seeds) * len(FULL.step_shares) * len(IN_STEPS)
    assert (steps["reached"] <= steps["share"] * (1 + 1e-6)).all()
    assert steps["after"].notna().all()


def test_emptying_a_layer_costs_halp_accuracy_at_forty_percent(budgets):
    """One of three blocks goes, which 16 channels of it would have prevented."""
    mean = budgets.query("share == 0.4").groupby("method")["after"].mean()
    assert mean[LAYERS] > mean[REFILL]


def test_stored_platforms_and_networks():
    platforms = load_results("latency_pruning_platforms")
    assert len(platforms) == 2 * len(FULL.seeds) * len(PLATFORMS) ** 2
    assert (platforms["importance"] >= 0.8 * (1 - 1e-6)).all()
    exact = platforms[platforms["solver"] == EXACT]
    own = exact.query("planned_for == run_on").set_index(["seed", "run_on"])["latency"]
    fastest = exact.groupby(["seed", "run_on"])["latency"].min()
    assert (own <= fastest.loc[own.index] * (1 + 1e-5)).all()
    networks = load_results("latency_pruning_networks")
    assert len(networks) == FULL.subnets + 1
    assert rank_correlations(networks)["table_ms"] > rank_correlations(networks)["macs"]


def test_stored_budgets_by_a_table_of_one_machine():
    measured = load_results("latency_pruning_measured")
    assert len(measured) == len(MEASURED.seeds) * len(MEASURED.shares) * len(MEASURED.methods)
    assert (measured["reached"] <= measured["share"] * (1 + 1e-6)).all()
    assert measured["after"].notna().all()
    gain = measured["reached"] * measured["whole_ms"] / measured["measured_ms"]
    assert gain.min() >= 0.7


def test_stored_ablations_meet_their_latency_and_more_steps_end_nearer():
    table = load_results("latency_pruning_ablations")
    assert not table.duplicated(["seed", "platform", "kind", "setting", "share"]).any()
    reached = table.dropna()
    assert (reached["reached"] <= reached["share"] * (1 + 1e-6)).all()
    steps = table[table["kind"] == "steps"].groupby(["share", "setting"])["reached"].mean()
    for share in (0.6, 0.4):
        assert steps[share, "HALP, 1"] < 0.7 * share < steps[share, "HALP, 20"]


def test_stored_detectors_are_faster_for_a_little_precision():
    table = load_results("latency_pruning_detector")
    mean = table.assign(gain=table["whole_ms"] / table["ms"]).groupby("method")[["gain", "precision"]].mean()
    assert mean.loc[LAYERS, "gain"] > 1.5
    assert mean.loc[LAYERS, "precision"] > mean.loc["whole network", "precision"] - 3


def test_stored_rows_of_the_titan_v():
    """At equal latency the knapsack keeps most; its cost in ms leaves it more multiplications than cost in MACs does."""
    table = load_results("latency_pruning_titan_v")
    mean = table.groupby(["share", "method"])[["importance", "macs_share"]].mean()
    for share, part in mean.groupby("share"):
        assert part["importance"].idxmax() == (share, REFILL)
        assert part["macs_share"][share, REFILL] > part["macs_share"][share, MACS]


def test_claims_are_judged_by_the_numbers(budgets):
    table = claims(budgets).set_index("claim")
    assert table.index.tolist() == NAMES
    assert table.loc["C2", "holds"] == "yes"
    worse = budgets.assign(after=budgets["after"].where(budgets["method"] != LAYERS, 10.0))
    assert claims(worse).set_index("claim").loc["C4", "holds"] == "no"
    better = budgets.assign(after=budgets["after"].where(budgets["method"] != LAYERS, 99.0))
    assert claims(better).set_index("claim").loc["C4", "holds"] == "yes"
