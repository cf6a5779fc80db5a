"""The experiment of paper 2: what Table 1 must show, the shape of the stored tables, and that they are what the code gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.estimators import LocPolicy
from workbench.experiments.optimal_collection import (
    POLICIES,
    OptimalCollectionConfig,
    outcome_rows,
    policy_named,
    run,
    sweep,
)
from workbench.experiments.optimal_collection_claims import SETTINGS, claims, table_1
from workbench.experiments.optimal_collection_paper import PAPER_FIGURE_2, PAPER_TABLE_1, PENALTIES, ROUNDS
from workbench.experiments.optimal_collection_real import between, lcdb_tasks
from workbench.experiments.optimal_collection_sources import STORED_GRIDS, SourcesLocPolicy, play_sources
from workbench.experiments.results import COLUMNS, load_results
from workbench.experiments.tasks import SUBSETS, load_task
from workbench.training import Cancelled, CancelToken

TINY = OptimalCollectionConfig(
    tasks=("VOC",), rounds=(1,), n_boot=50, seeds=(0,), every=3, robustness=False, real=False
)


@pytest.fixture(scope="module")
def stored():
    return load_results("optimal_collection")


@pytest.fixture(scope="module")
def games():
    return load_results("optimal_collection_sweep")


@pytest.fixture(scope="module")
def value(stored):
    return stored.set_index(["setting", "quantity"])["value"]


def test_loc_never_fails_more_often_than_regression_and_less_in_at_least_16_of_18_settings(value):
    regression, loc = table_1(value, "regression", "failures"), table_1(value, "LOC", "failures")
    assert set(loc) == set(SETTINGS)
    assert all(loc[key] <= regression[key] for key in loc)
    assert sum(loc[key] < regression[key] for key in loc) >= 16


def test_with_several_rounds_loc_rarely_fails_and_stays_cheap(value):
    failures, cost = table_1(value, "LOC", "failures"), table_1(value, "LOC", "cost ratio")
    for task, rounds in SETTINGS:
        if rounds >= 3:
            assert cost[task, rounds] < 0.6
            assert task == "CIFAR-10" or failures[task, rounds] <= 15
    for task in SUBSETS:
        assert cost[task, 1] > cost[task, 3] > cost[task, 5]


def test_regression_is_nearly_free_where_it_succeeds_and_often_fails(value):
    failures = table_1(value, "regression", "failures")
    assert sum(share > 30 for share in failures.values()) >= 15


def test_the_mixture_of_four_functions_fails_less_often_than_the_power_law(value):
    alone, mixed = table_1(value, "LOC", "failures"), table_1(value, "LOC, four functions", "failures")
    assert all(mixed[key] <= alone[key] for key in alone)


def test_descent_is_never_cheaper_than_the_exact_plan(stored):
    least = stored[stored["quantity"] == "least excess of the descent"]
    assert len(least) == len(ROUNDS)
    assert (least["value"] > -1e-6).all()


@pytest.mark.parametrize("task, rounds", [("VOC", 5), ("BDD100K", 3)])
def test_stored_games_are_what_the_code_gives(games, task, rounds):
    for policy in ("regression", "LOC"):
        fresh = sweep(load_task(task), policy_named(policy, rounds), rounds, penalty=PENALTIES[task], seed=0)
        kept = games.query("task == @task and rounds == @rounds and policy == @policy and seed == 0")
        assert kept["target"].tolist() == fresh["target"].tolist()
        assert kept["met"].tolist() == fresh["met"].tolist()
        assert kept["n"].to_numpy() == pytest.approx(fresh["n"].to_numpy(), rel=1e-3)


def test_stored_table_says_what_it_was_measured_under(stored, games):
    assert tuple(stored.columns) == COLUMNS
    for table in (stored, games):
        assert table.attrs["record"]["config"]["seeds"] == [0, 1, 2, 3, 4]
        assert table.attrs["record"]["config"]["tasks"] == list(SUBSETS)
    assert set(games["policy"]) == set(POLICIES)


def test_published_numbers_stand_beside_ours(stored):
    rows = stored.set_index(["setting", "quantity"])
    for task, rounds in SETTINGS:
        for policy in ("regression", "LOC"):
            published = PAPER_TABLE_1[task][policy][ROUNDS.index(rounds)]
            assert rows.loc[(f"{task}, {policy}, T={rounds}", "failures"), "paper"] == published[0]
    assert (stored["claim"] == "Figure 2").sum() == 2 * sum(
        np.isin(targets, load_task(task).published_targets).sum() for (task, _), (targets, *_) in PAPER_FIGURE_2.items()
    )


def test_failures_and_costs_are_counted_as_in_the_paper():
    games = pd.DataFrame(
        {
            "met": [True, False, True, True],
            "cost_ratio": [0.2, np.nan, 0.4, 0.9],
            "total": [12.0, 100.0, 14.0, 19.0],
            "seed": [0, 0, 1, 1],
        }
    )
    rows = {name: (value, spread) for _, _, name, _, value, spread, _ in outcome_rows("C4", "x", games)}
    assert rows["failures"][0] == 25
    assert rows["failures"][1] == pytest.approx(np.std([50, 0], ddof=1))
    assert rows["cost ratio"][0] == pytest.approx((0.2 + 0.65) / 2)


def test_claims_judge_by_the_numbers(stored):
    table = claims(stored).set_index("claim")
    assert table.loc["C4", "holds"] == "yes"
    assert table.loc["C5", "holds"] == "yes"
    broken = stored.copy()
    broken.loc[broken["setting"].str.contains("VOC, LOC, T=") & (broken["quantity"] == "failures"), "value"] = 100.0
    broken.loc[broken["setting"].str.endswith("LOC, T=3") & (broken["quantity"] == "cost ratio"), "value"] = 4.0
    judged = claims(broken).set_index("claim")
    assert judged.loc["C4", "holds"] == "partly"
    assert judged.loc["C5", "holds"] != "yes"
    assert "above in 3" in judged.loc["C4", "measured"]


def test_a_small_run_has_the_same_shape_and_can_be_stopped():
    seen = []
    table = run(TINY, progress=lambda *step: seen.append(step))
    assert tuple(table.columns) == COLUMNS
    assert seen[-1][0] == seen[-1][1]
    assert {"C1", "C3", "C4"} <= set(table["claim"])
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        run(TINY, cancel=token)


def test_measured_and_lcdb_targets_lie_between_what_is_owned_and_what_is_reached():
    tasks = lcdb_tasks(3, seed=0)
    assert [task.name for task in tasks] == [task.name for task in lcdb_tasks(3, seed=0)]
    for task in tasks:
        owned = task.oracle.scores[: task.subsets].max()
        assert np.all((between(task) > owned) & (between(task) < task.oracle.scores.max()))


def test_two_sources_on_measured_grids_show_what_one_source_shows(value):
    for grid in STORED_GRIDS:
        for price in ("0.5", "0.1"):
            for rounds in ROUNDS:
                setting = f"two sources, {grid.dataset}, c2={price}, {{}}, T={rounds}"
                for law in ("LOC mixture", "LOC ensemble"):
                    assert value[setting.format(law), "failures"] <= value[setting.format("regression"), "failures"]


def test_two_source_campaigns_are_what_the_stored_table_says(value):
    games = play_sources(STORED_GRIDS[0], SourcesLocPolicy("ensemble"), 1, 0.5, averaged=True)
    setting = "seeds averaged, digits, c2=0.5, LOC ensemble, saturating, T=1"
    assert 100 * (1 - games["met"].mean()) == pytest.approx(value[setting, "failures"], abs=1e-6)
    assert games["cost_ratio"].mean() == pytest.approx(value[setting, "cost ratio"], rel=1e-3)


def test_unknown_policy_is_named():
    with pytest.raises(ValueError, match="policy must be one of"):
        policy_named("guess", 1)
    assert isinstance(policy_named("LOC", 1), LocPolicy)
