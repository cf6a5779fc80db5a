"""Read a person's own table of people, and say which column is the label and which are protected, without guessing silently."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.datasets._delimited_text import DelimitedTextError, Table, decode, is_number_like, parse_decimal, shown
from workbench.datasets.fairness import DataCard, FairnessDataset, group_names

MAX_BYTES = 256 * 2**20
MOST_GROUPS_OF_NUMBERS = 50
MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null"})
"""Fields that mean "not known", in any case; ``?`` and ``unknown`` stay categories of their own."""

_CARD = DataCard(
    name="Your own table",
    people="The rows of your file. Who is in it, who is not, and since when?",
    label="What you chose.",
    label_is_not="What does it leave out? Who recorded it, and would they have recorded it for everyone?",
    protected="What you chose. Did people say it of themselves, or did somebody else?",
    source="A file of yours, which was only read.",
    licence="Yours",
)


class PeopleTableError(ValueError):
    """A table of people that cannot be read; the message says file, row and column, what is wrong and what was expected.

    Attributes:
        row: 1-based line of the file, or None when the whole table is meant.
        column: name of the column, or None.
    """

    def __init__(self, name: str, problem: str, *, row: int | None = None, column: str | None = None) -> None:
        place = ", ".join(filter(None, (name, row and f"row {row}", column and f"column {shown(column)}")))
        super().__init__(f"{place}: {problem}" if place else problem)
        self.row = row
        self.column = column


def read_people(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview, *, text: Collection[str] = ()
) -> pd.DataFrame:
    r"""Read a table of people: a header line, then one person a line, columns divided by comma, semicolon, tab or ``|``.

    A column of numbers becomes int64, or float64 where some are not whole or missing; any other becomes str (categories).
    ``NA``, ``N/A``, ``NaN``, ``null`` and empty fields are missing values. The source is only read.

    Args:
        source: a path (``.gz`` too), or the content as bytes (UTF-8, UTF-16 or Windows-1252).
        text: columns to read as categories although they look like numbers, such as codes.

    Returns:
        DataFrame whose index, called ``row``, is the line of the file.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: ``source`` is of another type.
        PeopleTableError: the content is no such table; the message says file, row and column.
        ValueError: ``text`` names a column that is not there.

    >>> read_people(b"age;sex;paid\n31;F;yes\n45,5;M;no\n;M;yes\n")
          age sex paid
    row
    2    31.0   F  yes
    3    45.5   M   no
    4     NaN   M  yes
    >>> try:
    ...     read_people(b"age,sex\n" + b"31,F\n" * 50 + b"thirty,M\n")
    ... except PeopleTableError as error:
    ...     print(error)
    row 52, column 'age': 'thirty' is not a number, as 50 others of the column are; put it right, or read it with text=['age']
    """
    content, name = _content(source)
    try:
        words = decode(content)
    except DelimitedTextError as error:
        raise PeopleTableError(name, str(error)) from None
    header, lines, rows, separator = _records(words, name)
    if absent := [column for column in text if column not in header]:
        raise ValueError(f"text names {absent[0]!r}; the columns are {', '.join(header)}")
    columns = {}
    for column, fields in zip(header, zip(*rows, strict=True), strict=True):
        columns[column] = _column(fields, column in text, Table((), separator, False), lines, column, name)
    return pd.DataFrame(columns, index=pd.Index(lines, name="row"))


def people_dataset(
    frame: pd.DataFrame,
    *,
    label: str,
    protected: Sequence[str],
    positive: object = None,
    above: float | None = None,
    references: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
) -> FairnessDataset:
    """Say what the columns of a table are: label, protected attributes, and features (all the others).

    Args:
        frame: as :func:`read_people` returns it, or any DataFrame with one person a row.
        label: column of the label. Values 0 and 1 (or false and true) need no more.
        protected: columns of the protected attributes, which are features too.
        positive: the value of ``label`` that counts as 1; every other counts as 0.
        above: instead, the number above which ``label`` counts as 1.
        references: by protected column, the group that others are compared with; the largest where none is given.
        drop: columns that are no features, such as an id.

    Raises:
        ValueError: a column or value is not there, a label is missing, or it is not said what counts as 1.

    >>> frame = read_people(b"age,sex,paid\\n31,F,yes\\n45,M,no\\n28,M,yes\\n")
    >>> mine = people_dataset(frame, label="paid", positive="yes", protected=["sex"])
    >>> mine.label.tolist(), dict(mine.references), list(mine.frame)
    ([1, 0, 1], {'sex': 'M'}, ['age', 'sex'])
    >>> people_dataset(frame, label="paid", protected=["sex"])
    Traceback (most recent call last):
    ValueError: label 'paid' holds 'no', 'yes': say with positive= which of them counts as 1
    """
    protected = [protected] if isinstance(protected, str) else list(protected)
    for role, names in {"label": [label], "protected": protected, "drop": list(drop)}.items():
        if absent := [name for name in names if name not in frame.columns]:
            raise ValueError(f"{role} names {absent[0]!r}; the columns are {', '.join(map(str, frame.columns))}")
    if clash := {label} & set(protected) or set(protected) & set(drop):
        raise ValueError(f"{sorted(clash)[0]!r} cannot be protected and label, or protected and dropped")
    truth = _truth(frame[label], positive, above)
    features = frame.drop(columns=[label, *(name for name in drop if name != label)])
    for column in protected:
        if pd.api.types.is_numeric_dtype(frame[column]) and frame[column].nunique() > MOST_GROUPS_OF_NUMBERS:
            count = frame[column].nunique()
            raise ValueError(f"protected column {column!r} holds {count} different numbers: cut it into ranges first")
    chosen = {column: _largest(frame[column]) for column in protected} | dict(references or {})
    return FairnessDataset(features, truth, tuple(protected), chosen, _CARD)


def _content(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), ""
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"source must be a path or bytes, got {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        raise PeopleTableError(str(path), "this is a folder; expected a CSV or TSV file")
    if not path.is_file():
        raise FileNotFoundError(f"no table of people at {path}")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise PeopleTableError(str(path), f"the file has {size} bytes; a table of people may have {MAX_BYTES}")
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise PeopleTableError(str(path), f"not a whole gzip file ({error})") from None
    return content, str(path)


def _records(words: str, name: str) -> tuple[list[str], list[int], list[list[str]], str]:
    """Return header, the line at which each record starts, the records' stripped fields, and the separator."""
    first = next((line for line in words.removeprefix("\ufeff").splitlines() if line.strip()), "")
    separator = max(",;\t|", key=lambda sign: len(next(csv.reader([first], delimiter=sign), [])))
    reader = csv.reader(io.StringIO(words.removeprefix("\ufeff"), newline=""), delimiter=separator, strict=True)
    lines, rows, start = [], [], 1
    try:
        for record in reader:
            if any(field.strip() for field in record):
                lines.append(start)
                rows.append([field.strip() for field in record])
            start = reader.line_num + 1
    except csv.Error as error:
        raise PeopleTableError(name, f"cannot be divided into fields ({error})", row=start) from None
    if not rows:
        raise PeopleTableError(name, "the table is empty; expected a header line and one person a line")
    header, rows = rows[0], rows[1:]
    _check_header(header, lines.pop(0), name)
    if not rows:
        raise PeopleTableError(name, f"only a header line ({', '.join(header)}); expected one person a line below it")
    for line, row in zip(lines, rows, strict=True):
        while len(row) > len(header) and not row[-1]:
            row.pop()
        if len(row) != len(header):
            raise PeopleTableError(name, f"{len(row)} fields, expected {len(header)} as in the header", row=line)
    return header, lines, rows, separator


