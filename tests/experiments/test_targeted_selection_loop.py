"""The closed loop of paper 4: its detector, its buyers, and the pool that is like a video."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.datasets import EmojiStreetConfig, emoji_street
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.targeted_selection_buying import choose, diverse, one_a_sequence
from workbench.experiments.targeted_selection_config import LoopConfig
from workbench.experiments.targeted_selection_detector import Detector, Scenes, detection_precision, scene_precision
from workbench.experiments.targeted_selection_frames import MOST_ZOOM, FrameEntry, frame_pool
from workbench.experiments.targeted_selection_loop import first_labelled, make_table, play, worst_failure
from workbench.retrieval import EfficientNetLite0Backbone

SIZE = (64, 96)
STREET = EmojiStreetConfig(prevalence=0.4, width=256, height=160, object_area=(0.02, 0.05))
CONFIG = LoopConfig(
    pool=PoolConfig(scenes=15, street=STREET),
    labelled=6,
    validation=8,
    test=6,
    budget=4,
    rounds=1,
    shortlist=8,
    frames=3,
)


def scenes(boxes: list[tuple[int, tuple[int, ...], float]], count: int = 3, channels: int = 2) -> Scenes:
    """Return scenes of 8 x 12 cells whose first channel is 1 on the objects, among noise."""
    cells = np.random.default_rng(0).normal(0, 0.1, (count, 8, 12, channels)).astype(np.float32)
    rows = [(scene, "bike", visible, *map(float, box)) for scene, box, visible in boxes]
    objects = pd.DataFrame(rows, columns=["scene", "category", "visible", "x0", "y0", "x1", "y1"])
    result = Scenes(cells, objects, SIZE)
    for one in objects.itertuples():
        cells[one.scene, ..., 0] += result.cover(one)
    return result


@pytest.fixture(scope="module")
def table():
    return make_table(CONFIG, 0, EfficientNetLite0Backbone({8: 2, 16: 3}, device="cpu"))


def test_a_detector_finds_what_differs_in_its_cells():
    known = scenes([(0, (16, 16, 32, 32), 1.0), (2, (48, 24, 64, 48), 1.0)])
    detector = Detector.train(known, "bike")
    maps = detector.maps(known)
    assert detection_precision(maps, known, "bike") == scene_precision(maps, known, "bike") == 1
    assert detector.weights[0] > 5 * abs(detector.weights[1])
    with pytest.raises(ValueError, match="no scene shows more than"):
        Detector.train(known, "dog")
    with pytest.raises(ValueError, match="no scene shows more than"):
        Detector.train(scenes([(0, (16, 16, 32, 32), 0.2)]), "bike")


def test_detections_count_as_in_voc():
    known = scenes([(0, (16, 16, 56, 56), 1.0), (1, (16, 16, 32, 32), 1.0), (2, (16, 16, 32, 32), 0.1)])
    maps = np.zeros((3, 8, 12), np.float32) - np.random.default_rng(0).random((3, 8, 12)).astype(np.float32)
    maps[0, 2, 2] = 5  # finds the first object
    assert detection_precision(maps, known, "bike") >= 0.5
    maps[1, 3, 3] = 4  # finds the second
    assert detection_precision(maps, known, "bike") == 1
    maps[2, 2, 2] = 6  # on an object that hardly shows: counts neither way
    assert detection_precision(maps, known, "bike") == 1
    maps[0, 6, 6] = 4.5  # a second peak in the first object's box is false
    assert detection_precision(maps, known, "bike") == pytest.approx((1 + 2 / 3) / 2)
    maps[2, 6, 10] = 7  # background first
    assert detection_precision(maps, known, "bike") == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert np.isnan(detection_precision(maps, known, "dog"))


def test_scenes_are_joined_and_selected_with_their_objects():
    known = scenes([(0, (16, 16, 32, 32), 1.0), (2, (48, 24, 64, 48), 1.0)])
    both = known.select([2, 1]).join(known.select([]))
    assert both.objects["scene"].tolist() == [0]
    assert both.join(known).objects["scene"].tolist() == [0, 2, 4]


def test_the_first_labels_show_the_class_once(table):
    for category in ("bike", "dog"):
        chosen = first_labelled(CONFIG, table, category)
        assert len(chosen) == CONFIG.labelled
        assert table.held.shows(category)[chosen].tolist() == [True] + [False] * (CONFIG.labelled - 1)
        assert set(chosen) <= set(table.roles["reserve"])


def test_failures_are_missed_objects_that_come_once(table):
    start = table.held_scenes.select(first_labelled(CONFIG, table, "dog"))
    detector = Detector.train(start, "dog")
    known = []
    for _ in range(2):
        known.append(worst_failure(table, detector, "dog", known))
    assert known[0] != known[1]
    assert all(one.scene in table.roles["validation"] and table.held.shows("dog", 0.8)[one.scene] for one in known)
    maps = detector.maps(table.held_scenes)
    scores = []
    for failure in known:
        of = table.held_scenes.of("dog")
        (one,) = of[of["scene"] == failure.scene].itertuples()
        scores.append(maps[failure.scene][table.held_scenes.cover(one) > 0].max())
    assert scores[0] <= scores[1]


@pytest.mark.parametrize("method", ["random", "GeM", "DTM", "DTM + diversity", "oracle", "DTM, one a sequence"])
def test_buyers_buy_new_scenes_within_the_budget(table, method):
    start = table.held_scenes.select(first_labelled(CONFIG, table, "dog"))
    failures = [worst_failure(table, Detector.train(start, "dog"), "dog", [])]
    truth = table.pool.shows("dog")
    options = {"count": 4, "shortlist": 8}
    first, again = (
        choose(method, table, failures, [0], truth, generator=np.random.default_rng(1), **options) for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == 4
    assert 0 not in first
    if method == "oracle":
        assert truth[first].sum() == min(4, truth.sum() - truth[0])
    if method == "DTM, one a sequence":
        assert len({table.groups[index] for index in first}) == 4


def test_an_unknown_buyer_is_named(table):
    with pytest.raises(ValueError, match="method must be one of random, GeM"):
        choose(
            "guess", table, [], [], table.pool.shows("dog"), count=1, shortlist=1, generator=np.random.default_rng(0)
        )


def test_diversity_spreads_over_the_streets(table):
    scores = np.ones(len(table.pool.entries))
    chosen = diverse(table, scores, range(15), 5)
    assert len({table.groups[index] for index in chosen}) == 5


@given(st.lists(st.integers(0, 14), unique=True, min_size=1), st.sets(st.integers(0, 14)), st.integers(1, 15))
def test_one_a_sequence_repeats_none_while_others_are_left(ranking, bought, count):
    class Groups:
        groups = tuple(f"street {index // 3}" for index in range(15))

    ranking = [index for index in ranking if index not in bought]
    chosen = one_a_sequence(Groups, ranking, bought, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(ranking))
    known = {Groups.groups[index] for index in bought}
    fresh = {Groups.groups[index] for index in ranking} - known
    head = [Groups.groups[index] for index in chosen][: len(fresh)]
    assert len(set(head)) == len(head)
    assert not set(head) & known


def test_a_game_is_the_same_twice_and_counts_what_it_buys(table):
    rows, again = (play(CONFIG, table, "dog", "random") for _ in range(2))
    assert rows == again
    assert [row["bought"] for row in rows] == [0, 4]
    truth = table.pool.shows("dog")
    assert rows[1]["positives"] <= min(4, truth.sum())


def test_frames_are_the_street_a_little_nearer():
    entries = frame_pool(2, 3, 40, STREET)
    assert [entry.group for entry in entries] == ["street-000040"] * 3 + ["street-000041"] * 3
    scene = emoji_street(40, STREET)
    frames = [entry.load() for entry in entries]
    assert np.array_equal(frames[0].image, FrameEntry(40, 0, STREET).load().image)
    assert not np.array_equal(frames[0].image, frames[1].image)
    for frame in frames[:3]:
        assert frame.image.shape == scene.image.shape
        for one in frame.annotations:
            (before,) = (
                old for old in scene.annotations if old.category == one.category and old.visible == one.visible
            )
            widths = [box[2] - box[0] for box in (before.box, one.box)]
            assert widths[1] <= MOST_ZOOM * widths[0] + 1e-6
            inside = one.box[0] > 0 and one.box[2] < STREET.width
            assert not inside or widths[1] >= widths[0] - 1e-6
