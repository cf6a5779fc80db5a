"""Whom the experiments of paper 10 are about: rows, the columns whose encoding varies, and the groups that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.datasets import FairnessDataset, load_adult, load_compas, load_compas_two_years
from workbench.encoders import TargetEncoder, cross_columns

MODELS = ("logistic regression", "MLP", "boosted trees")
"""The models of Figure 1, with the defaults of scikit-learn; the paper's trees are those of XGBoost."""

COMPAS = "COMPAS"
COMPAS_ALONE = "COMPAS, ethnicity alone"
COMPAS_PUBLISHED = "COMPAS, as published"
COMPAS_CROSSED = "COMPAS, one column"
TWO_YEARS = "COMPAS, rearrest within two years"
ADULT = "Adult"
MARITAL, ETHNIC, BOTH = "MaritalStatus", "Ethnicity", "Ethnicity|MaritalStatus"
RACE, COUNTRY, RACE_COUNTRY = "race", "native-country", "race|native-country"

ADULT_FEATURES = ("education", "hours-per-week", "workclass", "occupation")
LEAST_COMPAS = 50  # leaves out Arabic (25) and Oriental (13), as the paper's code does


@dataclass(frozen=True, eq=False)
class EncodingTask:
    """One question: how does the encoding of these columns change performance, and fairness between these groups?

    Attributes:
        name: of the task.
        attribute: by which people are grouped.
        frame: (n, d) features.
        label: (n,) 0 and 1.
        encoded: columns of ``frame`` whose encoding varies; every other word is target-encoded with ``m = 1``.
        group: (n,) group of each row by ``attribute``.
        reference: the group that the others are compared with.
    """

    name: str
    attribute: str
    frame: pd.DataFrame
    label: np.ndarray
    encoded: tuple[str, ...]
    group: np.ndarray
    reference: str

    def halves(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of training and test rows: half each, stratified by group and label as far as two rows allow."""
        strata = pd.Series(self.group).astype(str) + pd.Series(self.label).astype(str)
        rare = strata.map(strata.value_counts()) < 2
        shared = "rare" if rare.sum() != 1 else strata.mode()[0]  # one row by itself cannot be a stratum either
        return train_test_split(
            np.arange(len(strata)), test_size=0.5, stratify=strata.where(~rare, shared), random_state=seed
        )

    def others(self) -> Pipeline:
        """Return the transformer of all columns but the encoded ones: words to their smoothed means, numbers standardised."""
        rest = self.frame.drop(columns=list(self.encoded))
        words = list(rest.select_dtypes(exclude="number"))
        numbers = list(rest.select_dtypes("number"))
        scaler = ColumnTransformer(
            [("numbers", StandardScaler(), numbers)], remainder="passthrough", verbose_feature_names_out=False
        )
        return make_pipeline(TargetEncoder(words, smoothing=1), scaler.set_output(transform="pandas"))


def model_named(name: str, seed: int) -> LogisticRegression | MLPClassifier | HistGradientBoostingClassifier:
    """Return a fresh one of :data:`MODELS`.

    Raises:
        ValueError: there is no such model.
    """
    if name == "logistic regression":
        return LogisticRegression()
    if name == "MLP":
        return MLPClassifier(random_state=seed)
    if name == "boosted trees":
        return HistGradientBoostingClassifier(early_stopping=False, random_state=seed)  # 100 trees, as XGBoost grows
    raise ValueError(f"model must be one of {', '.join(MODELS)}, got {name!r}")


def compas_task() -> EncodingTask:
    """Return the paper's own experiment: ethnicity and marital status are encoded, or dropped, together."""
    data = load_compas().without_small_groups(ETHNIC, LEAST_COMPAS)
    return _task(COMPAS, data, ETHNIC, (ETHNIC, MARITAL))


def compas_alone_task() -> EncodingTask:
    """Return the same with ethnicity alone encoded, or dropped: marital status stays a feature like the others."""
    data = load_compas().without_small_groups(ETHNIC, LEAST_COMPAS)
    return _task(COMPAS_ALONE, data, ETHNIC, (ETHNIC,))


def two_years_task() -> EncodingTask:
    """Return the question with an outcome for a label: rearrest within two years instead of the vendor's score."""
    data = load_compas_two_years().without_small_groups("race", LEAST_COMPAS)
    return _task(TWO_YEARS, data, "race", ("race",))


def intersection_tasks() -> list[EncodingTask]:
    """Return Figure 3's three: marital status alone, ethnicity alone, and their intersection in one column."""
    data = load_compas().without_small_groups(ETHNIC, LEAST_COMPAS)
    return _crossed(COMPAS_CROSSED, data, (ETHNIC, MARITAL))


def adult_tasks(rows: int | None = None) -> list[EncodingTask]:
    """Return race alone, native country alone, and their intersection, on the census data; ``rows`` keeps the first ones only."""
    data = load_adult()
    data = data.subset(np.arange(len(data))[:rows])
    kept = data.frame[[*ADULT_FEATURES, RACE, COUNTRY]]
    references = {name: data.references[name] for name in (RACE, COUNTRY)}
    return _crossed(ADULT, FairnessDataset(kept, data.label, (RACE, COUNTRY), references, data.card), (RACE, COUNTRY))


def _task(name: str, data: FairnessDataset, attribute: str, encoded: Sequence[str]) -> EncodingTask:
    label = data.label.to_numpy()
    return EncodingTask(
        name, attribute, data.frame, label, tuple(encoded), data.groups(attribute), data.references[attribute]
    )


def _crossed(name: str, data: FairnessDataset, pair: tuple[str, str]) -> list[EncodingTask]:
    """Return one task an attribute, each without the other one, and one of both in a single column."""
    crossed = cross_columns(data.frame, pair).astype(str)
    rest = data.frame.drop(columns=list(pair))
    columns = {pair[1]: data.frame[pair[1]], pair[0]: data.frame[pair[0]], crossed.name: crossed}
    references = dict(data.references) | {crossed.name: "|".join(data.references[one] for one in pair)}
    label = data.label.to_numpy()
    return [
        EncodingTask(
            name,
            attribute,
            rest.assign(**{attribute: column}),
            label,
            (attribute,),
            column.astype(str).to_numpy(dtype=object),
            references[attribute],
        )
        for attribute, column in columns.items()
    ]
