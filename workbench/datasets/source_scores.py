"""Read scores measured at mixes of several data sources from a person's own table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from workbench.datasets._curve_columns import ALIASES, LearningCurveFormatError, find_source_columns, is_size
from workbench.datasets._curve_table import Source, read_table

__all__ = ["LearningCurveFormatError", "read_source_scores"]


def read_source_scores(
    source: Source,
    *,
    score_scale: float = 100,
    direction: str = "max",
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    r"""Read scores at mixes of ``K`` data sources from a CSV, TSV or Parquet file, the bytes of an upload, or pasted text.

    The table has a header line and columns ``n_1`` to ``n_K`` with the samples of each source. Notations, usual names of the
    other columns and checks are those of :func:`workbench.datasets.read_learning_curves`. The source is only read.

    Args:
        source: a path; the content as bytes; or text (a string that names no file).
        score_scale: 100 for percentages, 1 for fractions. Scores are returned as they came.
        direction: ``"min"`` when the scores are errors; a column such as ``error`` is then read as the score.
        columns: which of the table's columns hold ``n_1``, ``n_2``, ..., ``score``, ``task``, ``seed`` or ``model`` when their
            names do not tell, as in ``{"n_1": "labelled", "n_2": "unlabelled"}``.

    Returns:
        DataFrame with columns task (str), seed (int64, 0 where none is given), n_1 to n_K (int64), score (float64), rows in the
        order they came. ``attrs`` holds ``score_scale`` and ``ignored_columns``, a tuple.

    Raises:
        LearningCurveFormatError: the content is not such a table (message, ``row`` and ``column`` say where).
        FileNotFoundError: ``source`` is a Path that does not exist.
        TypeError: ``source`` is of another type.
        ValueError: ``score_scale`` is neither 1 nor 100, ``direction`` is another word, or ``columns`` names an unknown role.

    >>> read_source_scores("n_1 n_2 score\n100 100 44.0\n100 400 60.8\n400 100 62.5")
            task  seed  n_1  n_2  score
    0  your data     0  100  100   44.0
    1  your data     0  100  400   60.8
    2  your data     0  400  100   62.5
    >>> read_source_scores("clean,n_2,score\n100,100,44\n", columns={"n_1": "clean"})["n_1"].tolist()
    [100]
    >>> try:
    ...     read_source_scores("n_1,n_2,score\n100,0,44\n")
    ... except LearningCurveFormatError as error:
    ...     print(error)
    row 2, column 'n_2': '0' is not above 0, but n counts samples
    """
    columns = dict(columns or {})
    others = [role for role in ALIASES if role != "n"]
    if unknown := [role for role in columns if role not in others and not (is_size(role) and role != "n")]:
        raise ValueError(f"columns may name n_1, n_2, ..., {', '.join(others)}; got {sorted(unknown)}")
    return read_table(source, lambda header: find_source_columns(header, columns, direction), score_scale, direction)
