"""Masks of a folder: every kind of picture, a COCO file that reads back, and what cannot be used said in a sentence."""

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import read_coco_masks, write_coco_masks
from workbench.experiments.free_masks_folder import find_in_folder, sample_pictures
from workbench.training import CancelToken

COLOUR = "Lab colour and edges"


@pytest.fixture
def folder(tmp_path):
    """A red square before grey in four kinds of file, a picture too narrow, and one that is damaged."""
    picture = np.full((90, 140, 3), 110, np.uint8)
    picture[40:75, 30:70] = (240, 60, 30)
    picture[:, 100:] = (90, 100, 120)
    red = Image.fromarray(picture)
    (tmp_path / "below").mkdir()
    red.save(tmp_path / "a.png")
    red.convert("RGBA").save(tmp_path / "below" / "b.png")
    red.convert("L").save(tmp_path / "c.png")
    red.save(tmp_path / "d.jpg", quality=95)
    red.resize((200, 12)).save(tmp_path / "narrow.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    return tmp_path


def test_every_picture_is_looked_at_and_the_rest_is_named(folder):
    found, skipped = find_in_folder(folder, COLOUR)
    assert [one.id for one in found] == ["a.png", "below/b.png", "c.png", "d.jpg"]
    assert len(skipped) == 2
    assert any("narrow.png is 200 x 12 pixels; expected at least 16" in text for text in skipped)
    assert any("broken.png is not a whole image" in text for text in skipped)
    truth = np.zeros((90, 140), bool)
    truth[40:75, 30:70] = True
    for one in (found[0], found[1], found[3]):
        assert max((mask & truth).sum() / (mask | truth).sum() for mask in one.masks()) > 0.7
        assert one.size == (90, 140)


def test_what_was_found_reads_back_from_a_coco_file(folder, tmp_path):
    found, _ = find_in_folder(folder, COLOUR)
    again = read_coco_masks(write_coco_masks(tmp_path / "masks.json", found), folder)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.masks(), other.masks())
        assert other.scores == pytest.approx(one.scores)
        assert other.embeddings is None or other.embeddings.shape == (len(other.scores), 128)


def test_stop_keeps_what_is_done(folder):
    token, seen = CancelToken(), []

    def progress(done, total, message):
        seen.append(message)
        if done == 1:
            token.cancel()

    found, skipped = find_in_folder(folder, COLOUR, progress=progress, cancel=token)
    assert 1 <= len(found) < 4
    assert "stopped before" in skipped[-1]
    assert len(seen) == 2


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        find_in_folder(tmp_path / "none", COLOUR)
    with pytest.raises(ValueError, match="features must be one of 'random weights'"):
        find_in_folder(tmp_path, "magic")


def test_pictures_to_try_with_are_the_test_scenes(tmp_path):
    folder = sample_pictures(tmp_path / "sample", 2)
    found, skipped = find_in_folder(folder, COLOUR)
    assert [one.id for one in found] == ["scene-1.png", "scene-2.png"]
    assert not skipped
