"""Every format is written by hand from one set of boxes, and read back as that set."""

import json
import logging

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import read_bdd100k, read_coco, read_kitti, read_voc

BOXES = {
    "a.png": [("bike", (2.0, 3.0, 10.0, 12.0)), ("dog", (0.0, 0.0, 20.0, 15.0))],
    "b.png": [],
    "c.png": [("dog", (5.0, 1.0, 6.0, 2.0))],
}


def _pictures(folder, names=BOXES):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((15, 20, 3), 90, np.uint8)).save(folder / name)


def _coco():
    names = ["bike", "dog"]
    images = [{"id": 10 + index, "file_name": name, "width": 20, "height": 15} for index, name in enumerate(BOXES)]
    rows = [
        {"id": 1, "image_id": 10 + index, "category_id": names.index(category), "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for index, boxes in enumerate(BOXES.values())
        for category, (x0, y0, x1, y1) in boxes
    ]
    return {"images": images, "annotations": rows, "categories": [{"id": 0, "name": "bike"}, {"id": 1, "name": "dog"}]}


def _bdd():
    return [
        {
            "name": name,
            "labels": [
                *(
                    {"category": category, "box2d": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))}
                    for category, box in boxes
                ),
                {"category": "lane", "poly2d": []},
            ],
        }
        for name, boxes in BOXES.items()
    ]


def _write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _voc(name, boxes):
    objects = "".join(
        f"<object><name>{category}</name><bndbox><xmin>{x0 + 1:g}</xmin><ymin>{y0 + 1:g}</ymin><xmax>{x1:g}</xmax>"
        f"<ymax>{y1:g}</ymax></bndbox><part><name>head</name></part></object>"
        for category, (x0, y0, x1, y1) in boxes
    )
    size = "<size><width>20</width><height>15</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"


@pytest.fixture
def as_coco(tmp_path):
    _pictures(tmp_path / "images")
    return read_coco(_write(tmp_path / "notes.json", _coco()), tmp_path / "images")


@pytest.fixture
def as_bdd100k(tmp_path):
    _pictures(tmp_path / "images")
    return read_bdd100k(_write(tmp_path / "notes.json", _bdd()), str(tmp_path / "images"))


@pytest.fixture
def as_kitti(tmp_path):
    _pictures(tmp_path / "image_2")
    (tmp_path / "label_2").mkdir()
    for name, boxes in BOXES.items():
        lines = [
            f"{category} 0.00 0 1.5 {' '.join(str(value) for value in box)} 1 1 1 0 0 9 0" for category, box in boxes
        ]
        _write(tmp_path / "label_2" / name.replace("png", "txt"), "\n".join([*lines, "DontCare -1 -1 -10 1 1 2 2 -1"]))
    return read_kitti(tmp_path)


def _written_as_voc(folder, notes, images):
    _pictures(images)
    notes.mkdir(exist_ok=True)
    for name, boxes in BOXES.items():
        _write(notes / name.replace("png", "xml"), _voc(name, boxes))
    return read_voc(folder)


@pytest.fixture
def as_voc(tmp_path):
    return _written_as_voc(tmp_path, tmp_path / "Annotations", tmp_path / "JPEGImages")


@pytest.fixture
def as_voc_side_by_side(tmp_path):
    return _written_as_voc(tmp_path, tmp_path, tmp_path)


@pytest.mark.parametrize("layout", ["as_coco", "as_bdd100k", "as_kitti", "as_voc", "as_voc_side_by_side"])
def test_every_format_gives_the_same_boxes(layout, request):
    entries = request.getfixturevalue(layout)
    assert {entry.id: [(one.category, one.box) for one in entry.annotations] for entry in entries} == BOXES
    loaded = entries[0].load()
    assert loaded.image.shape == (15, 20, 3)
    assert loaded.annotations == entries[0].annotations
    assert {one.visible for one in loaded.annotations} == {1.0}


def test_bdd100k_frames_may_be_wrapped_and_without_labels(tmp_path):
    _pictures(tmp_path)
    content = {"frames": [{"name": "a.png", "labels": None}, {"name": "b.png"}]}
    assert [entry.annotations for entry in read_bdd100k(_write(tmp_path / "n.json", content), tmp_path)] == [(), ()]


