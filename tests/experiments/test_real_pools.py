"""Pools of real pixels on stand-ins: what a part shows, and that queries come from other times, views and rooms."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from PIL import Image

from workbench.datasets import LINEMOD_OBJECTS, AnnotatedImage, Annotation, NotInstalledError, read_video_frames
from workbench.experiments.real_pools import SMALL_OBJECTS, clear, crowded_table, grid, pedestrians, tiles
from workbench.retrieval import Features, HogColourBackbone, Shard, letterbox_batch, mine, object_templates

SIZE = (192, 256)


def test_parts_show_what_lies_in_them():
    image = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    whole = AnnotatedImage("a", image, (Annotation("dog", (10, 10, 30, 20), 0.8), Annotation("cat", (50, 30, 60, 40))))
    first, last = tiles(whole, (20, 20), [(20, 0), (40, 20)])
    assert (first.id, first.source, first.place) == ("a 20,0", "a", (20, 0))
    assert np.array_equal(first.load().image, image[:20, 20:40])
    (dog,) = first.picture.annotations
    assert (dog.category, dog.box, dog.visible) == ("dog", (0, 10, 10, 20), pytest.approx(0.4))
    (cat,) = last.picture.annotations
    assert (cat.category, cat.box, cat.visible) == ("cat", (10, 10, 20, 20), 1)
    assert clear([first, last], "dog").tolist() == [False, True]
    assert clear([first, last], "dog", least=0.3).tolist() == [True, True]


def test_nine_parts_reach_every_border():
    corners = grid((48, 90), (24, 30))
    assert len(set(corners)) == 9
    covered = np.zeros((48, 90), bool)
    for x, y in corners:
        covered[y : y + 24, x : x + 30] = True
    assert covered.all()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Write 20 s at 2 frames a second: a walker 16 x 50 who crosses the picture again and again, and a wide thing at the end."""
    folder = tmp_path_factory.mktemp("vtest")
    rng = np.random.default_rng(0)
    wall = rng.integers(90, 110, (*SIZE, 3)).astype(np.uint8)
    with av.open(str(folder / "vtest.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=2)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuvj420p"
        for index in range(40):
            picture = wall.copy()
            x = 29 * index % 230
            picture[80:130, x : x + 16] = (240, 20, 20)
            if index > 36:
                picture[10:40, 100:200] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return folder


def test_pedestrians_are_what_moves_upright_and_queries_come_later(video):
    pool = pedestrians(str(video), split=10, gap=4, positives=15, queries=5)
    assert pool.entries[0].picture.image.shape == (96, 128, 3)
    seconds = [float(entry.source.split("@")[1]) for entry in pool.entries]
    assert max(seconds) < 10
    assert sum(entry.picture.shows("person") for entry in pool.entries) == 15
    assert sum(not entry.picture.shows("person") for entry in pool.entries) > 15
    assert all(entry.picture.shows("person", 0.5) or not entry.picture.shows("person") for entry in pool.entries)
    assert len(pool.queries) == 5
    assert len({query.scene.id.split()[0] for query in pool.queries}) == 5
    for query in pool.queries:
        assert float(query.scene.id.split("@")[1].split()[0]) >= 14
        x0, y0, x1, y1 = query.target.box
        assert (x1 - x0, y1 - y0) == pytest.approx((16, 50), abs=8)  # compression blurs
        inside = query.scene.image[int(y0) + 8 : int(y1) - 8, int(x0) + 8 : int(x1) - 7]
        assert inside[..., 0].min() > 150
    assert pool.comparable.all()
    assert set(pool.places) == set(range(9))


def test_wide_things_make_no_query_and_no_clear_picture(video):
    for query in pedestrians(str(video), split=10, gap=8, queries=5).queries:
        assert query.target.box[3] - query.target.box[1] > 40


def test_a_video_is_mined_with_one_hit_from_each_group(video):
    frames = read_video_frames(video / "vtest.avi", every=1.0, group_every=5.0)
    backbone = HogColourBackbone(device="cpu")
    features = [backbone.features(*letterbox_batch([frame.load().image])) for frame in frames]
    ids, groups = (tuple(getattr(frame, name) for frame in frames) for name in ("id", "group"))
    query = object_templates(backbone, frames[3].load().image, (174, 80, 190, 130))  # where the walker is after 3 s
    found = mine([Shard(ids, Features.concatenate(features), groups)], [query], one_per_group=True, exclude=[ids[3]])
    assert len(found.matches) == 4
    assert len({match.image_id.split("@")[1][:4] for match in found.matches}) == 4
    for match in found.matches[:3]:
        assert match.box[3] - match.box[1] == 50
        assert match.box[1] == pytest.approx(80, abs=8)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Write twenty photographs in which six flat objects lie in a row, turned by another angle about the view in each."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "rgb").mkdir()
    (folder / "models").mkdir()
    camera = {"fx": 100.0, "fy": 100.0, "cx": 320.0, "cy": 240.0, "width": 640, "height": 480}
    (folder / "camera.json").write_text(json.dumps(camera))
    small = [number for number, name in LINEMOD_OBJECTS.items() if name in SMALL_OBJECTS]
    frames = {}
    for frame in range(20):
        angle = np.radians(18.0 * frame)
        rotation = [np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1]
        frames[str(frame)] = [
            {"obj_id": number, "cam_R_m2c": rotation, "cam_t_m2c": [100 * place - 250, 60, 100]}
            for place, number in enumerate(small)
        ]
        Image.new("RGB", (640, 480)).save(folder / "rgb" / f"{frame:06d}.png")
    (folder / "scene_gt.json").write_text(json.dumps(frames))
    points = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5), -1).reshape(-1, 2) - 20
    header = f"ply\nformat ascii 1.0\nelement vertex {len(points)}\nproperty float x\nelement face 0\nend_header\n"
    for number in LINEMOD_OBJECTS:
        rows = "".join(f"{x} {y} 0\n" for x, y in points)
        (folder / "models" / f"obj_{number:06d}.ply").write_text(header + rows)
    return folder


def test_table_queries_are_seen_from_elsewhere(table):
    pool = crowded_table(str(table), frames=10, parts=4, queries=2)
    assert len(pool.entries) == 40
    assert [query.category for query in pool.queries] == [*SMALL_OBJECTS] * 2
    for index, query in enumerate(pool.queries):
        frame = int(query.scene.id.split(".")[0].split("/")[1])
        assert frame >= 15
        for entry, comparable in zip(pool.entries, pool.comparable[:, index], strict=True):
            other = int(entry.source.split(".")[0].split("/")[1])
            assert other < 15
            apart = abs((18 * (frame - other) + 180) % 360 - 180)
            if entry.picture.shows(query.category, 0.5):
                assert comparable == (apart >= 30)
            else:
                assert comparable == (not entry.picture.shows(query.category))


def test_what_is_missing_is_named(tmp_path):
    for pool, name in ((pedestrians, "vtest"), (crowded_table, "linemod_occlusion")):
        with pytest.raises(NotInstalledError, match=f"workbench.datasets.build {name}'"):
            pool(str(tmp_path))
