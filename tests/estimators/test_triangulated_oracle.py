import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.estimators.triangulated_oracle import TriangulatedOracle

SIZES_1, SIZES_2 = np.array([10.0, 25.0, 40.0, 100.0]), np.array([5.0, 20.0, 60.0])


def random_oracle(seed, noise=6.0):
    rng = np.random.default_rng(seed)
    scores = 10 * np.log(SIZES_1[:, None] + 0.5 * SIZES_2) + rng.normal(0, noise, (4, 3))
    return TriangulatedOracle(SIZES_1, SIZES_2, scores)


def tidy(oracle):
    rows = [(a, b, oracle.scores[i, j]) for i, a in enumerate(SIZES_1) for j, b in enumerate(SIZES_2)]
    return pd.DataFrame(rows, columns=["n_1", "n_2", "score"])


seeds = st.integers(0, 10_000)
places = st.tuples(st.floats(5, 120), st.floats(2, 80))


def test_measured_mixes_keep_their_scores():
    oracle = random_oracle(0)
    mesh = np.stack(np.meshgrid(SIZES_1, SIZES_2, indexing="ij"), -1)
    assert oracle.score(mesh) == pytest.approx(oracle.scores)
    assert not oracle.held(mesh).any()


def test_a_plane_is_reproduced_everywhere_on_the_grid():
    oracle = TriangulatedOracle(SIZES_1, SIZES_2, 3 + 0.5 * SIZES_1[:, None] + 0.2 * SIZES_2)
    points = np.random.default_rng(0).uniform((10, 5), (100, 60), (200, 2))
    assert oracle.score(points) == pytest.approx(3 + points @ [0.5, 0.2])


def test_each_triangle_takes_the_plane_of_its_own_corners():
    oracle = TriangulatedOracle([0.5, 1.5], [1, 3], [[0, 0], [0, 8]])  # only the far corner is up
    assert oracle.score([[0.9, 1.4], [1.0, 2.0]]) == pytest.approx([0, 0])
    assert oracle.score([1.25, 2.5]) == pytest.approx(4)  # halfway from the anti-diagonal to the far corner


@settings(max_examples=100, deadline=None)
@given(seeds, places, st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_the_score_is_continuous(seed, place, direction):
    oracle, step = random_oracle(seed), 1e-6
    steepest = np.abs(np.diff(oracle.scores, axis=0)).max() / 15 + np.abs(np.diff(oracle.scores, axis=1)).max() / 15
    change = oracle.score(np.array(place) + step * np.array(direction)) - oracle.score(place)
    assert abs(change) <= 2 * steepest * step + 1e-12


def test_outside_the_grid_the_border_is_held_and_says_so():
    oracle = random_oracle(1)
    outside = np.array([[200.0, 20.0], [30.0, 90.0], [1.0, 1.0], [500.0, 500.0]])
    border = np.array([[100.0, 20.0], [30.0, 60.0], [10.0, 5.0], [100.0, 60.0]])
    assert oracle.score(outside) == pytest.approx(oracle.score(border))
    assert oracle.held(outside).all()
    assert not oracle.held(border).any()


@settings(max_examples=100, deadline=None)
@given(seeds, places, st.floats(0.05, 20), st.floats(0, 1))
def test_required_sizes_are_the_cheapest_of_a_scan(seed, present, price, height):
    oracle, cost, present = random_oracle(seed), np.array([1.0, price]), np.array(present)
    target = oracle.scores.min() + height * np.ptp(oracle.scores)
    found = oracle.required(target, cost, present)
    axes = [np.linspace(low, max(high, low), 121) for low, high in zip(present, (100, 60), strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    there = oracle.score(points) >= target
    if there.any():
        assert found @ cost <= (points[there] @ cost).min() + 1e-9
    if np.isfinite(found).all():
        assert (found >= present).all()
        assert oracle.score(found) >= target - 1e-9
        if not (found == present).all():  # nothing a bit cheaper suffices beside it
            assert oracle.score(np.maximum(found - 1e-6 * (found > present), present)) <= target + 1e-3


def test_targets_beyond_every_score_and_present_sizes_that_suffice():
    oracle = random_oracle(2)
    assert np.isinf(oracle.required(oracle.scores.max() + 1, (1, 1), (10, 5))).all()
    assert oracle.required(oracle.score([30, 30]) - 1e-9, (1, 1), (30, 30)).tolist() == [30, 30]
    row, column = np.unravel_index(oracle.scores.argmax(), oracle.scores.shape)
    assert oracle.required(oracle.scores.max(), (1, 1), (10, 5)).tolist() == [SIZES_1[row], SIZES_2[column]]


def test_tables_with_seeds_in_any_order_make_the_same_truth():
    oracle = random_oracle(3)
    table = pd.concat(
        [tidy(oracle).assign(score=lambda f: f["score"] + 1), tidy(oracle).assign(score=lambda f: f["score"] - 1)]
    )
    found = TriangulatedOracle.from_frame(table.sample(frac=1, random_state=0))
    assert found.scores == pytest.approx(oracle.scores)
    assert found.sizes_2.tolist() == SIZES_2.tolist()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: TriangulatedOracle.from_frame(tidy(random_oracle(0)).drop(index=4)), "no score at n_1=25.0, n_2=20.0"),
        (
            lambda: TriangulatedOracle.from_frame(tidy(random_oracle(0))[["n_1", "score"]]),
            r"no column 'n_2'; the table has \['n_1'",
        ),
        (
            lambda: TriangulatedOracle([10], SIZES_2, [[1, 2, 3]]),
            r"sizes_1 must hold at least two increasing sizes, got \[10.0\]",
        ),
        (lambda: TriangulatedOracle([10, 5], [1, 2], np.ones((2, 2))), "sizes_1 must hold at least two increasing"),
        (lambda: TriangulatedOracle([1, 2], [1, 2], np.ones((2, 3))), r"scores must have shape \(2, 2\), got \(2, 3\)"),
        (lambda: TriangulatedOracle([1, 2], [1, 2], [[1, 2], [np.nan, 3]]), r"scores\[1, 0\] is nan"),
        (lambda: random_oracle(0).required(50, (1, 0), (10, 5)), "cost must be two positive prices"),
        (lambda: random_oracle(0).required(50, (1, 1), (0, 5)), "present must be two positive sizes"),
    ],
)
def test_grids_and_questions_that_cannot_be_used_are_explained(make, message):
    with pytest.raises(ValueError, match=message):
        make()
