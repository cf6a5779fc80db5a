"""The tables of people that ship with the workbench: COMPAS (two of its files) and Adult."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.datasets._data_cards import ADULT_CARD, COMPAS_CARD, COMPAS_TWO_YEARS_CARD
from workbench.datasets.fairness import FairnessDataset
from workbench.datasets.files import data_dir

COMPAS_FEATURES = (
    *("Ethnicity", "MaritalStatus", "Sex", "Agency", "LegalStatus", "CustodyStatus", "ScaleSet", "AssessmentType"),
)
"""Features of the paper's experiment; the first two are its protected attributes."""

COMPAS_TWO_YEARS_FEATURES = (
    *("race", "sex", "age", "priors_count", "juv_fel_count", "juv_misd_count", "juv_other_count", "c_charge_degree"),
)
_LABELS = {"rearrest": "arrested again within two years", "score": "decile score above 4"}


def compas_table() -> pd.DataFrame:
    """Return the shipped rows of COMPAS as they are in the file: 20 281 assessments, 12 columns, 36 with a decile of -1.

    >>> compas_table().shape
    (20281, 12)
    """
    return _read("compas").copy()


def load_compas() -> FairnessDataset:
    """Return COMPAS, risk of recidivism: eight categorical features; the label is a decile score above 4.

    That is the task of "Fairness Implications of Encoding Protected Categorical Attributes" (Mougan et al., AIES 2023): to
    imitate the vendor's score, not to foresee an offence. Protected: ethnicity (reference Caucasian), marital status
    (Married) and sex (Male).

    >>> compas = load_compas()
    >>> len(compas), compas.label.name
    (20245, 'decile score above 4')
    >>> compas.group_table("Ethnicity").round(3).head(3)
                  group     n  positives   rate
    0  African-American  9010       5244  0.582
    1         Caucasian  7247       2345  0.324
    2          Hispanic  2907        782  0.269
    """
    table = _read("compas")
    table = table[table["DecileScore"] > 0]
    label = (table["DecileScore"] > 4).astype("int64").rename(_LABELS["score"])
    references = {"Ethnicity": "Caucasian", "MaritalStatus": "Married", "Sex": "Male"}
    return FairnessDataset(table[list(COMPAS_FEATURES)], label, tuple(references), references, COMPAS_CARD)


def load_compas_two_years(label: str = "rearrest", propublica_filter: bool = True) -> FairnessDataset:
    """Return COMPAS with what happened within two years: age, counts of earlier offences, charge degree, race and sex.

    Protected: race (reference Caucasian) and sex (Male). ``age`` and the counts are int64.

    Args:
        label: ``"rearrest"`` (arrested for a new offence within two years) or ``"score"`` (decile score above 4).
        propublica_filter: keep only the 6 172 people of ProPublica's analysis.

    Raises:
        ValueError: ``label`` is another word.

    >>> len(load_compas_two_years()), len(load_compas_two_years(propublica_filter=False))
    (6172, 7214)
    """
    if label not in _LABELS:
        raise ValueError(f"label must be 'rearrest' or 'score', got {label!r}")
    table = _read("compas_two_years")
    if propublica_filter:
        near = table["days_b_screening_arrest"].between(-30, 30)
        known = (table["is_recid"] != -1) & (table["score_text"] != "N/A")
        table = table[near & known & (table["c_charge_degree"] != "O")]
    truth = table["two_year_recid"] if label == "rearrest" else (table["decile_score"] > 4).astype("int64")
    frame = table[list(COMPAS_TWO_YEARS_FEATURES)]
    references = {"race": "Caucasian", "sex": "Male"}
    card = COMPAS_TWO_YEARS_CARD
    if label == "score":
        card = replace(card, label=COMPAS_CARD.label, label_is_not=COMPAS_CARD.label_is_not)
    return FairnessDataset(frame, truth.rename(_LABELS[label]), tuple(references), references, card)


def load_adult(split: str = "all") -> FairnessDataset:
    """Return Adult: 13 features of the US census survey of 1994; the label is an income above 50 000 dollars.

    Protected: race (reference White), sex (Male) and native country (United-States). Unknown values stay the category ``"?"``.

    Args:
        split: UCI's ``"train"`` (32 561 rows) or ``"test"`` (16 281), or ``"all"``.

    Raises:
        ValueError: ``split`` is another word.

    >>> adult = load_adult()
    >>> len(adult), int(adult.label.sum()), adult.frame["native-country"].nunique()
    (48842, 11687, 42)
    """
    rows = {"all": slice(None), "train": slice(32_561), "test": slice(32_561, None)}
    if split not in rows:
        raise ValueError(f"split must be 'all', 'train' or 'test', got {split!r}")
    table = _read("adult").iloc[rows[split]]
    label = pd.Series(np.where(table["income"] == ">50K", 1, 0), name="income above $50 000")
    references = {"race": "White", "sex": "Male", "native-country": "United-States"}
    return FairnessDataset(table.drop(columns="income"), label, tuple(references), references, ADULT_CARD)


@functools.lru_cache(maxsize=3)
def _read(name: str) -> pd.DataFrame:
    """Return a shipped table; no word of it but an empty field of the numeric columns counts as missing."""
    numeric = {"days_b_screening_arrest": [""]} if name == "compas_two_years" else {}
    return pd.read_csv(data_dir() / "people" / f"{name}.csv.gz", keep_default_na=False, na_values=numeric)