def _check_header(header: list[str], line: int, name: str) -> None:
    while header and not header[-1]:
        header.pop()
    if len(header) < 2:
        problem = f"one column, {shown(''.join(header))}; expected columns divided by comma, semicolon, tab or |"
        raise PeopleTableError(name, problem, row=line)
    for index, column in enumerate(header):
        if not column:
            raise PeopleTableError(name, f"column {index + 1} has no name in the header", row=line)
        if column in header[:index]:
            raise PeopleTableError(name, "the name stands twice in the header", row=line, column=column)
    if all(is_number_like(column) for column in header):
        raise PeopleTableError(name, f"expected a header line, found the numbers {', '.join(header[:4])}", row=line)


def _column(
    fields: Sequence[str], as_text: bool, table: Table, lines: Sequence[int], column: str, name: str
) -> pd.Series | np.ndarray:
    known = [field.lower() not in MISSING_WORDS for field in fields]
    numbers = [is_number_like(field) for field, there in zip(fields, known, strict=True) if there]
    if as_text or not numbers or 20 * sum(numbers) < 19 * len(numbers):
        return np.array([field if there else None for field, there in zip(fields, known, strict=True)], dtype=object)
    values = np.full(len(fields), np.nan)
    way_out = f"put it right, or read it with text=[{shown(column)}]"
    for index, (field, there) in enumerate(zip(fields, known, strict=True)):
        if not there:
            continue
        if not is_number_like(field):
            problem = f"{shown(field)} is not a number, as {sum(numbers)} others of the column are; {way_out}"
            raise PeopleTableError(name, problem, row=lines[index], column=column)
        try:
            values[index] = parse_decimal(re.sub(r"\s*%$", "", field), table, "a number such as 12.5")
        except DelimitedTextError as error:
            raise PeopleTableError(name, f"{error}; {way_out}", row=lines[index], column=column) from None
    whole = bool(np.all(values == np.floor(values))) and np.abs(values).max() < 2**53  # False where one is missing
    return values.astype(np.int64) if whole else values


def _truth(values: pd.Series, positive: object, above: float | None) -> pd.Series:
    """Return the label as 0 and 1, with a name that says what 1 means."""
    name = values.name
    if positive is not None and above is not None:
        raise ValueError("give positive or above, not both")
    if (missing := values.isna()).any():
        raise ValueError(f"label {name!r} is missing in {int(missing.sum())} rows, first in row {missing.idxmax()}")
    if above is not None:
        if not pd.api.types.is_numeric_dtype(values):
            raise ValueError(f"label {name!r} holds words such as {values.iloc[0]!r}: above= needs numbers")
        return (values > above).astype("int64").rename(f"{name} above {above:g}")
    found = sorted(set(group_names(values)))
    if positive is not None:
        matches = (values == positive) | (group_names(values) == str(positive))
        if not matches.any():
            raise ValueError(f"positive is {positive!r}, but label {name!r} holds {_few(found)}")
        return matches.astype("int64").rename(f"{name} is {positive}")
    if pd.api.types.is_bool_dtype(values) or (pd.api.types.is_numeric_dtype(values) and set(values) <= {0, 1}):
        return values.astype("int64")
    if pd.api.types.is_numeric_dtype(values) and len(found) > 2:
        raise ValueError(
            f"label {name!r} holds {len(found)} different numbers: say with above= from where on it counts as 1"
        )
    raise ValueError(f"label {name!r} holds {_few(found)}: say with positive= which of them counts as 1")


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more


def _largest(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        raise ValueError(f"protected column {values.name!r} is empty")
    return str(pd.Series(group_names(known)).value_counts().index[0])
