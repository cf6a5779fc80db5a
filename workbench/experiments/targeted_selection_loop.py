"""The closed loop: a detector fails, its failure is looked for in a pool, what is found gets labels, the detector is better.

Kothawade et al., "Object-Level Targeted Selection via Deep Template Matching", IV 2022, whose queries are failures of detectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.datasets import emoji_pool
from workbench.experiments.selection_pool import embed
from workbench.experiments.targeted_selection_buying import PLAIN, Failure, Table, choose
from workbench.experiments.targeted_selection_config import HELD_OUT, METHODS, POOL_STEP, LoopConfig
from workbench.experiments.targeted_selection_detector import (
    Detector,
    Standardiser,
    detection_precision,
    scene_precision,
)
from workbench.experiments.targeted_selection_frames import frame_pool
from workbench.retrieval import Backbone, EfficientNetLite0Backbone
from workbench.training import CancelToken, Progress, no_progress

LOOP_COLUMNS = (
    *("method", "category", "seed", "round", "bought", "positives", "ap"),
    *("scene_ap", "sequences"),
)
"""Columns of the table of the loop: ``ap`` of detections on the test scenes, ``scene_ap`` of whole scenes; ``positives`` among
the ``bought`` scenes so far, and of how many ``sequences`` they are.
"""


def measure_loop(
    config: LoopConfig, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Play the loop for every seed, class and method; return the columns :data:`LOOP_COLUMNS`, a row a round, 0 before buying.

    Raises:
        Cancelled: Stop was asked for.
    """
    backbone = EfficientNetLite0Backbone({8: 2, 16: 3}, device="cpu")
    categories = config.categories or config.pool.street.targets
    rows: list[dict[str, object]] = []
    for done, seed in enumerate(config.seeds):

        def within(step: int, steps: int, message: str = "", done: int = done, seed: int = seed) -> None:
            progress(100 * done + 100 * step // steps, 100 * len(config.seeds), f"loop {seed}: {message}")

        table = make_table(config, seed, backbone, lambda step, steps, text: within(step, 2 * steps, text), cancel)
        for index, category in enumerate(categories):
            within(len(categories) + index, 2 * len(categories), category)
            for method in config.methods:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                rows += play(config, table, category, method)
    progress(100 * len(config.seeds), 100 * len(config.seeds), "done")
    return pd.DataFrame(rows, columns=LOOP_COLUMNS)


def make_table(
    config: LoopConfig,
    seed: int,
    backbone: Backbone,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Table:
    """Draw the pool and the held scenes of one seed and compute what is seen of them."""
    first, street = config.pool.first_seed + POOL_STEP * seed, config.pool.street
    pool_entries = (
        emoji_pool(config.pool.scenes, first, street)
        if config.frames == 1
        else frame_pool(config.pool.scenes // config.frames, config.frames, first, street)
    )
    reserve = config.labelled + config.labelled // 2
    ends = np.cumsum([reserve, config.validation, config.test]).tolist()
    roles = {
        name: range(start, end)
        for name, start, end in zip(("reserve", "validation", "test"), [0, *ends], ends, strict=False)
    }
    entries = [*pool_entries, *emoji_pool(ends[-1], first + HELD_OUT, street)]
    everything = embed(entries, backbone, progress, cancel)
    count = len(pool_entries)
    pool, held = everything.select(range(count)), everything.select(range(count, len(entries)))
    standard = Standardiser.fit(pool.features)
    groups = tuple(getattr(entry, "group", entry.id) for entry in pool_entries)
    return Table(pool, standard.scenes(pool), groups, held, standard.scenes(held), roles, seed)


def play(config: LoopConfig, table: Table, category: str, method: str) -> list[dict[str, object]]:
    """Return the rounds of one game: a row of :data:`LOOP_COLUMNS` each."""
    generator = np.random.default_rng([table.seed, METHODS.index(method), config.pool.street.targets.index(category)])
    test = table.held_scenes.select(table.roles["test"])
    start = table.held_scenes.select(first_labelled(config, table, category))
    truth, bought, failures, rows = table.pool.shows(category), [], [], []
    for number in range(config.rounds + 1):
        detector = Detector.train(start.join(table.scenes.select(bought)), category, table.seed)
        maps = detector.maps(test)
        hits = [index for index in bought if truth[index]]
        rows.append(
            {
                **{"method": method, "category": category, "seed": table.seed, "round": number},
                **{"bought": len(bought), "positives": len(hits)},
                "ap": detection_precision(maps, test, category),
                "scene_ap": scene_precision(maps, test, category),
                "sequences": len({table.groups[index] for index in hits}),
            }
        )
        if number < config.rounds:
            failures.append(worst_failure(table, detector, category, failures))
            options = {"count": config.budget, "shortlist": config.shortlist, "generator": generator}
            bought += choose(method, table, failures, bought, truth, **options)
    return rows


def first_labelled(config: LoopConfig, table: Table, category: str) -> list[int]:
    """Return which held scenes are labelled at the start: one that shows the class plainly, the others without it.

    Raises:
        ValueError: none of the scenes that may be drawn shows the class, or too few are without it.
    """
    reserve = table.roles["reserve"]
    plain, shown = table.held.shows(category, PLAIN), table.held.shows(category)
    having = [index for index in reserve if plain[index]]
    without = [index for index in reserve if not shown[index]]
    if not having or len(without) < config.labelled - 1:
        raise ValueError(
            f"of {len(reserve)} scenes {len(having)} show {category!r} plainly and {len(without)} are without it; expected at "
            f"least 1 and {config.labelled - 1}"
        )
    return [having[0], *without[: config.labelled - 1]]


def worst_failure(table: Table, detector: Detector, category: str, known: Sequence[Failure]) -> Failure:
    """Return the object of the validation scenes, in plain sight, that the detector scores lowest, and that is not yet known.

    When all are known, the worst of them comes again.
    """
    validation = table.held_scenes.select(table.roles["validation"])
    maps, found = detector.maps(validation), []
    for one in validation.of(category).itertuples():
        if one.visible > PLAIN:
            failure = Failure(table.roles["validation"][one.scene], (one.x0, one.y0, one.x1, one.y1))
            score = float(maps[one.scene][validation.cover(one) > 0].max())
            found.append((failure in known, score, failure.scene, failure))
    if not found:
        raise ValueError(f"no validation scene shows {category!r} plainly: take more than {len(validation.cells)}")
    return min(found)[3]
