"""Two sources to play with: the quick law is the slow one, and the cheapest mix turns with the price."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.estimators.sources import source_law, source_requirement
from workbench.experiments.source_game import play_pair, stored_pairs
from workbench.training.progress import Cancelled, CancelToken, no_progress

PAIRS = stored_pairs()


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("success", ["mixture", "ensemble"])
def test_the_law_of_fits_made_once_is_the_law_learned_anew(name, success):
    pair = PAIRS[name]
    target = float(pair.scores.max() + 2)
    quick = pair.law(target, 0.3, success)
    slow = source_law(pair.start, pair.scores, target, cost=[1.0, 0.3], success=success, n_boot=pair.n_boot)
    assert np.array_equal(quick.requirements, slow.requirements)
    points = pair.present * np.array([[1.5, 1.2], [4.0, 3.0]])
    assert quick.survival(points) == pytest.approx(slow.survival(points))
    assert pair.answer(target, 0.3) == pytest.approx(
        source_requirement(pair.start, pair.scores, target, cost=[1.0, 0.3])
    )


@pytest.mark.parametrize("name", ["digits", "fashion-mnist"])
def test_dearer_noisy_samples_are_bought_less_and_replaced_by_clean_ones(name):
    pair = PAIRS[name]
    target = float(np.mean([pair.scores.max(), pair.oracle.scores.max()]))
    clean, noisy = pair.cheapest(target, np.geomspace(0.02, 2, 9)).T
    assert np.all(np.diff(noisy) <= 1e-9)
    assert np.all(np.diff(clean) >= -1e-9)
    assert noisy[0] > noisy[-1] == pair.present[1]


def test_of_two_halves_of_the_classes_both_are_bought_at_any_price():
    pair = PAIRS["cifar-10 halves"]
    mixes = pair.cheapest(81.0, np.geomspace(0.02, 2, 9))
    assert np.all(mixes > 2 * pair.present)
    assert np.all(np.diff(mixes, axis=0) * [1, -1] >= -1e-9)


def test_the_cheapest_mix_is_there_and_no_point_of_the_grid_is_cheaper():
    pair, prices = PAIRS["digits"], np.array([1.0, 0.1])
    mix = pair.cheapest(93.0, [0.1])[0]
    assert float(pair.oracle.score(mix)) == pytest.approx(93.0)
    grid = np.stack(np.meshgrid(pair.oracle.sizes_1, pair.oracle.sizes_2, indexing="ij"), -1)
    there = (pair.oracle.scores >= 93) & (grid >= pair.present).all(-1)
    assert (grid[there] @ prices).min() >= mix @ prices - 1e-9


def test_a_pair_is_played_by_both_and_says_what_it_does():
    said = []
    games = play_pair(
        PAIRS["digits"],
        93.0,
        0.1,
        2,
        130_000.0,
        "mixture",
        progress=lambda done, total, text: said.append(text),
        cancel=CancelToken(),
    )
    assert list(games["player"].unique()) == ["regression", "LOC"]
    for _, game in games.groupby("player"):
        assert np.array_equal(game[["n_1", "n_2"]].iloc[0], PAIRS["digits"].present)
        assert game["paid"].iloc[-1] == pytest.approx(game["order_1"].sum() + 0.1 * game["order_2"].sum())
    assert said[0] == "regression: order 1"
    assert "LOC, mixture: order 1" in said


def test_stop_is_heeded_before_the_next_order():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        play_pair(PAIRS["digits"], 93.0, 0.1, 2, 1e5, "mixture", progress=no_progress, cancel=token)
