"""Portable float maps, byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as arrays

from workbench.geometry.pfm import read_pfm, write_pfm


def test_rows_lie_from_bottom_to_top(tmp_path):
    path = tmp_path / "depth.pfm"
    path.write_bytes(b"Pf\n2 2\n-1.0\n" + struct.pack("<4f", 3, 4, 1, 2))
    values = read_pfm(path)
    assert values.tolist() == [[1, 2], [3, 4]]
    assert values.dtype == np.float32
    assert values.flags["C_CONTIGUOUS"]
    values[0, 0] = 7  # writable


def test_big_endian_is_told_by_a_positive_scale(tmp_path):
    path = tmp_path / "depth.pfm"
    path.write_bytes(b"Pf\n1 2\n1\n" + struct.pack(">2f", 2.5, 1.5))
    assert read_pfm(path).tolist() == [[1.5], [2.5]]


def test_colour_has_three_channels(tmp_path):
    path = tmp_path / "normals.pfm"
    path.write_bytes(b"PF\n1 1\n-0.003922\n" + struct.pack("<3f", 1, 2, 3))
    assert read_pfm(path).tolist() == [[[1, 2, 3]]]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_what_is_written_is_read(tmp_path, values):
    write_pfm(tmp_path / "map.pfm", values)
    np.testing.assert_array_equal(read_pfm(tmp_path / "map.pfm"), values)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"P5\n2 2\n255\n\0\0\0\0", r"depth.pfm \(15 bytes\) begins with b'P5"),
        (b"Pf\n2 2\n-1.0\n" + bytes(12), "holds 12 bytes of a map of 2 x 2, expected 16"),
        (b"Pf\n2 2\n-1.0\n" + bytes(20), "holds 20 bytes of a map of 2 x 2, expected 16"),
        (b"Pf\n1 1\nminus\n" + bytes(4), "scale b'minus'"),
        (b"", r"\(0 bytes\)"),
        # Line ends converted in the whole file, as by a transfer in text mode: a byte of the data became two.
        (b"Pf\r\n1 1\r\n-1.0\r\n" + b"\x00\x00\r\n\x3f", "holds 5 bytes of a map of 1 x 1, expected 4"),
    ],
)
def test_damaged_files_are_named_with_their_bytes(tmp_path, content, message):
    path = tmp_path / "depth.pfm"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_pfm(path)


def test_windows_line_ends_in_the_header_alone_are_read(tmp_path):
    path = tmp_path / "depth.pfm"
    path.write_bytes(b"Pf\r\n1 1\r\n-1.0\r\n" + struct.pack("<f", 4))
    assert read_pfm(path).tolist() == [[4]]


def test_missing_file_and_wrong_shape_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pfm"):
        read_pfm(tmp_path / "none.pfm")
    with pytest.raises(ValueError, match=r"got \(2, 2, 4\)"):
        write_pfm(tmp_path / "map.pfm", np.zeros((2, 2, 4)))
