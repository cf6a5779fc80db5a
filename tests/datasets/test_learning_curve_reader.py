import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench.datasets import LearningCurveFormatError, published_curves, read_learning_curves

PAIRS = [(1000, 44.5), (2000, 60.25), (12000, 71.0)]


def pairs(frame):
    return list(zip(frame["n"].tolist(), frame["score"].tolist(), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "1000 44.5\n2000 60.25\n12000 71",
        "n score\n1000 44.5\n2000   60.25\n12000 71\n",
        "# measured in May\n1000,44.5\n\n2000,60.25  # second run\n12000,71\n",
        "1000, 44.5\r\n2000, 60.25\r\n12000, 71\r\n",
        "\ufeffsize\taccuracy\n1000\t44.5\n2000\t60.25\n12,000\t71",
        "n_train;acc\n1000;44,5\n2000;60,25\n12000;71,0",
        "n_train;acc\n1.000;44,5\n2.000;60,25\n12.000;71,0",
        "Number of images;mIoU (%);;\n1000;44.5;;\n2000;60.25;;\n12000;71;;\n;;;\n",
        "sep=;\nsize;top-1 accuracy\n1000;44,5\n2000;60,25\n12000;71,0",
        "1000\t44,5\n2000\t60,25\n12000\t71,0",
        "12_000 71\n1_000 44.5\n2000 60.25",
        '"train size","score_valid"\n"1,000","44.5"\n"2,000","60.25"\n"12,000","71"',
        "1e3 44.5\n2e3 60.25\n1.2e4 7.1e1",
        "samples,map\n1000,44.5%\n2000,60.25%\n12000,71%",
        "1\u202f000;44,5\n2\u202f000;60,25\n12\u202f000;71",
        "n, score\n1000 44.5\n2000 60.25\n12000 71",
        "n score\n1000\t44.5\n2000\t60.25\n12000\t71",
        "score\tn\tnotes\n44.5\t1000\tfirst\n60.25\t2000\t\n71\t12000\t",
    ],
)
def test_notations_that_people_use_give_the_same_curve(text):
    frame = read_learning_curves(text)
    assert sorted(pairs(frame)) == PAIRS
    assert frame["n"].dtype == np.int64
    assert frame["score"].dtype == np.float64
    assert set(frame["task"]) == {"your data"}
    assert set(frame["seed"]) == {0}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(encoding):
    content = "task;n;score\nMärz;1000;44,5\nMärz;2000;60,25\nMärz;12000;71\n".encode(encoding)
    for upload in (content, bytearray(content), memoryview(content)):
        frame = read_learning_curves(upload)
        assert pairs(frame) == PAIRS
        assert set(frame["task"]) == {"März"}


def test_own_export_comes_back(tmp_path):
    path = tmp_path / "curves.csv"
    published_curves().to_csv(path)
    before = path.read_bytes()
    for source in (path, str(path), before):
        frame = read_learning_curves(source)
        pd.testing.assert_frame_equal(frame[["task", "n", "score"]], published_curves()[["task", "n", "score"]])
        assert frame.attrs == {"score_scale": 100, "ignored_columns": ("", "source")}
    assert path.read_bytes() == before


def test_repeats_seeds_and_models_are_kept():
    text = "dataset,learner,seed,n,score\na,svm,1,10,50\na,svm,1,10,52\na,svm,2,10,51\na,knn,1,10,40\n"
    frame = read_learning_curves(text)
    assert frame["task"].tolist() == ["a / svm"] * 3 + ["a / knn"]
    assert frame["seed"].tolist() == [1, 1, 2, 1]
    assert frame["score"].tolist() == [50, 52, 51, 40]


def test_named_columns_settle_what_names_do_not():
    text = "n,score_valid,score_test\n10,50,40\n20,60,55\n"
    with pytest.raises(LearningCurveFormatError, match="several columns could be score: 'score_valid', 'score_test'"):
        read_learning_curves(text)
    assert read_learning_curves(text, columns={"score": "score_test"})["score"].tolist() == [40, 55]
    with pytest.raises(LearningCurveFormatError, match="no column 'top5'; the table has 'n', 'score_valid'"):
        read_learning_curves(text, columns={"score": "top5"})
    with pytest.raises(ValueError, match="columns may name n, score"):
        read_learning_curves(text, columns={"cost": "n"})


