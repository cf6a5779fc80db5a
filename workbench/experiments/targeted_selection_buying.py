"""Who buys which labels: at random, by whole pictures, by template matching, with diversity, and by an oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.datasets.annotated_images import Box
from workbench.experiments.selection_pool import Pool
from workbench.experiments.targeted_selection_bench import Array, Scored, cut_templates
from workbench.experiments.targeted_selection_config import METHODS
from workbench.experiments.targeted_selection_detector import Scenes
from workbench.retrieval import covering_facility_location, gem, l2_normalise, score_shard, z_scores

PLAIN = 0.8
"""Visible share above which an object counts as in plain sight."""

STRIDES = (8, 16)


@dataclass(frozen=True, order=True)
class Failure:
    """An object that the detector missed.

    Attributes:
        scene: index among the held scenes of the table.
        box: of the object, pixels.
    """

    scene: int
    box: Box


@dataclass(frozen=True, eq=False)
class Table:
    """What a game is played with.

    Attributes:
        pool: the unlabelled scenes, and as the detector sees them ``scenes``.
        groups: which sequence each scene of the pool is from.
        held: scenes that are not in the pool, and as the detector sees them ``held_scenes``.
        roles: of the held scenes: index ranges ``reserve`` (where the first labelled ones are drawn), ``validation``, ``test``.
        seed: of the game.
    """

    pool: Pool
    scenes: Scenes
    groups: tuple[str, ...]
    held: Pool
    held_scenes: Scenes
    roles: dict[str, range]
    seed: int


def choose(
    method: str,
    table: Table,
    failures: Sequence[Failure],
    bought: Sequence[int],
    truth: Array,
    *,
    count: int,
    shortlist: int,
    generator: np.random.Generator,
) -> list[int]:
    """Return which scenes of the pool a method buys in one round.

    Args:
        method: one of :data:`~workbench.experiments.targeted_selection_config.METHODS`.
        table: what the game is played with.
        failures: of the detector so far, each a query.
        bought: scenes of the pool that are labelled already.
        truth: bool (N,), for the oracle alone.
        count: scenes to buy.
        shortlist: best scenes by template matching among which diversity chooses.
        generator: of the choices at random.

    Raises:
        ValueError: the method is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    left = np.setdiff1d(np.arange(len(truth)), bought)
    if method == "random":
        return generator.permutation(left)[:count].tolist()
    if method == "oracle":
        mixed = generator.permutation(left)
        return mixed[np.argsort(~truth[mixed], kind="stable")][:count].tolist()
    if method == "GeM":
        return _best(gem_scores_of(table, failures), left, count)
    scores = failure_scores(table, failures).combined(range(len(failures)))
    if method == "DTM + diversity":
        return diverse(table, scores, _best(scores, left, shortlist), count)
    if method == "DTM, one a sequence":
        return one_a_sequence(table, _best(scores, left, len(left)), bought, count)
    return _best(scores, left, count)


def gem_scores_of(table: Table, failures: Sequence[Failure]) -> Array:
    """Return the mean z-score of whole pictures (N,) by GeM, stride 16, with those in which the failures are."""
    queries = table.held.features.select([one.scene for one in failures])
    return z_scores((gem(table.pool.features[16]) @ gem(queries[16]).T).numpy()).mean(1)


def failure_scores(table: Table, failures: Sequence[Failure]) -> Scored:
    """Return the scores of the pool by the templates of the failures."""
    objects = [cut_templates(table.held.features.select([one.scene]), one.box, STRIDES) for one in failures]
    templates = [template for one in objects for template in one]
    return Scored(objects, score_shard(table.pool.shard, templates))


def diverse(table: Table, scores: Array, shortlist: Sequence[int], count: int) -> list[int]:
    """Return ``count`` scenes of the shortlist that stand for what is relevant in it, without repeating one another.

    Facility-location mutual information, :func:`~workbench.retrieval.covering_facility_location`: relevance is the z-score by
    template matching, in units of the best; two scenes are alike as whole pictures are, by the cosine of GeM vectors less their
    mean over the pool, so that frames of one street cover one another. Similarities below 0 count 0.
    """
    chosen = np.asarray(shortlist)
    vectors = gem(table.pool.features[16])
    vectors = l2_normalise(vectors - vectors.mean(0))[chosen]
    alike = (vectors @ vectors.T).clamp(min=0).numpy()
    relevance = scores[chosen].clip(min=0) / max(float(scores[chosen].max()), 1e-6)
    return chosen[covering_facility_location(relevance[None], alike, count)].tolist()


def one_a_sequence(table: Table, ranking: Sequence[int], bought: Sequence[int], count: int) -> list[int]:
    """Return the first ``count`` of a ranking that are from sequences of which nothing is bought yet; then the first others."""
    known, first, others = {table.groups[index] for index in bought}, [], []
    for index in ranking:
        (others if table.groups[index] in known else first).append(index)
        known.add(table.groups[index])
    return [*first, *others][:count]


def _best(scores: Array, left: Array, count: int) -> list[int]:
    return left[np.argsort(-scores[left], kind="stable")][:count].tolist()
