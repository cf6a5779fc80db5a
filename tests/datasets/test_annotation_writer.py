"""What is written as COCO is read back as the same boxes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench.datasets import ScoredBox, coco_bytes, coco_dataset, read_coco, write_coco

SIZES = {"a.png": (40, 30), "sub/b.png": (20, 50)}
CORNER = st.floats(0, 20, allow_subnormal=False)
BOXES = st.builds(
    lambda image, category, x, y, width, height, score: ScoredBox(
        image, category, (x, y, x + width, y + height), score
    ),
    st.sampled_from(list(SIZES)),
    st.sampled_from(["bike", "Zebra crossing", "ä"]),
    CORNER,
    CORNER,
    st.floats(0.5, 20),
    st.floats(0.5, 20),
    st.floats(-5, 5),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name, (width, height) in SIZES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(folder / name)
    return folder


@settings(deadline=None, max_examples=50)
@given(found=st.lists(BOXES, min_size=1, max_size=6))
def test_boxes_are_read_back(folder, found):
    entries = {entry.id: entry for entry in read_coco(write_coco(folder / "hits.json", found, SIZES), folder)}
    assert list(entries) == list(SIZES)
    for name, entry in entries.items():
        expected = [one for one in found if one.image_id == name]
        assert [one.category for one in entry.annotations] == [one.category for one in expected]
        np.testing.assert_allclose([one.box for one in entry.annotations], [one.box for one in expected])
        assert entry.size == SIZES[name]
        assert entry.load().id == name


def test_scores_and_order_are_kept():
    found = [ScoredBox("sub/b.png", "bike", (0, 0, 2, 5), 2.5), ScoredBox("a.png", "bike", (1, 1, 2, 3), -0.5)]
    dataset = json.loads(coco_bytes(found, SIZES))
    assert [(row["image_id"], row["score"], row["area"]) for row in dataset["annotations"]] == [
        (2, 2.5, 10),
        (1, -0.5, 2),
    ]
    assert [image["file_name"] for image in dataset["images"]] == ["a.png", "sub/b.png"]
    assert dataset["categories"] == [{"id": 1, "name": "bike"}]
    assert coco_dataset([], {}) == {"images": [], "annotations": [], "categories": []}


def test_what_is_not_known_or_no_number_is_named():
    with pytest.raises(ValueError, match=r"sizes has no image 'c\.png', which box 1 names"):
        coco_dataset([ScoredBox("c.png", "bike", (0, 0, 1, 1), 0.0)], SIZES)
    with pytest.raises(ValueError, match=r"score of a\.png must be finite, got nan"):
        ScoredBox("a.png", "bike", (0, 0, 1, 1), float("nan"))
    with pytest.raises(ValueError, match="is empty; expected x0 < x1"):
        ScoredBox("a.png", "bike", (5, 0, 1, 1), 0.0)
