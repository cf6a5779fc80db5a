"""Read a person's own learning curves from a file, an upload or pasted text, without ever guessing silently."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

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

MAX_BYTES = 64 * 2**20
DEFAULT_TASK = "your data"

_ALIASES: dict[str, tuple[str, ...]] = {
    "n": (
        *(
            "n",
            "n_1",
            "n_train",
            "ntrain",
            "size",
            "sizes",
            "train_size",
            "train_sizes",
            "size_train",
            "training_size",
            "dataset_size",
        ),
        *(
            "samples",
            "sample",
            "n_samples",
            "num_samples",
            "number_of_samples",
            "train_samples",
            "training_samples",
            "sample_size",
        ),
        *(
            "images",
            "n_images",
            "num_images",
            "number_of_images",
            "num_train",
            "examples",
            "n_examples",
            "num_examples",
        ),
        *("training_examples", "train_examples", "seen_examples", "anchor", "data_size", "training_set_size"),
    ),
    "score": (
        *(
            "score",
            "scores",
            "accuracy",
            "acc",
            "top1",
            "top_1",
            "top1_accuracy",
            "top_1_accuracy",
            "top1_acc",
            "balanced_accuracy",
        ),
        *(
            "val_acc",
            "val_accuracy",
            "valid_acc",
            "validation_accuracy",
            "test_acc",
            "test_accuracy",
            "val_score",
            "valid_score",
        ),
        *(
            "score_valid",
            "score_val",
            "score_test",
            "score_mean",
            "validation_score",
            "test_score",
            "mean_test_score",
            "mean_score",
        ),
        *("map", "map50", "ap", "miou", "mean_iou", "iou", "nds", "f1", "auc", "metric", "value"),
    ),
    "task": ("task", "dataset", "data_set", "benchmark", "problem", "openmlid"),
    "seed": ("seed", "random_seed", "run", "repeat", "repetition", "trial", "fold", "split"),
    "model": ("model", "learner", "architecture", "arch", "method", "estimator", "network"),
}
_SCALING_LAW_COLUMNS = {"seen_examples", "loss", "training"}


class LearningCurveFormatError(ValueError):
    """A table of learning curves that cannot be read; the message says what is wrong, where, and what was expected.

    Attributes:
        row: 1-based line of the text, or None when the whole table is meant.
        column: name of the column as the person wrote it, or None.
    """

    def __init__(self, problem: str, *, row: int | None = None, column: str | None = None) -> None:
        place = ", ".join(filter(None, (row and f"row {row}", column and f"column {shown(column)}")))
        super().__init__(f"{place}: {problem}" if place else problem)
        self.row = row
        self.column = column


def read_learning_curves(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    score_scale: float = 100,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    r"""Read learning curves from a CSV or TSV file, the bytes of an upload, or pasted text of "n score" pairs.

    Columns are divided by tab, semicolon, comma or white space; lines after ``#`` are comments; a header line may be missing when there
    are two columns. The columns may carry one of many usual names (``size``, ``n_train``, ``accuracy``, ``mIoU`` ...); a column ``model``
    or ``learner`` becomes part of the task. A decimal comma and thousands separators are read where they have one meaning only.
    The benchmark table of "Revisiting neural scaling laws" (Alabdulmohsin et al., NeurIPS 2022; columns Domain, Task, Model, Seen
    Examples, Loss, Training) is recognised: score = score_scale * (1 - Loss), and a bool column ``training`` marks the rows to fit.
    The source is only read, never changed.

    Args:
        source: a path; the content as bytes; or text (a string that names no file). UTF-8, UTF-16 or Windows-1252.
        score_scale: 100 for percentages, 1 for fractions. Scores are returned as they came.
        columns: which of the table's columns hold ``n``, ``score``, ``task``, ``seed`` or ``model`` when their names do not tell,
            as in ``{"score": "score_valid"}``.

    Returns:
        DataFrame with columns task (str), seed (int64, 0 where none is given), n (int64), score (float64), rows in the order they came;
        repeated (task, seed, n) are kept as repeats. ``attrs`` holds score_scale and ignored_columns (a tuple of unused columns).

    Raises:
        LearningCurveFormatError: the content is not such a table (message, ``row`` and ``column`` say where).
        FileNotFoundError: ``source`` is a Path that does not exist.
        TypeError: ``source`` is of another type.
        ValueError: ``score_scale`` is neither 1 nor 100, or ``columns`` names an unknown role.

    >>> read_learning_curves("1000 44.0\n2000 60.8\n4000 75.6")
            task  seed     n  score
    0  your data     0  1000   44.0
    1  your data     0  2000   60.8
    2  your data     0  4000   75.6
    >>> read_learning_curves(b"size;accuracy\n1000;44,0\n2000;sixty\n")
    Traceback (most recent call last):
    ...
    workbench.datasets.learning_curve_reader.LearningCurveFormatError: row 3, column 'accuracy': 'sixty' is not a number; expected a score such as 71.5
    """
    if score_scale not in (1, 100):
        raise ValueError(f"score_scale must be 100 (percentages) or 1 (fractions), got {score_scale!r}")
    columns = dict(columns or {})
    if unknown := set(columns) - set(_ALIASES):
        raise ValueError(f"columns may name {', '.join(_ALIASES)}; got {sorted(unknown)}")
    try:
        table = split_table(_text(source))
    except DelimitedTextError as error:
        raise LearningCurveFormatError(str(error)) from None
    header, rows = _header_and_rows(table)
    found = _find_columns(header, columns)
    frame = _frame(table, header, rows, found, score_scale)
    _check_scale(frame, rows, score_scale, header[found.get("score", found.get("loss", 0))])
    used = set(found.values())
    frame.attrs["score_scale"] = score_scale
    frame.attrs["ignored_columns"] = tuple(name for index, name in enumerate(header) if index not in used)
    return frame


def _text(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> str:
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(bytes(source))
    if isinstance(source, str):
        if "\n" in source or "\r" in source or not os.path.exists(source):
            return source
    elif not isinstance(source, os.PathLike):
        raise TypeError(f"source must be a path, text or bytes, got {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        raise LearningCurveFormatError(f"{path} is a folder; expected a CSV or TSV file")
    if not path.exists():
        raise FileNotFoundError(f"no file of learning curves at {path}")
    if path.stat().st_size > MAX_BYTES:
        raise LearningCurveFormatError(
            f"{path} has {path.stat().st_size} bytes; a table of learning curves has at most {MAX_BYTES}"
        )
    return decode(path.read_bytes())


def _header_and_rows(table: Table) -> tuple[list[str], list[Row]]:
    """Return the column names and the rows below them, all of the header's width."""
    if not table.rows:
        raise LearningCurveFormatError(
            "the table is empty; expected lines such as '1000 44.0' or a CSV with columns n and score"
        )
    first, rows = table.rows[0], list(table.rows)
    if any(is_number_like(field) for field in first.fields):
        header = ["n", "score"]
        if len(first.fields) > 2:
            raise LearningCurveFormatError(
                f"{len(first.fields)} fields and no header line; with more than the two columns n and score, a header has to name them "
                "(and a thousands separator must not be the sign that divides the columns)",
                row=first.line,
            )
    else:
        header, rows = list(first.fields), rows[1:]
        if len(rows) == 0:
            raise LearningCurveFormatError(
                f"there is only one line, {shown(' '.join(header), 60)}, and it holds no number; "
                "expected an existing file, lines such as '1000 44.0', or a CSV with columns n and score"
            )
    _refuse_ambiguous_pairs(table, rows)
    return header, [_fitted(row, header) for row in rows]


