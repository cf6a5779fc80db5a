"""A store gives back what was put in, survives a kill at any moment, and names what is damaged or does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench.datasets import SkippedImage
from workbench.retrieval import Encoding, Features, FeatureStore, Letterbox, Projection, Shard, match
from workbench.retrieval.store_files import map_array, read_index
from workbench.retrieval.template import Template

RECIPE = {"network": "mine", "stages": {"8": 2}}
SIZE = (32, 48)


def shard_of(*names: str, seed: int = 0, groups: bool = True) -> Shard:
    generator = torch.Generator().manual_seed(seed)
    maps = {
        8: torch.randn(len(names), 5, 4, 6, generator=generator),
        16: torch.randn(len(names), 7, 2, 3, generator=generator),
    }
    placed = [Letterbox((60 + row, 90), SIZE) for row in range(len(names))]
    return Shard(names, Features(maps, placed), tuple(f"drive {name}" for name in names) if groups else ())


def filled(path: Path, **options: object) -> FeatureStore:
    store = FeatureStore.create(path, RECIPE, shard_size=3, **options)
    store.append(shard_of("a", "b", "c"), paths={"a": "folder/a.png"})
    store.append(shard_of("d", "e", seed=1), skipped=[SkippedImage("x", "truncated")])
    return store


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_what_was_put_in_comes_back(tmp_path):
    filled(tmp_path / "store")
    store = FeatureStore.open(tmp_path / "store", RECIPE, Encoding())
    assert (len(store), store.strides, store.numbers) == (5, (8, 16), [0, 1])
    for shard, expected in zip(store, (shard_of("a", "b", "c"), shard_of("d", "e", seed=1)), strict=True):
        assert (shard.image_ids, shard.groups) == (expected.image_ids, expected.groups)
        assert shard.features.letterboxes == expected.features.letterboxes
        for stride in (8, 16):
            torch.testing.assert_close(shard.features[stride], expected.features[stride].half())
    assert store.skipped == [SkippedImage("x", "truncated")]
    assert read_index(store.folder(0)).paths == ("folder/a.png", "", "")
    store.verify()


def test_shards_are_mapped_not_loaded_and_never_changed_through_the_map(tmp_path):
    store = filled(tmp_path)
    maps = store.shard(0).features[8]
    assert isinstance(map_array(store.folder(0) / "stride-8.npy"), np.memmap)
    maps.zero_()
    store.verify()


def test_pictures_are_selected_by_name_and_by_position_in_any_order(tmp_path):
    store = filled(tmp_path)
    assert store.take([4, 0, 2, 0]).image_ids == ("e", "a", "c", "a")
    chosen = store.select(["d", "b"])
    assert (chosen.image_ids, chosen.groups) == (("d", "b"), ("drive d", "drive b"))
    torch.testing.assert_close(chosen.features[8][1], store.shard(0).features[8][1])
    torch.testing.assert_close(chosen.features[16][0], store.shard(1).features[16][0])
    assert [one.image_size for one in chosen.features.letterboxes] == [(60, 90), (61, 90)]
    with pytest.raises(ValueError, match=r"1 of the image_ids are not in .*, such as 'z'"):
        store.select(["a", "z"])
    with pytest.raises(ValueError, match="positions reach from -1 to 5 in a pool of 5 pictures"):
        store.take([-1, 5])
    with pytest.raises(ValueError, match="positions is empty"):
        store.take([])


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
@example(["\ud800", "line\r\nbreak", "\0", '",'])
def test_names_of_any_characters_survive(names):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore.create(Path(folder) / "s", RECIPE)
        store.append(shard_of(*names))
        assert FeatureStore.open(store.path).shard(0).image_ids == tuple(names)


def test_file_names_that_are_no_text_survive(tmp_path):
    name = os.fsdecode(b'caf\xe9,"1".png')
    store = FeatureStore.create(tmp_path, RECIPE)
    store.append(shard_of(name), skipped=[SkippedImage(name, name)])
    again = FeatureStore.open(tmp_path)
    assert (again.shard(0).image_ids, again.skipped[0].id) == ((name,), name)


def test_the_same_features_give_the_same_bytes_and_parts_do_not_matter(tmp_path):
    whole, parts = filled(tmp_path / "a"), FeatureStore.create(tmp_path / "b", RECIPE, shard_size=3)
    shard = shard_of("a", "b", "c")
    pieces = [Shard(shard.image_ids[i : i + 1], shard.features.select([i]), shard.groups[i : i + 1]) for i in range(3)]
    parts.write(0, pieces, paths={"a": "folder/a.png"})
    parts.append(shard_of("d", "e", seed=1), skipped=[SkippedImage("x", "truncated")])
    assert content(whole.path) == content(parts.path)
    assert whole.digest == parts.digest


def test_bytes_and_projections_come_back_with_the_store(tmp_path):
    turn = Projection(np.linalg.qr(np.random.default_rng(0).normal(size=(5, 3)))[0].T)
    encoding = Encoding("int8", {8: turn}, residual=True)
    store = FeatureStore.open(filled(tmp_path, encoding=encoding).path, encoding=encoding)
    np.testing.assert_array_equal(store.manifest.encoding.projections[8].matrix, turn.matrix)
    shard = store.shard(0)
    assert (shard.features[8].dtype, shard.features[8].shape, shard.features[16].shape[1]) == (
        torch.int8,
        (3, 3, 4, 6),
        7,
    )
    residual, error = store.residual(0, 8)
    assert (residual.shape, error.shape) == ((3, 4, 6), (3,))
    original = shard_of("a", "b", "c").features
    template = Template.from_box(original.select([1]), (8, 8, 32, 24), SIZE, stride=8)
    assert match([store.manifest.encoding.project(template)], shard.features).scores[1, 0] == pytest.approx(1, abs=0.01)


def test_a_run_that_was_killed_is_continued(tmp_path):
    """Kill while a shard is being written: complete shards stay, the half one is never seen, and the bytes come out the same."""
    script = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_store import *
store = FeatureStore.create(sys.argv[2], RECIPE, shard_size=3)
store.append(shard_of("a", "b", "c"), paths={"a": "folder/a.png"})
def parts():
    yield shard_of("d", seed=1)
    os._exit(9)
store.write(1, parts())
"""
    path = tmp_path / "store"
    arguments = [sys.executable, "-c", script, str(Path(__file__).parent), str(path)]
    assert subprocess.run(arguments, cwd=Path(__file__).parents[2]).returncode == 9
    assert len(list(path.glob(".shard-00001.*"))) == 1
    assert len(FeatureStore.open(path)) == 3
    store = FeatureStore.create(path, RECIPE, shard_size=3)
    store.append(shard_of("d", "e", seed=1), skipped=[SkippedImage("x", "truncated")])
    FeatureStore.create(path, RECIPE, shard_size=3)
    assert content(path) == content(filled(tmp_path / "other").path)


