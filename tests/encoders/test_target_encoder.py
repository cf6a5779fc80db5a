"""The target encoder as an estimator: training rows apart from new ones, noise, missing and unseen categories, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import set_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.encoders import TargetEncoder, TrainingColumn

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "race": RNG.choice(["a", "b", "c"], 300, p=[0.7, 0.25, 0.05]),
        "age": RNG.integers(18, 80, 300),
        "sex": ["f", "m"] * 150,
    }
)
TARGET = (RNG.random(300) < 0.3 + 0.3 * (FRAME["race"] == "b")).to_numpy().astype(int)


# training rows and new rows


def test_noise_is_in_training_alone_and_has_the_standard_deviation_asked_for():
    encoder = TargetEncoder("race", noise=0.3)
    plain = TargetEncoder("race").fit_transform(FRAME, TARGET)["race"]
    noise = encoder.fit_transform(FRAME, TARGET)["race"] - plain
    assert noise.nunique() == len(FRAME)  # every row its own, in one category too
    assert noise.std() == pytest.approx(0.3, rel=0.1)
    assert abs(noise.mean()) < 3 * 0.3 / np.sqrt(300)
    np.testing.assert_array_equal(encoder.transform(FRAME)["race"], plain)
    np.testing.assert_array_equal(encoder.transform(FRAME)["race"], plain)


def test_same_seed_same_noise_other_seed_other_noise_and_columns_independent():
    both = TargetEncoder(["race", "sex"], noise=1.0, smoothing=np.inf)  # the prior, plus noise
    first = both.fit_transform(FRAME, TARGET)
    pd.testing.assert_frame_equal(first, clone(both).fit_transform(FRAME, TARGET))
    assert not np.allclose(first["race"], both.set_params(seed=1).fit_transform(FRAME, TARGET)["race"])
    assert abs(np.corrcoef(first["race"], first["sex"])[0, 1]) < 0.2


@pytest.mark.parametrize("options", [{"noise": 0.1}, {"scheme": "loo"}, {"scheme": "ordered"}, {"scheme": "crossfit"}])
def test_training_rows_are_encoded_otherwise_than_new_rows(options):
    encoder = TargetEncoder("race", smoothing=2.0, **options)
    training = encoder.fit_transform(FRAME, TARGET)["race"]
    assert not np.allclose(training, encoder.transform(FRAME)["race"])
    np.testing.assert_array_equal(
        encoder.transform(FRAME), TargetEncoder("race", smoothing=2.0).fit(FRAME, TARGET).transform(FRAME)
    )
    np.testing.assert_array_equal(training, clone(encoder).fit_transform(FRAME, TARGET)["race"])


def test_ordered_takes_the_rows_in_an_order_of_the_seed():
    frame, target = pd.DataFrame({"race": ["a"] * 4}), [0, 1, 1, 1]
    encoder = TargetEncoder(scheme="ordered", smoothing=1.0)
    seen = {tuple(encoder.set_params(seed=s).fit_transform(frame, target)["race"]) for s in range(9)}
    assert len(seen) > 1
    assert all(0.75 in encoded for encoded in seen)  # the row that comes first has no earlier row: the prior


def test_pipeline_trains_on_the_scheme_and_predicts_with_the_mean():
    encoder = TargetEncoder(["race", "sex"], scheme="crossfit", smoothing=1.0)
    pipeline = make_pipeline(clone(encoder), LogisticRegression()).fit(FRAME, TARGET)
    by_hand = LogisticRegression().fit(encoder.fit_transform(FRAME, TARGET), TARGET)
    np.testing.assert_array_equal(pipeline.predict_proba(FRAME), by_hand.predict_proba(encoder.transform(FRAME)))


def test_scaler_after_the_encoder_undoes_smoothing():
    """Groups of one size are shrunk alike, so that standardised encodings do not depend on ``m``."""
    frame = pd.DataFrame({"race": ["a", "b", "c"] * 100})
    scaled = [
        make_pipeline(TargetEncoder(smoothing=m), StandardScaler()).fit_transform(frame, TARGET) for m in (0.0, 1e4)
    ]
    np.testing.assert_allclose(*scaled, atol=1e-8)


# categories


def test_missing_is_a_category_and_unseen_is_the_prior():
    train = pd.DataFrame({"race": ["a", "a", None, np.nan, "b"], "sex": list("fmfmf")})
    new = pd.DataFrame({"race": [None, "z", "b"], "sex": ["f", None, "m"]})
    encoded = TargetEncoder().fit(train, [1, 0, 1, 0, 1]).transform(new)
    assert encoded["race"].tolist() == [0.5, 0.6, 1.0]
    assert encoded["sex"].tolist() == [1.0, 0.6, 0.0]  # missing, which training did not have


@pytest.mark.parametrize("dtype", [str, "string", "category", object, bool, int, "Int64", "boolean", float])
def test_type_of_a_column_does_not_matter(dtype):
    numbers = (FRAME["race"] == "b").astype(int)
    text = dtype in (str, "string", "category", object)
    column = (numbers.map({0: "no", 1: "yes"}) if text else numbers).astype(dtype)
    encoded = TargetEncoder(smoothing=3).fit(column.to_frame("b"), TARGET).transform(column.to_frame("b"))["b"]
    expected = TargetEncoder(smoothing=3).fit_transform(numbers.to_frame("b"), TARGET)["b"]
    np.testing.assert_array_equal(encoded, expected)


@pytest.mark.parametrize("values", [["z", "a"], [None, "a"]])
def test_unseen_can_be_an_error(values):
    encoder = TargetEncoder(unseen="error").fit(pd.DataFrame({"race": ["a", "b"]}), [0, 1])
    with pytest.raises(ValueError, match="column 'race' holds categories that training did not have"):
        encoder.transform(pd.DataFrame({"race": values}))


def test_categories_that_training_did_not_have_are_not_in_the_table():
    race = pd.Series(pd.Categorical(["a", "b"], ["a", "b", "empty"]))
    table = TargetEncoder().fit(race.to_frame("race"), [0, 1]).tables_[0]
    assert table.categories.labels == ["a", "b"]
    assert table.counts.tolist() == [1, 1]


def test_tables_hold_no_rows():
    """What is stored with a model are counts, not people."""
    small, large = (TargetEncoder("race").fit(FRAME.iloc[:n], TARGET[:n]) for n in (100, 300))
    assert len(pickle.dumps(large)) < 1.1 * len(pickle.dumps(small))
    restored = pickle.loads(pickle.dumps(large))
    pd.testing.assert_frame_equal(restored.transform(FRAME), large.transform(FRAME))


# containers


def test_frame_in_frame_out_with_its_index_and_its_other_columns():
    frame = FRAME.set_axis(RNG.permutation(300) + 1000)
    before = frame.copy()
    encoded = TargetEncoder(["race"]).fit_transform(frame, TARGET)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(encoded[["age", "sex"]], frame[["age", "sex"]])
    assert encoded["race"].dtype == np.float64


def test_array_in_array_out():
    array = FRAME[["race", "age"]].to_numpy()
    encoded = TargetEncoder([0]).fit_transform(array, TARGET)
    expected = TargetEncoder("race").fit_transform(FRAME, TARGET)
    np.testing.assert_array_equal(encoded[:, 0].astype(float), expected["race"])
    np.testing.assert_array_equal(encoded[:, 1], FRAME["age"])
    rows = [["a", 1], ["b", 2], ["a", 3]]
    assert TargetEncoder(0).fit_transform(rows, [1, 0, 0]).tolist() == [[0.5, 1], [0.0, 2], [0.5, 3]]


def test_set_output_and_names():
    encoder = TargetEncoder().set_output(transform="pandas")
    array = FRAME[["race", "sex"]].to_numpy()
    assert list(encoder.fit_transform(array, TARGET)) == ["x0", "x1"]
    encoder.fit(FRAME[["race", "sex"]], TARGET)
    assert encoder.feature_names_in_.tolist() == encoder.get_feature_names_out().tolist() == ["race", "sex"]
    set_config(transform_output="pandas")
    try:
        assert isinstance(TargetEncoder().fit_transform(array, TARGET), pd.DataFrame)
    finally:
        set_config(transform_output="default")


def test_rows_belong_together_by_position():
    shuffled = pd.Series(TARGET, index=RNG.permutation(300))
    encoded = [TargetEncoder("race").fit_transform(FRAME, y) for y in (shuffled, TARGET, TARGET.astype(bool))]
    pd.testing.assert_frame_equal(encoded[0], encoded[1])
    pd.testing.assert_frame_equal(encoded[0], encoded[2])


# what is refused


@pytest.mark.parametrize(
    "target, message",
    [
        (TARGET[:299], "X has 300 rows, y has 299"),
        (TARGET + 1, "target must be binary 0/1, found {1, 2}"),
        (np.arange(300) % 3, "target must be binary 0/1, found {0, 1, 2}"),
        (np.arange(300), r"found {0, 1, 2, 3, 4, ... 295 more}"),
        (np.where(TARGET, "yes", "no"), "target must be binary 0/1, found {'no', 'yes'}"),
        (np.where(TARGET, 0.5, 0.0), "target must be binary 0/1, found {0.0, 0.5}"),
        (np.where(np.arange(300) == 7, np.nan, TARGET), "target has no value in row 7"),
        (pd.Series(TARGET, dtype="Int64").mask(np.arange(300) == 7), "target has no value in row 7"),
        (np.zeros(300), r"target has a single class, 0.0, in 300 sample\(s\)"),
        (None, "the target y is None"),
    ],
)
def test_target_must_be_zero_or_one(target, message):
    with pytest.raises(ValueError, match=message):
        TargetEncoder("race").fit(FRAME, target)
    with pytest.raises(ValueError, match=message):
        TargetEncoder("race").fit_transform(FRAME, target)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"smoothing": -1.0}, "smoothing must be at least 0, got -1"),
        ({"smoothing": np.nan}, "smoothing must be at least 0, got nan"),
        ({"noise": -0.1}, "noise must be finite and at least 0, got -0.1"),
        ({"noise": np.nan}, "noise must be finite and at least 0, got nan"),
        ({"noise": np.inf}, "noise must be finite and at least 0, got inf"),
        ({"smoothing": [1.0, 2.0]}, "smoothing must be one number"),
        ({"scheme": "median"}, "scheme must be one of 'mean', 'loo', 'ordered', 'crossfit', got 'median'"),
        ({"unseen": "ignore"}, "unseen must be one of 'prior', 'error', got 'ignore'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"scheme": "crossfit", "folds": 1}, "folds must be a whole number of at least 2, got 1"),
        ({"scheme": "crossfit", "folds": 200}, r"folds is 200, but the rarer class has \d+ row"),
        (
            {"columns": ["race", "religion"]},
            r"columns \['religion'\] are not among the columns \['race', 'age', 'sex'\]",
        ),
        ({"columns": ["race", "race"]}, "columns must each be named once"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        TargetEncoder(**{"columns": "race"} | options).fit_transform(FRAME, TARGET)


def test_strength_must_be_a_number():
    with pytest.raises(TypeError, match="smoothing must be a number, got 'much'"):
        TargetEncoder("race", smoothing="much").fit(FRAME, TARGET)


def test_infinite_smoothing_is_the_prior():
    encoded = TargetEncoder("race", smoothing=np.inf).fit_transform(FRAME, TARGET)["race"]
    np.testing.assert_array_equal(encoded, TARGET.mean())


def test_frames_are_checked():
    with pytest.raises(ValueError, match="feature names should match"):
        TargetEncoder("race").fit(FRAME, TARGET).transform(FRAME[["age", "race", "sex"]])
    with pytest.raises(NotFittedError):
        TargetEncoder("race").transform(FRAME)
    with pytest.raises(ValueError, match=r"X has 0 sample\(s\)"):
        TargetEncoder("race").fit(FRAME.iloc[:0], [])
    with pytest.raises(ValueError, match="unique column names"):
        TargetEncoder("race").fit(FRAME.set_axis(["race", "race", "sex"], axis=1), TARGET)
    with pytest.raises(TypeError, match="column 'race' holds values that cannot be categories"):
        TargetEncoder().fit(pd.DataFrame({"race": [["a"], ["b"]]}), [0, 1])


def test_columns_of_a_frame_and_a_table_agree():
    encoder = TargetEncoder(["sex", "race"], smoothing=5).fit(FRAME, TARGET)
    for name, table in zip(["sex", "race"], encoder.tables_, strict=True):
        assert table.counts.tolist() == FRAME[name].value_counts().sort_index().tolist()
        np.testing.assert_array_equal(encoder.transform(FRAME)[name], TrainingColumn.of(FRAME[name], TARGET).mean(5))
    assert encoder.prior_ == TARGET.mean()
