"""Time two ways of answering the same question, repeat by repeat, and keep the ratio of their times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Ours = TypeVar("Ours")
Peers = TypeVar("Peers")


@dataclass(frozen=True)
class BenchmarkConfig:
    """What to run.

    Attributes:
        repeats: timed repeats of each pair, after one that is not timed.
        resamples: bootstrap resamples of a curve.
        seed: of the bootstrap.
        peers: name and version of each peer that took part.
    """

    repeats: int = 5
    resamples: int = 500
    seed: int = 0
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Timing:
    """Median CPU seconds of both, and the median, least and greatest ratio ours / peer over the repeats."""

    ours_seconds: float
    peer_seconds: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class Comparison:
    """One row of the table; a row without a peer leaves its columns empty.

    Attributes:
        subject: the question that both answer.
        ours: what of the workbench answers it.
        peer: what else does, ``"none"`` for a time given as information.
        setting: the data, and what the seconds are.
        agreement: how far the answers agree.
    """

    subject: str
    ours: str
    peer: str
    setting: str
    timing: Timing
    agreement: str

    def row(self) -> dict[str, str | float]:
        """Return the columns of ``data/results/benchmarks.csv``."""
        return {
            "subject": self.subject,
            "ours": self.ours,
            "peer": self.peer,
            "setting": self.setting,
            **vars(self.timing),
            "agreement": self.agreement,
        }


def side_by_side(ours: Callable[[], Ours], peer: Callable[[], Peers], repeats: int) -> tuple[Ours, Peers, Timing]:
    """Run both in turn, the first one alternating, and return their answers with the CPU time of this process.

    CPU time leaves out what other programs on the machine took; the two halves of a ratio are measured within seconds of
    each other, so that a change of the clock rate meets both.
    """
    answers = ours(), peer()
    pairs = []
    for repeat in range(repeats):
        seconds = {}
        for run in (ours, peer) if repeat % 2 else (peer, ours):
            started = time.process_time()
            run()
            seconds[run] = time.process_time() - started
        pairs.append((seconds[ours], seconds[peer]))
    ratios = [mine / theirs for mine, theirs in pairs]
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return *answers, Timing(mine, theirs, statistics.median(ratios), min(ratios), max(ratios))
