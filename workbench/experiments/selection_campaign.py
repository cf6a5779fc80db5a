"""One campaign of labels as a person plays it: the detector fails, labels are bought, it learns, and it fails elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.experiments.targeted_selection_buying import METHODS, Failure, Table, choose
from workbench.experiments.targeted_selection_config import LoopConfig
from workbench.experiments.targeted_selection_detector import Detector, detection_precision
from workbench.experiments.targeted_selection_loop import first_labelled, worst_failure


@dataclass(frozen=True)
class Round:
    """What is known after a round.

    Attributes:
        method: that chose what was bought in it; empty before the first.
        bought: scenes of the pool that were bought in it, in order.
        ap: of the detector that has learned from all labels so far, on the test scenes.
        failure: the object that this detector misses most: the query of the next round.
    """

    method: str
    bought: tuple[int, ...]
    ap: float
    failure: Failure


class Campaign:
    """A detector of one class, and the labels that are bought for it.

    Args:
        config: of the loop.
        table: what it is played with, from :func:`~workbench.experiments.targeted_selection_loop.make_table`.
        category: class that the detector looks for.

    Attributes:
        rounds: the first is before any purchase.
    """

    def __init__(self, config: LoopConfig, table: Table, category: str) -> None:
        self.config, self.table, self.category = config, table, category
        self.truth = table.pool.shows(category)
        self._start = table.held_scenes.select(first_labelled(config, table, category))
        self._test = table.held_scenes.select(table.roles["test"])
        self._generator = np.random.default_rng([table.seed, config.pool.street.targets.index(category)])
        self.rounds: list[Round] = [self._learn("", ())]

    @property
    def bought(self) -> list[int]:
        """Scenes of the pool that are labelled by now, in the order of purchase."""
        return [index for one in self.rounds for index in one.bought]

    def buy(self, method: str) -> Round:
        """Let a method choose what is labelled next, train the detector on everything, and return the round.

        Raises:
            ValueError: the method is unknown, or the pool is bought out.
        """
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        left = len(self.truth) - len(self.bought)
        if left < self.config.budget:
            raise ValueError(
                f"the pool has {left} scenes left, fewer than the {self.config.budget} of a round: start anew"
            )
        options = {"count": self.config.budget, "shortlist": self.config.shortlist, "generator": self._generator}
        chosen = choose(method, self.table, self._failures(), self.bought, self.truth, **options)
        self.rounds.append(self._learn(method, tuple(chosen)))
        return self.rounds[-1]

    def _failures(self) -> list[Failure]:
        return [one.failure for one in self.rounds]

    def _learn(self, method: str, chosen: Sequence[int]) -> Round:
        """Train on what is labelled and what was chosen now, test, and look for the worst failure."""
        known = [one.failure for one in getattr(self, "rounds", [])]
        labelled = [*(self.bought if known else []), *chosen]
        detector = Detector.train(self._start.join(self.table.scenes.select(labelled)), self.category, self.table.seed)
        ap = detection_precision(detector.maps(self._test), self._test, self.category)
        return Round(method, tuple(chosen), ap, worst_failure(self.table, detector, self.category, known))

    def frame(self) -> pd.DataFrame:
        """Return a row a round: round, method, labels bought, positives and sequences with one so far, ap."""
        rows, bought = [], []
        for number, one in enumerate(self.rounds):
            bought += one.bought
            hits = [index for index in bought if self.truth[index]]
            counts = {"positives": len(hits), "sequences": len({self.table.groups[index] for index in hits})}
            rows.append({"round": number, "method": one.method, "bought": len(bought), **counts, "ap": one.ap})
        return pd.DataFrame(rows)
