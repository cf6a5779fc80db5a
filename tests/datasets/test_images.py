import gzip
import lzma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workbench.datasets import ImageSet, idx_bytes, load_digits_set, load_fashion_mnist, read_idx

DTYPES = st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64])


@pytest.fixture
def idx_path(tmp_path):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)))
    return path


@settings(max_examples=60, deadline=None)
@given(
    array=DTYPES.flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    )
)
def test_idx_round_trip_for_every_dtype(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "array"
    path.write_bytes(idx_bytes(array))
    back = read_idx(path)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    np.testing.assert_array_equal(back, array)


def test_idx_values_are_big_endian(tmp_path):
    path = tmp_path / "shorts"
    path.write_bytes(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 1, 0, 0xFF, 0xFF]))
    assert read_idx(path).tolist() == [256, -1]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_idx_compression_is_told_by_content(idx_path, pack):
    plain = read_idx(idx_path)
    packed = pack(idx_path.read_bytes())
    idx_path.write_bytes(packed)
    np.testing.assert_array_equal(read_idx(idx_path), plain)
    idx_path.write_bytes(packed[:-15])
    with pytest.raises(ValueError, match=r"images-idx3-ubyte is truncated or damaged"):
        read_idx(idx_path)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda content: content[:-1],
            r"holds 23 bytes of values, but shape \(2, 3, 4\) of uint8 takes 24: the file is truncated",
        ),
        (lambda content: content + b"!", r"holds 25 bytes of values, but shape \(2, 3, 4\) of uint8 takes 24$"),
        (lambda content: content[:10], "truncated or damaged: the header says rank 3"),
        (lambda content: b"\x89PNG" + content[4:], "is not an idx file: it starts with 89 50 4e 47, expected 00 00"),
        (lambda content: b"\0\0\x07" + content[3:], "is not an idx file: it starts with 00 00 07 03"),
        (lambda content: b"\0\0\x08\0", "the header says rank 0"),
        (lambda content: b"", "holds 0 bytes"),
    ],
)
def test_idx_faults_are_named(idx_path, change, message):
    idx_path.write_bytes(change(idx_path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        read_idx(idx_path)


def test_idx_of_other_types_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no idx file"):
        read_idx(tmp_path / "none")
    with pytest.raises(TypeError, match="got int64"):
        idx_bytes(np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="1 to 255 dimensions, got 0"):
        idx_bytes(np.uint8(3).reshape(()))


def test_fashion_mnist_ships_a_balanced_third_and_the_whole_test():
    train, test = load_fashion_mnist("train"), load_fashion_mnist("test")
    assert train.images.shape == (20_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert np.bincount(train.labels).tolist() == [2000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    # The first labels of the published files, in their order.
    assert train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert train.class_names[9] == "Ankle boot"
    assert train.images.mean() / 255 == pytest.approx(
        0.286, abs=0.003
    )  # the mean that is published for the whole split
    assert len(np.unique(test.images.reshape(10_000, -1), axis=0)) > 9_990


def _write_set(folder, images, labels, ending=".gz"):
    pack = gzip.compress if ending == ".gz" else bytes
    (folder / f"train-images-idx3-ubyte{ending}").write_bytes(pack(idx_bytes(images)))
    (folder / f"train-labels-idx1-ubyte{ending}").write_bytes(pack(idx_bytes(labels)))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_fashion_mnist_from_a_persons_folder(tmp_path, ending):
    images = np.arange(3 * 784, dtype=np.uint32).reshape(3, 28, 28).astype(np.uint8)
    _write_set(tmp_path, images, np.array([9, 0, 4], np.uint8), ending)
    found = load_fashion_mnist("train", tmp_path)
    np.testing.assert_array_equal(found.images, images)
    assert found.labels.tolist() == [9, 0, 4]
    assert found.labels.dtype == np.int64
    with pytest.raises(FileNotFoundError, match="has no t10k-images-idx3-ubyte"):
        load_fashion_mnist("test", tmp_path)


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (np.zeros((3, 28, 28), np.uint8), np.zeros(2, np.uint8), "holds 3 images but .* 2 labels"),
        (
            np.zeros((3, 32, 32), np.uint8),
            np.zeros(3, np.uint8),
            r"holds uint8 \(3, 32, 32\); expected uint8 \(N, 28, 28\)",
        ),
        (np.zeros((3, 28, 28), np.uint8), np.zeros((3, 1), np.uint8), r"holds uint8 \(3, 1\); expected uint8 \(N,\)"),
        (np.zeros((3, 28, 28), np.uint8), np.full(3, 12, np.uint8), "holds label 12; Fashion-MNIST has classes 0 to 9"),
    ],
)
def test_fashion_mnist_refuses_files_that_do_not_match(tmp_path, images, labels, message):
    _write_set(tmp_path, images, labels)
    with pytest.raises(ValueError, match=message):
        load_fashion_mnist("train", tmp_path)


def test_fashion_mnist_arguments(tmp_path):
    with pytest.raises(ValueError, match="'train' or 'test', got 'val'"):
        load_fashion_mnist("val")
    with pytest.raises(FileNotFoundError, match="no folder of Fashion-MNIST"):
        load_fashion_mnist("train", tmp_path / "none")


def test_digits_are_scikit_learns():
    digits = load_digits_set()
    assert digits.images.shape == (1797, 8, 8)
    assert digits.images.dtype == np.uint8
    assert digits.images.max() == 16
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (np.zeros((2, 8, 8)), np.zeros(2, np.int64), "images must be uint8"),
        (np.zeros((2, 8, 8), np.uint8), np.zeros(3, np.int64), r"labels must be int64 \(2,\)"),
        (np.zeros((2, 8, 8), np.uint8), np.array([0, 2]), "labels must lie in 0 to 1, got 0 to 2"),
    ],
)
def test_image_set_checks_itself(images, labels, message):
    with pytest.raises(ValueError, match=message):
        ImageSet(images, labels, ("a", "b"))


def test_image_set_subset_keeps_order():
    digits = load_digits_set()
    part = digits.subset([5, 3])
    assert len(part) == 2
    assert part.labels.tolist() == [5, 3]
