"""Read a person's own learning curves from a file, an upload or pasted text, without ever guessing silently."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from workbench.datasets._curve_columns import ALIASES, LearningCurveFormatError, find_columns
from workbench.datasets._curve_table import Source, read_table

__all__ = ["LearningCurveFormatError", "read_learning_curves"]


def read_learning_curves(
    source: Source,
    *,
    score_scale: float = 100,
    direction: str = "max",
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    r"""Read learning curves from a CSV, TSV or Parquet file, the bytes of an upload, or pasted text of "n score" pairs.

    Columns are divided by tab, semicolon, comma or white space; ``#`` starts a comment; the header line may be missing when
    there are two columns. Many usual names of columns are known (``size``, ``n_train``, ``accuracy``, ``mIoU`` ...); a column
    ``model`` or ``learner`` becomes part of the task. A decimal comma and thousands separators are read where they have one
    meaning only. The benchmark table of "Revisiting neural scaling laws" (Alabdulmohsin et al., NeurIPS 2022; columns Domain,
    Task, Model, Seen Examples, Loss, Training) is recognised: score = score_scale * (1 - Loss), and a bool column
    ``training`` marks the rows to fit. The source is only read, never changed.

    Args:
        source: a path; the content as bytes (UTF-8, UTF-16 or Windows-1252); or text (a string that names no file).
        score_scale: 100 for percentages, 1 for fractions. Scores are returned as they came.
        direction: ``"min"`` when the scores are errors; a column such as ``error`` is then read as the score.
        columns: which of the table's columns hold ``n``, ``score``, ``task``, ``seed`` or ``model`` when their names do not
            tell, as in ``{"score": "score_valid"}``.

    Returns:
        DataFrame with columns task (str), seed (int64, 0 where none is given), n (int64), score (float64), rows in the order
        they came; a repeated (task, seed, n) stays a repeat. ``attrs`` holds ``score_scale`` and ``ignored_columns``, a tuple.

    Raises:
        LearningCurveFormatError: the content is not such a table (message, ``row`` and ``column`` say where).
        FileNotFoundError: ``source`` is a Path that does not exist.
        TypeError: ``source`` is of another type.
        ValueError: ``score_scale`` is neither 1 nor 100, ``direction`` is another word, or ``columns`` names an unknown role.

    >>> read_learning_curves("1000 44.0\n2000 60.8\n4000 75.6")
            task  seed     n  score
    0  your data     0  1000   44.0
    1  your data     0  2000   60.8
    2  your data     0  4000   75.6
    >>> try:
    ...     read_learning_curves(b"size;accuracy\n1000;44,0\n2000;sixty\n")
    ... except LearningCurveFormatError as error:
    ...     print(error)
    row 3, column 'accuracy': 'sixty' is not a number; expected a score such as 71.5
    """
    columns = dict(columns or {})
    if unknown := set(columns) - set(ALIASES):
        raise ValueError(f"columns may name {', '.join(ALIASES)}; got {sorted(unknown)}")
    return read_table(source, lambda header: find_columns(header, columns, direction), score_scale, direction)
