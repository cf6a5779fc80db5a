"""A campaign that takes months: an append-only CSV from which the next order can be planned at any time."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.estimators.campaign import CAP, names
from workbench.estimators.policies import CollectionProblem, Decision, LocPolicy, Policy
from workbench.estimators.search import Array

_HEAD = "# campaign:"
_FACTS = ("target", "rounds", "cost", "penalty", "q_max")


class CampaignLogError(ValueError):
    """A campaign log that cannot be read; the message says what is wrong, in which line, and what was expected."""


@dataclass(frozen=True)
class CampaignLog:
    """What was measured and paid so far, and what it is for; the plan needs nothing else.

    The file starts with one comment line, ``# campaign: target=90 rounds=5 cost=1 penalty=1e+07 q_max=100000``, and has columns
    ``round, n, score, cost_paid`` (``n_1, n_2, ...`` for several sources).  Round 0 holds the scores that were measured before
    the first order, on nested subsets of what was owned; each later row is one order.  Rows are only ever added.

    Attributes:
        problem: target, rounds, cost, penalty.
        q_max: (K,) most samples that may be owned.
        rounds: (m,) round of each row.
        sizes: (m, K) samples owned, increasing.
        scores: (m,) scores in percent.
        paid: (m,) cost of each round's order.
        path: the file, ``None`` for a log that was read from bytes.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "campaign.csv"
    >>> problem = CollectionProblem(target=90, rounds=3, cost=0.5, penalty=20_000)
    >>> log = CampaignLog.start(path, problem, [1000, 2000, 3000, 4000, 5000], [44.0, 60.8, 64.9, 75.6, 76.9])
    >>> order = log.decide().plan.orders[0]
    >>> log = CampaignLog.open(path).record(5000 + order, 85.2)
    >>> log.rounds_left, log.status, bool(log.paid.sum() == 0.5 * order)
    (2, 'open', True)
    """

    problem: CollectionProblem
    q_max: Array
    rounds: Array
    sizes: Array
    scores: Array
    paid: Array
    path: Path | None = None

    @classmethod
    def start(
        cls,
        path: str | os.PathLike[str],
        problem: CollectionProblem,
        sizes: ArrayLike,
        scores: ArrayLike,
        *,
        q_max: ArrayLike | None = None,
    ) -> CampaignLog:
        """Write a new log with what was measured before the first order.

        Args:
            path: of the new file.
            problem: what the campaign is for.
            sizes: (m,) or (m, K) sizes measured so far, the present one last.
            scores: (m,) their scores in percent.
            q_max: most samples that may be owned; default 20 times the present ones.

        Raises:
            FileExistsError: there is a file already; a log is never overwritten.
            ValueError: a measurement is not usable.
        """
        sizes = np.asarray(sizes, float)
        sizes = sizes[:, None] if sizes.ndim == 1 else sizes
        scores = np.asarray(scores, float)
        if len(sizes) != len(scores) or not len(sizes):
            raise ValueError(
                f"sizes and scores must be of one length and not empty, got {len(sizes)} and {len(scores)}"
            )
        limit = CAP * sizes[-1] if q_max is None else np.broadcast_to(np.asarray(q_max, float), sizes[-1].shape)
        log = cls(problem, limit, np.zeros(len(scores)), sizes, scores, np.zeros(len(scores)), Path(path))
        log._check()
        facts = " ".join(f"{name}={value}" for name, value in zip(_FACTS, log._facts(), strict=True))
        rows = [log._row(index) for index in range(len(scores))]
        with open(path, "x", encoding="utf-8", newline="") as file:
            file.write(f"{_HEAD} {facts}\n{','.join(log._columns())}\n" + "".join(rows))
        return log

    @classmethod
    def open(cls, source: str | os.PathLike[str] | bytes) -> CampaignLog:
        """Read a log from its path, or from the bytes of an upload.

        Raises:
            CampaignLogError: the content is not a campaign log.
            FileNotFoundError: there is no such file.
        """
        path = None if isinstance(source, bytes) else Path(source)
        try:
            text = (path.read_bytes() if path else source).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise CampaignLogError("a campaign log is a CSV file in UTF-8, and this is not text") from None
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip(' ,;"')]
        if len(lines) < 3 or not lines[0][1].strip('"').startswith(_HEAD):
            raise CampaignLogError(
                f"a campaign log starts with a line '{_HEAD} target=... rounds=... cost=... penalty=... q_max=...', then the "
                f"names of its columns, then its rows; got {lines[0][1][:60]!r}"
                if lines
                else "the campaign log is empty"
            )
        problem, q_max = _read_facts(lines[0][1])
        table = _read_rows(lines[1:], len(problem.prices))
        sources = len(problem.prices)
        log = cls(problem, q_max, table[:, 0], table[:, 1 : 1 + sources], table[:, -2], table[:, -1], path)
        log._check(CampaignLogError)
        return log

    def record(self, size: ArrayLike, score: float, cost_paid: float | None = None) -> CampaignLog:
        """Append the outcome of one order and return the longer log.

        Args:
            size: samples owned now, (K,) for several sources.
            score: in percent, measured with them.
            cost_paid: bill of this order; by default the samples times their cost.

        Raises:
            ValueError: the log was read from bytes; the file has changed since it was read; a value is not usable.
        """
        if self.path is None:
            raise ValueError("this log was read from an upload: open it by its path to append to it")
        if not np.array_equal(CampaignLog.open(self.path)._table(), self._table()):
            raise ValueError(f"{self.path.name} has changed since it was read: open it again before appending")
        size = np.atleast_1d(np.asarray(size, float))
        if size.shape != self.sizes[-1].shape:
            raise ValueError(f"size must have one value a source ({self.sizes.shape[1]}), got {size.size}")
        bill = float(self.problem.prices @ (size - self.sizes[-1])) if cost_paid is None else float(cost_paid)
        log = CampaignLog(
            self.problem,
            self.q_max,
            np.append(self.rounds, self.rounds[-1] + 1),
            np.vstack([self.sizes, size]),
            np.append(self.scores, float(score)),
            np.append(self.paid, bill),
            self.path,
        )
        log._check()
        text = log._row(len(log.scores) - 1)
        if not self.path.read_bytes().endswith(b"\n"):
            text = "\n" + text
        with open(self.path, "ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        return log

    @property
    def rounds_left(self) -> int:
        """Orders that can still be placed."""
        return int(self.problem.rounds - self.rounds[-1])

    @property
    def status(self) -> str:
        """``"met"``, ``"missed"`` (no round is left) or ``"open"``."""
        if self.scores.max() >= self.problem.target:
            return "met"
        return "open" if self.rounds_left > 0 else "missed"

    def decide(self, policy: Policy | None = None, seed: int = 0) -> Decision:
        """Return what ``policy`` (default LOC) would own after the next order, with the law and the plan behind it.

        Raises:
            ValueError: the campaign is over.
        """
        if self.status != "open":
            raise ValueError(f"the campaign is over: the target was {self.status}")
        policy = policy or LocPolicy()
        return policy.decide(self.sizes, self.scores, self.problem, self.rounds_left, self.q_max, seed)

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table."""
        return pd.DataFrame(self._table(), columns=self._columns()).astype({"round": int})

    def _columns(self) -> list[str]:
        return ["round", *names("n", self.sizes.shape[1]), "score", "cost_paid"]

    def _table(self) -> Array:
        return np.column_stack([self.rounds, self.sizes, self.scores, self.paid])

    def _facts(self) -> list[str]:
        problem = self.problem
        costs, limits = (";".join(repr(float(v)) for v in values) for values in (problem.prices, self.q_max))
        return [repr(float(problem.target)), str(problem.rounds), costs, repr(float(problem.penalty)), limits]

    def _row(self, index: int) -> str:
        values = self._table()[index]
        return f"{int(values[0])}," + ",".join(f"{value:.12g}" for value in values[1:]) + "\n"

    def _check(self, error: type[ValueError] = ValueError) -> None:
        table = self._table()
        if len(self.problem.prices) != self.sizes.shape[1]:
            raise error(f"cost must have one value a source ({self.sizes.shape[1]}), got {len(self.problem.prices)}")
        if np.any(self.sizes <= 0):
            raise error("every source must have at least one sample in every row")
        if self.rounds[0] != 0 or np.any(np.diff(self.rounds[self.rounds > 0], prepend=0) != 1):
            raise error(
                f"round must be 0 for what was measured at the start, then 1, 2, ..., got {self.rounds.tolist()}"
            )
        orders = np.diff(self.sizes[np.flatnonzero(self.rounds == 0)[-1] :], axis=0)
        if np.any(orders < 0) or np.any(orders.sum(1) <= 0):
            raise error(f"each round must add samples and take none away, got sizes {self.sizes.tolist()}")
        for column, name in enumerate(self._columns()):
            bad = np.flatnonzero(~np.isfinite(table[:, column]) | (table[:, column] < 0))
            if len(bad):
                raise error(
                    f"{name} must be a number that is not negative, got {table[bad[0], column]:g} in data row {bad[0] + 1}"
                )
        if self.rounds[-1] > self.problem.rounds:
            raise error(
                f"the campaign has {self.problem.rounds} rounds, and round {self.rounds[-1]:.0f} is beyond them"
            )
        if np.any(self.sizes[-1] > self.q_max):
            raise error(f"size must not be above q_max={self.q_max.tolist()}, got {self.sizes[-1].tolist()}")
        if self.scores.max() > 100:
            raise error(f"score is in percent and must be at most 100, got {self.scores.max():g}")


