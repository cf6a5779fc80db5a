import gzip
import zipfile

import pytest

from workbench.datasets import read_acs_pums

HEADER = "SERIALNO,AGEP,COW,SCHL,MAR,OCCP,POBP,RELP,WKHP,SEX,RAC1P,PINCP,PWGTP"
ROWS = (
    "1,40,1,21,1,0120,6,0,40,1,1,62000,12",
    "2,33,1,16,5,4720,303,0,38,2,6,50000,3",
    "3,16,,10,5,,6,2,,1,2,,5",  # a child: no job, no income
    "4,70,,16,2,,6,0,,2,2,900,5",  # no working hours
    "5,51,2,24,3,2300,12,1,20,2,2,50001,0",  # a weight of 0
    "6,51,2,24,3,2300,6,1,20,2,2,50001,9",
)
TEXT = "\n".join([HEADER, *ROWS]) + "\n"


def test_the_income_task_keeps_workers_and_names_their_codes(tmp_path):
    path = tmp_path / "psam_p06.csv"
    path.write_text(TEXT)
    data = read_acs_pums(path)
    assert data.label.tolist() == [1, 0, 1]
    assert data.label.name == "income above $50 000"
    assert data.groups("RAC1P").tolist() == ["White", "Asian", "Black"]
    assert data.groups("SEX").tolist() == ["Male", "Female", "Female"]
    assert data.groups("MAR").tolist() == ["Married", "Never married", "Divorced"]
    assert data.groups("POBP").tolist() == ["6", "303", "6"]
    assert data.frame["OCCP"].tolist() == ["120", "4720", "2300"]
    assert data.frame["AGEP"].tolist() == [40, 33, 51]
    assert dict(data.references) == {"RAC1P": "White", "SEX": "Male", "POBP": "6"}
    assert not {"PINCP", "PWGTP", "SERIALNO"} & set(data.frame)
    assert path.read_text() == TEXT


def test_the_bureau_s_archive_and_newer_years_read_the_same(tmp_path):
    (tmp_path / "psam_p06.csv").write_text(TEXT)
    (tmp_path / "psam_p06.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    with zipfile.ZipFile(tmp_path / "csv_pca.zip", "w") as archive:
        archive.writestr("psam_p06.csv", TEXT.replace("RELP", "RELSHIPP"))
        archive.writestr("ACS_2021_README.pdf", b"%PDF")
    plain, packed, archived = (read_acs_pums(tmp_path / n) for n in ("psam_p06.csv", "psam_p06.csv.gz", "csv_pca.zip"))
    assert plain.frame.equals(packed.frame)
    assert plain.frame.rename(columns={"RELP": "RELSHIPP"}).equals(archived.frame)


@pytest.mark.parametrize(
    "text, message",
    [
        (TEXT.replace("RAC1P", "RACE"), r"psam_p06.csv has no column RAC1P$"),
        (TEXT.replace("RELP", "RELATION"), r"has no column RELP or RELSHIPP"),
        ("SERIALNO,WGTP,NP\n1,2,3\n", r"has no column AGEP, .*this is the household file"),
        (TEXT.replace("33,1,16", "33,1,BA"), r"psam_p06.csv, row 3, column SCHL: 'BA' is not a number"),
        (TEXT.replace("38,2,6", "38,2,66"), r"psam_p06.csv, row 3, column RAC1P: code 66 is not one of 1 to 9"),
        (TEXT.replace("4720,303", "4720,"), r"psam_p06.csv, row 3, column POBP: empty, though the row has an income"),
        (HEADER + "\n" + ROWS[2] + "\n", r"has no row with AGEP > 16, PINCP > 100"),
        ("", r"is no CSV table"),
    ],
)
def test_faults_are_named_by_file_row_and_column(tmp_path, text, message):
    path = tmp_path / "psam_p06.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_acs_pums(path)


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no PUMS person file at"):
        read_acs_pums(tmp_path / "psam_p06.csv")
    (tmp_path / "a.zip").write_bytes(b"PK no")
    with pytest.raises(ValueError, match=r"a.zip is not a whole zip archive"):
        read_acs_pums(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("psam_h06.csv", "x")
    with pytest.raises(ValueError, match=r"b.zip must hold one person file psam_p\*.csv, found psam_h06.csv"):
        read_acs_pums(tmp_path / "b.zip")
