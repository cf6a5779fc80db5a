"""The experiment of paper 4: facts of its parts, what the stored tables must show, and that a small run gives the same tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.datasets import EmojiStreetConfig, emoji_street
from workbench.experiments.claim_values import NOT_MEASURED
from workbench.experiments.results import COLUMNS, load_results
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.targeted_selection import FULL, QUICK, run
from workbench.experiments.targeted_selection_bench import (
    RANKING_COLUMNS,
    cut_templates,
    gem_scores,
    make_bench,
    match_queries,
    ranking_row,
    ranking_rows,
    standardiser,
)
from workbench.experiments.targeted_selection_claims import CLAIMS, claims
from workbench.experiments.targeted_selection_config import BUYERS, LoopConfig, SelectionConfig
from workbench.experiments.targeted_selection_loop import LOOP_COLUMNS
from workbench.experiments.targeted_selection_methods import random_backbone
from workbench.experiments.targeted_selection_summary import crossing, size_table
from workbench.experiments.targeted_selection_sweeps import CELLS, STRIDES, pairings, strides_for
from workbench.retrieval import Features, HogColourBackbone, Letterbox, letterbox_batch
from workbench.training import Cancelled, CancelToken

STREET = EmojiStreetConfig(prevalence=0.4, width=256, height=160, object_area=(0.02, 0.05))
TINY = SelectionConfig(
    pool=PoolConfig(scenes=12, queries=1, street=STREET),
    seeds=(0,),
    areas=(9.0,),
    empty_areas=(),
    paddings=(0,),
    thresholds=(0.5,),
    clicks=(1,),
    jitters=(2,),
    backbones=False,
    pairings=(0,),
    loop=LoopConfig(
        pool=PoolConfig(scenes=12, street=STREET),
        seeds=(0,),
        labelled=6,
        validation=8,
        test=8,
        budget=3,
        rounds=1,
        shortlist=6,
        categories=("bike",),
    ),
    frames=None,
)


@pytest.fixture(scope="module")
def bench():
    return make_bench(replace(TINY.pool, queries=2), HogColourBackbone(device="cpu"), seed=0)


@pytest.fixture(scope="module")
def rankings():
    return load_results("targeted_selection_rankings")


@pytest.fixture(scope="module")
def stored():
    return load_results("targeted_selection")


def test_one_object_ranks_the_same_whatever_it_is_combined_with_itself(bench):
    scored = match_queries(bench, (8,))
    alone = scored.combined([1])
    for combine in ("mean", "max", "min"):
        assert np.allclose(scored.combined([1, 1], combine=combine), alone)
    assert np.allclose(scored.combined([1], negatives=[1]), 0)


def test_and_is_the_smaller_score_and_or_the_larger(bench):
    scored = match_queries(bench, (8,))
    both = scored.each()[:, :2]
    assert np.allclose(scored.combined([0, 1], combine="min"), both.min(1))
    assert np.allclose(scored.combined([0, 1], combine="max"), both.max(1))


def test_a_box_grows_on_each_side_and_stays_inside(bench):
    seen = bench.seen[0]
    (template,) = cut_templates(seen, (16, 16, 32, 32), [8], padding=8)
    assert template.cells == (4, 4)
    (template,) = cut_templates(seen, (0, 0, 16, 16), [8], padding=8)
    assert template.cells == (3, 3)
    (template,) = cut_templates(seen, (16, 16, 32, 32), [8], padding=-100)
    assert template.outline[2] - template.outline[0] == 2


def test_whole_pictures_are_most_like_themselves(bench):
    features = bench.pool.features.select([3])
    itself = replace(bench, queries=bench.queries[:1], seen=(features,))
    assert gem_scores(itself, 8)[:, 0].argmax() == 3


def test_a_ranking_counts_only_what_is_kept(bench):
    truth = np.zeros_like(bench.truth)
    truth[[0, 1], 0] = True
    scores = np.tile(-np.arange(len(truth), dtype=float)[:, None], truth.shape[1])
    kept = np.ones_like(truth)
    kept[0] = False
    (row,) = ranking_rows(bench, scores, truth=truth, kept=kept, experiment="x")
    assert (row["scenes"], row["positives"], row["ap"]) == (len(truth) - 1, 1, 1.0)


def test_what_a_ranking_is_worth():
    row = ranking_row(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False]), method="x")
    assert row["ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert (row["recall_10"], row["precision_10"], row["method"]) == (1, 0.5, "x")


def test_standardised_features_have_the_covariance_that_the_formula_gives():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(6, 5, 9, 7, generator=generator) * torch.tensor([9.0, 3, 1, 1, 0.1])[:, None, None] + 4
    features = Features({8: maps}, [Letterbox.fit((72, 56))] * 6)

    def covariance(kind: str) -> torch.Tensor:
        changed = standardiser(features, (8,), kind)(features)[8]
        cells = changed.permute(0, 2, 3, 1).reshape(-1, 5)
        assert torch.allclose(cells.mean(0), torch.zeros(5), atol=1e-4)
        return torch.cov(cells.T)

    before = covariance("centred")
    assert torch.allclose(covariance("scaled").diagonal(), torch.ones(5), atol=1e-4)
    variances = torch.linalg.eigvalsh(before.double())
    expected = variances / (variances + 0.1 * variances.mean())
    assert torch.allclose(torch.linalg.eigvalsh(covariance("decorrelated").double()), expected, atol=1e-4)


def test_a_network_without_training_keeps_its_signals_alive():
    features = random_backbone().features(*letterbox_batch([emoji_street(5).image]))
    for stride in (8, 16):
        assert 0.3 < float(features[stride].std()) < 3


def test_strides_follow_the_size_of_the_object():
    chosen = [strides_for(side) for side in range(4, 400)]
    assert {stride for some in chosen for stride in some} == set(STRIDES)
    assert all(low <= high for one, other in pairwise(chosen) for low, high in zip(one, other, strict=False))
    for side, some in zip(range(4, 400), chosen, strict=True):
        fits = [CELLS[0] <= side / stride <= CELLS[1] for stride in some]
        assert all(fits) or len(some) == 1


@pytest.mark.parametrize("count", [2, 4, 6, 8])
def test_every_pair_of_classes_comes_once(count):
    rounds = pairings(tuple("abcdefgh"[:count]))
    assert all(sorted(name for pair in one for name in pair) == sorted("abcdefgh"[:count]) for one in rounds)
    assert len({frozenset(pair) for one in rounds for pair in one}) == count * (count - 1) // 2


def test_curves_cross_where_the_line_between_two_points_does():
    areas = np.array([1.0, 4.0, 16.0])
    assert crossing(pd.Series([3.0, 2.0, 0.0], areas)) == pytest.approx(8)
    assert np.isnan(crossing(pd.Series([3.0, 2.0, 1.5], areas)))


def test_a_small_run_gives_the_tables_and_can_be_stopped():
    seen = []
    table = run(TINY, progress=lambda *step: seen.append(step))
    assert tuple(table.columns) == COLUMNS
    assert seen[-1][0] == seen[-1][1]
    assert all(done <= total for done, total, _ in seen)
    value = table.set_index(["setting", "quantity"])["value"]
    assert value["method, Lite0, DTM, stride 8+16", "mAP"] == pytest.approx(
        value["padding, 0, DTM, stride 8+16", "mAP"]
    )
    assert value["loop, oracle, 3 bought", "positives bought"] == 3
    judged = claims(table).set_index("claim")
    assert judged.loc["C3", "holds"] == NOT_MEASURED
    assert judged.loc["C1", "holds"] != NOT_MEASURED
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        run(TINY, cancel=token)


def test_stored_rankings_are_of_three_pools_and_24_queries(rankings):
    assert tuple(rankings.columns) == RANKING_COLUMNS
    plain = rankings[
        (rankings["experiment"] == "method") & (rankings["method"] == "DTM") & (rankings["stride"] == "8+16")
    ]
    assert plain.groupby("seed").size().tolist() == [24] * len(FULL.seeds)
    assert set(plain["scenes"]) == {300}
    assert plain.groupby(["seed", "category"]).size().unique().tolist() == [4]
    assert rankings["ap"].between(0, 1).all()
    assert (rankings["positives"] >= 1).all()
    assert (rankings["recall_10"] <= rankings["recall_40"]).all()


def test_templates_beat_whole_pictures_on_small_objects_in_every_pool(rankings):
    means = (
        rankings[rankings["experiment"] == "method"].groupby(["method", "stride", "seed"], dropna=False)["ap"].mean()
    )
    best = means.loc[["GeM", "R-MAC", "R-MAC, whitened", "crop-GeM"]].groupby("seed").max()
    assert (means["DTM", "8+16"] >= 2.5 * best).all()


def test_their_lead_shrinks_as_objects_grow(rankings):
    table = size_table(rankings)
    best = table[[name for name in table if name.startswith("GeM")]].max(axis=1)
    ratio = (table["DTM rule"] / best).groupby("x").mean()
    assert ratio.index.min() <= 0.3
    assert ratio.index.max() >= 25
    large = ratio[ratio.index > 0.5]
    assert large.is_monotonic_decreasing
    assert large.iloc[-1] < 0.5 * large.iloc[0]


def test_more_examples_and_no_context_help(stored):
    value = stored.set_index(["setting", "quantity"])["value"]
    queries = [value[f"queries, mean, {count}, DTM, stride 8+16", "mAP"] for count in (1, 2, 3, 4)]
    assert queries == sorted(queries)
    grown = [value[f"padding, {pixels}, DTM, stride 8+16", "mAP"] for pixels in (0, 8, 16, 32)]
    assert grown == sorted(grown, reverse=True)
    assert grown[-1] < 1.4 * value["padding, 32, DTM, stride 8+16", "chance"]


@pytest.mark.parametrize("name", ["loop", "frames"])
def test_stored_games_buy_as_they_say(name):
    games = load_results(f"targeted_selection_{name}")
    assert tuple(games.columns) == LOOP_COLUMNS
    assert set(BUYERS) <= set(games["method"])
    assert (games["bought"] == 20 * games["round"]).all()
    assert (games["positives"] <= games["bought"]).all()
    assert (games["sequences"] <= games["positives"]).all()
    start = games[games["round"] == 0].groupby(["seed", "category"])["ap"].nunique()
    assert (start == 1).all()
    first = games[games["round"] == 1].groupby("method")["positives"].mean()
    assert first["oracle"] > first["DTM"] > 2 * first["random"]


def test_claims_judge_by_the_numbers(stored):
    judged = claims(stored).set_index("claim")
    assert list(judged.index) == list(CLAIMS)
    assert judged.loc["C1", "holds"] == judged.loc["C5", "holds"] == "yes"
    worse = stored.copy()
    worse.loc[worse["quantity"].str.contains("ratio"), "value"] = 1.1
    worse.loc[worse["setting"].str.contains("DTM") & (worse["quantity"] == "mAP"), "value"] = 0.12
    judged = claims(worse).set_index("claim")
    assert judged.loc["C1", "holds"] == judged.loc["C3", "holds"] == judged.loc["C7", "holds"] == "no"
    assert judged.loc["C5", "holds"] == "partly"


def test_a_quick_run_is_a_part_of_the_full_one():
    assert QUICK.pool.scenes < FULL.pool.scenes
    assert set(QUICK.areas) <= set(FULL.areas)
    assert QUICK.pool.street == FULL.pool.street
