import logging
import pickle

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import (
    AnnotatedImage,
    Annotation,
    ImageEntry,
    UnreadableImageError,
    image_size,
    load_images,
    read_image,
    read_image_folder,
)

PIXELS = np.random.default_rng(0).integers(256, size=(6, 8, 3), dtype=np.uint8)


def _saved(tmp_path, picture, name="a.png", **options):
    path = tmp_path / name
    picture.save(path, **options)
    return path


def test_colour_is_read_as_it_is(tmp_path):
    np.testing.assert_array_equal(read_image(_saved(tmp_path, Image.fromarray(PIXELS))), PIXELS)


def test_grey_and_bilevel_become_three_equal_channels(tmp_path):
    grey = read_image(_saved(tmp_path, Image.fromarray(PIXELS[..., 0])))
    np.testing.assert_array_equal(grey, np.repeat(PIXELS[..., :1], 3, axis=2))
    bilevel = read_image(_saved(tmp_path, Image.fromarray(PIXELS[..., 0] > 127)))
    np.testing.assert_array_equal(bilevel[..., 2], np.where(PIXELS[..., 0] > 127, 255, 0))


def test_sixteen_bit_is_scaled_to_eight(tmp_path):
    for name in ("a.png", "a.tif"):
        path = _saved(tmp_path, Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), name)
        np.testing.assert_array_equal(read_image(path)[..., 1], PIXELS[..., 0])


def test_transparent_pixels_lie_on_white(tmp_path):
    rgba = np.dstack([PIXELS, np.full((6, 8), 255, np.uint8)])
    rgba[0, 0] = (10, 20, 30, 0)
    read = read_image(_saved(tmp_path, Image.fromarray(rgba)))
    assert read[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(read[1:], PIXELS[1:])


def test_palettes_and_cmyk_are_converted(tmp_path):
    picture = Image.new("RGB", (8, 6), (255, 0, 0))
    assert read_image(_saved(tmp_path, picture.convert("P"), "a.gif"))[3, 3].tolist() == [255, 0, 0]
    assert read_image(_saved(tmp_path, picture.convert("CMYK"), "a.tif"))[3, 3].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "orientation, turned", [(3, np.rot90(PIXELS, 2)), (6, np.rot90(PIXELS, -1)), (2, PIXELS[:, ::-1])]
)
def test_exif_orientation_is_applied(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _saved(tmp_path, Image.fromarray(PIXELS), exif=exif)
    np.testing.assert_array_equal(read_image(path), turned)
    assert image_size(path) == turned.shape[1::-1]


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"no image at .*none.png"):
        read_image(tmp_path / "none.png")
    with pytest.raises(UnreadableImageError, match=r"no image at .*none.png"):
        image_size(tmp_path / "none.png")
    whole = _saved(tmp_path, Image.fromarray(PIXELS.repeat(20, 0)), "whole.png").read_bytes()
    for name, content in (("text.png", b"hello"), ("empty.jpg", b""), ("cut.png", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImageError, match=rf"{name} is not a whole image: it is truncated, damaged or of"):
            read_image(tmp_path / name)
    with pytest.raises(UnreadableImageError, match=r"text\.png is damaged or no image"):
        image_size(tmp_path / "text.png")
    path = _saved(tmp_path, Image.fromarray(PIXELS[..., 0].astype(np.float32)), "float.tif")
    with pytest.raises(UnreadableImageError, match=r"float.tif holds floating-point values"):
        read_image(path)
    path = _saved(tmp_path, Image.fromarray(np.full((2, 2), 70_000, np.int32)), "large.tif")
    with pytest.raises(UnreadableImageError, match="holds values 70000 to 70000; expected 0 to 65535"):
        read_image(path)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnreadableImageError, match=r"folder.png is not a whole image"):
        read_image(tmp_path / "folder.png")


