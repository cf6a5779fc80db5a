"""Why a tree does not care about smoothing and a penalised linear model does: both fitted to one encoded attribute alone.

Every row of a category has the same encoding, so that a fit needs one weighted row a category and label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from workbench.encoders import CategoryTable
from workbench.encoders.validation import check_whole

Array = NDArray[np.float64]

WITHOUT_PENALTY = 1e12
"""``C`` that leaves nothing of the L2 penalty in double precision; the gradient is solved to 1e-12 of the loss."""

LEARNERS = ("tree", "logistic regression", "the same without penalty", "the same after a scaler")


@dataclass(frozen=True)
class SmallTree:
    """A tree on one encoded attribute.

    Attributes:
        cuts: (k - 1,) thresholds in ascending order.
        leaves: (c,) leaf of each category, numbered from the least encoding on.
        scores: (c,) share of positives in its leaf.
    """

    cuts: Array
    leaves: NDArray[np.intp]
    scores: Array


def small_tree(table: CategoryTable, smoothing: float = 0.0, leaves: int = 3) -> SmallTree:
    """Fit a tree of at most ``leaves`` leaves to an encoded attribute.

    Args:
        table: counts of the attribute.
        smoothing: ``m`` of its encoding.
        leaves: at least 2.

    >>> from workbench.encoders import TrainingColumn
    >>> table = TrainingColumn.of(["a"] * 10 + ["b"] * 10 + ["c"] * 10, [0] * 9 + [1] + [0, 1] * 5 + [1] * 10).table
    >>> tree = small_tree(table)
    >>> tree.cuts, tree.leaves, tree.scores
    (array([0.3 , 0.75]), array([0, 1, 2]), array([0.1, 0.5, 1. ]))
    """
    check_whole(leaves, "leaves", 2)
    encoding = table.means(smoothing)
    fitted = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
    fitted.fit(*_rows(table, encoding)[:2], sample_weight=_rows(table, encoding)[2])
    inner = fitted.tree_.children_left >= 0
    cuts = np.sort(fitted.tree_.threshold[inner])
    numbers = np.searchsorted(cuts, encoding.astype(np.float32))  # the tree compares in single precision
    return SmallTree(cuts, numbers, _scores(fitted, encoding))


def score_spread(table: CategoryTable, smoothing: ArrayLike) -> dict[str, Array]:
    """Return how far apart the scores of the categories lie, highest minus lowest, for each of :data:`LEARNERS`.

    Args:
        table: counts of the attribute.
        smoothing: (s,) values of ``m``.

    Returns:
        learner -> (s,) differences of probability.
    """
    found: dict[str, list[float]] = {name: [] for name in LEARNERS}
    for m in np.atleast_1d(np.asarray(smoothing, float)):
        encoding = table.means(m)
        X, y, weight = _rows(table, encoding)
        free = {"C": WITHOUT_PENALTY, "tol": 1e-12, "max_iter": 1000}
        spread = float(np.ptp(encoding)) or 1.0
        scaler = make_pipeline(StandardScaler(), LogisticRegression())
        scaler.fit(X, y, standardscaler__sample_weight=weight, logisticregression__sample_weight=weight)
        models = {
            LEARNERS[0]: (DecisionTreeClassifier(random_state=0).fit(X, y, sample_weight=weight), encoding),
            LEARNERS[1]: (LogisticRegression().fit(X, y, sample_weight=weight), encoding),
            # in units of the encoding's own range, or the solver stops before the weight has grown as it wants to
            LEARNERS[2]: (LogisticRegression(**free).fit(X / spread, y, sample_weight=weight), encoding / spread),
            LEARNERS[3]: (scaler, encoding),
        }
        for name, (model, values) in models.items():
            found[name].append(float(np.ptp(_scores(model, values))))
    return {name: np.array(values) for name, values in found.items()}


def _rows(table: CategoryTable, encoding: Array) -> tuple[Array, NDArray[np.intp], Array]:
    """Return one row a category and label, with its number of people as a weight."""
    weight = np.concatenate([table.counts - table.positives, table.positives]).astype(float)
    some = weight > 0
    target = np.repeat([0, 1], len(encoding))
    return np.tile(encoding, 2)[some, None], target[some], weight[some]


def _scores(model: object, encoding: Array) -> Array:
    return model.predict_proba(encoding[:, None])[:, 1]
