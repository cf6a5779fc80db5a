"""Embedding writes the same store wherever it runs, goes on where it was killed, and passes over what it cannot read."""

from __future__ import annotations

import functools
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import resnet18

from workbench.datasets import EmojiStreetConfig, emoji_pool, read_image_folder
from workbench.retrieval import (
    EfficientNetLite0Backbone,
    Encoding,
    Features,
    FeatureStore,
    HogColourBackbone,
    TorchvisionBackbone,
    compress,
    embed,
    fit_projections,
    letterbox_batch,
    recipe_hash,
)
from workbench.training import Cancelled, CancelToken

STREET = EmojiStreetConfig(width=96, height=64)
ENTRIES = emoji_pool(7, config=STREET)


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return embed(ENTRIES, HogColourBackbone(device="cpu"), tmp_path_factory.mktemp("store") / "whole", shard_size=3)


def test_the_store_holds_the_features_of_each_picture(whole):
    assert [shard.image_ids for shard in whole] == [
        tuple(entry.id for entry in ENTRIES[part]) for part in (slice(3), slice(3, 6), slice(6, 7))
    ]
    expected = HogColourBackbone(device="cpu").features(*letterbox_batch([ENTRIES[4].load().image]))[8].half()
    torch.testing.assert_close(whole.shard(1).features[8][1:2], expected)
    assert (whole.missing, whole.skipped, whole.manifest.canvas_size) == ([], [], (64, 96))


def test_a_finished_store_is_not_made_again(whole):
    before, calls = content(whole.path), []
    again = embed(
        ENTRIES, HogColourBackbone(device="cpu"), whole.path, shard_size=3, progress=lambda *said: calls.append(said)
    )
    assert content(whole.path) == before
    assert again.digest == whole.digest
    assert calls == [(7, 7, "embedding whole")]


def test_progress_counts_pictures_and_stop_keeps_what_is_written(tmp_path, whole):
    token, calls = CancelToken(), []

    def progress(done: int, total: int, message: str) -> None:
        calls.append((done, total))
        if done == 5:
            token.cancel()

    arguments = (ENTRIES, functools.partial(HogColourBackbone, device="cpu"), tmp_path / "whole")
    with pytest.raises(Cancelled):
        embed(*arguments, shard_size=3, batch_size=2, progress=progress, cancel=token)
    assert calls == [(0, 7), (2, 7), (3, 7), (5, 7)]
    store = FeatureStore.open(tmp_path / "whole")
    assert (store.numbers, store.missing) == ([0], [1, 2])
    embed(*arguments, shard_size=3)
    assert content(tmp_path / "whole") == content(whole.path)