def test_kitti_tells_how_much_of_an_object_shows(tmp_path):
    _pictures(tmp_path / "image_2", ["a.png"])
    (tmp_path / "label_2").mkdir()
    levels = [("0.00", "0"), ("0.50", "1"), ("0.00", "2"), ("0.25", "3"), ("-1", "-1")]
    lines = [f"Car {truncated} {occluded} 0 1 1 5 5" for truncated, occluded in levels]
    _write(tmp_path / "label_2" / "a.txt", "\n".join(lines))
    visible = [one.visible for one in read_kitti(tmp_path)[0].annotations]
    assert visible == pytest.approx([1, 1 / 3, 1 / 3, 0.75, 1])


def test_kitti_without_labels_has_no_annotations(tmp_path):
    _pictures(tmp_path / "image_2")
    assert [entry.annotations for entry in read_kitti(tmp_path)] == [()] * 3
    (tmp_path / "label_2").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no labels at .*a.txt"):
        read_kitti(tmp_path)


def test_boxes_without_area_are_left_out_and_logged(tmp_path, caplog):
    _pictures(tmp_path)
    content = _coco()
    content["annotations"][0]["bbox"][3] = 0.0
    with caplog.at_level(logging.WARNING):
        entries = read_coco(_write(tmp_path / "n.json", content), tmp_path)
    assert [one.category for one in entries[0].annotations] == ["dog"]
    assert "annotations[0]: left out a bike whose box (2.0, 3.0, 10.0, 3.0) has no area" in caplog.text


def _change(*path, to):
    def apply(content):
        for key in path[:-1]:
            content = content[key]
        if to is None:
            del content[path[-1]]
        else:
            content[path[-1]] = to

    return apply


@pytest.mark.parametrize(
    "change, message",
    [
        (_change("images", to=None), r"n.json has no 'images'"),
        (_change("annotations", to={}), "annotations is {}; expected a list"),
        (_change("images", 1, to="b.png"), r"images\[1\] is 'b.png'; expected an object"),
        (_change("images", 1, "file_name", to=7), r"images\[1\]: file_name is 7; expected a text"),
        (_change("images", 1, "id", to=10), r"images\[1\]: id 10 was given to an earlier image"),
        (_change("images", 0, "width", to="20"), r"images\[0\]: width is '20'; expected a whole number"),
        (_change("annotations", 2, "image_id", to=99), r"annotations\[2\]: image_id 99 is not among the images"),
        (_change("annotations", 2, "category_id", to=5), r"annotations\[2\]: category_id 5 is not among"),
        (_change("annotations", 0, "bbox", to=[1, 2, 3]), r"annotations\[0\]: bbox is \[1, 2, 3\]; expected four"),
        (_change("annotations", 0, "bbox", to=[1, 2, 3, "x"]), r"annotations\[0\]: bbox is .*'x'"),
        (_change("annotations", 0, "bbox", 0, to=float("nan")), r"annotations\[0\]: x0 of the box is nan"),
        (_change("categories", 1, "name", to=None), r"categories\[1\] has no 'name'"),
        (_change("images", to=[]), r"annotations\[0\]: image_id 10 is not among"),
    ],
)
def test_coco_faults_name_row_and_field(tmp_path, change, message):
    _pictures(tmp_path)
    content = _coco()
    change(content)
    with pytest.raises(ValueError, match=message):
        read_coco(_write(tmp_path / "n.json", content), tmp_path)


@pytest.mark.parametrize(
    "change, message",
    [
        (_change(0, "name", to=None), r"frame 0 has no 'name'"),
        (_change(2, "labels", to="none"), r"frame 2: labels is 'none'; expected a list"),
        (_change(0, "labels", 1, "category", to=None), r"frame 0, label 1 has no 'category'"),
        (_change(0, "labels", 0, "box2d", "y2", to=None), r"frame 0, label 0: box2d has no 'y2'"),
        (_change(0, "labels", 0, "box2d", "x1", to="2"), r"frame 0, label 0: x0 of the box is '2'; expected a finite"),
        (_change(1, to=None), None),
    ],
)
def test_bdd100k_faults_name_frame_and_field(tmp_path, change, message):
    _pictures(tmp_path)
    content = _bdd()
    change(content)
    path = _write(tmp_path / "n.json", content)
    if message is None:
        assert len(read_bdd100k(path, tmp_path)) == 2
        return
    with pytest.raises(ValueError, match=message):
        read_bdd100k(path, tmp_path)


