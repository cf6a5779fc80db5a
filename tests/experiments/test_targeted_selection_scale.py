"""Capacity is the arithmetic of a pool's bytes and seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.experiments.targeted_selection_scale import IMAGES_OF_THE_PAPER, capacity, map_cells

POOL = {"disk_gb_per_s": 3.0, "machines": 1, "euros_per_tb": 20.0}


@pytest.mark.parametrize(
    "stride, channels, value_bytes, kilobytes, gigabytes",
    [(16, 112, 2, 457, 1005), (8, 40, 2, 653, 1436), (8, 24, 1, 196, 431), (16, 64, 1, 131, 287)],
)
def test_storage_of_the_pool_of_the_paper(stride, channels, value_bytes, kilobytes, gigabytes):
    """The table of section 5, for pictures of 960 x 544 pixels."""
    cells = map_cells(544, 960, stride)
    assert capacity(1, cells, channels, value_bytes, **POOL).storage_bytes / 1e3 == pytest.approx(kilobytes, abs=0.5)
    cost = capacity(IMAGES_OF_THE_PAPER, cells, channels, value_bytes, **POOL)
    assert cost.storage_bytes / 1e9 == pytest.approx(gigabytes, abs=1)


@given(st.integers(1, 10**7), st.integers(1, 50), st.integers(1, 64), st.floats(1e-6, 1e-2))
def test_everything_is_in_proportion(images, machines, cores, match):
    facts = {"cells": 2560, "channels": 24, "bytes_per_value": 1, "disk_gb_per_s": 2.0, "euros_per_tb": 15.0}
    times = {"match_seconds_per_image": match, "embed_seconds_per_image": 0.1}
    one = capacity(1, machines=1, **facts, **times)
    cost = capacity(images, machines=machines, cores=cores, **facts, **times)
    assert cost.euros == pytest.approx(images * one.euros)
    assert cost.read_seconds == pytest.approx(images * one.read_seconds / machines)
    assert cost.match_seconds == pytest.approx(images * match / (machines * cores))
    assert cost.embed_seconds == pytest.approx(images * 0.1 / (machines * cores))
    assert cost.scan_seconds == max(cost.read_seconds, cost.match_seconds)
    assert (cost.bound_by == "disk") == (cost.read_seconds >= cost.match_seconds)


def test_a_residual_is_stored_beside_the_values():
    assert capacity(10, 100, 24, 1, **POOL, bytes_per_cell=1).storage_bytes == 10 * 100 * 25


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"images": 0}, "images must be finite and above 0, got 0"),
        ({"disk_gb_per_s": float("nan")}, "disk_gb_per_s must be finite and above 0, got nan"),
        ({"euros_per_tb": -1}, "euros_per_tb must be finite and at least 0, got -1"),
    ],
)
def test_what_cannot_be_is_named(changed, message):
    facts = {"images": 1, "cells": 1, "channels": 1, "bytes_per_value": 1} | POOL | changed
    with pytest.raises(ValueError, match=message):
        capacity(**facts)