def test_a_run_that_was_killed_goes_on_with_the_same_bytes(tmp_path, whole):
    script = f"""
import os, sys
from workbench.datasets import EmojiStreetConfig, emoji_pool
from workbench.retrieval import HogColourBackbone, embed
entries = emoji_pool(7, config=EmojiStreetConfig(width=96, height=64))
kill = lambda done, *_: done < 5 or os._exit(9)
embed(entries, HogColourBackbone(device="cpu"), {str(tmp_path / "whole")!r}, shard_size=3, batch_size=1, progress=kill)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2]).returncode == 9
    assert list((tmp_path / "whole").glob(".shard-00001.*"))
    embed(ENTRIES, HogColourBackbone(device="cpu"), tmp_path / "whole", shard_size=3)
    assert content(tmp_path / "whole") == content(whole.path)


def test_a_factory_is_called_once_in_a_process_and_must_keep_its_promise(tmp_path, monkeypatch):
    made = []

    def factory():
        made.append(HogColourBackbone(device="cpu"))
        if len(made) > 2:
            made[-1].recipe["version"] = 99
        return made[-1]

    monkeypatch.setattr("workbench.retrieval.embedding._MADE", {})
    embed(ENTRIES, factory, tmp_path / "a", shard_size=1)
    assert len(made) == 2  # to know its recipe, and to work
    monkeypatch.setattr("workbench.retrieval.embedding._MADE", {})
    recipe = [HogColourBackbone(device="cpu")]
    with pytest.raises(ValueError, match=r"the backbone is [0-9a-f]{16} on a worker and [0-9a-f]{16} where"):
        embed(ENTRIES, lambda: recipe.pop() if recipe else factory(), tmp_path / "b")


def test_unreadable_pictures_are_passed_over_logged_and_listed(tmp_path, caplog):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, size in (("a", (64, 48)), ("c", (32, 48)), ("d", (64, 48))):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)).save(folder / f"{name}.png")
    (folder / "0.png").write_bytes(b"no picture")
    (folder / "d.png").write_bytes((folder / "d.png").read_bytes()[:200])
    with caplog.at_level(logging.WARNING):
        store = embed(read_image_folder(folder), HogColourBackbone(device="cpu"), tmp_path / "store", shard_size=2)
    assert [shard.image_ids for shard in store] == [("a.png",), ("c.png",)]
    assert [one.id for one in store.skipped] == ["0.png", "d.png"]
    assert "truncated" in store.skipped[1].reason
    assert "skipped 0.png" in caplog.text
    assert store.manifest.canvas_size == (64, 48)  # of the first one that can be read
    assert [one.image_size for one in store.select(["c.png", "a.png"]).features.letterboxes] == [(32, 48), (64, 48)]
    assert FeatureStore.open(store.path).skipped == store.skipped
    assert (
        embed(read_image_folder(folder), HogColourBackbone(device="cpu"), store.path, shard_size=2).digest
        == store.digest
    )


def test_features_that_are_not_finite_are_passed_over(tmp_path):
    class Fragile(HogColourBackbone):
        def features(self, images, letterboxes=None):
            features = super().features(images, letterboxes)
            features[8][features.letterboxes.index(features.letterboxes[0]), 0, 0, 0] = torch.nan
            return features

    store = embed(ENTRIES[:4], Fragile(device="cpu"), tmp_path, batch_size=2)
    assert [one.id for one in store.skipped] == [ENTRIES[0].id, ENTRIES[2].id]
    assert store.shard(0).image_ids == (ENTRIES[1].id, ENTRIES[3].id)


def test_groups_travel_with_their_pictures(tmp_path):
    store = embed(ENTRIES, HogColourBackbone(device="cpu"), tmp_path, shard_size=3, groups=list("xxyyyzz"))
    assert [shard.groups for shard in store] == [("x", "x", "y"), ("y", "y", "z"), ("z",)]
    with pytest.raises(ValueError, match=r"shard 0 of .* was made of other entries"):
        embed(ENTRIES, HogColourBackbone(device="cpu"), tmp_path, shard_size=3, groups=list("xyyyyzz"))


def test_a_store_is_compressed_shard_by_shard(tmp_path, whole):
    encoding = Encoding("int8", fit_projections(whole, {8: 12}), residual=True)
    small = compress(whole, tmp_path / "small", encoding)
    assert [shard.image_ids for shard in small] == [shard.image_ids for shard in whole]
    assert small.manifest.source == whole.digest
    assert small.shard(0).features[8].shape == (3, 12, 8, 12)
    assert compress(whole, tmp_path / "small", encoding).digest == small.digest
    with pytest.raises(ValueError, match="is compressed itself: start from one in half precision with all channels"):
        compress(small, tmp_path / "smaller", Encoding("int8"))
    unfinished = FeatureStore.create(tmp_path / "unfinished", {}, planned=2)
    with pytest.raises(ValueError, match="lacks shards"):
        compress(unfinished, tmp_path / "other", Encoding("int8"))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"entries": []}, "entries is empty, expected at least one picture"),
        ({"entries": [*ENTRIES, ENTRIES[2]]}, "two entries have the id 'street-000002'"),
        ({"groups": ["x"]}, "groups has 1 names for 7 entries"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_named(tmp_path, options, message):
    arguments = {"entries": ENTRIES, "backbone": HogColourBackbone(device="cpu"), "path": tmp_path} | options
    with pytest.raises(ValueError, match=message):
        embed(**arguments)


def test_a_folder_without_a_readable_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the 1 pictures can be read, the first is 'a.png'"):
        embed(read_image_folder(tmp_path), HogColourBackbone(device="cpu"), tmp_path / "store")


@pytest.mark.parametrize(
    "make",
    [
        lambda: HogColourBackbone(device="cpu"),
        lambda: EfficientNetLite0Backbone(device="cpu"),
        lambda: TorchvisionBackbone(resnet18(), {8: "layer2"}, device="cpu"),
    ],
)
def test_backbones_travel_to_other_processes(make):
    backbone = make()
    again = pickle.loads(pickle.dumps(backbone))
    images = nn.functional.interpolate(torch.rand(1, 3, 8, 8), (64, 64))
    assert recipe_hash(again.recipe) == recipe_hash(backbone.recipe)
    for stride, maps in backbone.features(images).items():
        torch.testing.assert_close(again.features(images)[stride], maps)
    if isinstance(backbone, EfficientNetLite0Backbone):
        assert len(pickle.dumps(backbone)) < 1000
    assert isinstance(again.features(images), Features)
