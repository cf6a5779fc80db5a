"""Search in two stages: a compressed store is scanned whole, and only its shortlist is scored exactly."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from workbench.retrieval.coarse_scan import CoarseScan, fast_dtype
from workbench.retrieval.execution import Scheduler, run_shards
from workbench.retrieval.features import Features
from workbench.retrieval.matching import match
from workbench.retrieval.mining import Match, as_box
from workbench.retrieval.store import FeatureStore
from workbench.retrieval.store_files import read_features, read_index
from workbench.retrieval.template import Template
from workbench.training import CancelToken, Progress, no_progress

PICTURES = 256
"""Pictures of a shortlist that are read at a time."""
TOGETHER = 0.4
"""Share of the pairs of pictures and templates from which on it is faster to score all pairs together than those asked for."""


@dataclass(frozen=True)
class TwoStage:
    """What :func:`two_stage` returns.

    Attributes:
        matches: of each template, the best first; ``score`` is s(I).
        evaluated: float64 (T,): the share of the pool that was scored exactly.
        certified: whether it is proved that no picture of the pool is missing.
    """

    matches: tuple[tuple[Match, ...], ...]
    evaluated: np.ndarray
    certified: bool

    def recall(self, exact: Sequence[Collection[str]]) -> np.ndarray:
        """Return float64 (T,): which share of each template's exact answer, given by names, was found."""
        return np.array(
            [
                len(set(names) & {one.image_id for one in found}) / len(names)
                for names, found in zip(exact, self.matches, strict=True)
            ]
        )