def test_a_folder_is_listed_by_path_and_opened_late(tmp_path):
    (tmp_path / "night").mkdir()
    _saved(tmp_path, Image.fromarray(PIXELS), "b.JPG", format="PNG")
    _saved(tmp_path / "night", Image.fromarray(PIXELS), "a.png")
    for name in ("notes.txt", ".hidden.png", "b.json"):
        (tmp_path / name).write_text("no image")
    entries = read_image_folder(tmp_path)
    assert [entry.id for entry in entries] == ["b.JPG", "night/a.png"]
    (tmp_path / "b.JPG").unlink()  # listing opened nothing, and loading says what is gone
    skipped = []
    assert [image.id for image in load_images(entries, skipped)] == ["night/a.png"]
    assert skipped[0].id == "b.JPG"
    assert "no image at" in skipped[0].reason


def test_one_broken_file_does_not_end_a_run(tmp_path, caplog):
    for index in range(5):
        _saved(tmp_path, Image.fromarray(PIXELS), f"{index}.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    skipped = []
    with caplog.at_level(logging.WARNING):
        images = list(load_images(read_image_folder(tmp_path), skipped))
    assert [image.id for image in images] == ["0.png", "1.png", "3.png", "4.png"]
    assert [one.id for one in skipped] == ["2.png"]
    assert "skipped 2.png" in caplog.text


def test_folders_without_images_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder at"):
        read_image_folder(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"holds no image; expected files that end in .bmp"):
        read_image_folder(tmp_path)


def test_boxes_are_clipped_to_the_image_and_left_out_when_outside(tmp_path, caplog):
    path = _saved(tmp_path, Image.fromarray(PIXELS))
    boxes = [(-2, -1, 3, 4), (1, 1, 99, 99), (2, 2, 3, 3), (8, 0, 12, 4)]
    entry = ImageEntry("a.png", path, tuple(Annotation("bike", box, 0.5, "noto") for box in boxes))
    with caplog.at_level(logging.WARNING):
        loaded = entry.load()
    assert [one.box for one in loaded.annotations] == [(0, 0, 3, 4), (1, 1, 8, 6), (2, 2, 3, 3)]
    assert {(one.visible, one.style) for one in loaded.annotations} == {(0.5, "noto")}
    assert "a.png: left out a bike whose box (8, 0, 12, 4) lies outside the 8x6 image" in caplog.text


def test_annotations_of_another_size_are_refused(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _saved(tmp_path, Image.fromarray(PIXELS), exif=exif)
    assert ImageEntry("a.png", path, size=(6, 8)).load().image.shape == (8, 6, 3)
    with pytest.raises(UnreadableImageError, match="is 6x8 pixels upright, but its annotations were made on 8x6"):
        ImageEntry("a.png", path, size=(8, 6)).load()


def test_entries_travel_to_other_processes(tmp_path):
    entry = ImageEntry("a.png", _saved(tmp_path, Image.fromarray(PIXELS)), (Annotation("dog", (0, 0, 2, 2)),))
    assert pickle.loads(pickle.dumps(entry)) == entry


@pytest.mark.parametrize(
    "box, visible, message",
    [
        ((60, 17, 36, 37), 1, r"box \(60, 17, 36, 37\) is empty; expected x0 < x1 and y0 < y1"),
        ((1, 5, 2, 5), 1, "is empty"),
        ((0, 0, np.nan, 1), 1, "is not finite"),
        ((0, 0, 1, 1), 1.2, "visible must lie in 0 to 1, got 1.2"),
    ],
)
def test_annotations_check_themselves(box, visible, message):
    with pytest.raises(ValueError, match=message):
        Annotation("bike", box, visible)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_annotated_images_check_themselves(image):
    with pytest.raises(ValueError, match=r"image must be uint8 \(height, width, 3\)"):
        AnnotatedImage("a", image)


def test_shows_asks_for_more_than_the_visible_share():
    scene = AnnotatedImage("a", PIXELS, (Annotation("dog", (0, 0, 2, 2), 0.5),))
    assert scene.shows("dog")
    assert not scene.shows("dog", visible=0.5)
    assert not scene.shows("bike")
