import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.datasets import PeopleTableError, load_compas, people_dataset, read_people

CSV = b'id,age,sex,city,paid\n1,31,F,Oslo,yes\n2,45,M,,no\n3,,M,"Bergen, Norway",yes\n'


def test_columns_get_their_types_and_rows_their_lines():
    frame = read_people(CSV)
    assert list(frame) == ["id", "age", "sex", "city", "paid"]
    assert frame.index.tolist() == [2, 3, 4]
    assert frame["id"].dtype == np.int64
    assert frame["age"].dtype == np.float64
    assert frame["age"].isna().tolist() == [False, False, True]
    assert frame["city"].tolist()[0::2] == ["Oslo", "Bergen, Norway"]
    assert frame["city"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_separators_and_encodings(encoding, sign):
    words = "Größe;Ort;da\n1,5;Køge;ja\n\n2,25;Århus;nein\n".replace(";", sign)
    frame = read_people(words.encode(encoding))
    assert frame["Größe"].tolist() == [1.5, 2.25]
    assert frame["Ort"].tolist() == ["Køge", "Århus"]
    assert frame.index.tolist() == [2, 4]


def test_files_are_only_read(tmp_path):
    for name, content in (("a.csv", CSV), ("a.csv.gz", gzip.compress(CSV))):
        path = tmp_path / name
        path.write_bytes(content)
        for source in (path, str(path)):
            pd.testing.assert_frame_equal(read_people(source), read_people(CSV))
        assert path.read_bytes() == content


def test_a_field_over_two_lines_keeps_the_count_of_lines():
    content = b'a,b\n"one\ntwo",x\n3\n'
    with pytest.raises(PeopleTableError, match=r"^row 4: 1 fields, expected 2 as in the header$") as caught:
        read_people(content)
    assert caught.value.row == 4


@pytest.mark.parametrize(
    "content, row, column, message",
    [
        (b"", None, None, "the table is empty"),
        (b"a,b\n", None, None, r"only a header line \(a, b\)"),
        (b"a\n1\n2\n", 1, None, "one column, 'a'; expected columns divided by"),
        (b"a,,c\n1,2,3\n", 1, None, "column 2 has no name"),
        (b"a,b,a\n1,2,3\n", 1, "a", "the name stands twice"),
        (b"1,2\n3,4\n", 1, None, "expected a header line, found the numbers 1, 2"),
        (b"a,b\n1,2,3\n", 2, None, "3 fields, expected 2"),
        (b"a,b\n1,x\n" * 1 + b"1,x\n" * 30 + b"abc,x\n", 33, "a", "'abc' is not a number, as 31 others"),
        (b"a;b\n1.234;x\n1,234;y\n1e999;z\n", 4, "a", "'1e999' is not finite"),
        (b"a\tb\n1,234\tx\n", 2, "a", "can be read as 1234 or as 1.234"),
        (b'a,b\n1,"x\n', 2, None, "cannot be divided into fields"),
        (b"PK\x03\x04....", None, None, "looks like an Excel workbook"),
        (b"\x1f\x8b....", None, None, "looks like a gzip archive"),
    ],
)
def test_malformed_tables_say_what_and_where(tmp_path, content, row, column, message):
    with pytest.raises(PeopleTableError, match=message) as caught:
        read_people(content)
    assert (caught.value.row, caught.value.column) == (row, column)
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(PeopleTableError, match=r"mine\.csv"):
        read_people(path)


def test_missing_files_and_wrong_types(tmp_path):
    with pytest.raises(FileNotFoundError, match="no table of people at"):
        read_people(tmp_path / "none.csv")
    with pytest.raises(PeopleTableError, match="this is a folder"):
        read_people(tmp_path)
    with pytest.raises(TypeError, match="source must be a path or bytes, got int"):
        read_people(3)
    (tmp_path / "half.csv.gz").write_bytes(gzip.compress(CSV)[:20])
    with pytest.raises(PeopleTableError, match="not a whole gzip file"):
        read_people(tmp_path / "half.csv.gz")


def test_codes_stay_categories_on_request():
    assert read_people(b"code,x\n01,a\n02,b\n", text=["code"])["code"].tolist() == ["01", "02"]
    assert read_people(b"code,x\n01,a\nB2,b\n")["code"].tolist() == ["01", "B2"]
    with pytest.raises(ValueError, match="text names 'kode'; the columns are code, x"):
        read_people(b"code,x\n01,a\n", text=["kode"])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(10**9), 10**9), st.sampled_from(["F", "M", "other, not said", 'a "b"'])),
        min_size=1,
        max_size=20,
    )
)
def test_what_pandas_writes_comes_back(rows):
    frame = pd.DataFrame(rows, columns=["number", "word"])
    back = read_people(frame.to_csv(index=False).encode())
    assert back["number"].tolist() == frame["number"].tolist()
    assert back["word"].tolist() == frame["word"].tolist()


