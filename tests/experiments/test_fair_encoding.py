"""The experiment of paper 10: what it measures, against the same numbers by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from workbench.encoders import TargetEncoder, encodings
from workbench.experiments import fair_encoding_tasks as tasks
from workbench.experiments.fair_encoding import encoding_name, run
from workbench.experiments.fair_encoding_bias import measure_relabel, theory_rows
from workbench.experiments.fair_encoding_measure import (
    FairEncodingConfig,
    grid,
    measure,
    measure_half,
    published,
    summary,
)
from workbench.experiments.fair_encoding_paper import PAPER_FIGURE_1
from workbench.experiments.results import COLUMNS
from workbench.training import Cancelled, CancelToken

LINEAR = tasks.MODELS[0]
TINY = FairEncodingConfig(
    seeds=(0, 1),
    models=(LINEAR,),
    noise=(0.3,),
    smoothing=(0.0, 1e4),
    published_noise=(1.0,),
    relabel_sizes=(200,),
    relabel_repeats=1,
    draws=20,
    others=False,
)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY)


@pytest.fixture(scope="module")
def compas():
    return tasks.compas_task()


def by_hand(task, encoder, seed, on_training_rows=False):
    """Return scores, labels and groups with each step written out."""
    train, test = task.halves(seed)
    shown = train if on_training_rows else test
    frames = [task.frame.iloc[rows].reset_index(drop=True) for rows in (train, shown)]
    for column in task.frame.columns.drop(list(task.encoded)):
        counts = pd.Series(task.label[train]).groupby(frames[0][column]).agg(["sum", "size"])
        means = (counts["sum"] + task.label[train].mean()) / (counts["size"] + 1)
        for frame in frames:
            frame[column] = frame[column].map(means).fillna(task.label[train].mean()).astype(float)
    X, X_shown = encoder.fit_transform(frames[0], task.label[train]), encoder.transform(frames[1])
    scores = LogisticRegression().fit(X, task.label[train]).predict_proba(X_shown)[:, 1]
    return scores, task.label[shown], task.group[shown]


def test_a_half_is_measured_as_by_hand(compas):
    table = measure_half(compas, (LINEAR,), encodings(list(compas.encoded), smoothing=[1e4]), seed=3)
    kept = table[table["scheme"] == "smoothing"].set_index(["metric", "group"])["value"]
    scores, label, group = by_hand(compas, TargetEncoder(list(compas.encoded), smoothing=1e4), 3)
    assert kept["auc", "all"] == pytest.approx(roc_auc_score(label, scores), abs=1e-4)
    rates = {name: (scores[(group == name) & (label == 1)] > 0.5).mean() for name in set(group)}
    for name in set(group) - {"Caucasian"}:
        assert kept["equal_opportunity", name] == pytest.approx(rates[name] - rates["Caucasian"], abs=2e-3)
    wide = summary(table).set_index("scheme").loc["smoothing"]
    assert wide["equal_opportunity_sum"] == pytest.approx(
        sum(abs(v - rates["Caucasian"]) for v in rates.values()), abs=5e-3
    )
    assert wide["accuracy"] == pytest.approx(((scores > 0.5) == label).mean(), abs=1e-3)
    assert (wide["groups"], wide["skipped"]) == (5, 0)


def test_the_published_definitions_are_of_class_0_on_the_training_rows(compas):
    table = measure_half(compas, (LINEAR,), encodings(list(compas.encoded)), seed=0, as_published=True)
    kept = table[table["scheme"] == "drop"].set_index(["metric", "group"])["value"]
    train, _ = compas.halves(0)
    rest = (
        compas.others().fit_transform(compas.frame.iloc[train], compas.label[train]).drop(columns=list(compas.encoded))
    )
    low = LogisticRegression().fit(rest, compas.label[train]).predict_proba(rest)[:, 1] <= 0.5
    label, group = compas.label[train], compas.group[train]

    def rate(name, of):
        return low[(group == name) & (label == of)].mean()

    for name in ("African-American", "Hispanic"):
        eof = rate(name, 0) - rate("Caucasian", 0)
        assert kept["equal_opportunity", name] == pytest.approx(eof, abs=1e-9)
        odds = 2 * abs(rate(name, 1) - rate("Caucasian", 1))
        assert kept["average_absolute_odds", name] == pytest.approx(odds, abs=1e-9)


def test_halves_are_disjoint_and_alike(compas):
    train, test = compas.halves(0)
    assert len(np.union1d(train, test)) == len(compas.label) == len(train) + len(test)
    for name in set(compas.group):
        for label in (0, 1):
            counts = [((compas.group[rows] == name) & (compas.label[rows] == label)).sum() for rows in (train, test)]
            assert abs(counts[0] - counts[1]) <= 1
    assert not np.array_equal(train, compas.halves(1)[0])
    np.testing.assert_array_equal(train, compas.halves(0)[0])


def test_an_intersection_leaves_no_part_of_itself_among_the_features():
    marital, ethnic, both = tasks.intersection_tasks()
    assert set(ethnic.frame) - set(tasks.compas_task().frame.drop(columns=[tasks.ETHNIC, tasks.MARITAL])) == {
        tasks.ETHNIC
    }
    assert {tasks.MARITAL, tasks.ETHNIC}.isdisjoint(both.frame)
    assert (marital.reference, ethnic.reference, both.reference) == ("Married", "Caucasian", "Caucasian|Married")
    assert [len(set(task.group)) for task in (marital, ethnic, both)] == [7, 6, 37]
    country, race, crossed = tasks.adult_tasks(2000)
    assert set(crossed.frame) == {*tasks.ADULT_FEATURES, tasks.RACE_COUNTRY}
    assert (race.reference, crossed.reference) == ("White", "White|United-States")
    assert len(country.label) == 2000


def test_numbers_are_standardised_and_words_are_not():
    task = tasks.two_years_task()
    train, _ = task.halves(0)
    X = task.others().fit_transform(task.frame.iloc[train], task.label[train])
    assert abs(X["age"].mean()) < 1e-9
    assert X["age"].std(ddof=0) == pytest.approx(1)
    assert X["sex"].between(0, 1).all()
    assert set(X["race"]) == {"African-American", "Caucasian", "Hispanic", "Other"}


def test_small_groups_are_left_out_and_counted():
    rows = []
    for metric in ("equal_opportunity", "average_absolute_odds", "strong_parity", "selection_gap"):
        rows += [(metric, "a", -0.2, 30, 12), (metric, "b", 0.4, 40, 10), (metric, "c", 0.9, 9, 9)]
    rows += [("tpr", "a", 0.5, 30, 12), ("tpr", "b", 0.8, 40, 10), ("fpr", "a", 0.5, 30, 12), ("fpr", "b", 0.1, 40, 10)]
    rows += [("auc", "all", 0.7, 79, 31)]
    table = pd.DataFrame(rows, columns=["metric", "group", "value", "n", "positives"])
    table = table.assign(task="t", attribute="g", model="m", scheme="drop", strength=np.nan, seed=0)
    (row,) = summary(table).to_dict("records")
    assert (row["auc"], row["groups"], row["skipped"]) == (0.7, 3, 1)
    for gap in ("equal_opportunity", "selection_gap"):
        assert [row[f"{gap}_{name}"] for name in ("sum", "mean", "max")] == pytest.approx([0.6, 0.3, 0.4])
    assert row["accuracy"] == pytest.approx((6 + 8 + 9 + 27) / 70)


def test_every_encoding_has_a_name_of_its_own():
    points = [*grid(["x"], [0.1, 0.3], [0, 100.0], 0), *published(["x"], [0.0, 0.3], 0)]
    names = [encoding_name(point.scheme, point.strength) for point in points]
    assert names == [
        *("none", "one-hot", "target", "smoothing 100", "noise 0.1", "noise 0.3", "loo", "crossfit"),
        *("published noise 0", "published noise 0.3"),
    ]


def test_a_tiny_run_gives_the_rows_of_a_full_one(tiny):
    assert tuple(tiny.columns) == COLUMNS
    assert not tiny["value"].isna().any()
    assert not tiny.duplicated(["setting", "quantity"]).any()
    value = tiny.set_index(["setting", "quantity"])["value"]
    none, one_hot = (value[f"COMPAS, {LINEAR}, {name}", "AUC"] for name in ("none", "one-hot"))
    assert none < one_hot - 0.1
    smoothed, plain = (value[f"COMPAS, {LINEAR}, {name}", "EOF, sum"] for name in ("smoothing 10000", "target"))
    assert smoothed < 0.7 * plain
    row = tiny[(tiny["setting"] == f"COMPAS, {LINEAR}, one-hot") & (tiny["quantity"] == "AUC")].iloc[0]
    assert row["paper"] == PAPER_FIGURE_1[LINEAR, "one-hot"]["auc"]


def test_progress_ends_and_stop_stops():
    seen = []
    config = FairEncodingConfig(seeds=(0,), models=(LINEAR,), noise=(), smoothing=(), published_noise=(), others=False)
    table, groups = measure(config, lambda done, total, message: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert list(table["scheme"]) == ["drop", "one-hot"] * 2
    assert len(groups) == 2 * 2 * 6
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        measure(config, cancel=token)
    with pytest.raises(Cancelled):
        measure_relabel(TINY, cancel=token)


def test_draws_agree_with_the_closed_forms():
    rows = {(setting, quantity): (value, spread) for _, setting, quantity, _, value, spread, _ in theory_rows(TINY)}
    for (setting, quantity), (value, _) in rows.items():
        if quantity.endswith("drawn"):
            exact, _ = rows[setting, "chance to be called positive, closed form"]
            assert abs(value - exact) <= 4 * np.sqrt(exact * (1 - exact) / TINY.draws) + 0.05
        if quantity.startswith("irreducible") and setting.endswith("m = 0"):
            assert value == pytest.approx((0.58 - 0.43) ** 2)


def test_people_who_are_renamed_are_no_others(tiny):
    table = measure_relabel(TINY)
    assert list(table.columns) == ["scheme", "strength", "k", "seed", "equal_opportunity"]
    assert len(table) == 4
    assert table["equal_opportunity"].abs().max() < 0.2


def test_unknown_models_are_refused():
    with pytest.raises(ValueError, match="model must be one of logistic regression, MLP, boosted trees, got 'oracle'"):
        tasks.model_named("oracle", 0)
