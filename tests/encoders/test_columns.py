"""One-hot, dropping, crossing, and finding an attribute again under another name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from workbench.encoders import DropColumns, OneHotEncoder, TargetEncoder, cross_columns, recoded_columns

FRAME = pd.DataFrame(
    {"age": [20, 30, 40, 50], "race": ["a", "b", None, "a"], "sex": pd.Categorical(list("fmmf"))}, index=[3, 2, 1, 0]
)


def test_one_hot_stands_in_the_place_of_its_column():
    encoder = OneHotEncoder(["race", "sex"])
    encoded = encoder.fit_transform(FRAME)
    assert list(encoded) == ["age", "race_a", "race_b", "race_nan", "sex_f", "sex_m"]
    assert list(encoded) == encoder.get_feature_names_out().tolist()
    assert (encoded[["race_a", "race_b", "race_nan"]].sum(axis=1) == 1).all()
    pd.testing.assert_series_equal(encoded["age"], FRAME["age"])
    assert encoded["race_a"].tolist() == [1, 0, 0, 1]


def test_unseen_category_is_all_zeros():
    new = FRAME.assign(race=["z", "a", "b", None])
    assert OneHotEncoder("race").fit(FRAME).transform(new).filter(like="race").sum(axis=1).tolist() == [0, 1, 1, 1]


def test_one_hot_of_an_array():
    encoded = OneHotEncoder(1).fit_transform(FRAME[["age", "race"]].to_numpy())
    assert encoded.shape == (4, 4)
    assert encoded[:, 1].tolist() == [1, 0, 0, 1]


def test_drop_removes_what_it_names():
    encoder = DropColumns(["race", "sex"])
    pd.testing.assert_frame_equal(encoder.fit_transform(FRAME), FRAME[["age"]])
    assert encoder.get_feature_names_out().tolist() == ["age"]
    pd.testing.assert_frame_equal(DropColumns().fit_transform(FRAME), FRAME)
    with pytest.raises(ValueError, match="columns names every column of X"):
        DropColumns(["age", "race", "sex"]).fit(FRAME)
    with pytest.raises(ValueError, match=r"columns \['religion'\] are not among"):
        DropColumns("religion").fit(FRAME)


@pytest.mark.parametrize("encoder", [OneHotEncoder("race"), TargetEncoder("race")])
def test_set_output_in_a_pipeline(encoder):
    frame, target = FRAME[["age", "race"]], [0, 1, 0, 1]
    pipeline = make_pipeline(encoder, LogisticRegression()).set_output(transform="pandas").fit(frame, target)
    assert pipeline[-1].feature_names_in_.tolist() == encoder.get_feature_names_out().tolist()


# intersections


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, 2]), st.booleans()), min_size=1, max_size=20
    )
)
def test_rows_share_an_intersection_exactly_when_they_agree_in_every_column(rows):
    frame = pd.DataFrame(rows, columns=["x", "y", "z"], index=range(5, 5 + len(rows)))
    crossed = cross_columns(frame, ["x", "y", "z"])
    assert crossed.name == "x|y|z"
    assert crossed.index.equals(frame.index)
    assert not crossed.isna().any()
    assert set(crossed) == set(crossed.cat.categories)
    for i, row in enumerate(rows):
        for j, other in enumerate(rows):
            assert (row == other) == (crossed.iloc[i] == crossed.iloc[j])


def test_text_that_would_be_ambiguous_is_refused():
    frame = pd.DataFrame({"x": ["a|b", "a"], "y": ["c", "b|c"]})
    with pytest.raises(ValueError, match=r"both be called 'a\|b\|c'; choose another sep"):
        cross_columns(frame, ["x", "y"])
    assert cross_columns(frame, ["x", "y"], sep=" & ").tolist() == ["a|b & c", "a & b|c"]
    with pytest.raises(ValueError, match="both be called"):
        cross_columns(pd.DataFrame({"x": [None, "(missing)"], "y": ["c", "c"]}), ["x", "y"])


@pytest.mark.parametrize("columns", ["race", ["race"], ["race", "race"], ["race", "religion"]])
def test_two_columns_must_be_named(columns):
    with pytest.raises(ValueError, match=r"columns must be two or more of \['age', 'race', 'sex'\]"):
        cross_columns(FRAME, columns)


# a protected attribute under another name


def test_attribute_is_found_under_another_name_code_or_finer_code():
    rng = np.random.default_rng(0)
    race = rng.choice(["White", "Black", "Asian"], 300, p=[0.6, 0.3, 0.1])
    code = pd.Series(race).map({"White": 1, "Black": 2, "Asian": 3})
    frame = pd.DataFrame(
        {
            "RAC1P": (code - code.mean()) / code.std(),
            "detailed": code * 10 + rng.integers(3, size=300),
            "age": rng.integers(18, 80, 300),
            "name": range(300),
            "nearly": np.where(np.arange(300) == 0, code % 3 + 1, code),
        }
    )
    assert recoded_columns(frame, race) == ["RAC1P", "detailed"]


def test_groups_and_rows_must_be_as_many():
    with pytest.raises(ValueError, match="frame has 4 rows, group has 3"):
        recoded_columns(FRAME, ["a", "b", "c"])
