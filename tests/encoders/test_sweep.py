"""A sweep measures what encoder, model and metrics give by hand, and shows the theory's effects."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from category_encoders import CatBoostEncoder
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from workbench.encoders import (
    DropColumns,
    Encoding,
    TargetEncoder,
    cross_columns,
    encodings,
    gaps,
    group_auc,
    group_rates,
    overall,
    strong_parity,
    sweep,
)
from workbench.training import Cancelled, CancelToken


def people(seed, rows=1500):
    rng = np.random.default_rng(seed)
    race = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    sex, prior = rng.choice(["f", "m"], rows), rng.integers(0, 4, rows)
    chance = 0.2 + 0.35 * (race == "b") + 0.1 * prior
    return pd.DataFrame({"race": race, "sex": sex, "prior": prior}), (rng.random(rows) < chance).astype(int)


X, Y = people(0)
X_TEST, Y_TEST = people(1)
FRAME, TEST = X.drop(columns="sex"), X_TEST.drop(columns="sex")
MODELS = {"logistic": LogisticRegression()}


def run(points, models=MODELS, **options):
    return sweep(models, points, FRAME, Y, TEST, Y_TEST, TEST["race"], "a", **options)


def pick(frame, **values):
    for name, wanted in values.items():
        frame = frame[frame[name] == wanted]
    return frame.set_index("group")


def test_one_point_is_what_the_parts_give_by_hand():
    frame = run([Encoding("smoothing", 50.0, TargetEncoder("race", smoothing=50))])
    model = make_pipeline(TargetEncoder("race", smoothing=50), LogisticRegression()).fit(FRAME, Y)
    scores = model.predict_proba(TEST)[:, 1]
    assert pick(frame, metric="auc").loc["all", "value"] == pytest.approx(roc_auc_score(Y_TEST, scores))
    rates = group_rates(Y_TEST, scores, TEST["race"])
    for name in ("selection_rate", "tpr", "fpr"):
        np.testing.assert_allclose(pick(frame, metric=name)["value"], rates[name])
        np.testing.assert_allclose(pick(frame, metric=name)["low"], rates[f"{name}_low"])
    by_hand = gaps(rates, "a")
    for name in ("equal_opportunity", "average_absolute_odds", "selection_gap"):
        columns = ["value", "low", "high", "n", "positives"]
        np.testing.assert_allclose(pick(frame, metric=name)[columns], pick(by_hand, metric=name)[columns])
    parity = strong_parity(scores, TEST["race"], "a").set_index("group")["value"]
    np.testing.assert_allclose(pick(frame, metric="strong_parity")["value"], parity)
    auc = group_auc(Y_TEST, scores, TEST["race"]).set_index("group")["auc"]
    np.testing.assert_allclose(pick(frame, metric="group_auc")["value"], auc)


def test_frame_is_tidy():
    models = MODELS | {"tree": DecisionTreeClassifier(max_depth=3)}
    points = encodings("race", smoothing=[0, 10], noise=[0.3])
    frame = run(points, models)
    assert len(frame) == len(models) * len(points) * (1 + 4 * 3 + 4 * 2)
    assert not frame.duplicated(["model", "scheme", "strength", "metric", "group"]).any()
    assert (frame.groupby("group")["n"].nunique() == 1).all()
    assert frame["value"].notna().all()
    table = overall(frame)
    assert len(table) == len(models) * len(points) * 4
    assert (table["sum"].round(9) >= table["max"].round(9)).all()


def test_distinct_rows_fit_the_same_logistic_regression():
    points = encodings("race", smoothing=[0, 100], noise=[0.3], scheme="loo")
    exact = {"logistic": LogisticRegression(tol=1e-10, max_iter=1000)}
    plain, few = run(points, exact), run(points, exact, distinct=True)
    shared = ["value", "low", "high"]
    np.testing.assert_allclose(plain[shared], few[shared], atol=1e-6)


def test_noise_goes_towards_the_blind_model_and_smoothing_to_the_prior():
    """One-hot and plain target encoding agree; strong regularisation gives back the model that does not see the attribute."""
    frame = overall(run(encodings("race", smoothing=[0, 1e7], noise=[0.3, 100.0])))
    size = frame[frame["metric"] == "strong_parity"].set_index(["scheme", "strength"])["sum"]
    blind, plain = size.xs("drop", level="scheme").item(), size["smoothing", 0.0]
    assert size.xs("one-hot", level="scheme").item() == pytest.approx(plain, rel=0.25)
    assert size["smoothing", 1e7] == pytest.approx(blind, rel=0.1)
    assert size["noise", 100.0] == pytest.approx(blind, rel=0.1)
    assert 2 * blind < size["noise", 0.3] < 0.6 * plain


def test_trees_undo_smoothing():
    """Smoothed encodings keep their order here, and a tree cuts between any two values."""
    frame = run(encodings("race", smoothing=[0, 1e4]), {"tree": DecisionTreeClassifier(random_state=0)})
    values = [pick(frame, scheme="smoothing", strength=m)["value"] for m in (0, 1e4)]
    np.testing.assert_allclose(*values)


def test_published_convention_looks_at_decisions():
    frame = run([Encoding("drop", np.nan, DropColumns("race"))], convention="published", threshold=0.4)
    scores = LogisticRegression().fit(FRAME[["prior"]], Y).predict_proba(TEST[["prior"]])[:, 1]
    by_hand = gaps(group_rates(Y_TEST, scores, TEST["race"], 0.4), "a", "published")
    for name in ("equal_opportunity", "average_absolute_odds"):
        np.testing.assert_allclose(pick(frame, metric=name)["value"], pick(by_hand, metric=name)["value"])
    gap = pick(by_hand, metric="selection_gap")["value"]
    np.testing.assert_allclose(pick(frame, metric="strong_parity")["value"], abs(gap))


def test_published_convention_gives_no_auc_of_ten_rows():
    group = TEST["race"].mask(np.arange(len(TEST)) < 10, "few").mask(np.arange(len(TEST)) >= len(TEST) - 11, "more")
    for convention, missing in (("published", ["few"]), ("paper", [])):
        frame = sweep(MODELS, encodings("race")[:1], FRAME, Y, TEST, Y_TEST, group, "a", convention=convention)
        auc = pick(frame, metric="group_auc")["value"]
        assert auc.index[auc.isna()].tolist() == missing


def test_intersections_and_encoders_of_others():
    frame, test = (part.assign(both=cross_columns(part, ["race", "sex"])) for part in (X, X_TEST))
    frame, test = (part.drop(columns=["race", "sex"]) for part in (frame, test))
    points = [
        *encodings("both", smoothing=[10]),
        Encoding("catboost", 0.5, CatBoostEncoder(cols=["both"], sigma=0.5, random_state=0)),
    ]
    shown = sweep(MODELS, points, frame, Y, test, Y_TEST, test["both"], "a|f")
    assert set(shown["group"]) == {"all", *(f"{race}|{sex}" for race in "abc" for sex in "fm")}
    assert set(shown["scheme"]) == {"drop", "one-hot", "smoothing", "catboost"}


def test_attribute_that_stays_under_another_name_is_reported():
    codes = {"a": 1, "b": 2, "c": 3}
    hidden, hidden_test = (part.assign(code=part["race"].map(codes)) for part in (FRAME, TEST))
    with pytest.warns(UserWarning, match=r"columns \['code'\] tell the group of every row"):
        sweep(MODELS, encodings("race"), hidden, Y, hidden_test, Y_TEST, TEST["race"], "a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(encodings("race"))


def test_progress_and_stop():
    seen, token = [], CancelToken()

    def progress(done, total, message):
        seen.append((done, total, message))
        if done == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        run(encodings("race", smoothing=[5]), progress=progress, cancel=token)
    assert seen == [(1, 3, "logistic, drop nan"), (2, 3, "logistic, one-hot nan")]


@pytest.mark.parametrize(
    "changed, kind, message",
    [
        ({"group": TEST["race"][1:]}, ValueError, "group has 1499 rows, y has 1500"),
        ({"y": Y[1:]}, ValueError, "X has 1500 rows, y has 1499"),
        ({"y": Y + 1}, ValueError, "target must be binary 0/1, found {1, 2}"),
        ({"X_test": TEST[1:]}, ValueError, "X_test has 1499 rows, y_test has 1500"),
        ({"y_test": Y_TEST * 0}, ValueError, "target has a single class"),
        ({"reference": "z"}, ValueError, "reference 'z' is not among the groups {'a', 'b', 'c'}"),
        ({"threshold": np.nan}, ValueError, "threshold is NaN"),
        ({"convention": "code"}, ValueError, "convention must be one of"),
        ({"confidence": 95}, ValueError, "confidence must be between 0 and 1, got 95"),
        ({"encodings": []}, ValueError, "encodings is empty"),
        ({"models": {}}, ValueError, "models is empty"),
        ({"X": FRAME.to_numpy()}, TypeError, "X must be a pandas DataFrame, got ndarray"),
        (
            {"encodings": [Encoding("sklearn", 0.0, FunctionTransformer(np.asarray))]},
            TypeError,
            "output of encoding 'sklearn' must be a pandas DataFrame, got ndarray",
        ),
        ({"models": {"ridge": RidgeClassifier()}}, TypeError, "model 'ridge' has no predict_proba"),
        (
            {"models": {"neighbours": KNeighborsClassifier()}, "distinct": True},
            TypeError,
            "model 'neighbours' takes no sample_weight",
        ),
    ],
)
def test_arguments_are_named(changed, kind, message):
    arguments = {
        "models": MODELS,
        "encodings": encodings("race"),
        "X": FRAME,
        "y": Y,
        "X_test": TEST,
        "y_test": Y_TEST,
        "group": TEST["race"],
        "reference": "a",
    }
    with pytest.raises(kind, match=message):
        sweep(**arguments | changed)