def test_scaling_law_benchmark_table():
    header = "Domain,Task,Model,Seen Examples,Loss,Training\n"
    text = header + "image,inet_10,BiT/101/3,4096000.0,0.75,1\nimage,inet_10,BiT/101/3,8192000.0,0.5,0\n"
    frame = read_learning_curves(text)
    assert pairs(frame) == [(4_096_000, 25.0), (8_192_000, 50.0)]
    assert frame["task"].unique().tolist() == ["inet_10 / BiT/101/3"]
    assert frame["training"].tolist() == [True, False]
    assert read_learning_curves(text, score_scale=1)["score"].tolist() == [0.25, 0.5]
    with pytest.raises(LearningCurveFormatError, match=r"row 3, column 'Loss': '2.5' is not an error rate"):
        read_learning_curves(text.replace("0.5,0", "2.5,0"))


def test_fractions_are_never_rescaled_silently():
    text = "10 0.5\n20 0.75"
    with pytest.raises(LearningCurveFormatError, match="score_scale=1"):
        read_learning_curves(text)
    frame = read_learning_curves(text, score_scale=1)
    assert frame["score"].tolist() == [0.5, 0.75]
    assert frame.attrs["score_scale"] == 1
    with pytest.raises(LearningCurveFormatError, match="row 2, column 'score': score 75 is above 1; for percentages"):
        read_learning_curves("10 0.5\n20 75", score_scale=1)
    with pytest.raises(LearningCurveFormatError, match="no score of 'b' is above 1"):
        read_learning_curves("task,n,score\na,10,50\nb,10,0.5\n")
    with pytest.raises(ValueError, match="score_scale must be 100"):
        read_learning_curves(text, score_scale=10)


@pytest.mark.parametrize(
    "text, row, column, message",
    [
        ("", None, None, "the table is empty"),
        ("# nothing\n\n", None, None, "the table is empty"),
        ("n score\n", 1, None, "holds no number and names no file"),
        ("no_such_file.csv", 1, None, "'no_such_file.csv', holds no number and names no file"),
        ("n,score\n10,abc", 2, "score", "'abc' is not a number"),
        ("n,score\n10,", 2, "score", "the field is empty"),
        ("n,score\n10,nan", 2, "score", "'nan' is not finite"),
        ("n,score\n10,1e999", 2, "score", "'1e999' is not finite"),
        ("n,score\n10,50\n0,60", 3, "n", "'0' is not above 0"),
        ("n,score\n-5,50", 2, "n", "'-5' is not above 0"),
        ("n,score\n0.5,50", 2, "n", "'0.5' is not a whole number"),
        ("n,score\n10,150", 2, "score", "score 150 is above 100"),
        ("n,loss\n10,0.5", None, None, "no column for score .*; the table has 'n', 'loss'"),
        ("epoch,score\n10,50", None, None, "no column for n .*; the table has 'epoch', 'score'"),
        ("n,score,score\n10,50,60", None, None, "several columns could be score"),
        ("n,score\n10,50,60", 2, None, "3 fields, expected 2: 'n', 'score'"),
        ("n,score\n10", 2, None, "1 field, expected 2"),
        ("1000,50,3\n", 1, None, "3 fields and no header line"),
        ("12,000,55.2\n", 1, None, "thousands separator"),
        ("12,000\n24,000", 1, None, "'12,000' can be read as two columns or as one number"),
        ("n;score\n12.000;55.2", 2, "n", "'12.000' can be read as 12000 or as 12.000"),
        ("n;score\n12,000;55,2", 2, "n", "'12,000' can be read as 12000 or as 12.000"),
        ("n\tscore\n1000\t55,234", 2, "score", "'55,234' can be read as 55234 or as 55.234"),
        ("seed,n,score\nfirst,10,50", 2, "seed", "'first' is not a whole number"),
        ("n_1,n_2,score\n10,20,50", None, None, "several sources; such a table belongs to the collection planner"),
        ("n\x00score\n", None, None, "binary file"),
    ],
)
def test_malformed_text_says_what_and_where(text, row, column, message):
    with pytest.raises(LearningCurveFormatError, match=message) as caught:
        read_learning_curves(text)
    assert (caught.value.row, caught.value.column) == (row, column)


