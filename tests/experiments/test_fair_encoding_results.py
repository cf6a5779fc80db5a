"""The stored tables of paper 10: their shape, that they are what the code gives, and what they must show."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.encoders import encodings
from workbench.experiments import fair_encoding_tasks as tasks
from workbench.experiments.fair_encoding import FULL
from workbench.experiments.fair_encoding_claims import claims
from workbench.experiments.fair_encoding_measure import FIT, measure_half, summary
from workbench.experiments.fair_encoding_paper import PAPER_FIGURE_1, PAPER_FIGURE_3
from workbench.experiments.results import COLUMNS, load_results

LINEAR, _, TREES = tasks.MODELS


@pytest.fixture(scope="module")
def stored():
    return load_results("fair_encoding")


@pytest.fixture(scope="module")
def swept():
    return load_results("fair_encoding_sweep")


@pytest.fixture(scope="module")
def value(stored):
    return stored.set_index(["setting", "quantity"])["value"]


def test_stored_tables_say_what_they_were_measured_under(stored, swept):
    assert tuple(stored.columns) == COLUMNS
    assert not stored.duplicated(["setting", "quantity"]).any()
    groups, relabelled = load_results("fair_encoding_groups"), load_results("fair_encoding_relabel")
    for table in (stored, swept, groups, relabelled):
        assert table.attrs["record"]["config"]["seeds"] == list(FULL.seeds)
        assert table.attrs["record"]["config"]["smoothing"] == list(FULL.smoothing)
    assert len(FULL.seeds) >= 8
    assert not swept.duplicated(FIT).any()
    assert (swept.groupby(FIT[:-1], dropna=False).size() == len(FULL.seeds)).all()
    assert set(groups.query("task == 'COMPAS'")["group"]) == set(tasks.compas_task().group)


def test_the_stored_sweep_is_what_the_code_gives(swept):
    compas = tasks.compas_task()
    fresh = summary(
        measure_half(compas, (LINEAR,), encodings(list(compas.encoded), smoothing=[1e4], noise=[0.3]), seed=0)
    )
    merged = fresh.merge(swept, on=FIT, suffixes=("", "_stored"))
    assert len(merged) == 4
    for column in ("auc", "accuracy", "equal_opportunity_sum", "strong_parity_max", "selection_gap_mean", "skipped"):
        np.testing.assert_allclose(merged[column], merged[f"{column}_stored"], atol=2e-3)


def test_published_numbers_stand_beside_ours(stored):
    rows = stored.set_index(["setting", "quantity"])
    for (model, name), figures in PAPER_FIGURE_1.items():
        assert rows.loc[(f"COMPAS, {model}, {name}", "AUC"), "paper"] == figures["auc"]
        setting = f"{tasks.COMPAS_PUBLISHED}, {model}, {name}"
        assert rows.loc[(setting, "EOF, sum"), "paper"] == figures["equal_opportunity"]
    assert stored.query("claim == 'C6, C7'")["paper"].notna().sum() == len(PAPER_FIGURE_3)


def test_using_the_attribute_raises_performance_and_lowers_fairness(value):
    for model in tasks.MODELS:
        none, one_hot = (f"COMPAS, {model}, {name}" for name in ("none", "one-hot"))
        assert value[one_hot, "AUC"] > value[none, "AUC"] + 0.1
        assert value[one_hot, "EOF, sum"] > 4 * value[none, "EOF, sum"]


def test_smoothing_and_noise_tame_a_linear_model_but_smoothing_does_not_tame_trees(value):
    def left(model, name):
        return value[f"COMPAS, {model}, {name}", "EOF, sum"] / value[f"COMPAS, {model}, target", "EOF, sum"]

    assert left(LINEAR, "smoothing 10000") < 0.7
    assert left(LINEAR, "smoothing 1e+06") < 0.25
    assert left(TREES, "smoothing 1e+06") > 0.8
    assert max(left(model, "noise 1") for model in tasks.MODELS) < 0.5


def test_at_strong_noise_decisions_are_blind_and_scores_are_not(value):
    blind, noisy = (f"COMPAS, {LINEAR}, {name}" for name in ("none", "noise 0.5"))
    assert value[noisy, "DP of decisions, sum"] == pytest.approx(value[blind, "DP of decisions, sum"], abs=0.03)
    assert value[noisy, "AUC"] > value[blind, "AUC"] + 0.04
    assert value[noisy, "DP of scores, sum"] > value[blind, "DP of scores, sum"] + 0.02


def test_another_threshold_brings_the_gap_back(value):
    name = f"COMPAS, {LINEAR}, {{}}, as many selected as have the label"
    blind, noisy = (value[name.format(encoding), "EOF, greatest"] for encoding in ("none", "noise 0.5"))
    assert noisy > blind + 0.3


def test_noise_leaves_the_weight_that_attenuation_foretells(value):
    for noise in (0.1, 0.2, 0.3, 0.5):
        setting = f"ethnicity is the only feature, noise {noise:g}"
        foretold, kept = (value[setting, f"weight kept, {name}"] for name in ("foretold", "logistic regression"))
        assert foretold == pytest.approx({0.1: 67, 0.2: 34, 0.3: 19, 0.5: 8}[noise], abs=1)
        assert kept == pytest.approx(foretold, abs=4)


def test_smoothing_hurts_a_small_group_on_the_other_side_of_one_half(value):
    for k in (5, 20, 50):
        plain, smoothed = (value[f"{k} renamed, smoothing {m}", "mean |EOF|"] for m in (0, 100))
        assert smoothed > plain
    assert value["1000 renamed, smoothing 0", "mean |EOF|"] < 0.02


def test_smoothing_halves_the_sum_by_the_small_groups_and_leaves_the_greatest_gap(value):
    plain, smoothed = (f"COMPAS, {LINEAR}, {name}" for name in ("target", "smoothing 10000"))
    assert value[smoothed, "EOF, sum"] < 0.6 * value[plain, "EOF, sum"]
    assert value[smoothed, "EOF, greatest"] > 0.9 * value[plain, "EOF, greatest"]
    groups = load_results("fair_encoding_groups").query(
        "task == 'COMPAS' and model == @LINEAR and scheme == 'smoothing'"
    )
    tpr = groups[groups["strength"] == 1e4].set_index("group")["tpr"]
    gaps = (tpr - tpr["Caucasian"]).abs()
    assert gaps.idxmax() == "African-American"
    assert gaps.drop("African-American").max() < 0.1


def test_race_adds_nothing_where_the_label_is_an_outcome(value):
    none, one_hot = (f"{tasks.TWO_YEARS}, {LINEAR}, {name}" for name in ("none", "one-hot"))
    assert value[one_hot, "AUC"] == pytest.approx(value[none, "AUC"], abs=2e-3)


def test_every_claim_is_judged_by_the_stored_numbers(stored):
    table = claims(stored).set_index("claim")
    assert list(table.index) == [f"C{number}" for number in range(1, 9)]
    assert set(table["holds"]) <= {"yes", "partly", "no"}
    assert not table["measured"].str.contains("nan").any()
