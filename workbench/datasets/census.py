"""Read a person's own download of the American Community Survey (PUMS person file) as the income task of Ding et al."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pandas as pd

from workbench.datasets.fairness import DataCard, FairnessDataset

RAC1P = {
    1: "White",
    2: "Black",
    3: "American Indian",
    4: "Alaska Native",
    5: "American Indian or Alaska Native, other",
    6: "Asian",
    7: "Native Hawaiian or Pacific Islander",
    8: "Other",
    9: "Two or more races",
}
"""The survey's race codes; 3 and 4 are of people who named one kind of tribe only, 5 of the others."""

SEX = {1: "Male", 2: "Female"}
MARITAL = {1: "Married", 2: "Widowed", 3: "Divorced", 4: "Separated", 5: "Never married"}

_NUMBERS = ("AGEP", "SCHL", "WKHP")
_CODES = ("COW", "OCCP", "POBP")
_NAMED: Mapping[str, Mapping[int, str]] = {"RAC1P": RAC1P, "SEX": SEX, "MAR": MARITAL}
_RELATIONSHIP = ("RELP", "RELSHIPP")  # the second name from 2019 on
_FILTER = ("PINCP", "PWGTP")

_CARD = DataCard(
    name="American Community Survey, income",
    people="People over 16 with an income above 100 dollars and working hours, from your own download of the PUMS person file.",
    label="Yearly income above 50 000 dollars.",
    label_is_not="Not wealth, merit or need; the threshold is not adjusted to prices, so years do not compare.",
    protected="Race (RAC1P), sex and place of birth as answered in the survey.",
    source="US Census Bureau, American Community Survey, Public Use Microdata Sample; task of Ding et al., 'Retiring Adult', 2021.",
    licence="Public domain; the bureau's terms of service forbid to identify people",
    caveats=(
        "The survey's weights (PWGTP) are not used: rates here are of the sample, not of the state.",
        "OCCP, POBP, COW and the relationship are codes of the bureau's dictionary, kept as categories.",
        "The paper's code read the task of travel time where it says income, and left the race code among the features as a "
        "number; both are put right here.",
    ),
)


def read_acs_pums(path: str | os.PathLike[str]) -> FairnessDataset:
    """Read the income task from a PUMS person file: ``psam_p06.csv`` and the like, plain, ``.gz``, or the bureau's ``.zip``.

    Rows kept: AGEP > 16, PINCP > 100, WKHP > 0, PWGTP >= 1; label PINCP > 50 000 (Ding, Hardt, Miller, Schmidt, "Retiring
    Adult", NeurIPS 2021).  Features: AGEP, SCHL, WKHP as numbers; COW, OCCP, POBP and RELP (RELSHIPP from 2019 on) as codes
    (str); MAR, SEX, RAC1P by name. Protected: RAC1P (reference White), SEX (Male), POBP (the most frequent). The file is only
    read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing or holds what it should not; the message gives the file, the row and the column.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no PUMS person file at {path}")
    with _opened(path) as (file, name):
        try:
            header = [str(column) for column in pd.read_csv(file, nrows=0, encoding="latin-1")]
        except (ValueError, OSError) as error:
            raise ValueError(f"{name} is no CSV table ({error})") from None
    relationship = _checked_header(header, name)
    wanted = [*_NUMBERS, *_CODES, *_NAMED, relationship, *_FILTER]
    with _opened(path) as (file, name):
        table = pd.read_csv(file, usecols=wanted, dtype=str, keep_default_na=False, encoding="latin-1")
    numbers = {column: _numeric(table[column], name) for column in wanted}
    kept = (numbers["AGEP"] > 16) & (numbers["PINCP"] > 100) & (numbers["WKHP"] > 0) & (numbers["PWGTP"] >= 1)
    if not kept.any():
        raise ValueError(f"{name} has no row with AGEP > 16, PINCP > 100, WKHP > 0 and PWGTP >= 1")
    numbers = {column: values[kept] for column, values in numbers.items()}
    for column in wanted:
        if (empty := numbers[column].isna()).any():
            raise ValueError(f"{name}, row {empty.idxmax() + 2}, column {column}: empty, though the row has an income")
    columns = {column: numbers[column].astype("int64") for column in wanted}
    for column in (*_CODES, relationship):
        columns[column] = columns[column].astype(str)
    for column, meanings in _NAMED.items():
        columns[column] = _named(columns[column], meanings, name)
    label = (columns["PINCP"] > 50_000).astype("int64").rename("income above $50 000")
    frame = pd.DataFrame({column: columns[column] for column in wanted if column not in _FILTER})
    references = {"RAC1P": "White", "SEX": "Male", "POBP": str(frame["POBP"].mode()[0])}
    return FairnessDataset(frame, label, tuple(references), references, _CARD)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Path | IO[bytes], str]]:
    """Yield the CSV as bytes, with the name to use in messages; a zip may hold a dictionary beside the one person file."""
    if path.suffix != ".zip":
        yield path, str(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError(f"{path} is not a whole zip archive") from None
    with archive:
        members = [
            name for name in archive.namelist() if Path(name).name.startswith("psam_p") and name.endswith(".csv")
        ]
        if len(members) != 1:
            found = ", ".join(members or archive.namelist()[:5]) or "nothing"
            raise ValueError(f"{path} must hold one person file psam_p*.csv, found {found}")
        with archive.open(members[0]) as file:
            yield file, f"{path}:{members[0]}"


def _checked_header(header: list[str], name: str) -> str:
    """Return the name of the relationship column, once every needed column is there."""
    missing = [column for column in (*_NUMBERS, *_CODES, *_NAMED, *_FILTER) if column not in header]
    if missing:
        hint = "; this is the household file, the person file is called psam_p*.csv" if "WGTP" in header else ""
        raise ValueError(f"{name} has no column {', '.join(missing)}{hint}")
    for column in _RELATIONSHIP:
        if column in header:
            return column
    raise ValueError(f"{name} has no column {' or '.join(_RELATIONSHIP)}")


def _numeric(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values.str.strip().replace("", None), errors="coerce")
    if (wrong := numbers.isna() & (values.str.strip() != "")).any():
        row = int(wrong.idxmax())
        raise ValueError(f"{name}, row {row + 2}, column {values.name}: {values[row]!r} is not a number")
    return numbers


def _named(codes: pd.Series, meanings: Mapping[int, str], name: str) -> pd.Series:
    names = codes.map(meanings)
    if (unknown := names.isna()).any():
        row = int(unknown.idxmax())
        expected = f"{min(meanings)} to {max(meanings)}"
        raise ValueError(f"{name}, row {row + 2}, column {codes.name}: code {codes[row]} is not one of {expected}")
    return names.astype(str)
