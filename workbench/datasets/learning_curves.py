"""Learning curves: the six published ones, the LCDB extract, and a person's own table."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable
from types import MappingProxyType

import pandas as pd

from workbench.datasets.files import data_dir
from workbench.datasets.learning_curve_reader import LearningCurveFormatError, read_learning_curves

__all__ = ["FULL_SIZES", "LearningCurveFormatError", "lcdb_curves", "published_curves", "read_learning_curves"]

FULL_SIZES = MappingProxyType(
    {
        "CIFAR-10": 50_000,
        "CIFAR-100": 50_000,
        "ImageNet": 1_281_167,
        "VOC": 16_551,
        "nuScenes": 28_130,
        "BDD100K": 7_000,
    }
)
"""Number of training samples in each published task. The curves of CIFAR stop at 45 000 and that of VOC at 11 711."""


def published_curves(task: str | None = None) -> pd.DataFrame:
    """Return the six learning curves that Mahmood et al. measured: columns task, n (int64), score (float64), source.

    Scores are percentages: top-1 accuracy (CIFAR-10, CIFAR-100, ImageNet), mAP (VOC), mIoU (BDD100K, nuScenes bird's-eye
    view). One seed each, recovered from the vector drawing of Figure 5 of "Optimizing Data Collection for Machine Learning"
    (NeurIPS 2022), to about 0.01 points. Rows are sorted by n within a task.

    Args:
        task: one of ``FULL_SIZES``; all six when None.

    Raises:
        ValueError: ``task`` is not one of the six.

    >>> published_curves("CIFAR-10")[["n", "score"]].tail(1).values.tolist()
    [[45000.0, 94.66]]
    """
    frame = pd.read_csv(data_dir() / "learning_curves_mahmood2022.csv", dtype={"n": "int64", "score": "float64"})
    if task is None:
        return frame
    if task not in FULL_SIZES:
        raise ValueError(f"task must be one of {', '.join(FULL_SIZES)}; got {task!r}")
    return frame[frame["task"] == task].reset_index(drop=True)


def lcdb_curves(
    dataset: int | str | Iterable[int | str] | None = None,
    learner: str | Iterable[str] | None = None,
    *,
    min_points: int = 1,
) -> pd.DataFrame:
    """Return learning curves of LCDB 1.0 (248 OpenML data sets x 20 scikit-learn learners), averaged over its splits.

    Columns: openmlid (int64), dataset (name; ``openml-<id>`` where the database has none), learner (class name without its
    module), n (training samples, int64), score_mean (test accuracy in percent), score_std (sample standard deviation over
    splits, in points; NaN for one split), splits (int64; 25 for most sizes, fewer where runs failed, up to 125 for some).

    Source: Mohr, Viering, Loog, van Rijn, "LCDB 1.0", ECML PKDD 2022; Python package lcdb 0.1.0, MIT licence.

    Args:
        dataset: OpenML id or name, or several; all when None. Some names belong to several ids ("car"): give the id.
        learner: learner's name, or several; all when None.
        min_points: keep only curves with at least this many sizes.

    Raises:
        ValueError: a data set or learner that the extract does not hold (the message offers the nearest names), or a
            name that belongs to several ids.

    >>> curve = lcdb_curves("Fashion-MNIST", "RandomForestClassifier")
    >>> curve.loc[curve["n"].isin([16, 60000]), "score_mean"].round(1).tolist()
    [35.5, 88.5]
    """
    frame = _lcdb_extract()
    if dataset is not None:
        wanted = _as_list(dataset)
        ids = [_dataset_id(frame, one) for one in wanted]
        frame = frame[frame["openmlid"].isin(ids)]
    if learner is not None:
        wanted = _as_list(learner)
        known = sorted(_lcdb_extract()["learner"].unique())
        for one in wanted:
            if one not in known:
                raise ValueError(f"learner {one!r} is not in LCDB; it has {', '.join(known)}")
        frame = frame[frame["learner"].isin(wanted)]
    if min_points > 1:
        frame = frame[frame.groupby(["openmlid", "learner"])["n"].transform("size") >= min_points]
    return frame.reset_index(drop=True)


@functools.lru_cache(maxsize=1)
def _lcdb_extract() -> pd.DataFrame:
    return pd.read_csv(data_dir() / "lcdb_extract.csv.gz", keep_default_na=False, na_values={"score_std": [""]})


def _as_list(value: int | str | Iterable[int | str]) -> list[int | str]:
    return [value] if isinstance(value, int | str) else list(value)


def _dataset_id(frame: pd.DataFrame, dataset: int | str) -> int:
    column = "dataset" if isinstance(dataset, str) else "openmlid"
    found = frame.loc[frame[column] == dataset, "openmlid"].unique()
    if len(found) > 1:
        raise ValueError(f"data set name {dataset!r} belongs to the OpenML ids {', '.join(map(str, found))}: give one")
    if len(found) == 1:
        return int(found[0])
    near = difflib.get_close_matches(str(dataset), frame[column].astype(str).unique(), n=5, cutoff=0.4)
    hint = f"; near: {', '.join(near)}" if near else ""
    raise ValueError(f"data set {dataset!r} is not among the {frame['openmlid'].nunique()} of LCDB{hint}")
