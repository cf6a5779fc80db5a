"""A person's folder: what cannot be read is listed, Stop keeps what is done, and boxes come back in the pictures' own pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torch import nn

from workbench.datasets import read_annotated_folder
from workbench.experiments import selection_embedding, selection_folder
from workbench.experiments.selection_embedding import canvas_for, embed_folder, write_sample_folder
from workbench.experiments.selection_folder import FolderQuery, hits_boxes, hits_table
from workbench.retrieval import ModuleBackbone
from workbench.training import Cancelled, CancelToken


class Colours(nn.Module):
    """The mean colour of each cell, with grey in the middle."""

    def forward(self, images):
        return {stride: nn.functional.avg_pool2d(images - 0.5, stride) for stride in (8, 16)}


BACKBONE = ModuleBackbone(Colours(), (8, 16), device="cpu")
RED, BLUE = (230, 30, 30), (30, 30, 230)


def picture(path, *squares, size=(160, 96)):
    """Save grey noise with 16-pixel squares, each (x, y, colour)."""
    pixels = np.random.default_rng(len(path.name)).integers(120, 136, (size[1], size[0], 3), np.uint8)
    for x, y, colour in squares:
        pixels[y : y + 16, x : x + 16] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("WORKBENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    picture(tmp_path / "a_query.png", (32, 16, RED))
    picture(tmp_path / "b_red.png", (96, 48, RED))
    picture(tmp_path / "c_blue.png", (96, 48, BLUE))
    picture(tmp_path / "d_grey.png")
    (tmp_path / "e_broken.png").write_bytes(b"not a picture")
    return tmp_path


def opened(folder, side=160, **options):
    return embed_folder(read_annotated_folder(folder), BACKBONE, side, **options)


def test_the_object_is_found_in_the_pictures_own_pixels_whatever_the_canvas(folder):
    for side in (160, 320):
        found = opened(folder, side).find(FolderQuery("a_query.png", (32, 16, 48, 32)))
        assert found.matches[0].image_id == "b_red.png"
        assert "a_query.png" not in {one.image_id for one in found.matches}
        np.testing.assert_allclose(found.matches[0].box, (96, 48, 112, 64), atol=1)


def test_pictures_of_every_mode_are_found_where_a_person_sees_the_object(tmp_path):
    picture(tmp_path / "a_query.png", (32, 16, (250, 250, 250)))
    grey = np.full((96, 160), 128, np.uint8)
    grey[48:64, 96:112] = 250
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    clear = np.dstack(
        [grey, grey, grey, np.where(grey == 250, 0, 255).astype(np.uint8)]
    )  # what is transparent lies on white
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    Image.fromarray(grey).save(tmp_path / "b_grey.png")
    deep.save(tmp_path / "c_deep.png")
    Image.fromarray(clear).save(tmp_path / "d_clear.png")
    Image.fromarray(np.rot90(np.dstack([grey] * 3))).save(tmp_path / "e_turned.jpg", exif=exif)
    picture(tmp_path / "f_none.png")
    found = opened(tmp_path).find(FolderQuery("a_query.png", (32, 16, 48, 32))).matches
    assert {one.image_id[0] for one in found[:4]} == set("bcde")
    for one in found[:4]:
        np.testing.assert_allclose(one.box, (96, 48, 112, 64), atol=1, err_msg=one.image_id)


def test_what_cannot_be_read_is_listed_with_its_reason(folder):
    pool = opened(folder)
    assert (len(pool.names), pool.total) == (4, 5)
    assert [one.id for one in pool.skipped] == ["e_broken.png"]
    assert "not a whole image" in pool.skipped[0].reason
    assert pool.sizes["a_query.png"] == (160, 96)


def test_a_folder_in_which_nothing_can_be_read_says_why(tmp_path):
    (tmp_path / "only.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the 1 pictures can be read; the first one: .*only\.jpg"):
        opened(tmp_path)


def test_stop_keeps_the_parts_that_are_done_and_the_next_run_goes_on_there(folder, monkeypatch):
    monkeypatch.setattr(selection_embedding, "_LEAST_SHARD", 2)
    token = CancelToken()

    def progress(done, total, message):
        if done == 4:
            token.cancel()

    pool = opened(folder, progress=progress, cancel=token)
    assert pool.names == ("a_query.png", "b_red.png")
    assert (pool.total, len(pool.skipped)) == (5, 0)
    assert pool.find(FolderQuery("a_query.png", (32, 16, 48, 32))).matches[0].image_id == "b_red.png"
    seen = []
    again = opened(folder, progress=lambda done, total, message: seen.append(done))
    assert seen[0] == 2
    assert len(again.names) == 4
    assert again.store.path == pool.store.path
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        opened(folder, side=320, cancel=token)


def test_changed_pictures_and_another_backbone_are_seen_anew(folder):
    before = opened(folder).store.path
    assert opened(folder).store.path == before
    picture(folder / "c_blue.png", (32, 48, BLUE))
    changed = opened(folder).store.path
    other = ModuleBackbone(Colours(), (8, 16), {"other": 1}, device="cpu")
    assert len({before, changed, embed_folder(read_annotated_folder(folder), other, 160).store.path}) == 3


def test_a_pool_of_parts_on_the_disk_ranks_as_one_in_memory(folder, monkeypatch):
    query = FolderQuery("a_query.png", (32, 16, 48, 32))
    monkeypatch.setattr(selection_embedding, "_LEAST_SHARD", 2)
    pool = opened(folder)
    assert [shard.image_ids for shard in pool.store] == [("a_query.png", "b_red.png"), ("c_blue.png", "d_grey.png")]
    whole = pool.find(query).matches
    monkeypatch.setattr(selection_folder, "IN_MEMORY", 3)
    parts = pool.find(query).matches
    assert [one.image_id for one in parts] == [one.image_id for one in whole]
    np.testing.assert_allclose([one.score for one in parts], [one.score for one in whole], atol=1e-6)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        pool.find(query, cancel=token)


def test_of_neighbours_only_the_best_is_returned_and_folders_are_not_mixed(tmp_path):
    for index in range(6):
        picture(tmp_path / "drive" / f"{index}.png", *([(32, 16, RED)] if index in (1, 3) else []))
    picture(tmp_path / "other" / "0.png", (48, 16, RED))
    pool = opened(tmp_path)
    query = FolderQuery("drive/0.png", (32, 16, 48, 32), spacing=3)
    found = [one.image_id for one in pool.find(query).matches]
    assert len(found) == 3
    assert {name.split("/")[0] for name in found} == {"drive", "other"}
    with pytest.raises(ValueError, match="spacing must be at least 1, got 0"):
        pool.find(FolderQuery("drive/0.png", (32, 16, 48, 32), spacing=0))


def test_impossible_queries_are_sentences_and_small_objects_are_warned_of(folder, tmp_path):
    pool = opened(folder)
    with pytest.raises(ValueError, match=r"box \(60, 17, 36, 37\) is empty; expected x0 < x1"):
        pool.find(FolderQuery("a_query.png", (60, 17, 36, 37)))
    with pytest.raises(ValueError, match=r"no picture 'z\.png' among the 4 that were read"):
        pool.find(FolderQuery("z.png", (0, 0, 9, 9)))
    small = pool.find(FolderQuery("a_query.png", (32, 16, 37, 21)))
    assert any("of one cell at stride 8; try stride 4" in text for text in small.warnings)
    (tmp_path / "one").mkdir()
    picture(tmp_path / "one" / "a.png", (32, 16, RED))
    with pytest.raises(ValueError, match="the only one of 1 that was read: there is nothing to search"):
        opened(tmp_path / "one").find(FolderQuery("a.png", (32, 16, 48, 32)))


def test_a_pyramid_finds_a_larger_object(tmp_path):
    """Red beside blue beside red, so that a part of the object does not look like all of it."""
    for name, left, width in (("query", 40, 40), ("large", 80, 56), ("x", 0, 0), ("y", 0, 0)):
        pixels = np.full((160, 256, 3), 128, np.uint8)
        pixels[40 : 40 + width, left : left + width] = RED
        pixels[40 : 40 + width, left + width // 5 * 2 : left + width - width // 5 * 2] = BLUE
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    pool = opened(tmp_path, 256)
    query = FolderQuery("query.png", (40, 40, 80, 80), strides=(8,), scales=(0.7, 1.0, 1.4))
    found = pool.find(query).matches[0]
    assert found.image_id == "large.png"
    np.testing.assert_allclose(found.box, (80, 40, 136, 96), atol=8)


def test_the_canvas_holds_upright_and_wide_pictures_alike(tmp_path):
    picture(tmp_path / "wide.png", size=(160, 96))
    assert canvas_for(read_annotated_folder(tmp_path).entries, 320) == (192, 320)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((96, 160, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    assert canvas_for(read_annotated_folder(tmp_path).entries, 320) == (320, 320)
    with pytest.raises(ValueError, match="long_side must be at least 64 pixels, got 20"):
        canvas_for([], 20)


def test_hits_are_a_table_and_boxes(folder):
    found = opened(folder).find(FolderQuery("a_query.png", (32, 16, 48, 32)))
    table = hits_table(found, 2)
    assert table["rank"].tolist() == [1, 2]
    assert table["image"][0] == "b_red.png"
    boxes = hits_boxes(found, 2, "red square")
    assert [(one.image_id, one.category, one.score) for one in boxes] == [
        (row.image, "red square", row.score) for row in table.itertuples()
    ]
    assert len(hits_table(found, 99)) == 3


def test_the_sample_is_a_folder_with_boxes(tmp_path):
    write_sample_folder(tmp_path, scenes=3)
    found = read_annotated_folder(tmp_path)
    assert (found.kind, len(found.entries)) == ("COCO", 3)
    for entry in found.entries:
        scene = entry.load()
        assert scene.image.shape == (320, 512, 3)