def _read_facts(line: str) -> tuple[CollectionProblem, Array]:
    text = line.strip(' ,;"').removeprefix(_HEAD)
    facts: dict[str, Any] = dict(part.split("=", 1) for part in text.split() if "=" in part)
    missing = [name for name in _FACTS if name not in facts]
    if missing:
        raise CampaignLogError(
            f"line 1 must say {', '.join(f'{name}=...' for name in _FACTS)}; {missing[0]} is missing"
        )
    try:
        cost, q_max = (tuple(float(v) for v in facts[name].split(";")) for name in ("cost", "q_max"))
        problem = CollectionProblem(float(facts["target"]), int(facts["rounds"]), cost, float(facts["penalty"]))
    except ValueError as error:
        raise CampaignLogError(f"line 1: {error}") from None
    if len(q_max) != len(cost):
        raise CampaignLogError(f"line 1: cost and q_max must have one value a source, got {len(cost)} and {len(q_max)}")
    return problem, np.array(q_max)


def _read_rows(lines: list[tuple[int, str]], sources: int) -> Array:
    expected = ["round", *names("n", sources), "score", "cost_paid"]
    header = [field.strip() for field in next(csv.reader([lines[0][1]]))]
    if header != expected:
        raise CampaignLogError(
            f"line {lines[0][0]}: the columns must be {', '.join(expected)}, got {', '.join(header)}"
        )
    rows = []
    for number, line in lines[1:]:
        fields = next(csv.reader([line]))
        if len(fields) != len(expected):
            raise CampaignLogError(
                f"line {number}: expected {len(expected)} fields ({', '.join(expected)}), got {len(fields)}"
            )
        for name, field in zip(expected, fields, strict=True):
            try:
                float(field)
            except ValueError:
                raise CampaignLogError(f"line {number}, column {name!r}: {field!r} is not a number") from None
        rows.append([float(field) for field in fields])
    return np.array(rows)