@pytest.mark.parametrize("read", [read_coco, read_bdd100k])
def test_json_that_is_none_and_wrong_folders_are_named(tmp_path, read):
    _pictures(tmp_path / "images")
    path = tmp_path / "n.json"
    with pytest.raises(FileNotFoundError, match="no file at"):
        read(path, tmp_path)
    with pytest.raises(ValueError, match=r"n.json is not JSON: it is truncated or damaged"):
        read(_write(path, '{"images": ['), tmp_path)
    with pytest.raises(ValueError, match=r"n.json (holds|is) 5; expected"):
        read(_write(path, 5), tmp_path)
    content = _coco() if read is read_coco else _bdd()
    with pytest.raises(FileNotFoundError, match=r"has none of the 3 images that .*n.json names, such as a.png"):
        read(_write(path, content), tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder at"):
        read(path, tmp_path / "none")
    empty = {"images": [], "annotations": [], "categories": []} if read is read_coco else []
    with pytest.raises(ValueError, match="names no image"):
        read(_write(path, empty), tmp_path / "images")


@pytest.mark.parametrize(
    "line, message",
    [
        ("Car 0 0 0 1 1 5", r"a.txt, line 2 has 7 fields; expected at least 8: type truncated"),
        ("Car 0 7 0 1 1 5 5", r"line 2: occluded is '7'; expected 0, 1, 2 or 3"),
        ("Car 3 0 0 1 1 5 5", r"line 2: truncated is 3; expected 0 to 1"),
        ("Car 0 0 0 1 one 5 5", r"line 2: y1 is 'one'; expected a number"),
        ("Car 0 0 0 1 inf 5 5", r"line 2: y0 of the box is inf; expected a finite number"),
    ],
)
def test_kitti_faults_name_line_and_field(tmp_path, line, message):
    _pictures(tmp_path / "image_2", ["a.png"])
    (tmp_path / "label_2").mkdir()
    _write(tmp_path / "label_2" / "a.txt", f"Van 0 0 0 1 1 5 5\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_kitti(tmp_path)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("</annotation>", "", r"a.xml is not XML: it is truncated or damaged"),
        ("<filename>a.png</filename>", "", r"a.xml has no <filename>"),
        ("<name>dog</name>", "", r"a.xml, object 2 has no <name>"),
        ("<ymax>12</ymax>", "", r"a.xml, object 1 has no <bndbox/ymax>"),
        ("<xmin>3</xmin>", "<xmin>left</xmin>", r"a.xml, object 1: xmin is 'left'; expected a number"),
        ("<width>20</width>", "<width>wide</width>", r"a.xml: width is 'wide'; expected a number"),
    ],
)
def test_voc_faults_name_object_and_field(tmp_path, old, new, message):
    _pictures(tmp_path)
    text = _voc("a.png", BOXES["a.png"])
    assert old in text
    _write(tmp_path / "a.xml", text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_voc(tmp_path)


def test_voc_folders_without_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no .xml file of annotations"):
        read_voc(tmp_path)
    _write(tmp_path / "a.xml", _voc("a.png", []).replace("20", "0"))
    with pytest.raises(FileNotFoundError, match=r"has none of the 1 images .* such as a.png"):
        read_voc(tmp_path)
    _pictures(tmp_path, ["a.png"])
    assert read_voc(tmp_path)[0].size is None


def test_voc_tells_which_objects_are_difficult_and_which_images_are_in_a_split(tmp_path):
    _written_as_voc(tmp_path, tmp_path / "Annotations", tmp_path / "JPEGImages")
    path = tmp_path / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("</name><bndbox>", "</name><difficult>1</difficult><bndbox>", 1))
    assert [one.difficult for one in read_voc(tmp_path)[0].load().annotations] == [True, False]
    listing = tmp_path / "ImageSets" / "Main" / "trainval.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("c\na\n")
    assert [entry.id for entry in read_voc(tmp_path, "trainval")] == ["c.png", "a.png"]
    with pytest.raises(FileNotFoundError, match=r"no list of the split 'test' at .*test.txt"):
        read_voc(tmp_path, "test")
    listing.write_text("a\nz\n")
    with pytest.raises(FileNotFoundError, match=r"trainval.txt names z, but there is no .*z.xml"):
        read_voc(tmp_path, "trainval")
