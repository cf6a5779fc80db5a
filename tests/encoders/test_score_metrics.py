"""Wasserstein-1 and AUC equal SciPy's and scikit-learn's, and have their invariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from sklearn.metrics import roc_auc_score

from workbench.encoders import group_auc, group_rates, strong_parity, wasserstein

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)
COARSE = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30)
SAMPLES = st.one_of(NUMBERS, COARSE)


@settings(max_examples=40)
@given(first=SAMPLES, second=SAMPLES)
def test_distance_is_that_of_scipy(first, second):
    scale = max(map(abs, first + second), default=1) + 1
    assert wasserstein(first, second) == pytest.approx(wasserstein_distance(first, second), abs=1e-12 * scale)


@settings(max_examples=40)
@given(first=SAMPLES, second=SAMPLES, third=SAMPLES)
def test_distance_is_a_metric(first, second, third):
    slack = 1e-9 * (max(map(abs, first + second + third)) + 1)
    assert wasserstein(first, first) <= slack
    assert wasserstein(first, second) == pytest.approx(wasserstein(second, first), abs=slack)
    assert wasserstein(first, third) <= wasserstein(first, second) + wasserstein(second, third) + slack


@settings(max_examples=40)
@given(sample=COARSE, shift=st.floats(-3, 3), copies=st.integers(1, 3))
def test_shift_moves_by_itself_and_copies_do_not_matter(sample, shift, copies):
    moved = np.repeat(sample, copies) + shift
    assert wasserstein(sample, moved) == pytest.approx(abs(shift), abs=1e-9)


def test_of_decisions_it_is_the_gap_of_selection_rates():
    rng = np.random.default_rng(0)
    decision, group = rng.random(300) < 0.4, rng.choice(["a", "b", "c"], 300)
    rates = group_rates(decision, decision, group).set_index("group")["selection_rate"]
    parity = strong_parity(decision, group, "a").set_index("group")["value"]
    np.testing.assert_allclose(parity, abs(rates - rates["a"]).drop("a"))


def test_far_from_zero_is_as_exact_as_near():
    rng = np.random.default_rng(0)
    first, second = rng.random(1000), rng.random(700) ** 2
    assert wasserstein(first + 1e9, second + 1e9) == pytest.approx(wasserstein(first, second), abs=1e-6)


def test_groups_are_compared_with_the_reference():
    rng = np.random.default_rng(0)
    score, group = rng.random(500), rng.choice(["a", "b", None], 500)
    frame = strong_parity(score, group, "b")
    assert frame["group"].tolist() == ["a", "(missing)"]
    assert frame["n"].tolist() == [(group == "a").sum(), pd.isna(group).sum()]
    for _, row in frame.iterrows():
        chosen = pd.isna(group) if row["group"] == "(missing)" else group == row["group"]
        assert row["value"] == pytest.approx(wasserstein_distance(score[chosen], score[group == "b"]))


def test_chance_bounds_nineteen_of_twenty_groups_that_do_not_differ_and_none_that_does():
    rng = np.random.default_rng(1)
    group = np.repeat([f"g{index}" for index in range(60)] + ["shifted", "all"], [25] * 60 + [25, 400])
    score = rng.normal(size=len(group)) + (group == "shifted")
    frame = strong_parity(score, group, "all", draws=200).set_index("group")
    same = frame.drop(index="shifted")
    assert 0.85 <= (same["value"] < same["chance"]).mean() <= 1
    assert frame.loc["shifted", "value"] > 1.5 * frame.loc["shifted", "chance"]
    assert frame.loc["shifted", "low"] < frame.loc["shifted", "value"] < frame.loc["shifted", "high"]


def test_bounds_of_a_distance_are_closed_form_where_all_scores_of_a_group_are_one():
    frame = strong_parity([0.2] * 5 + [0.7] * 9, ["a"] * 5 + ["b"] * 9, "b", draws=50)
    assert frame[["value", "low", "high"]].to_numpy() == pytest.approx(0.5)
    assert frame["chance"].iloc[0] < 0.5


def test_draws_repeat_with_a_seed_and_narrow_with_more_rows():
    rng = np.random.default_rng(0)
    widths = []
    for rows in (40, 1000):
        score, group = rng.random(2 * rows), np.repeat(["a", "b"], rows)
        frames = [strong_parity(score, group, "a", draws=100, seed=seed) for seed in (3, 3, 4)]
        pd.testing.assert_frame_equal(*frames[:2])
        assert frames[2]["high"].iloc[0] != frames[0]["high"].iloc[0]
        widths.append(frames[0]["high"].iloc[0] - frames[0]["low"].iloc[0])
    assert widths[1] < 0.5 * widths[0]


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"draws": -1}, "draws must be a whole number of at least 0, got -1"),
        ({"draws": 1.5}, "draws must be a whole number of at least 0, got 1.5"),
        ({"draws": 9, "confidence": 95}, "confidence must be between 0 and 1, got 95"),
    ],
)
def test_wrong_draws_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        strong_parity([0.1, 0.2], ["a", "b"], "a", **wrong)


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=40
    )
)
def test_auc_is_that_of_scikit_learn_or_nan(rows):
    y, score, group = (np.array(part) for part in zip(*rows, strict=True))
    for _, row in group_auc(y, score, group).iterrows():
        chosen = group == row["group"]
        if len(set(y[chosen])) == 1:
            assert np.isnan(row["auc"])
        else:
            assert row["auc"] == pytest.approx(roc_auc_score(y[chosen], score[chosen]))
        assert (row["n"], row["positives"]) == (chosen.sum(), y[chosen].sum())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: strong_parity([0.1, 0.2], ["a", "b"], "z"), "reference 'z' is not among the groups {'a', 'b'}"),
        (lambda: strong_parity([0.1, 0.2], ["a"], "a"), "group has 1 rows"),
        (lambda: strong_parity([0.1, np.inf], ["a", "b"], "a"), r"score\[1\] is inf"),
        (lambda: wasserstein([], [1.0]), "a sample is empty"),
        (lambda: group_auc([0, 1], [0.1], ["a", "b"]), "score has shape"),
    ],
)
def test_bad_rows_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
