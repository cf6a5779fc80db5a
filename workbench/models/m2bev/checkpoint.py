"""Published checkpoints of the family, read without unpickling code."""

from __future__ import annotations

import os

from workbench.models.m2bev.network import M2Bev
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

PUBLISHED_CLASSES = (
    "car",
    "truck",
    "trailer",
    "bus",
    "construction_vehicle",
    "bicycle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "barrier",
)
"""Order of the classes in the published heads, which is not that of the benchmark."""


def load_official_checkpoint(model: M2Bev, path: str | os.PathLike[str]) -> LoadReport:
    """Load a published ``*.pth``, whose tensors have mmdetection's names, into the network of its size.

    Its heads were taught in the lidar's frame (x right, y forward, z from the lidar), with yaw = -yaw - pi/2 of ours and classes in
    the order of ``PUBLISHED_CLASSES``: make the network with ``anchor="corner"`` and that frame's grid and poses to get what the
    published code gives. Heads that the network was made without are in ``ignored``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or of another network.
    """
    tensors = read_checkpoint(path)
    absent = [name for name in ("seg_head", "bbox_head", "bbox_head_2d") if not hasattr(model, name)]
    ignored = [name for name in tensors if name.split(".")[0] in absent]
    return load_tensors(model, tensors, ignored)
