"""Every scheme equals a plain loop over the rows, and the public encoders where they mean the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from category_encoders import CatBoostEncoder, LeaveOneOutEncoder, MEstimateEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder as ScikitTargetEncoder

from workbench.encoders import Categories, TargetEncoder, TrainingColumn

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({y for _, y in rows}) == 2
)
pytestmark = pytest.mark.filterwarnings("ignore:.*no_silent_downcasting")

SMOOTHING = st.sampled_from([0.0, 0.5, 1.0, 30.0, 1e6, np.inf])


def mixed(positives, rows, m, prior):
    if np.isinf(m) or rows + m == 0:
        return prior
    return (positives + m * prior) / (rows + m)


def loop(values, target, m, scheme, folds=None):
    """The definition of each scheme, row by row."""
    encoded = []
    for j, value in enumerate(values):
        used = {
            "mean": lambda i, j: True,
            "loo": lambda i, j: i != j,
            "ordered": lambda i, j: i < j,
            "crossfit": lambda i, j: folds[i] != folds[j],
        }[scheme]
        same = [y for i, (v, y) in enumerate(zip(values, target, strict=True)) if v == value and used(i, j)]
        others = [y for i, y in enumerate(target) if scheme != "crossfit" or folds[i] != folds[j]]
        encoded.append(mixed(sum(same), len(same), m, np.mean(others)))
    return encoded


@settings(max_examples=40)
@given(rows=ROWS, m=SMOOTHING)
def test_schemes_are_the_loop_over_rows(rows, m):
    values, target = zip(*rows, strict=True)
    column, folds = TrainingColumn.of(values, target), np.arange(len(rows)) % 2
    np.testing.assert_allclose(column.mean(m), loop(values, target, m, "mean"))
    np.testing.assert_allclose(column.leave_one_out(m), loop(values, target, m, "loo"))
    np.testing.assert_allclose(column.ordered(m), loop(values, target, m, "ordered"))
    np.testing.assert_allclose(column.crossfit(folds, m), loop(values, target, m, "crossfit", folds))


@settings(max_examples=40)
@given(rows=ROWS, m=SMOOTHING, seed=st.integers(0, 99))
def test_order_of_rows_and_names_of_categories_do_not_matter(rows, m, seed):
    values, target = (np.array(part, object) for part in zip(*rows, strict=True))
    order, folds = np.random.default_rng(seed).permutation(len(rows)), np.arange(len(rows)) % 2
    renamed = [{"a": 7, "b": 3, "c": 5, None: None}[value] for value in values[order]]
    one, other = TrainingColumn.of(values, target.astype(bool)), TrainingColumn.of(renamed, target[order].astype(int))
    np.testing.assert_allclose(one.mean(m)[order], other.mean(m))
    np.testing.assert_allclose(one.leave_one_out(m)[order], other.leave_one_out(m))
    np.testing.assert_allclose(one.crossfit(folds, m)[order], other.crossfit(folds[order], m))
    np.testing.assert_allclose(one.ordered(m, order)[order], other.ordered(m))


@settings(max_examples=40)
@given(rows=ROWS, m=SMOOTHING)
def test_other_class_has_the_complementary_encoding(rows, m):
    values, target = zip(*rows, strict=True)
    one, other = TrainingColumn.of(values, target), TrainingColumn.of(values, [not y for y in target])
    folds = np.arange(len(rows)) % 2
    for encode in (
        lambda column: column.mean(m),
        lambda column: column.leave_one_out(m),
        lambda column: column.ordered(m),
        lambda column: column.crossfit(folds, m),
    ):
        encoded = encode(one)
        assert ((encoded >= 0) & (encoded <= 1)).all()
        np.testing.assert_allclose(encoded, 1 - encode(other), atol=1e-12)


@settings(max_examples=40)
@given(rows=ROWS)
def test_smoothing_goes_from_the_share_to_the_prior(rows):
    table = TrainingColumn.of(*zip(*rows, strict=True)).table
    strengths = np.array([0, 0.1, 1, 10, 1e3, 1e9, np.inf])
    encodings = table.means(strengths)
    assert encodings.shape == (7, len(table.counts))
    np.testing.assert_array_equal(encodings[0], table.positives / table.counts)
    np.testing.assert_array_equal(encodings[-1], table.prior)
    assert (np.diff(abs(encodings - table.prior), axis=0) <= 1e-12).all()
    assert np.average(encodings[0], weights=table.counts) == pytest.approx(table.prior)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    race = rng.choice(["a", "b", "c", "d"], 400, p=[0.6, 0.3, 0.09, 0.01])
    frame = pd.DataFrame({"race": race, "sex": rng.choice(["f", "m"], 400)})
    frame.loc[::50, "race"] = None
    target = (rng.random(400) < 0.2 + 0.15 * (race == "a") + 0.3 * (race == "b")).astype(int)
    return frame, target, pd.DataFrame({"race": ["a", "new", None, "d"], "sex": ["f", "m", "m", "f"]})


@pytest.mark.parametrize("m", [0.0, 1.0, 12.5, 1e5])
def test_mean_is_that_of_category_encoders_and_scikit_learn(data, m):
    frame, target, new = data
    ours = TargetEncoder(smoothing=m).fit(frame, target).transform(new)
    theirs = MEstimateEncoder(m=m, handle_missing="value").fit(frame, target).transform(new)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    scikit = ScikitTargetEncoder(smooth=m, target_type="binary").fit(frame, target).transform(new)
    np.testing.assert_array_equal(ours, scikit)


def test_leave_one_out_is_that_of_category_encoders(data):
    frame, target, _ = data
    ours = TargetEncoder(scheme="loo").fit_transform(frame, target)
    theirs = LeaveOneOutEncoder().fit(frame, target).transform(frame, target)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_ordered_is_that_of_category_encoders(data):
    frame, target, _ = data
    theirs = CatBoostEncoder(a=1).fit(frame, target).transform(frame, target)
    for name in frame:
        np.testing.assert_allclose(TrainingColumn.of(frame[name], target).ordered(1.0), theirs[name], rtol=1e-12)


@pytest.mark.parametrize("m", [0.0, 3.0])
def test_crossfit_is_that_of_scikit_learn(data, m):
    frame, target, _ = data
    ours = TargetEncoder(scheme="crossfit", smoothing=m, seed=4).fit_transform(frame, target)
    folds = StratifiedKFold(5, shuffle=True, random_state=4)
    theirs = ScikitTargetEncoder(smooth=m, target_type="binary", cv=folds).fit_transform(frame, target)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_row_alone_in_its_category_gets_the_prior_under_leave_one_out():
    column = TrainingColumn.of(["a", "b", "b", "b"], [1, 0, 0, 1])
    assert column.leave_one_out()[0] == column.table.prior == 0.5


def test_category_that_no_other_fold_has_gets_the_prior_of_the_other_folds():
    column = TrainingColumn.of(["a", "a", "b", "b", "b"], [1, 1, 0, 0, 1])
    assert column.crossfit(np.array([0, 0, 1, 1, 1]))[:2].tolist() == [1 / 3, 1 / 3]


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="one fold holds all rows"):
        TrainingColumn.of(["a", "b"], [0, 1]).crossfit(np.zeros(2, int))


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["x", None, "y", "x"]),
        pd.Series(["x", None, "y", "x"], dtype="string"),
        pd.Series(["x", None, "y", "x"], dtype="category"),
        pd.Series(["x", None, "y", "x"], dtype=pd.CategoricalDtype(["empty", "y", "x"])),
        pd.Series([7.5, np.nan, 9.0, 7.5]),
        pd.Series([7, None, 9, 7], dtype="Int64"),
        pd.Series([True, None, False, True], dtype="boolean"),
        pd.Series([True, None, False, True], dtype=object),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2021-01-01", "2020-01-01"])),
        pd.Series([("x", 1), None, ("y", 2), ("x", 1)]),
        pd.Series(["x", np.nan, 9, "x"], dtype=object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_any_type_of_column(column):
    """Only categories that occur count; a missing value is one of them, and the last."""
    categories, codes = Categories.of(column)
    assert len(categories) == 3
    assert codes[0] == codes[3] != codes[2]
    assert codes[1] == 2
    assert categories.labels[2] == "(missing)"
    np.testing.assert_array_equal(categories.code(column), codes)
    np.testing.assert_array_equal(categories.code(column.astype(object)[::-1]), codes[::-1])


def test_categories_are_sorted_or_as_a_categorical_orders_them():
    assert Categories.of(["b", "c", "a"])[0].labels == ["a", "b", "c"]
    ordered = pd.Categorical(["low", "high"], ["low", "middle", "high"])
    assert Categories.of(ordered)[0].labels == ["low", "high"]


def test_new_values_have_no_code():
    categories, _ = Categories.of(["a", "b"])
    np.testing.assert_array_equal(categories.code(["c", None, "b"]), [-1, -1, 1])
    np.testing.assert_array_equal(categories.code(pd.Categorical(["c", None, "b"])), [-1, -1, 1])
    np.testing.assert_array_equal(categories.code([1.5, 2.5]), [-1, -1])


def test_table_as_a_frame():
    frame = TrainingColumn.of(["b", "a", None, "b"], [1, 0, 1, 0]).table.to_frame()
    assert frame.to_dict("list") == {
        "category": ["a", "b", "(missing)"],
        "n": [1, 2, 1],
        "positives": [0, 1, 1],
        "mean": [0.0, 0.5, 1.0],
    }


@settings(max_examples=20)
@given(rows=ROWS)
def test_unhashable_values_are_refused(rows):
    with pytest.raises(TypeError, match="column holds values that cannot be categories"):
        Categories.of([[value] for value, _ in rows])
