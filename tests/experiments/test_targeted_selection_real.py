"""The experiment on real pixels, on a small pool whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.datasets import AnnotatedImage, Annotation, EmojiStreetConfig, NotInstalledError
from workbench.experiments import targeted_selection_real as real
from workbench.experiments.real_pools import RealPool, Tile
from workbench.experiments.results import load_results
from workbench.experiments.selection_pool import PoolConfig, Query
from workbench.experiments.targeted_selection_real import (
    COLUMNS,
    RealConfig,
    measure_part,
    measure_real,
    summary,
    thinned,
)
from workbench.retrieval import HogColourBackbone

TINY = RealConfig(
    street=PoolConfig(scenes=8, queries=1, street=EmojiStreetConfig(prevalence=0.5)),
    backbones=("HOG and colour",),
    prevalence=0.25,
    seeds=(0, 1),
)


def _picture(name, seed, shown, category="sign", hue=0):
    """Return noise, with a striped sign somewhere in it when ``shown``."""
    rng = np.random.default_rng(seed)
    image = rng.integers(60, 160, (64, 96, 3)).astype(np.uint8)
    if not shown:
        return AnnotatedImage(name, image)
    y, x = 8 * int(rng.integers(0, 6)), 8 * int(rng.integers(0, 9))
    image[y : y + 16, x : x + 16] = (20, 20, 20)
    image[y : y + 16, x : x + 16 : 4, hue] = 250
    return AnnotatedImage(name, image, (Annotation(category, (x, y, x + 16, y + 16), 1.0, "striped"),))


def _signs():
    entries = tuple(
        Tile(_picture(f"p{index}", index, index % 2 == 0), f"p{index}", (index % 4, 0)) for index in range(40)
    )
    query = _picture("query", 99, True)
    return RealPool(entries, (Query(query, query.annotations[0]),), np.ones((40, 1), bool), np.arange(40) // 20)


@pytest.fixture
def rankings(monkeypatch):
    monkeypatch.setitem(real.REAL_POOLS, real.PEDESTRIANS, _signs)
    return measure_part(TINY, real.PEDESTRIANS, "HOG and colour")


def test_template_matching_finds_the_signs_and_chance_is_what_it_is(rankings):
    assert tuple(rankings.columns) == COLUMNS
    assert set(rankings["setting"]) == {real.RARE, real.SAME_PLACE}
    rare = rankings[rankings["setting"] == real.RARE]
    assert set(rare["seed"]) == {0, 1}
    assert set(zip(rare["scenes"], rare["positives"], strict=True)) == {(27, 7)}  # 20 without, a quarter of all with
    assert rankings.loc[rankings["method"] == "DTM", "ap"].min() == 1
    assert rankings.loc[rankings["method"] == "random", "ap"].max() < 0.8
    assert rankings["x"].unique() == pytest.approx(100 * 256 / (64 * 96), abs=1e-3)


def test_a_place_is_ranked_on_its_own(rankings):
    place = rankings[(rankings["setting"] == real.SAME_PLACE) & (rankings["method"] == "DTM")]
    assert place[["scenes", "positives"]].to_numpy().tolist() == [[20, 10]]


def test_summary_averages_seeds_within_a_query_and_then_queries():
    base = {
        "dataset": "d",
        "setting": "s",
        "backbone": "b",
        "method": "DTM",
        "stride": "8",
        "category": "c",
        "scenes": 10,
    }
    base |= {"positives": 2, "x": 1.0}
    aps = {("0", 0): 0.2, ("0", 1): 0.4, ("1", 0): 0.6, ("1", 1): 1.0}
    frame = pd.DataFrame([base | {"query": query, "seed": seed, "ap": ap} for (query, seed), ap in aps.items()])
    (row,) = summary(frame).to_dict("records")
    assert row["map"] == pytest.approx(0.55)
    assert row["standard_error"] == pytest.approx(np.std([0.3, 0.8], ddof=1) / 2**0.5)
    assert row["between_seeds"] == pytest.approx(0.15)
    assert (row["chance"], row["object_area"], row["queries"]) == (0.2, 1.0, 2)


def test_thinning_keeps_every_comparable_negative_and_the_wanted_share():
    rng = np.random.default_rng(1)
    positives, comparable = rng.random(400) < 0.5, rng.random(400) < 0.8
    for share in (0.05, 0.1, 0.3):
        kept = thinned(positives, comparable, share, seed=3)
        assert np.array_equal(kept[~positives], comparable[~positives])
        assert not (kept & ~comparable).any()
        assert (kept & positives).sum() / kept.sum() == pytest.approx(share, abs=0.01)
        assert np.array_equal(kept, thinned(positives, comparable, share, seed=3))
    assert not np.array_equal(thinned(positives, comparable, 0.1, 3), thinned(positives, comparable, 0.1, 4))
    assert np.array_equal(thinned(positives, comparable, 0.9, 0), comparable)


def test_the_same_cut_out_and_others_of_its_kind_are_judged_apart(monkeypatch):
    def pool():
        pictures = [_picture(f"p{index}", index, index < 12) for index in range(30)]
        pictures[:6] = [
            AnnotatedImage(one.id, one.image, (Annotation("sign", one.annotations[0].box, 1.0, "other"),))
            for one in pictures[:6]
        ]
        query = _picture("query", 99, True)
        entries = tuple(Tile(one, one.id) for one in pictures)
        return RealPool(entries, (Query(query, query.annotations[0]),), np.ones((30, 1), bool))

    monkeypatch.setitem(real.REAL_POOLS, real.CUTOUTS, pool)
    frame = measure_part(TINY, real.CUTOUTS, "HOG and colour")
    counts = frame[frame["method"] == "DTM"].set_index("setting")[["scenes", "positives"]]
    assert counts.loc[real.AS_DRAWN].tolist() == [30, 12]
    assert counts.loc[real.SAME_THING].tolist() == counts.loc[real.OTHER_THINGS].tolist() == [24, 6]


def test_several_strides_are_fused_and_rounded_once(monkeypatch):
    class Two:
        strides, recipe = (8, 16), {"network": "two"}

        def features(self, images, letterboxes=None):
            seen = HogColourBackbone(device="cpu").features(images, letterboxes)
            coarse = seen[8][..., ::2, ::2]
            return type(seen)({8: seen[8], 16: coarse}, seen.letterboxes)

    monkeypatch.setitem(real.BACKBONES, "two", Two)
    monkeypatch.setitem(real.REAL_POOLS, real.PEDESTRIANS, _signs)
    frame = measure_part(TINY, real.PEDESTRIANS, "two")
    assert set(frame.loc[frame["method"] == "DTM", "stride"]) == {"8", "16", "8+16"}
    assert set(frame.loc[frame["method"] == "GeM", "stride"]) == {"8", "16"}


def test_a_missing_extra_is_named_and_emoji_street_needs_none(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    for name in ("WORKBENCH_VTEST", "WORKBENCH_RESNET50"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotInstalledError, match="build vtest'"):
        measure_part(TINY, real.PEDESTRIANS, "HOG and colour")
    with pytest.raises(NotInstalledError, match="build resnet50'"):
        measure_part(TINY, real.STREET, "ResNet-50")
    frame = measure_real(RealConfig(datasets=(real.STREET,), backbones=TINY.backbones, street=TINY.street))
    assert set(frame["dataset"]) == {real.STREET}
    assert frame.groupby(["method", "stride"]).size().nunique() == 1


def test_the_stored_table_is_of_the_shape_and_sense_that_the_code_gives():
    stored = load_results("targeted_selection_real")
    assert tuple(stored.columns) == COLUMNS
    parts = RealConfig().parts
    assert set(zip(stored["dataset"], stored["backbone"], strict=True)) == set(parts)
    assert stored["ap"].between(0, 1).all()
    assert (stored["positives"] < stored["scenes"]).all()
    table = summary(stored).set_index(["dataset", "setting", "backbone", "method", "stride"])["map"].sort_index()
    for dataset, setting in ((real.TABLE, real.RARE), (real.CUTOUTS, real.AS_DRAWN), (real.STREET, real.AS_DRAWN)):
        rows = table[dataset, setting, "Lite0"]
        assert rows["DTM", "8+16"] > 2 * max(rows["GeM", "8"], rows["GeM", "16"])
    alone = table[
        real.PEDESTRIANS, real.SAME_PLACE, "Lite0"
    ]  # before a wall that stays the same, any change is the object
    assert alone["GeM", "16"] > alone["DTM", "8+16"] > alone["random", ""]
