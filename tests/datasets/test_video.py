"""Frames of made-up videos: the right one for each time and order, groups, turned recordings, and clear faults."""

from __future__ import annotations

import builtins
import pickle
from dataclasses import replace

import av
import numpy as np
import pytest

from workbench.datasets import Annotation, NotInstalledError, SkippedImage, UnreadableImageError, load_images
from workbench.datasets import video as video_module
from workbench.datasets.video import read_video_frames

HEIGHT, WIDTH = 48, 64


def _write(path, count=40, rate=10, rotation=0, key_every=12):
    """Write a video whose frame n is grey 5 n, with a white upper left corner."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 4_000_000
        stream.codec_context.gop_size = key_every
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(count):
            picture = np.full((HEIGHT, WIDTH, 3), 5 * index, np.uint8)
            picture[:16, :16] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _number(entry):
    return round(float(entry.load().image[24:, 24:].mean()) / 5)


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("video") / "drive.mp4")


def test_every_frame_in_order_and_in_any_other(drive):
    entries = read_video_frames(drive)
    assert len(entries) == 40
    assert [_number(entry) for entry in entries] == [*range(40)]
    order = np.random.default_rng(0).permutation(40)
    assert [_number(entries[index]) for index in order] == order.tolist()


def test_frames_in_order_are_decoded_in_one_pass(drive, monkeypatch):
    entries = read_video_frames(drive, every=0.5)
    entries[0].load()
    seeks = []
    reader = video_module._reader(drive)
    monkeypatch.setattr(reader, "_container", _Counting(reader._container, seeks))
    for entry in entries[1:]:
        entry.load()
    assert not seeks
    entries[2].load()
    assert len(seeks) == 1


class _Counting:
    def __init__(self, container, seeks):
        self._container, self._seeks = container, seeks

    def seek(self, *arguments, **options):
        self._seeks.append(arguments)
        return self._container.seek(*arguments, **options)

    def __getattr__(self, name):
        return getattr(self._container, name)


def test_intervals_names_and_groups(drive):
    entries = read_video_frames(drive, every=1.0)
    assert [entry.id for entry in entries] == [f"drive.mp4@000{second}.00" for second in range(4)]
    assert {entry.group for entry in entries} == {"drive.mp4"}
    assert [_number(entry) for entry in entries] == [0, 10, 20, 30]
    parts = [entry.group for entry in read_video_frames(drive, every=0.7, group_every=1.4)]
    assert [parts.index(one) for one in parts] == [0, 0, 2, 2, 4, 4]
    assert parts[0] == "drive.mp4@0000.00-0001.40"
    assert len(read_video_frames(drive, every=100)) == 1


def test_entries_travel_and_carry_boxes(drive):
    (entry,) = read_video_frames(drive, every=100)
    entry = replace(entry, annotations=(Annotation("corner", (-4, 0, 16, 16)), Annotation("gone", (70, 0, 80, 9))))
    image = pickle.loads(pickle.dumps(entry)).load()
    assert image.image.shape == (HEIGHT, WIDTH, 3)
    assert [(one.category, one.box) for one in image.annotations] == [("corner", (0, 0, 16, 16))]


@pytest.mark.parametrize("rotation, corner", [(90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_recordings_of_a_turned_camera_stand_upright(tmp_path, rotation, corner):
    (entry,) = read_video_frames(_write(tmp_path / "turned.mp4", count=2, rotation=rotation), every=9)
    image = entry.load().image
    assert image.shape == ((HEIGHT, WIDTH, 3) if rotation == 180 else (WIDTH, HEIGHT, 3))
    assert image[corner].mean() > 200
    assert sum(image[row, column].mean() > 200 for row in (0, -1) for column in (0, -1)) == 1


def test_a_video_that_ends_early_or_goes_is_skipped(tmp_path):
    path = _write(tmp_path / "cut.avi")
    entries = read_video_frames(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 8 // 10])
    skipped: list[SkippedImage] = []
    seen = list(load_images(entries, skipped))
    assert 0 < len(seen) < 40
    assert len(seen) + len(skipped) == 40
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UnreadableImageError, match=r"cut.avi is no video that FFmpeg reads"):
        entries[0].load()
    path.unlink()
    with pytest.raises(UnreadableImageError, match=r"no video at .*cut.avi"):
        entries[0].load()


def test_what_is_no_video_is_named(tmp_path, drive):
    with pytest.raises(FileNotFoundError, match="there is no video at"):
        read_video_frames(tmp_path / "absent.mp4")
    path = tmp_path / "notes.mp4"
    path.write_text("not a video")
    with pytest.raises(UnreadableImageError, match=r"notes.mp4 is no video that FFmpeg reads"):
        read_video_frames(path)
    for options, message in (
        ({"every": 0}, "every must be seconds above 0"),
        ({"group_every": -1}, "group_every must"),
    ):
        with pytest.raises(ValueError, match=message):
            read_video_frames(drive, **options)


def test_without_the_package_it_is_said_how_to_get_it(drive, monkeypatch):
    real = builtins.__import__

    def without_av(name, *arguments, **options):
        if name == "av":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_av)
    vars(video_module._OPEN).clear()
    with pytest.raises(NotInstalledError, match=r"PyAV: pip install 'perception-workbench\[video\]'"):
        read_video_frames(drive)
