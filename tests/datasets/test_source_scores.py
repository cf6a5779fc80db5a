import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.datasets.learning_curve_reader import LearningCurveFormatError, read_learning_curves
from workbench.datasets.source_scores import read_source_scores

ROWS = [(1000, 500, 44.5), (1000, 12000, 60.25), (2000, 500, 71.0)]


def rows(frame):
    return list(zip(frame["n_1"].tolist(), frame["n_2"].tolist(), frame["score"].tolist(), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "n_1,n_2,score\n1000,500,44.5\n1000,12000,60.25\n2000,500,71\n",
        "n1 n2 accuracy\n1000 500 44.5\n1000 12000 60.25  # second run\n2000 500 71",
        "N_1;N_2;mIoU (%)\n1.000;500;44,5\n1.000;12.000;60,25\n2.000;500;71,0\n",
        'score\tn_2\tn_1\n44.5%\t500\t"1,000"\n60.25%\t"12,000"\t1000\n71%\t500\t2000',
    ],
)
def test_notations_that_people_use_give_the_same_table(text):
    frame = read_source_scores(text)
    assert rows(frame) == ROWS
    assert list(frame.columns) == ["task", "seed", "n_1", "n_2", "score"]
    assert [str(kind) for kind in frame.dtypes[1:]] == ["int64", "int64", "int64", "float64"]
    assert set(frame["task"]) == {"your data"}


def test_tasks_seeds_and_three_sources_are_kept(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("dataset,seed,n_3,n_1,n_2,score,notes\na,1,10,20,30,50,x\nb,2,11,21,31,52,\n")
    frame = read_source_scores(path)
    assert list(frame.columns) == ["task", "seed", "n_1", "n_2", "n_3", "score"]
    assert frame.loc[1].tolist() == ["b", 2, 21, 31, 11, 52.0]
    assert frame.attrs == {"score_scale": 100, "ignored_columns": ("notes",)}
    frame.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_source_scores(str(path)), frame)


def test_named_columns_settle_what_names_do_not():
    text = "labelled,unlabelled,error\n100,500,40\n200,500,30\n"
    columns = {"n_1": "labelled", "n_2": "unlabelled"}
    assert read_source_scores(text, columns=columns, direction="min")["score"].tolist() == [40, 30]
    with pytest.raises(LearningCurveFormatError, match="'error' looks like an error, of which lower is better"):
        read_source_scores(text, columns=columns)
    with pytest.raises(LearningCurveFormatError, match="no column 'pseudo'; the table has 'labelled'"):
        read_source_scores(text, columns=columns | {"n_2": "pseudo"})
    for role in ("n", "n_0", "size"):
        with pytest.raises(ValueError, match=rf"columns may name n_1, n_2, ..., score, .*; got \['{role}'\]"):
            read_source_scores(text, columns={role: "labelled"})


@pytest.mark.parametrize(
    "text, row, column, message",
    [
        ("", None, None, "the table is empty"),
        ("1000 500 44\n", 1, None, "3 fields and no header line"),
        (
            "n,score\n10,50",
            None,
            None,
            "the sizes of at least two sources are needed, in columns n_1, n_2, ...; the table has 'n'",
        ),
        ("n_1,n_3,score\n10,20,50", None, None, "no column 'n_2' beside 'n_1', 'n_3'"),
        ("n_1,n1,n_2,score\n10,20,30,50", None, None, "several columns could be n_1: 'n_1', 'n1'"),
        ("n_1,n_2,notes\n10,20,50", None, None, "no column for score .*; the table has 'n_1', 'n_2', 'notes'"),
        ("n_1,n_2,acc,top1\n10,20,50,51", None, None, "several columns could be score: 'acc', 'top1'"),
        ("n_1,n_2,score\n10,20,50\n10,0,50", 3, "n_2", "'0' is not above 0, but n counts samples"),
        ("n_1,n_2,score\n0.5,20,50", 2, "n_1", "'0.5' is not a whole number of samples"),
        ("n_1,n_2,score\n10,many,50", 2, "n_2", "'many' is not a number; expected a number of samples"),
        ("n_1,n_2,score\n10,20,nan", 2, "score", "'nan' is not finite"),
        ("n_1,n_2,score\n10,20,150", 2, "score", "score 150 is above 100"),
        ("n_1,n_2,score\n10,20,0.5", None, "score", "so they look like fractions"),
        ("n_1,n_2,score\n10,20", 2, None, "2 fields, expected 3: 'n_1', 'n_2', 'score'"),
        ("seed,n_1,n_2,score\nx,10,20,50", 2, "seed", "'x' is not a whole number; expected a seed"),
    ],
)
def test_malformed_tables_say_what_and_where(text, row, column, message):
    with pytest.raises(LearningCurveFormatError, match=message) as caught:
        read_source_scores(text)
    assert (caught.value.row, caught.value.column) == (row, column)


def test_a_table_of_several_sources_is_still_not_a_learning_curve():
    with pytest.raises(
        LearningCurveFormatError, match="several sources; such a table belongs to the collection planner"
    ):
        read_learning_curves("n_1,n_2,score\n10,20,50")


def test_parquet_goes_through_the_same_checks(monkeypatch):
    table = pd.DataFrame({"n_1": [1000, 1000, 2000], "n_2": [500, 12000, 500], "score": [44.5, 60.25, 71.0]})
    monkeypatch.setattr(pd, "read_parquet", lambda file: table)
    assert rows(read_source_scores(b"PAR1...")) == ROWS
    table.loc[1, "n_2"] = -1
    with pytest.raises(LearningCurveFormatError, match="row 3, column 'n_2': '-1' is not above 0"):
        read_source_scores(b"PAR1...")


@pytest.mark.parametrize(
    "problem, message",
    [
        (ImportError("no engine"), r"needs the package pyarrow: install it, or save the table as CSV"),
        (ValueError("no footer"), r"this Parquet file cannot be read \(no footer\)"),
    ],
)
def test_parquet_that_cannot_be_read_is_explained(monkeypatch, problem, message):
    def fail(file):
        raise problem

    monkeypatch.setattr(pd, "read_parquet", fail)
    with pytest.raises(LearningCurveFormatError, match=message):
        read_source_scores(b"PAR1...")


FIELDS = st.one_of(
    st.sampled_from(["n_1", "n_2", "n1", "n_3", "score", "task", "seed", "nan", "", "12,000", "1.000", "0"]),
    st.integers(-10, 10**20).map(str),
    st.text(max_size=6),
)
TABLES = st.tuples(
    st.sampled_from(["\t", ";", ",", " "]), st.lists(st.lists(FIELDS, min_size=3, max_size=4), max_size=4)
).map(lambda pair: "n_1{0}n_2{0}score\n".format(pair[0]) + "\n".join(pair[0].join(row) for row in pair[1]))


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), TABLES))
def test_any_text_parses_or_is_explained(text):
    try:
        frame = read_source_scores(text)
    except LearningCurveFormatError:
        return
    assert len(frame) > 0
    assert (frame.filter(regex="^n_") > 0).all(axis=None)
    assert np.isfinite(frame["score"]).all()
