"""Rates and gaps equal fairlearn's and the definitions, in the paper's and in the published convention; intervals cover."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm
from sklearn.metrics import confusion_matrix

from workbench.encoders import difference_interval, gaps, group_rates, overall, wilson_interval
from workbench.encoders.fairness import gap_values
from workbench.encoders.group_counts import GroupCounts

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from(["a", "b", "c"])),
    min_size=1,
    max_size=40,
)


def sample(seed, rows=2000):
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c", "d"], rows, p=[0.6, 0.3, 0.08, 0.02])
    y = rng.random(rows) < 0.3 + 0.3 * (group == "b")
    return y.astype(int), np.clip(rng.normal(0.4 + 0.2 * y, 0.3), 0, 1), group


def value(frame, metric):
    return frame[frame["metric"] == metric].set_index("group")["value"]


# rates


@pytest.mark.parametrize("seed", range(3))
def test_rates_are_those_of_fairlearn(seed):
    y, score, group = sample(seed)
    rates = group_rates(y, score, group, threshold=0.45).set_index("group")
    metrics = {"n": count, "selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    theirs = MetricFrame(metrics=metrics, y_true=y, y_pred=score > 0.45, sensitive_features=group)
    np.testing.assert_allclose(rates[list(metrics)], theirs.by_group, rtol=1e-12)
    shown = gaps(group_rates(y, score, group, threshold=0.45), "a")
    for metric, name in (("equal_opportunity", "tpr"), ("selection_gap", "selection_rate")):
        by_group = theirs.by_group[name]
        np.testing.assert_allclose(value(shown, metric), (by_group - by_group["a"]).drop("a"), rtol=1e-9)


@settings(max_examples=40)
@given(rows=ROWS)
def test_rates_are_shares_of_the_rows(rows):
    y, score, group = (np.array(part) for part in zip(*rows, strict=True))
    rates = group_rates(y, score, group)
    assert rates["n"].sum() == len(rows)
    for _, row in rates.iterrows():
        of_group = group == row["group"]
        for name, condition in (("tpr", y), ("fpr", ~y), ("selection_rate", y | True)):
            chosen = score[of_group & condition] > 0.5
            assert (np.isnan(row[name]) and not len(chosen)) or row[name] == pytest.approx(chosen.mean())
            assert np.isnan(row[name]) or 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1


@settings(max_examples=40)
@given(rows=ROWS, seed=st.integers(0, 9))
def test_order_of_rows_does_not_matter(rows, seed):
    order = np.random.default_rng(seed).permutation(len(rows))
    y, score, group = (np.array(part) for part in zip(*rows, strict=True))
    pd.testing.assert_frame_equal(group_rates(y, score, group), group_rates(y[order], score[order], group[order]))


def test_score_at_the_threshold_is_not_selected():
    assert group_rates([1, 0], [0.5, 0.5], ["a", "a"])["selected"].item() == 0
    assert group_rates([1, 0], [0.5, 0.5], ["a", "a"], threshold=0.49)["selected"].item() == 2


def test_rate_of_no_rows_is_nan_beside_its_count():
    rates = group_rates([1, 0, 0, 0], [1, 0, 1, 0], ["a", "a", "b", "b"]).set_index("group")
    assert rates.loc["b", "positives"] == 0
    assert rates.loc["b", ["tpr", "tpr_low", "tpr_high"]].isna().all()
    assert rates.loc["b", "fpr"] == 0.5


def test_groups_that_do_not_occur_are_left_out_and_missing_is_a_group():
    group = pd.Categorical(["a", None, "a"], ["a", "empty"])
    assert group_rates([1, 0, 0], [1, 0, 1], group)["group"].tolist() == ["a", "(missing)"]


def test_counts_of_many_selections_at_once():
    y, score, group = sample(0, 300)
    codes, thresholds = pd.factorize(group, sort=True)[0], np.linspace(0, 1, 7)
    together = GroupCounts.of(y, score > thresholds[:, None], codes, 4)
    for row, threshold in enumerate(thresholds):
        rates = group_rates(y, score, group, threshold)
        np.testing.assert_array_equal(together.true_positives[row], rates["true_positives"])
        np.testing.assert_array_equal(together.selected[row], rates["selected"])
        np.testing.assert_array_equal(together.rows[row], rates["n"])


# gaps


@pytest.mark.parametrize("seed", range(3))
def test_gaps_are_the_definitions_of_the_paper(seed):
    y, score, group = sample(seed)
    shown, rates = gaps(group_rates(y, score, group), "b"), group_rates(y, score, group).set_index("group")
    tpr, fpr = ((rates[name] - rates.loc["b", name]).drop("b") for name in ("tpr", "fpr"))
    pd.testing.assert_series_equal(value(shown, "equal_opportunity"), tpr, check_names=False)
    pd.testing.assert_series_equal(value(shown, "average_absolute_odds"), (abs(tpr) + abs(fpr)) / 2, check_names=False)
    assert set(shown["group"]) == {"a", "c", "d"}
    assert (shown["reference"] == "b").all()


@pytest.mark.parametrize("seed", range(3))
def test_published_gaps_are_those_of_class_zero(seed):
    """The published code reads TPR and FPR off index 0 of the confusion matrix, and adds the gap of that FPR to itself."""
    y, score, group = sample(seed)
    shown = gaps(group_rates(y, score, group), "a", convention="published")

    def rates_of_class_zero(name):
        (true_0, false_1), (false_0, true_1) = confusion_matrix(y[group == name], score[group == name] > 0.5)
        return true_0 / (true_0 + false_1), false_0 / (false_0 + true_1)

    tpr_ref, fpr_ref = rates_of_class_zero("a")
    for name in "bcd":
        tpr, fpr = rates_of_class_zero(name)
        assert value(shown, "equal_opportunity")[name] == pytest.approx(tpr - tpr_ref)
        assert value(shown, "average_absolute_odds")[name] == pytest.approx(abs(fpr_ref - fpr) + abs(fpr_ref - fpr))


def test_conventions_exchange_the_classes():
    y, score, group = sample(0)
    paper = gaps(group_rates(y, score, group), "a")
    published = gaps(group_rates(1 - y, 1 - score, group), "a", convention="published")
    for metric, sign in (("equal_opportunity", 1), ("selection_gap", 1)):
        np.testing.assert_allclose(value(paper, metric), sign * value(published, metric))


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_constant_prediction_is_fair(constant):
    y, _, group = sample(0)
    shown = gaps(group_rates(y, np.full(len(y), constant), group), "a")
    assert (shown["value"] == 0).all()
    assert (shown["low"] <= 0).all()
    assert (shown["high"] >= 0).all()


def test_group_without_positives_is_skipped_and_counted():
    y, score, group = [1, 0, 1, 0, 0, 1, 0], [1, 0, 0, 1, 0, 1, 1], list("aabbcdd")
    table = overall(gaps(group_rates(y, score, group), "a")).set_index("metric")
    assert table.loc["equal_opportunity", ["sum", "mean", "max", "groups", "skipped"]].tolist() == [1, 0.5, 1, 3, 1]
    assert table.loc["equal_opportunity", "note"] == "1 of 3 groups skipped"
    assert table.loc["selection_gap", ["groups", "skipped", "note"]].tolist() == [3, 0, ""]


def test_nothing_to_sum_is_nan_not_fair():
    shown = gaps(group_rates([1, 0, 0], [1, 0, 1], ["a", "a", "b"]), "a")
    table = overall(shown).set_index("metric")
    assert table.loc["equal_opportunity", ["sum", "mean", "max"]].isna().all()


def test_sums_are_kept_apart_by_model_scheme_and_strength():
    frame = pd.DataFrame({"model": ["x", "x", "y"], "metric": "selection_gap", "value": [0.1, -0.2, 0.4]})
    assert overall(frame)["sum"].round(9).tolist() == [0.3, 0.4]


# intervals


@pytest.mark.parametrize(
    "p, q, n, m", [(0.2, 0.2, 8, 30), (0.9, 0.5, 10, 50), (0.02, 0.05, 15, 200), (0.5, 0.5, 4, 400)]
)
def test_interval_of_a_difference_covers(p, q, n, m):
    """Exact coverage: the probability of the outcomes whose interval holds the true difference; 0.92 with four rows."""
    k, j = np.arange(n + 1)[:, None], np.arange(m + 1)
    low, high = difference_interval(k, n, j, m)
    weight = binom.pmf(k, n, p) * binom.pmf(j, m, q)
    assert 0.92 < weight[(low <= p - q) & (p - q <= high)].sum() <= 1


@pytest.mark.parametrize("rates", [((0.3, 0.3), (0.2, 0.2)), ((0.5, 0.3), (0.1, 0.2)), ((0.9, 0.4), (0.6, 0.1))])
@pytest.mark.parametrize("convention", ["paper", "published"])
def test_interval_of_average_absolute_odds_covers(rates, convention):
    (tpr, tpr_ref), (fpr, fpr_ref) = rates
    rng, positives, negatives = np.random.default_rng(0), np.array([400, 12]), np.array([500, 20])
    hits = rng.binomial(positives, [tpr_ref, tpr], (4000, 2))
    alarms = rng.binomial(negatives, [fpr_ref, fpr], (4000, 2))
    counts = GroupCounts(positives + negatives, positives, hits, alarms)
    _, low, high = (part[:, 1] for part in gap_values(counts, 0, convention)["average_absolute_odds"])
    truth = {"paper": (abs(tpr - tpr_ref) + abs(fpr - fpr_ref)) / 2, "published": 2 * abs(tpr - tpr_ref)}[convention]
    assert np.mean((low <= truth + 1e-12) & (truth <= high)) > 0.94


@settings(max_examples=40)
@given(k=st.integers(0, 50), extra=st.integers(0, 50), confidence=st.floats(0.5, 0.999))
def test_wilson_bounds_solve_its_equation(k, extra, confidence):
    n = k + extra
    low, high = wilson_interval(k, n, confidence)
    if not n:
        assert np.isnan(low)
        return
    assert 0 <= low <= k / n <= high <= 1
    for bound in {float(low), float(high)} - {0.0, 1.0}:
        z = (k / n - bound) / np.sqrt(bound * (1 - bound) / n)
        assert 2 * (1 - norm.cdf(abs(z))) == pytest.approx(1 - confidence, rel=1e-6)


# what is refused


@pytest.mark.parametrize(
    "y, score, group, message",
    [
        ([1, 0], [0.1, 0.2], ["a"], "group has 1 rows, y has 2"),
        ([1, 0], [0.1], ["a", "b"], r"score has shape \(1,\); expected one number for each of 2 rows"),
        ([1, 0], [0.1, np.nan], ["a", "b"], r"score\[1\] is nan"),
        ([1, 2], [0.1, 0.2], ["a", "b"], "target must be binary 0/1, found {1, 2}"),
        ([], [], [], "group has no rows"),
    ],
)
def test_bad_rows_are_named(y, score, group, message):
    with pytest.raises(ValueError, match=message):
        group_rates(y, score, group)


def test_bad_options_are_named():
    rows = ([1, 0], [0.1, 0.2], ["a", "a"])
    with pytest.raises(ValueError, match="threshold is NaN"):
        group_rates(*rows, threshold=np.nan)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, got 95"):
        group_rates(*rows, confidence=95)
    with pytest.raises(ValueError, match="convention must be one of 'paper', 'published', got 'code'"):
        gaps(group_rates(*rows), "a", convention="code")


@pytest.mark.parametrize(
    "reference, message",
    [
        ("z", "reference 'z' is not among the groups {'a', 'b', 'c'}"),
        ("b", "reference 'b' has 2 rows without positives: no gap to it is defined"),
        ("c", "reference 'c' has 1 rows without negatives"),
    ],
)
def test_reference_must_define_a_gap(reference, message):
    rates = group_rates([1, 0, 0, 0, 1], [1, 0, 1, 0, 1], ["a", "a", "b", "b", "c"])
    with pytest.raises(ValueError, match=message):
        gaps(rates, reference)