def test_a_shard_that_the_manifest_does_not_list_yet_is_found(tmp_path):
    store = filled(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["shards"] = manifest["shards"][:1]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert len(FeatureStore.open(tmp_path)) == 5
    assert FeatureStore.create(tmp_path, RECIPE, shard_size=3).digest == store.digest
    assert len(json.loads((tmp_path / "manifest.json").read_text())["shards"]) == 2


def test_the_first_of_two_writers_of_a_shard_wins(tmp_path):
    store = filled(tmp_path)
    before = content(tmp_path)
    store.write(1, [shard_of("d", "e", seed=7)])
    assert content(tmp_path) == before


def test_planned_shards_that_are_not_there_are_known(tmp_path):
    store = FeatureStore.create(tmp_path, RECIPE, planned=3)
    store.write(1, [shard_of("a")])
    assert FeatureStore.open(tmp_path).missing == [0, 2]


def test_a_shard_of_unreadable_pictures_only_is_no_shard_to_read(tmp_path):
    store = FeatureStore.create(tmp_path, RECIPE)
    store.append(Shard((), Features({}, [])), skipped=[SkippedImage("x", "truncated")])
    store.append(shard_of("a"))
    assert (len(store), [shard.image_ids for shard in store], store.numbers) == (1, [("a",)], [1])


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no feature store and not empty: choose a new or empty folder"):
        FeatureStore.create(tmp_path, RECIPE)
    with pytest.raises(FileExistsError, match="is no feature store"):
        FeatureStore.create(tmp_path / "holiday.txt", RECIPE)
    with pytest.raises(FileNotFoundError, match=r"no feature store at .*: it has no manifest.json"):
        FeatureStore.open(tmp_path)
    assert content(tmp_path) == {"holiday.txt": b"mine"}


def test_another_backbone_or_encoding_is_refused_with_both_hashes(tmp_path):
    filled(tmp_path)
    for change in (FeatureStore.open, lambda path, recipe: FeatureStore.create(path, recipe, shard_size=3)):
        with pytest.raises(ValueError, match=r"was made by the backbone [0-9a-f]{16}, not by [0-9a-f]{16}"):
            change(tmp_path, RECIPE | {"stages": {"8": 3}})
    turned = Encoding(projections={8: Projection(np.eye(3, 5))})
    for encoding in (Encoding("int8"), turned):
        with pytest.raises(ValueError, match=f"has the encoding {Encoding().digest}, not {encoding.digest}"):
            FeatureStore.open(tmp_path, RECIPE, encoding)
    with pytest.raises(ValueError, match="has shard_size 3, not 4"):
        FeatureStore.create(tmp_path, RECIPE, shard_size=4)
    with pytest.raises(ValueError, match=r"has canvas_size None, not \(32, 48\)"):
        FeatureStore.create(tmp_path, RECIPE, shard_size=3, canvas_size=(32, 48))


@pytest.mark.parametrize(
    "name, damage, message",
    [
        (
            "shard-00001/stride-8.npy",
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            "is damaged: it has 607 bytes",
        ),
        ("shard-00001/stride-8.npy", Path.unlink, "is missing from the shard"),
        ("shard-00001/shard.json", lambda path: path.write_text("{"), "is damaged"),
        ("shard-00001/shard.json", lambda path: path.write_text(path.read_text() + " "), "it is not the record that"),
        ("shard-00001/shard.json", Path.unlink, "no shard.json in the shard"),
        ("manifest.json", lambda path: path.write_text(path.read_text()[:100]), "is damaged"),
        (
            "manifest.json",
            lambda path: path.write_text(path.read_text().replace("mine", "hers")),
            "recipe_hash is not that",
        ),
        ("projections.npz", lambda path: path.write_bytes(b"PK"), "is damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, damage, message):
    filled(tmp_path)
    damage(tmp_path / name)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        FeatureStore.open(tmp_path)
    assert name in str(caught.value).replace(os.sep, "/") or name.split("/")[0] in str(caught.value)


def test_changed_bytes_are_found_by_their_checksums(tmp_path):
    store = filled(tmp_path)
    for name in ("stride-16.npy", "index.csv"):
        path = store.folder(0) / name
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match=r"2 files are damaged.*index.csv, .*stride-16.npy"):
        store.verify()


def test_a_missing_shard_is_written_again_by_who_continues(tmp_path):
    store = filled(tmp_path)
    before = content(tmp_path)
    for file in store.folder(0).iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"to have the shard written again, remove .*shard-00000"):
        FeatureStore.create(tmp_path, RECIPE, shard_size=3)
    store.folder(0).rmdir()
    again = FeatureStore.create(tmp_path, RECIPE, shard_size=3)
    assert again.numbers == [1]
    again.write(0, [shard_of("a", "b", "c")], paths={"a": "folder/a.png"})
    assert content(tmp_path) == before


def test_shards_that_do_not_fit_are_named(tmp_path):
    store = filled(tmp_path)
    with pytest.raises(ValueError, match="shard has 4 pictures, the store's have at most 3"):
        store.append(shard_of(*"wxyz"))
    with pytest.raises(ValueError, match="some parts of a shard have groups and others have none"):
        store.write(2, [shard_of("f"), shard_of("g", groups=False)])
    wide = Features({8: torch.zeros(1, 5, 4, 7), 16: torch.zeros(1, 7, 2, 3)}, [Letterbox.fit(SIZE)])
    with pytest.raises(ValueError, match=r"stride-8.npy holds maps of \(4, 6, 5\), then came one of \(4, 7, 5\)"):
        store.write(2, [shard_of("f"), Shard(("g",), wide, ("drive g",))])
    with pytest.raises(ValueError, match=r"the maps of shard-00002 are .*7, 5.*, those of the other shards .*6, 5"):
        store.append(Shard(("g",), wide, ("drive g",)))
    assert not list(tmp_path.glob("*shard-00002*"))
    store.append(shard_of("f", groups=False))
    with pytest.raises(ValueError, match=r"some shards of .* have groups and others have none"):
        store.take([0, 5])
    with pytest.raises(ValueError, match="shard_size must be at least 1, got 0"):
        FeatureStore.create(tmp_path / "other", RECIPE, shard_size=0)
