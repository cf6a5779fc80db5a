"""Boxes of what moves before a camera that stands still: the difference to the median picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.datasets.annotated_images import Box

DIFFERENCE = 38
"""Grey levels by which a channel must differ from the background."""
CLOSING = (9, 5)
"""Rows and columns of the gaps that are closed: head and legs of a pedestrian belong together."""


def median_background(images: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median over pictures of one camera, uint8 (height, width, 3): what shows in more than half of them.

    Raises:
        ValueError: there is no picture, or they have different shapes.

    >>> walls = [np.full((2, 2, 3), 90, np.uint8) for _ in range(3)]
    >>> walls[1][:] = 255
    >>> int(median_background(walls).max())
    90
    """
    if not len(images):
        raise ValueError("images is empty, expected at least one picture")
    if len(shapes := {image.shape for image in images}) > 1:
        raise ValueError(f"images have different shapes: {sorted(shapes)}")
    stack = np.sort(np.stack(images), axis=0)
    return stack[len(stack) // 2]


def moving_boxes(
    image: np.ndarray, background: np.ndarray, difference: int = DIFFERENCE, least_area: int = 250
) -> list[Box]:
    """Return the boxes of connected regions that differ from the background, from the upper left on.

    Single pixels are noise and fall away; gaps of up to ``CLOSING`` are closed.

    Args:
        image: uint8 (height, width, 3).
        background: of the same shape, such as :func:`median_background` gives.
        difference: a pixel moves where a channel differs by more than this, of 255.
        least_area: pixels of a region, at least.

    Raises:
        ValueError: the shapes differ.

    >>> wall = np.full((40, 60, 3), 90, np.uint8)
    >>> seen = wall.copy()
    >>> seen[10:30, 20:35] = (10, 200, 90)
    >>> moving_boxes(seen, wall)
    [(20.0, 10.0, 35.0, 30.0)]
    """
    from scipy import ndimage  # a tenth of a second of import that readers of tables need not wait for

    if image.shape != background.shape:
        raise ValueError(f"image has shape {image.shape}, the background {background.shape}")
    moves = np.abs(image.astype(np.int16) - background).max(2) > difference
    moves = ndimage.binary_opening(moves, np.ones((2, 2)))
    margin = max(CLOSING)  # closing at the border needs room
    moves = ndimage.binary_closing(np.pad(moves, margin), np.ones(CLOSING))[margin:-margin, margin:-margin]
    labels, count = ndimage.label(moves, np.ones((3, 3)))
    areas = ndimage.sum_labels(moves, labels, range(1, count + 1))
    places = ndimage.find_objects(labels)
    return [
        (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
        for (rows, columns), area in zip(places, areas, strict=True)
        if area >= least_area
    ]
