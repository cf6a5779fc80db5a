"""The kind of a folder is seen from what is in it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import ScoredBox, read_annotated_folder, write_coco

BDD = [{"name": "a.png", "labels": [{"category": "bike", "box2d": {"x1": 1, "y1": 2, "x2": 5, "y2": 6}}]}]
VOC = (
    "<annotation><filename>a.png</filename><object><name>bike</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>5</xmax>"
    "<ymax>6</ymax></bndbox></object></annotation>"
)


def _picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((15, 20, 3), np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    _picture(tmp_path / "set" / "a.png")
    return tmp_path / "set"


def _coco(path):
    return write_coco(path, [ScoredBox("a.png", "bike", (1, 2, 5, 6), 1.0)], {"a.png": (20, 15)})


def test_a_folder_of_nothing_but_images_has_no_boxes(folder):
    found = read_annotated_folder(folder)
    assert (found.kind, [entry.id for entry in found.entries], found.boxes) == ("images", ["a.png"], 0)


@pytest.mark.parametrize("kind", ["COCO", "BDD100K", "VOC", "KITTI"])
def test_each_kind_gives_the_same_box(folder, kind):
    if kind == "COCO":
        _coco(folder / "instances.json")
    elif kind == "BDD100K":
        (folder / "det_val.json").write_text(json.dumps(BDD))
    elif kind == "VOC":
        (folder / "a.xml").write_text(VOC)
    else:
        _picture(folder / "image_2" / "a.png")
        (folder / "label_2").mkdir()
        (folder / "label_2" / "a.txt").write_text("bike 0 0 0 1 2 5 6 1 1 1 0 0 9 0\n")
    found = read_annotated_folder(folder)
    assert (found.kind, found.boxes) == (kind, 1)
    (one,) = found.entries[0].annotations
    assert (one.category, one.box) == ("bike", (1, 2, 5, 6))


def test_the_file_of_annotations_may_lie_elsewhere_and_images_one_folder_deeper(tmp_path, folder):
    path = _coco(tmp_path / "elsewhere.json")
    assert read_annotated_folder(folder, path).kind == "COCO"
    deeper = tmp_path / "deeper"
    shutil.copytree(folder, deeper / "images")
    _coco(deeper / "labels.json")
    found = read_annotated_folder(deeper)
    assert found.entries[0].path == deeper / "images" / "a.png"


def test_a_json_file_of_another_kind_is_passed_over_unless_it_is_asked_for(folder, caplog):
    (folder / "notes.json").write_text('{"camera": 3}')
    assert read_annotated_folder(folder).kind == "images"
    assert "passed over" in caplog.text
    _coco(folder / "labels.json")
    assert read_annotated_folder(folder).kind == "COCO"
    with pytest.raises(ValueError, match=r"notes\.json is neither COCO .* nor BDD100K"):
        read_annotated_folder(folder, folder / "notes.json")


def test_what_is_missing_or_ambiguous_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder at"):
        read_annotated_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_annotated_folder(folder, tmp_path / "nothing.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no image"):
        read_annotated_folder(tmp_path / "empty")
    _coco(folder / "one.json"), _coco(folder / "two.json")
    with pytest.raises(ValueError, match=r"several files of annotations \(one\.json, two\.json\)"):
        read_annotated_folder(folder)
    (folder / "one.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"one\.json is not JSON"):
        read_annotated_folder(folder)
