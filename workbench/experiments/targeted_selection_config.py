"""What the experiment of targeted selection measures, and on which scenes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from workbench.experiments.selection_pool import PoolConfig

POOL_STEP = 10_000
"""Pools of two seeds start so many scenes apart, so that they share none."""

HELD_OUT = POOL_STEP // 2
"""Scenes between the first of the pool and the first that is labelled from the start, validates or tests in the closed loop."""

BUYERS = ("random", "GeM", "DTM", "DTM + diversity", "oracle")
"""Who chooses what is bought in the closed loop; the oracle knows the labels."""

METHODS = (*BUYERS, "DTM, one a sequence")
"""All who may: the last one must know which frames are from one video."""


@dataclass(frozen=True)
class LoopConfig:
    """How the loop is played.

    Attributes:
        pool: of unlabelled scenes; its ``first_seed`` is that of seed 0.
        seeds: one pool and one set of labelled, validation and test scenes each.
        labelled: scenes at the start, of which one shows the class.
        validation: labelled scenes where the detector's failures are looked for, and which it never learns from.
        test: scenes that the detector is tested on.
        budget: scenes that are bought in a round.
        rounds: of buying.
        shortlist: best scenes by template matching among which diversity chooses.
        frames: frames of each street of the pool; 1 for stills, more for a pool like a video of ``scenes / frames`` streets.
        methods: who plays.
        categories: classes that are looked for, one game each; None for all targets of the streets.
    """

    pool: PoolConfig = field(default_factory=PoolConfig)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    labelled: int = 40
    validation: int = 60
    test: int = 180
    budget: int = 20
    rounds: int = 3
    shortlist: int = 60
    frames: int = 1
    methods: tuple[str, ...] = BUYERS
    categories: tuple[str, ...] | None = None


def video_loop() -> LoopConfig:
    """Return the closed loop on a pool like a video: 80 streets, five frames of each."""
    return LoopConfig(pool=PoolConfig(scenes=400), seeds=(0, 1, 2), frames=5, methods=METHODS)


@dataclass(frozen=True)
class SelectionConfig:
    """What to re-measure.

    Attributes:
        pool: of every pool: scenes, queries of each class, streets. Its ``first_seed`` and ``query_seed`` are those of seed 0.
        seeds: one pool and one set of queries each.
        areas: of objects in the middle of the street, percent of the picture: the size sweep, beside the street's own size.
        empty_areas: the same, on streets without clutter.
        paddings: pixels by which the query's box grows on each side.
        thresholds: of coverage, in (0, 1].
        clicks: numbers of hits that a person marks as wrong or right.
        backbones: measure the networks without training and the one without weights as well.
        jitters: pixels up to which each edge of the query's box is moved at random.
        pairings: of the classes in pairs, whose co-occurrence is measured; six classes have 0 to 4.
        loop: the closed loop on stills; None leaves it out.
        frames: the closed loop on a pool like a video; None leaves it out.
    """

    pool: PoolConfig = field(default_factory=PoolConfig)
    seeds: tuple[int, ...] = (0, 1, 2)
    areas: tuple[float, ...] = (0.3, 1.5, 4.0, 10.0, 25.0)
    empty_areas: tuple[float, ...] = (4.0, 25.0)
    paddings: tuple[int, ...] = (-4, 0, 4, 8, 16, 32)
    thresholds: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.9, 1.0)
    clicks: tuple[int, ...] = (1, 2, 4)
    backbones: bool = True
    pairings: tuple[int, ...] = (0, 1, 2, 3, 4)
    jitters: tuple[int, ...] = (2, 4, 8)
    loop: LoopConfig | None = field(default_factory=LoopConfig)
    frames: LoopConfig | None = field(default_factory=video_loop)

    def pool_of(self, seed: int, **street: object) -> PoolConfig:
        """Return the pool of one of the seeds; ``street`` replaces fields of its streets.

        >>> SelectionConfig().pool_of(2).first_seed, SelectionConfig().pool_of(2, clutter=(0, 0)).street.clutter
        (20000, (0, 0))
        """
        return replace(
            self.pool,
            first_seed=self.pool.first_seed + POOL_STEP * seed,
            query_seed=self.pool.query_seed + seed,
            street=replace(self.pool.street, **street),
        )