def two_stage(
    coarse: FeatureStore,
    fine: FeatureStore,
    templates: Sequence[Template],
    *,
    top: int = 20,
    shortlist: float = 0.02,
    certified: bool = False,
    exclude: Collection[str] = (),
    dtype: torch.dtype | None = None,
    scheduler: Scheduler = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> TwoStage:
    """Return the ``top`` pictures for each template, from exact scores of those that looked best in a compressed store.

    With ``certified`` the scan computes bounds (section 5) in place of estimates, and every picture is scored exactly whose bound
    reaches the lowest score of the answer, so that nothing is missed. How many these are depends on how much of the vectors the
    compressed store keeps.

    Args:
        coarse: made by :func:`~workbench.retrieval.embedding.compress` from ``fine``, in int8; with residuals for ``certified``.
        fine: in half precision, all channels.
        templates: that are looked for at once, each on its own.
        top: pictures per template.
        shortlist: share of the pool that is scored exactly, of each template; at least ``top`` pictures are. With ``certified``
            these are only the first.
        certified: prove that the answer is exact.
        exclude: names of pictures to leave out, such as the query's own.
        dtype: of the products of the scan; default bfloat16 where the processor has instructions for it, else float32.
        scheduler: ``None``, ``"local"``, a number of workers, or a Dask scheduler; see
            :data:`~workbench.retrieval.execution.Scheduler`.
        progress: is told how many pictures are scanned.
        cancel: stops the search.

    Raises:
        Cancelled: Stop was asked for.
        ValueError: there is no template or no picture; an option is out of its range; the coarse store was made from another one,
            or lacks the residuals.
    """
    _check(coarse, fine, templates, top, shortlist, certified)
    scan = CoarseScan(tuple(templates), coarse.manifest.encoding, dtype or fast_dtype())
    looks = _scan(coarse, scan, certified, scheduler, progress, cancel)
    allowed = _allowed(fine, exclude)
    count = min(max(top, int(np.ceil(shortlist * len(allowed)))), len(allowed))
    listed = [allowed[_largest(column[allowed], count)] for column in looks.T]
    exact = _exact(fine, templates, listed, scheduler, cancel)
    if certified:
        lowest = [np.sort(found[:, 0])[-min(top, len(found))] for found in exact]
        candidates = [allowed[looks[allowed, index] >= least] for index, least in enumerate(lowest)]
        more = [np.setdiff1d(wanted, done) for wanted, done in zip(candidates, listed, strict=True)]
        exact = [
            np.concatenate(pair) for pair in zip(exact, _exact(fine, templates, more, scheduler, cancel), strict=True)
        ]
        listed = [np.concatenate(pair) for pair in zip(listed, more, strict=True)]
    best = []
    for places, found in zip(listed, exact, strict=True):
        order = np.lexsort([places, -found[:, 0]])[:top]
        best.append((places[order], found[order]))
    return TwoStage(_named(fine, best), np.array([len(places) for places in listed]) / len(allowed), certified)


def _scan(
    coarse: FeatureStore,
    scan: CoarseScan,
    bounds: bool,
    scheduler: Scheduler,
    progress: Progress,
    cancel: CancelToken | None,
) -> np.ndarray:
    """Return the estimates or the bounds of the pool, (N, T)."""
    numbers, ends = coarse.numbers, coarse.ends
    found = np.empty((len(coarse), len(scan.templates)), np.float32)
    done, said = 0, f"scanning {coarse.path.name}"
    progress(done, len(coarse), said)
    tasks = [(number,) for number in numbers]
    shared = (coarse, scan, bounds)
    for index, part in run_shards(_scan_shard, shared, tasks, scheduler=scheduler, cancel=cancel):
        found[ends[index] - len(part) : ends[index]] = part
        done += len(part)
        progress(done, len(coarse), said)
    return found


def _scan_shard(shared: tuple[FeatureStore, CoarseScan, bool], number: int) -> np.ndarray:
    store, scan, bounds = shared
    features = read_features(store.folder(number))
    if not bounds:
        return scan.estimates(features)
    strides = {template.stride for template in scan.templates}
    return scan.upper_bounds(features, {stride: store.residual(number, stride) for stride in strides})


def _exact(
    fine: FeatureStore,
    templates: Sequence[Template],
    places: Sequence[np.ndarray],
    scheduler: Scheduler,
    cancel: CancelToken | None,
) -> list[np.ndarray]:
    """Return, for each template, float32 (n, 5): score and box in the n pictures at its places of the pool."""
    found = [np.empty((len(some), 5), np.float32) for some in places]
    tasks, back, first = [], [], 0
    for number, end in zip(fine.numbers, fine.ends, strict=True):
        own = [np.flatnonzero((some >= first) & (some < end)) for some in places]
        if any(map(len, own)):
            tasks.append((number, [some[rows] - first for some, rows in zip(places, own, strict=True)]))
            back.append(own)
        first = end
    shared = (fine, tuple(templates))
    for index, results in run_shards(_score_pairs, shared, tasks, scheduler=scheduler, cancel=cancel):
        for array, rows, result in zip(found, back[index], results, strict=True):
            array[rows] = result
    return found


def _score_pairs(
    shared: tuple[FeatureStore, tuple[Template, ...]], number: int, rows: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return (n, 5) score and box of each template in its own rows of a shard."""
    store, templates = shared
    union = np.unique(np.concatenate(rows))
    together = sum(map(len, rows)) > TOGETHER * len(templates) * len(union)
    found = [np.empty((len(own), 5), np.float32) for own in rows]
    for start in range(0, len(union), PICTURES):
        some = union[start : start + PICTURES]
        features = read_features(store.folder(number), some, {template.stride for template in templates})
        everything = _scored(templates, features) if together else None
        for index, (template, own) in enumerate(zip(templates, rows, strict=True)):
            which = np.flatnonzero(np.isin(own, some))
            if len(which):
                places = np.searchsorted(some, own[which])
                if everything is not None:
                    found[index][which] = everything[places, index]
                else:
                    alone = features if len(places) == len(some) else features.select(places)
                    found[index][which] = _scored([template], alone)[:, 0]
    return found


def _scored(templates: Sequence[Template], features: Features) -> np.ndarray:
    """Return (N, T, 5) score and box of each picture and template."""
    result = match(templates, features)
    return np.concatenate([result.scores[..., None], result.boxes], 2)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the largest values, ties in their order."""
    return np.argsort(-values, kind="stable")[:count]


def _allowed(store: FeatureStore, exclude: Collection[str]) -> np.ndarray:
    """Return the places of the pool that are not excluded."""
    excluded = set(exclude)
    kept = np.arange(len(store))
    if excluded:
        kept = kept[[name not in excluded for names in store.image_ids() for name in names]]
    if not len(kept):
        raise ValueError("pool is empty: every picture of it is excluded")
    return kept


def _named(store: FeatureStore, best: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[tuple[Match, ...], ...]:
    """Return the matches of each template from their places and (n, 5) scores and boxes."""
    numbers, ends = store.numbers, store.ends
    indexes: dict[int, tuple[str, ...]] = {}
    named = []
    for places, found in best:
        matches = []
        for place, (score, *box) in zip(places, found, strict=True):
            shard = int(np.searchsorted(ends, place, side="right"))
            number = numbers[shard]
            if number not in indexes:
                indexes[number] = read_index(store.folder(number)).image_ids
            name = indexes[number][place - ends[shard] + store.records[number].images]
            matches.append(Match(name, float(score), as_box(box), (as_box(box),)))
        named.append(tuple(matches))
    return tuple(named)


def _check(
    coarse: FeatureStore,
    fine: FeatureStore,
    templates: Sequence[Template],
    top: int,
    shortlist: float,
    certified: bool,
) -> None:
    if not len(templates):
        raise ValueError("templates is empty, expected at least one")
    if not len(fine):
        raise ValueError("pool is empty, expected at least one picture")
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise ValueError(f"top must be a whole number of at least 1, got {top!r}")
    if not 0 <= shortlist <= 1:
        raise ValueError(f"shortlist must lie in 0 to 1, got {shortlist!r}")
    if coarse.manifest.source != fine.digest or coarse.numbers != fine.numbers:
        came, expected = coarse.manifest.source or "nothing", fine.digest
        raise ValueError(
            f"the coarse store was compressed from {came}, not from the fine one, {expected}: compress it again"
        )
    encoding = coarse.manifest.encoding
    if encoding.dtype != "int8":
        raise ValueError(f"the coarse store must be kept in 'int8', not in {encoding.dtype!r}")
    if certified and not encoding.residual:
        raise ValueError("certified needs a coarse store with residuals: compress with Encoding(..., residual=True)")
    strides = {template.stride for template in templates}
    if lacking := strides - set(fine.strides):
        raise ValueError(f"a template has stride {min(lacking)}, but the stores have {fine.strides}")
