"""From a file, an upload or pasted text to a checked frame of scores, whichever columns a reader looks for."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from workbench.datasets._curve_columns import LearningCurveFormatError, is_size, listed
from workbench.datasets._delimited_text import (
    DelimitedTextError,
    Row,
    Table,
    decode,
    is_number_like,
    parse_count,
    parse_decimal,
    shown,
    split_table,
)

MAX_BYTES = 16 * 2**20
DEFAULT_TASK = "your data"

Source = str | os.PathLike[str] | bytes | bytearray | memoryview
"""A path, the content as bytes, or text."""


def read_table(
    source: Source, find: Callable[[list[str]], dict[str, int]], score_scale: float, direction: str
) -> pd.DataFrame:
    """Return the columns that ``find`` locates in the header: task, seed, sizes by their roles, score.

    Raises:
        LearningCurveFormatError: the content is not such a table (message, ``row`` and ``column`` say where).
        ValueError: ``score_scale`` is neither 1 nor 100, or ``direction`` is another word.
    """
    if score_scale not in (1, 100):
        raise ValueError(f"score_scale must be 100 (percentages) or 1 (fractions), got {score_scale!r}")
    if direction not in ("max", "min"):
        raise ValueError(f"direction must be 'max' or 'min', got {direction!r}")
    try:
        table = split_table(_text(source))
    except DelimitedTextError as error:
        raise LearningCurveFormatError(str(error)) from None
    header, rows = _header_and_rows(table)
    found = find(header)
    frame = _frame(table, header, rows, found, score_scale)
    if "loss" not in found:
        _check_scale(frame, rows, score_scale, header[found["score"]])
    used = set(found.values())
    frame.attrs["score_scale"] = score_scale
    frame.attrs["ignored_columns"] = tuple(name for index, name in enumerate(header) if index not in used)
    return frame


def _text(source: Source) -> str:
    if isinstance(source, bytes | bytearray | memoryview):
        return _decoded(bytes(source))
    if isinstance(source, str):
        if "\n" in source or "\r" in source or not os.path.exists(source):
            return source
    elif not isinstance(source, os.PathLike):
        raise TypeError(f"source must be a path, text or bytes, got {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        raise LearningCurveFormatError(f"{str(path)!r} is a folder; expected a CSV or TSV file")
    if not path.exists():
        raise FileNotFoundError(f"no file of learning curves at {path}")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise LearningCurveFormatError(
            f"{str(path)!r} has {size} bytes; a table of learning curves has at most {MAX_BYTES}"
        )
    return _decoded(path.read_bytes())


def _decoded(content: bytes) -> str:
    """Return the text of a file's content; a Parquet table becomes CSV, so that its fields are checked like any others."""
    if not content.startswith(b"PAR1"):
        return decode(content)
    try:
        return pd.read_parquet(io.BytesIO(content)).to_csv(index=False)
    except ImportError:
        raise LearningCurveFormatError(
            "this is a Parquet file, and reading one needs the package pyarrow: install it, or save the table as CSV"
        ) from None
    except (OSError, ValueError) as error:
        raise LearningCurveFormatError(f"this Parquet file cannot be read ({error})") from None


def _header_and_rows(table: Table) -> tuple[list[str], list[Row]]:
    """Return the column names and the rows below them, all of the header's width; pairs without a header are n and score."""
    expected = "expected lines such as '1000 44.0', or a CSV with columns n and score"
    if not table.rows:
        raise LearningCurveFormatError(f"the table is empty; {expected}")
    first, rows = table.rows[0], list(table.rows)
    if any(is_number_like(field) for field in first.fields):
        header = ["n", "score"]
        _refuse_ambiguous_pairs(table)
        if len(first.fields) > 2:
            raise LearningCurveFormatError(
                f"{len(first.fields)} fields and no header line; only two columns, n and score, can go without one (and the "
                "sign that divides columns cannot be a thousands separator too)",
                row=first.line,
            )
    else:
        header, rows = list(first.fields), rows[1:]
        if not rows:
            problem = f"the only line, {listed(header)}, holds no number and names no file; {expected}"
            raise LearningCurveFormatError(problem, row=first.line)
    return header, [_fitted(row, header) for row in rows]