def _fitted(row: Row, header: list[str]) -> Row:
    fields = row.fields
    while len(fields) > len(header) and not fields[-1]:
        fields = fields[:-1]
    if len(fields) != len(header):
        names = ", ".join(header)
        raise LearningCurveFormatError(
            f"{len(fields)} fields, expected {len(header)} ({shown(names, 80)})", row=row.line
        )
    return Row(row.line, fields)


def _refuse_ambiguous_pairs(table: Table, rows: list[Row]) -> None:
    """``12,000`` alone on each line may be n=12 and score=0, or one number."""
    if table.separator == "," and all(len(row.fields) == 2 and re.fullmatch("[0-9]{3}", row.fields[1]) for row in rows):
        text = ",".join(rows[0].fields)
        problem = f"{shown(text)} can be read as two columns or as one number with a thousands separator: divide the columns by a space or tab"
        raise LearningCurveFormatError(problem, row=rows[0].line)


def _normal(name: str) -> str:
    """``"Top-1 accuracy (%)"`` -> ``top_1_accuracy``."""
    name = re.sub(r"[(\[].*?[)\]]|%", "", name).strip()
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _find_columns(header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return the index of each role's column: n, score (or loss and training), and task, seed, model where there are such."""
    normal = [_normal(name) for name in header]
    several = [name for name, key in zip(header, normal, strict=True) if re.fullmatch(r"n_?[0-9]+", key)]
    if len(several) > 1 and "n" not in columns:
        raise LearningCurveFormatError(
            f"columns {', '.join(several)} give the size of several sources; that table belongs to the collection planner, "
            "this reader takes one column n"
        )
    found = {role: header.index(name) for role, name in columns.items() if name in header}
    if missing := [name for name in columns.values() if name not in header]:
        raise LearningCurveFormatError(f"no column {shown(missing[0])}; the table has {_listed(header)}")
    if set(normal) >= _SCALING_LAW_COLUMNS and "score" not in columns:
        found |= {"loss": normal.index("loss"), "training": normal.index("training")}
    for role, aliases in _ALIASES.items():
        if role in found or (role == "score" and "loss" in found):
            continue
        index = _match(role, aliases, header, normal)
        if index is not None:
            found[role] = index
    if len(several) == 1 and "n" not in found:
        found["n"] = header.index(several[0])
    for role in ("n", "score"):
        if role not in found and not (role == "score" and "loss" in found):
            raise LearningCurveFormatError(
                f"no column for {role} (names such as {', '.join(_ALIASES[role][:6:2])} are known); the table has {_listed(header)}"
            )
    return found


def _match(role: str, aliases: tuple[str, ...], header: list[str], normal: list[str]) -> int | None:
    if role in normal and normal.count(role) == 1:
        return normal.index(role)
    matches = [index for index, key in enumerate(normal) if key in aliases]
    if len(matches) > 1:
        names = _listed([header[index] for index in matches])
        raise LearningCurveFormatError(
            f"several columns could be {role}: {names}; say which with columns={{{role!r}: ...}}, or name it {role!r}"
        )
    return matches[0] if matches else None


def _listed(names: list[str]) -> str:
    return ", ".join(shown(name) for name in names[:12]) + (" ..." if len(names) > 12 else "")


def _frame(
    table: Table, header: list[str], rows: list[Row], found: Mapping[str, int], score_scale: float
) -> pd.DataFrame:
    def column(role: str, parse: Callable[[str], object]) -> list:
        return [_parsed(row, header, found[role], parse) for row in rows]

    names = [column(role, str) for role in ("task", "model") if role in found]
    frame = pd.DataFrame(
        {
            "task": [" / ".join(filter(None, parts)) or DEFAULT_TASK for parts in zip(*names, strict=True)]
            if names
            else DEFAULT_TASK,
            "seed": pd.Series(column("seed", _seed) if "seed" in found else [0] * len(rows), dtype="int64"),
            "n": pd.Series(column("n", lambda field: parse_count(field, table)), dtype="int64"),
        }
    )
    if "loss" in found:
        losses = column("loss", lambda field: _error_rate(field, table))
        frame["score"] = [score_scale * (1 - loss) for loss in losses]
        frame["training"] = column("training", _flag)
    else:
        frame["score"] = column("score", lambda field: _score(field, table, score_scale))
    return frame.astype({"task": "str", "score": "float64"})


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
            raise DelimitedTextError(
                f"{shown(field)} is a percentage, but score_scale=1 asks for fractions; use score_scale=100"
            )
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
        score, row = frame.at[over[0], "score"], rows[over[0]].line
        hint = "; for percentages use score_scale=100" if score_scale == 1 else ""
        raise LearningCurveFormatError(f"score {score:g} is above {score_scale:g}{hint}", row=row, column=column)
    if score_scale == 100 and "training" not in frame:
        for task, best in frame.groupby("task", sort=False)["score"].max().items():
            if best <= 1:
                raise LearningCurveFormatError(
                    f"no score of {shown(str(task))} is above 1, so they look like fractions, but score_scale=100 asks for percentages: "
                    "use score_scale=1, or multiply the scores by 100",
                    column=column,
                )