def test_label_protected_and_reference_are_what_was_said():
    frame = read_people(CSV)
    data = people_dataset(
        frame, label="paid", positive="yes", protected=["sex", "city"], references={"sex": "F"}, drop=["id"]
    )
    assert data.label.tolist() == [1, 0, 1]
    assert data.label.name == "paid is yes"
    assert list(data.frame) == ["age", "sex", "city"]
    assert data.references["sex"] == "F"
    assert data.groups("city").tolist() == ["Oslo", "(missing)", "Bergen, Norway"]


def test_labels_of_numbers():
    frame = pd.DataFrame(
        {"decile": [1, 4, 5, 10], "flag": [True, False, True, False], "sex": list("FMFM"), "code": [1.0, 2, 2, 1]}
    )
    assert people_dataset(frame, label="decile", above=4, protected="sex").label.tolist() == [0, 0, 1, 1]
    assert people_dataset(frame, label="flag", protected="sex").label.tolist() == [1, 0, 1, 0]
    assert people_dataset(frame, label="code", positive="2", protected="sex").label.tolist() == [0, 1, 1, 0]
    coded = people_dataset(frame, label="flag", protected="code", references={"code": "2"})
    assert coded.groups("code").tolist() == ["1", "2", "2", "1"]


def test_the_shipped_table_passes_as_one_s_own(tmp_path):
    compas = load_compas().subset(np.arange(2000))
    path = tmp_path / "mine.csv"
    compas.frame.assign(high=compas.label).to_csv(path, index=False)
    data = people_dataset(read_people(path), label="high", protected=["Ethnicity"])
    assert data.label.tolist() == compas.label.tolist()
    np.testing.assert_array_equal(data.groups("Ethnicity"), compas.groups("Ethnicity"))


@pytest.mark.parametrize(
    "facts, message",
    [
        ({"label": "payed"}, "label names 'payed'; the columns are id, age, sex, city, paid"),
        ({"protected": ["race"]}, "protected names 'race'"),
        ({"protected": ["paid"]}, "'paid' cannot be protected and label"),
        ({"drop": ["sex"]}, "'sex' cannot be protected and label, or protected and dropped"),
        ({"positive": None}, "label 'paid' holds 'no', 'yes': say with positive="),
        ({"positive": "maybe"}, "positive is 'maybe', but label 'paid' holds 'no', 'yes'"),
        ({"above": 3}, "give positive or above, not both"),
        ({"positive": None, "above": 3}, "holds words such as 'yes': above= needs numbers"),
        ({"label": "id", "positive": None}, "holds 3 different numbers: say with above="),
        ({"label": "age"}, "label 'age' is missing in 1 rows, first in row 4"),
        ({"references": {"sex": "X"}}, "no sex is 'X'; the groups are F, M"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(facts, message):
    chosen = {"label": "paid", "positive": "yes", "protected": ["sex"]} | facts
    with pytest.raises(ValueError, match=message):
        people_dataset(read_people(CSV), **chosen)


def test_an_age_is_no_group_until_it_is_cut():
    frame = pd.DataFrame({"age": range(100), "paid": [0, 1] * 50})
    with pytest.raises(
        ValueError, match="protected column 'age' holds 100 different numbers: cut it into ranges first"
    ):
        people_dataset(frame, label="paid", protected=["age"])
    cut = frame.assign(age=pd.cut(frame["age"], [0, 30, 60, 100], right=False))
    assert len(people_dataset(cut, label="paid", protected=["age"]).group_table("age")) == 3
