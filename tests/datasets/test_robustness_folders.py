"""Folders of the robustness benchmarks in their true format, small ones: what is read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from workbench.datasets.image_files import UnreadableImageError
from workbench.datasets.robustness_folders import (
    read_cifar10_c,
    read_cityscapes,
    read_class_folders,
    read_imagenet,
    read_imagenet_c,
    read_imagenet_subset,
)


def write(path, value=0, size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value,) * 3).save(path)


def wnids(count):
    return [f"n{index:08d}" for index in range(count)]


def test_imagenet_and_its_corruptions(tmp_path):
    for name in wnids(1000):
        (tmp_path / "val" / name).mkdir(parents=True)
        (tmp_path / "fog" / "3" / name).mkdir(parents=True)
    for folder, name in (("val", "b.JPEG"), ("val", "a.JPEG"), ("fog/3", "a.JPEG")):
        write(tmp_path / folder / "n00000007" / name, 40)
    write(tmp_path / "val" / "n00000999" / "c.JPEG")
    (tmp_path / "val" / "n00000007" / "notes.txt").write_text("no image")
    clean = read_imagenet(tmp_path)
    assert [path.name for path in clean.paths] == ["a.JPEG", "b.JPEG", "c.JPEG"]
    assert clean.labels.tolist() == [7, 7, 999]
    assert clean.read(0).shape == (4, 6, 3)
    foggy = read_imagenet_c(tmp_path, "fog", 3)
    assert foggy.labels.tolist() == [7]
    with pytest.raises(FileNotFoundError, match=r"no folder .*fog/4; .* has fog, val"):
        read_imagenet_c(tmp_path, "fog", 4)
    with pytest.raises(ValueError, match="severity must be 1, 2, 3, 4 or 5, got 0"):
        read_imagenet_c(tmp_path, "fog", 0)


def test_a_few_classes_need_their_names(tmp_path):
    write(tmp_path / "n2" / "a.png")
    with pytest.raises(ValueError, match=r"has 1 class folders, expected 200; give class_names in the network's order"):
        read_imagenet_subset(tmp_path)
    assert read_imagenet_subset(tmp_path, ["n1", "n2", "n3"]).labels.tolist() == [1]
    with pytest.raises(ValueError, match="has a folder 'n2' that class_names lacks"):
        read_imagenet_subset(tmp_path, ["n1"])


def test_folders_without_images(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        read_class_folders(tmp_path / "none")
    (tmp_path / "n1").mkdir()
    with pytest.raises(ValueError, match="has no image in any of its 1 class folders"):
        read_class_folders(tmp_path)
    (tmp_path / "n1" / "a.jpg").write_bytes(b"text")
    with pytest.raises(UnreadableImageError, match=r"a.jpg is not a whole image"):
        read_class_folders(tmp_path).read(0)


def test_cifar10_c_is_cut_by_severity(tmp_path):
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    np.save(tmp_path / "fog.npy", images)
    for labels in ([3, 5], [3, 5] * 5):
        np.save(tmp_path / "labels.npy", np.array(labels, np.uint8))
        part = read_cifar10_c(tmp_path, "fog", 4)
        assert part.images[:, 0, 0, 0].tolist() == [6, 7]
        assert part.labels.tolist() == [3, 5]
        assert isinstance(part.images, np.memmap)


def test_cifar10_c_that_is_refused(tmp_path):
    np.save(tmp_path / "labels.npy", np.zeros(2, np.uint8))
    with pytest.raises(FileNotFoundError, match=r"there is no .*fog.npy; the folder has labels"):
        read_cifar10_c(tmp_path, "fog", 1)
    np.save(tmp_path / "fog.npy", np.zeros((7, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"is uint8 \(7, 32, 32, 3\), expected uint8 \(5 n, 32, 32, 3\)"):
        read_cifar10_c(tmp_path, "fog", 1)
    np.save(tmp_path / "fog.npy", np.zeros((5, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"labels.npy is uint8 \(2,\), expected whole numbers \(1,\) or \(5,\)"):
        read_cifar10_c(tmp_path, "fog", 1)
    (tmp_path / "fog.npy").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"fog.npy is truncated, damaged or no array"):
        read_cifar10_c(tmp_path, "fog", 1)
    with pytest.raises(ValueError, match="severity must be"):
        read_cifar10_c(tmp_path, "fog", 6)


def city(root, folder, value):
    write(root / "leftImg8bit" / folder / "ulm" / "ulm_000000_000019_leftImg8bit.png", 9)
    write(root / "gtFine" / "val" / "ulm" / "ulm_000000_000019_gtFine_labelTrainIds.png", value, mode="L")


@pytest.mark.parametrize("clean", ["val", "clean/val"])
def test_cityscapes_and_its_corruptions(tmp_path, clean):
    city(tmp_path, clean, 18)
    city(tmp_path, "snow/2/val", 18)
    for arguments in ({}, {"corruption": "snow", "severity": 2}):
        (files,) = read_cityscapes(tmp_path, **arguments)
        image, label = files.read()
        assert image.shape == (4, 6, 3)
        assert np.unique(label).tolist() == [18]
    assert "snow/2/val" in files.image.as_posix()


def test_cityscapes_that_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*leftImg8bit/val"):
        read_cityscapes(tmp_path)
    city(tmp_path, "val", 19)
    (files,) = read_cityscapes(tmp_path)
    with pytest.raises(ValueError, match=r"holds \[19\], expected 0 to 18 and 255: are these no train ids"):
        files.read()
    write(files.label, 0, (5, 4), "L")
    with pytest.raises(ValueError, match=r"has shape \(4, 5\), and its image \(4, 6\)"):
        files.read()
    files.label.write_bytes(b"text")
    with pytest.raises(UnreadableImageError, match=r"labelTrainIds.png is not a whole image"):
        files.read()
    files.label.unlink()
    with pytest.raises(FileNotFoundError, match="has no label map"):
        read_cityscapes(tmp_path)
    files.image.unlink()
    with pytest.raises(ValueError, match="has no <city>"):
        read_cityscapes(tmp_path)
    with pytest.raises(ValueError, match="give both corruption and severity, or none; got 'fog' and None"):
        read_cityscapes(tmp_path, corruption="fog")
    with pytest.raises(FileNotFoundError, match=r"no folder .*fog/1; .* has val"):
        read_cityscapes(tmp_path, corruption="fog", severity=1)
