"""Features that are ready to be matched again and again."""

from __future__ import annotations

import torch

from workbench.retrieval.features import Features, l2_normalise


class PreparedFeatures(Features):
    """Features whose vectors have length 1 already, with room around each map, so that a template scans
    them in a quarter of the time.

    Args:
        features: of N pictures; cells that see only padding become 0.
        room: rows and columns of zeros that the maps get below and to the right. Templates of up to ``room + 1`` cells a side
            scan fast; larger ones scan as slowly as ever.

    >>> from workbench.retrieval.features import Letterbox
    >>> features = Features({8: torch.rand(2, 40, 5, 8)}, [Letterbox.fit((40, 64))] * 2)
    >>> prepared = PreparedFeatures(features, room=3)
    >>> prepared[8].shape, prepared.padded[8].shape
    (torch.Size([2, 40, 5, 8]), torch.Size([2, 8, 11, 40]))
    """

    def __init__(self, features: Features, room: int = 9) -> None:
        self.room, self.padded = room, {}
        for stride, maps in features.items():
            height, width = maps.shape[2:]
            padded = torch.zeros(
                len(maps), height + room, width + room, maps.shape[1], dtype=torch.float32, device=maps.device
            )
            valid = features.valid(stride)
            for start in range(0, len(maps), 16):
                part = slice(start, start + 16)
                unit = l2_normalise(maps[part]) * valid[part, None]
                padded[part, :height, :width] = unit.permute(0, 2, 3, 1)
            self.padded[stride] = padded
        views = {
            stride: padded[:, : padded.shape[1] - room, : padded.shape[2] - room].permute(0, 3, 1, 2)
            for stride, padded in self.padded.items()
        }
        super().__init__(views, features.letterboxes)