def _fitted(row: Row, header: list[str]) -> Row:
    """Drop empty fields beyond the header, as spreadsheets leave them."""
    fields = row.fields
    while len(fields) > len(header) and not fields[-1]:
        fields = fields[:-1]
    if len(fields) != len(header):
        number = f"{len(fields)} field{'s' * (len(fields) != 1)}"
        raise LearningCurveFormatError(f"{number}, expected {len(header)}: {listed(header)}", row=row.line)
    return Row(row.line, fields)


def _refuse_ambiguous_pairs(table: Table) -> None:
    """``12,000`` alone on each line, without a header, may be n=12 and score=0, or one number."""
    rows = table.rows
    if table.separator == "," and all(len(row.fields) == 2 and re.fullmatch("[0-9]{3}", row.fields[1]) for row in rows):
        text = shown(",".join(rows[0].fields))
        raise LearningCurveFormatError(
            f"{text} can be read as two columns or as one number with a thousands separator: divide columns by space or tab",
            row=rows[0].line,
        )


def _frame(
    table: Table, header: list[str], rows: list[Row], found: Mapping[str, int], score_scale: float
) -> pd.DataFrame:
    def column(role: str, parse: Callable[[str], object]) -> list:
        return [_parsed(row, header, found[role], parse) for row in rows]

    tasks = [DEFAULT_TASK] * len(rows)
    if names := [column(role, str) for role in ("task", "model") if role in found]:
        tasks = [" / ".join(filter(None, parts)) or DEFAULT_TASK for parts in zip(*names, strict=True)]
    seeds = column("seed", _seed) if "seed" in found else [0] * len(rows)
    sizes = {role: column(role, lambda field: parse_count(field, table)) for role in found if is_size(role)}
    data = {"task": tasks, "seed": seeds, **sizes}
    if "loss" in found:
        data["score"] = [score_scale * (1 - loss) for loss in column("loss", lambda field: _error_rate(field, table))]
        data["training"] = column("training", _flag)
    else:
        data["score"] = column("score", lambda field: _score(field, table, score_scale))
    types = {"task": "str", "seed": "int64", "score": "float64"} | dict.fromkeys(sizes, "int64")
    return pd.DataFrame(data).astype(types)


def _parsed(row: Row, header: list[str], index: int, parse: Callable[[str], object]) -> object:
    try:
        return parse(row.fields[index])
    except DelimitedTextError as error:
        raise LearningCurveFormatError(str(error), row=row.line, column=header[index]) from None


def _seed(field: str) -> int:
    match = re.fullmatch(r"([+-]?[0-9]{1,18})(?:\.0*)?", field)
    if not match:
        raise DelimitedTextError(f"{shown(field)} is not a whole number; expected a seed such as 0")
    return int(match.group(1))


def _score(field: str, table: Table, score_scale: float) -> float:
    if field.endswith("%"):
        if score_scale != 100:
            raise DelimitedTextError(f"{shown(field)} is a percentage: use score_scale=100, not 1")
        field = field.removesuffix("%").strip()
    return parse_decimal(field, table, "a score such as 71.5" if score_scale == 100 else "a score such as 0.715")


def _error_rate(field: str, table: Table) -> float:
    loss = parse_decimal(field, table, "an error rate between 0 and 1")
    if not 0 <= loss <= 1:
        raise DelimitedTextError(f"{shown(field)} is not an error rate between 0 and 1, so 1 - Loss is no score")
    return loss


def _flag(field: str) -> bool:
    if field.lower() not in ("0", "1", "0.0", "1.0", "true", "false"):
        raise DelimitedTextError(f"{shown(field)} is neither 0 nor 1")
    return field.lower() in ("1", "1.0", "true")


def _check_scale(frame: pd.DataFrame, rows: list[Row], score_scale: float, column: str) -> None:
    over = frame.index[frame["score"] > score_scale]
    if len(over):
        hint = "; for percentages use score_scale=100" if score_scale == 1 else ""
        problem = f"score {frame.at[over[0], 'score']:g} is above {score_scale:g}{hint}"
        raise LearningCurveFormatError(problem, row=rows[over[0]].line, column=column)
    if score_scale == 1:
        return
    for task, best in frame.groupby("task", sort=False)["score"].max().items():
        if best <= 1:
            raise LearningCurveFormatError(
                f"no score of {shown(str(task))} is above 1, so they look like fractions, but score_scale=100 means "
                "percentages: use score_scale=1, or multiply the scores by 100",
                column=column,
            )