def _workbook():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


def _image(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content, message",
    [
        (_workbook(), "looks like an Excel workbook or a zip archive, not a table of text: save the table as CSV"),
        (_image("PNG"), "looks like a PNG image"),
        (_image("JPEG"), "looks like a JPEG image"),
        (b"\x1f\x8b\x08\x00rest", "looks like a gzip archive"),
        (bytes(range(256)), "binary file"),
        (b"\xff\xfe1\x00 \x00" + b"2", "starts like utf-16 text but is not a table"),
    ],
)
def test_uploads_of_the_wrong_kind_get_a_sentence(content, message):
    with pytest.raises(LearningCurveFormatError, match=message):
        read_learning_curves(content)


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of learning curves"):
        read_learning_curves(tmp_path / "missing.csv")
    with pytest.raises(LearningCurveFormatError, match="is a folder"):
        read_learning_curves(str(tmp_path))
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(LearningCurveFormatError, match="at most"):
        read_learning_curves(large)
    with pytest.raises(TypeError, match="got int"):
        read_learning_curves(5)


FIELDS = st.one_of(
    st.sampled_from(
        [
            "n",
            "score",
            "task",
            "seed",
            "loss",
            "training",
            "seen examples",
            "n_1",
            "n_2",
            "#",
            '"',
            "nan",
            "",
            "12,000",
            "1.000",
        ]
    ),
    st.floats().map(str),
    st.integers(-10, 10**20).map(str),
    st.text(max_size=6),
)
TABLES = st.tuples(
    st.sampled_from(["\t", ";", ",", " ", ", "]), st.lists(st.lists(FIELDS, min_size=1, max_size=4), max_size=5)
).map(lambda pair: "\n".join(pair[0].join(row) for row in pair[1]))


def _parses_or_explains(source, score_scale):
    try:
        frame = read_learning_curves(source, score_scale=score_scale)
    except LearningCurveFormatError:
        return
    assert list(frame.columns)[:4] == ["task", "seed", "n", "score"]
    assert len(frame) > 0
    assert (frame["n"] > 0).all()
    assert np.isfinite(frame["score"]).all()
    assert (frame["score"] <= score_scale).all()


@settings(max_examples=250, deadline=None)
@given(st.one_of(st.text(), TABLES), st.sampled_from([1, 100]))
def test_any_text_parses_or_is_explained(text, score_scale):
    _parses_or_explains(text, score_scale)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(), TABLES.map(lambda text: text.encode("utf-16", "replace"))))
def test_any_bytes_parse_or_are_explained(content):
    _parses_or_explains(content, 100)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.floats(1.01, 100, allow_nan=False)), min_size=1, max_size=20),
    st.sampled_from(["\t", ";", " ", ", "]),
)
def test_written_pairs_come_back_exactly(rows, separator):
    text = "n" + separator + "score\n" + "".join(f"{n}{separator}{score!r}\n" for n, score in rows)
    assert pairs(read_learning_curves(text)) == rows


def test_a_column_of_errors_is_read_when_lower_is_better_and_pointed_out_otherwise():
    table = "n,error\n500,38.8\n1000,34.0\n2000,29.9\n"
    assert read_learning_curves(table, direction="min")["score"].tolist() == [38.8, 34.0, 29.9]
    with pytest.raises(LearningCurveFormatError, match="'error' looks like an error, of which lower is better"):
        read_learning_curves(table)
    with pytest.raises(ValueError, match="direction must be 'max' or 'min'"):
        read_learning_curves(table, direction="down")
