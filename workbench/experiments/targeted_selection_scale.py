"""Targeted selection at scale: what a pool of millions of pictures costs to keep and to mine, from costs measured on this machine.

Kothawade et al., "Object-Level Targeted Selection via Deep Template Matching", IV 2022, mine 2.2 million pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

COLUMNS = ("measure", "setting", "x", "x_unit", "processes", "value", "spread", "unit", "seed", "seconds")
"""Columns of ``data/results/targeted_selection_scale.csv``: one row a measured number ``value`` at ``x``, with ``processes`` at
work; ``spread`` is the standard deviation over queries; ``seconds`` what measuring it took.

========================  ======================================  ========  =====================================================
measure                   setting                                 x_unit    value
========================  ======================================  ========  =====================================================
embedding                 backbone and canvas                     images    images per second, from drawing to a finished store
writing                   encoding                                images    images per second, from features to a finished store
mining                    encoding, cells, number of queries      images    images per second
memory while writing      encoding, cells                         images    peak resident MB
memory while mining       encoding, cells, number of queries      images    peak resident MB
bytes per image           encoding, cells                         images    bytes on disk
shortlist recall          dimensions, pool                        fraction  share of the exact top 20 in that part of the pool
certified fraction        dimensions, pool                        top       share of the pool that had to be scored exactly
two-stage speed-up        dimensions, pool, queries at once       fraction  seconds of the full scan per second of two stages
certified speed-up        dimensions, pool, queries at once       fraction  the same where the answer is proved to be exact
forecast                  what                                    images    of the paper's pool on one machine, from these costs
========================  ======================================  ========  =====================================================
"""

IMAGES_OF_THE_PAPER = 2_200_000


@dataclass(frozen=True)
class Capacity:
    """What a pool costs.

    Attributes:
        storage_bytes: of the features, one copy.
        euros: of the disks that hold them.
        read_seconds: to read them once, each machine its share.
        match_seconds: to match them, each core its share.
        scan_seconds: of one pass: the longer of the two, for reading and matching overlap.
        embed_seconds: to compute the features, once.
        bound_by: ``"disk"`` or ``"cores"``, which of the two decides the pass.
    """

    storage_bytes: float
    euros: float
    read_seconds: float
    match_seconds: float
    scan_seconds: float
    embed_seconds: float
    bound_by: str


def capacity(
    images: int,
    cells: int,
    channels: int,
    bytes_per_value: float,
    disk_gb_per_s: float,
    machines: int,
    euros_per_tb: float,
    *,
    cores: int = 1,
    match_seconds_per_image: float = 0.0,
    embed_seconds_per_image: float = 0.0,
    bytes_per_cell: float = 0.0,
) -> Capacity:
    """Return storage, time and money of a pool (section 5): all of them grow in proportion to its pictures.

    Args:
        images: in the pool.
        cells: of a picture's map, of all strides that are kept; see :func:`map_cells`.
        channels: values per cell.
        bytes_per_value: 2 in half precision, 1 as int8.
        disk_gb_per_s: what one machine reads, in 1e9 bytes per second.
        machines: that each hold and scan an equal share.
        euros_per_tb: price of 1e12 bytes of disk.
        cores: per machine.
        match_seconds_per_image: of one core, for all templates that are looked for in one pass.
        embed_seconds_per_image: of one core.
        bytes_per_cell: kept beside the values, such as a residual.

    Raises:
        ValueError: a count, the bytes or the disk's speed is not positive, or a price or time negative.

    >>> cost = capacity(2_200_000, map_cells(544, 960, 8), 24, 1, disk_gb_per_s=3, machines=1, euros_per_tb=20)
    >>> round(cost.storage_bytes / 1e9), round(cost.scan_seconds), round(cost.euros, 1), cost.bound_by
    (431, 144, 8.6, 'disk')
    """
    positive = {
        "images": images,
        "cells": cells,
        "channels": channels,
        "bytes_per_value": bytes_per_value,
        "disk_gb_per_s": disk_gb_per_s,
        "machines": machines,
        "cores": cores,
    }
    others = {
        "euros_per_tb": euros_per_tb,
        "match_seconds_per_image": match_seconds_per_image,
        "embed_seconds_per_image": embed_seconds_per_image,
        "bytes_per_cell": bytes_per_cell,
    }
    for name, value in (positive | others).items():
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name in others))):
            bound = "at least 0" if name in others else "above 0"
            raise ValueError(f"{name} must be finite and {bound}, got {value!r}")
    storage = images * cells * (channels * bytes_per_value + bytes_per_cell)
    read = storage / (1e9 * disk_gb_per_s * machines)
    match = images * match_seconds_per_image / (machines * cores)
    return Capacity(
        storage_bytes=storage,
        euros=storage / 1e12 * euros_per_tb,
        read_seconds=read,
        match_seconds=match,
        scan_seconds=max(read, match),
        embed_seconds=images * embed_seconds_per_image / (machines * cores),
        bound_by="disk" if read >= match else "cores",
    )


def map_cells(height: int, width: int, stride: int) -> int:
    """Return the cells of a map: one per stride x stride pixels, the last row and column padded.

    >>> map_cells(320, 512, 8), map_cells(544, 960, 16)
    (2560, 2040)
    """
    return math.ceil(height / stride) * math.ceil(width / stride)
