"""Scores on demand, and what is made of them: the same numbers as the sweep's, for any strength, threshold and convention."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.encoders import TargetEncoder, TrainingColumn, encodings, group_rates, strong_parity
from workbench.experiments import fair_encoding_tasks as tasks
from workbench.experiments.fair_encoding_frontier import (
    auc_of,
    best_within,
    frontier,
    frontier_of_book,
    gap_size,
    group_lines,
)
from workbench.experiments.fair_encoding_measure import FairEncodingConfig, group_table, measure_half, summary
from workbench.experiments.fair_encoding_questions import questions
from workbench.experiments.fair_encoding_relabel import GAME_ENCODINGS, RENAMED, RelabelGame, play_often
from workbench.experiments.fair_encoding_scores import LINEAR, ScoreBook, encoder_named, measure_scores
from workbench.experiments.fair_encoding_trees import LEARNERS, score_spread, small_tree
from workbench.training import Cancelled, CancelToken

TINY = FairEncodingConfig(seeds=(0,), models=(LINEAR,), noise=(0.3,), smoothing=(0.0, 1e4), published_noise=(0.6,))
STRENGTHS = np.array([0, 1, 1e2, 1e3, 1e4, 1e5, 1e6])


@pytest.fixture(scope="module")
def compas():
    return tasks.compas_task()


@pytest.fixture(scope="module")
def book(compas):
    return ScoreBook(compas)


@pytest.fixture(scope="module")
def half(compas):
    return measure_half(compas, (LINEAR,), encodings(list(compas.encoded), smoothing=[1e4], noise=[0.3]), seed=0)


@pytest.fixture(scope="module")
def table(compas):
    train, _ = compas.halves(0)
    return TrainingColumn.of(compas.frame[tasks.ETHNIC].iloc[train], compas.label[train]).table


@pytest.mark.parametrize(
    "scheme, strength", [("drop", np.nan), ("one-hot", np.nan), ("smoothing", 1e4), ("noise", 0.3)]
)
def test_a_book_gives_what_the_sweep_measures(book, half, scheme, strength):
    same = half["strength"].isna() if np.isnan(strength) else half["strength"] == strength
    swept = half[(half["scheme"] == scheme) & same].set_index(["metric", "group"])["value"]
    ours = book.table(LINEAR, scheme, strength).set_index(["metric", "group"])["value"]
    assert set(ours.index) == set(swept.index)
    # the sweep fits all rows and the book distinct ones: the solver stops elsewhere in the fifth digit, and a score may cross 0.5
    np.testing.assert_allclose(ours[swept.index], swept, atol=4e-3)


def test_the_published_convention_is_measured_on_the_training_half(book, compas):
    published = measure_half(compas, (LINEAR,), encodings(list(compas.encoded)), seed=0, as_published=True)
    swept = published[published["scheme"] == "one-hot"].set_index(["metric", "group"])["value"]
    ours = book.table(LINEAR, "one-hot", np.nan, 0.5, "published")
    for metric in ("equal_opportunity", "average_absolute_odds", "strong_parity"):
        for group in set(compas.group) - {compas.reference}:
            value = ours.query("metric == @metric and group == @group")["value"].iloc[0]
            assert value == pytest.approx(swept[metric, group], abs=5e-3)
    assert auc_of(ours) == auc_of(book.table(LINEAR, "one-hot", np.nan))


def test_a_threshold_moves_the_decisions_and_not_the_scores(book):
    low, high = (book.table(LINEAR, "one-hot", np.nan, threshold) for threshold in (0.3, 0.5))
    scores, rows = book.scores(LINEAR, "one-hot", np.nan), book.test
    rates = group_rates(book.task.label[rows], scores[rows], book.task.group[rows], 0.3)
    found = low[low["metric"] == "tpr"].set_index("group")["value"]
    np.testing.assert_allclose(found[rates["group"]], rates["tpr"])
    assert gap_size(low, "equal_opportunity").sum != gap_size(high, "equal_opportunity").sum
    parity = strong_parity(scores[rows], book.task.group[rows], book.task.reference)
    for one in (low, high):
        assert gap_size(one, "strong_parity").sum == pytest.approx(parity["value"].sum())


def test_stored_scores_are_those_that_a_fit_gives(book, compas):
    stored = measure_scores(TINY)
    assert not stored.duplicated(list(compas.frame)).any()
    read = ScoreBook(
        compas, stored=stored.sample(frac=1, random_state=0)
    )  # rows are found by their features, not their order
    for scheme, strength in (("drop", np.nan), ("one-hot", np.nan), ("smoothing", 1e4), ("noise", 0.3)):
        np.testing.assert_allclose(
            read.scores(LINEAR, scheme, strength), book.scores(LINEAR, scheme, strength), atol=1e-5
        )
    assert read.scores(LINEAR, "published noise", 0.6).shape == (len(compas.label),)
    with pytest.raises(ValueError, match="stored scores are of other rows"):
        ScoreBook(compas, stored=stored.iloc[1:])
    with pytest.raises(ValueError, match="stored scores lack the column 'Sex'"):
        ScoreBook(compas, stored=stored.drop(columns="Sex"))
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        measure_scores(TINY, cancel=token)


def test_models_that_are_not_stored_are_named(book):
    assert book.models == (LINEAR,)
    assert book.strengths(LINEAR, "noise") is None
    with pytest.raises(ValueError, match=r"no scores of MLP are stored for COMPAS, noise 0\.3"):
        book.scores("MLP", "noise", 0.3)
    with pytest.raises(ValueError, match="scheme must be 'drop', 'one-hot', 'smoothing' or 'noise', got 'woe'"):
        encoder_named(["race"], "woe")
    with pytest.raises(ValueError, match=r"half must be one of \('train', 'test'\), got 'all'"):
        book.rows("all")


def test_frontier_is_the_mean_over_the_halves_and_groups_that_are_too_small_do_not_count(half, compas):
    second = measure_half(compas, (LINEAR,), encodings(list(compas.encoded), smoothing=[1e4], noise=[0.3]), seed=1)
    sweep = summary(pd.concat([half, second]))
    points = frontier(sweep, compas.name, compas.attribute, LINEAR, "equal_opportunity", "sum").set_index("scheme")
    for scheme in ("drop", "one-hot", "noise"):
        each = [gap_size(table[table["scheme"] == scheme], "equal_opportunity").sum for table in (half, second)]
        assert points.loc[scheme, "gap"] == pytest.approx(np.mean(each))
        assert points.loc[scheme, "gap_spread"] == pytest.approx(np.std(each, ddof=1))
    size = gap_size(half[half["scheme"] == "one-hot"], "equal_opportunity", least_positives=100)
    assert (size.groups, size.skipped) == (5, 3)
    assert np.isnan(gap_size(half.iloc[:0], "equal_opportunity").sum)
    lines = group_lines(group_table(half), compas.name, compas.attribute, LINEAR)
    assert set(lines) == {("drop", -1.0), ("one-hot", -1.0), ("smoothing", 1e4), ("noise", 0.3)}
    assert lines["drop", -1.0].count("<br>") == 5


def test_frontier_of_one_half_is_its_tables(book, half):
    points = frontier_of_book(book, LINEAR, [("drop", np.nan), ("smoothing", 1e4)], "strong_parity", "max")
    assert points["scheme"].tolist() == ["drop", "smoothing"]
    assert points["gap"].iloc[1] == pytest.approx(
        gap_size(half[half["scheme"] == "smoothing"], "strong_parity").max, abs=1e-3
    )
    assert best_within(points, loss=0.0)["scheme"] == "smoothing"
    assert best_within(points, loss=1.0)["scheme"] == "drop"


@pytest.mark.parametrize("name", questions())
def test_every_question_names_a_task_whose_label_has_a_card(name):
    question = questions()[name]
    task, card = question.make(), question.card()
    assert task.reference in set(task.group)
    assert card.label_is_not
    assert task.attribute in task.encoded


def test_a_tree_separates_categories_at_any_smoothing_and_a_penalty_does_not(table):
    spread = score_spread(table, STRENGTHS)
    assert tuple(spread) == LEARNERS
    shares = table.positives / table.counts
    np.testing.assert_allclose(spread["tree"], np.ptp(shares))
    assert (np.diff(spread["logistic regression"]) < 0).all()
    assert spread["logistic regression"][-1] < 1e-3
    np.testing.assert_allclose(spread["the same without penalty"], spread["the same after a scaler"], atol=2e-3)
    assert spread["the same without penalty"][-1] > 0.25


def test_cuts_of_a_small_tree_tell_its_leaves_apart(table):
    for m in STRENGTHS:
        tree, encoding = small_tree(table, m), table.means(m)
        assert len(tree.cuts) == 2
        for leaf in range(3):
            inside = tree.leaves == leaf
            share = table.positives[inside].sum() / table.counts[inside].sum()
            np.testing.assert_allclose(tree.scores[inside], share)
        order = np.argsort(encoding)
        assert (np.diff(tree.leaves[order]) >= 0).all()
    plain, strong = small_tree(table), small_tree(table, 1e6)
    assert np.ptp(strong.cuts) < 5e-3 * np.ptp(plain.cuts)
    together = [{frozenset(np.flatnonzero(tree.leaves == leaf)) for leaf in range(3)} for tree in (plain, strong)]
    assert together[0] == together[1]


def test_a_draw_of_the_game_is_what_it_says(compas):
    game = RelabelGame(compas)
    assert (game.group, game.most) == ("African-American", 4505)
    k, draw = 50, 3
    played = game.play(k, draw).set_index(["scheme", "strength"])["equal_opportunity"]
    assert played.index.get_level_values("scheme").tolist() == [scheme for scheme, _ in GAME_ENCODINGS]
    train, test = compas.halves(0)
    others = compas.others()
    X, y = others.fit_transform(compas.frame.iloc[train], compas.label[train]), compas.label[train]
    names = X[tasks.ETHNIC].to_numpy(object).copy()
    candidates = np.flatnonzero(names == game.group)
    names[np.random.default_rng([0, draw, k]).choice(candidates, k, replace=False)] = game.group + RENAMED
    encoder = TargetEncoder(list(compas.encoded), smoothing=100.0)
    model = LogisticRegression().fit(encoder.fit_transform(X.assign(Ethnicity=names), y), y)
    shown = test[(compas.group[test] == game.group) & (compas.label[test] == 1)]
    X_test = others.transform(compas.frame.iloc[shown])
    rates = [
        (model.predict_proba(encoder.transform(X_test.assign(Ethnicity=name)))[:, 1] > 0.5).mean()
        for name in (game.group, game.group + RENAMED)
    ]
    assert played["smoothing", 100.0] == pytest.approx(rates[1] - rates[0], abs=5e-3)
    assert len(list(play_often(game, k, range(2)))[-1]) == 2 * len(GAME_ENCODINGS)


def test_the_game_refuses_what_cannot_be_played(compas):
    game = RelabelGame(compas, "Native American")
    with pytest.raises(ValueError, match="k must be from 1 to 36, got 37: one of 'Native American' must keep the name"):
        game.play(37, 0)
    with pytest.raises(ValueError, match="group 'Martian' has nobody with label 1"):
        RelabelGame(compas, "Martian")
