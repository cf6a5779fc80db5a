"""A pool like a video: several frames of each street, which differ by a little motion, exposure and noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from workbench.datasets import AnnotatedImage, Annotation, EmojiStreetConfig, emoji_pool, emoji_street

MOST_ZOOM = 1.06
NOISE = 3.0
"""Standard deviation of the noise that each frame adds, of 255."""


@dataclass(frozen=True)
class FrameEntry:
    """One frame of a street, drawn when its :meth:`load` is called.

    Attributes:
        seed: of the street.
        frame: number of the frame, which draws its motion, exposure and noise.
        street: configuration of the scene.

    >>> FrameEntry(8, 2).id, FrameEntry(8, 2).group
    ('street-000008-2', 'street-000008')
    """

    seed: int
    frame: int
    street: EmojiStreetConfig = field(default_factory=EmojiStreetConfig)

    @property
    def group(self) -> str:
        """Name of the sequence that the frame is from."""
        return f"street-{self.seed:06d}"

    @property
    def id(self) -> str:
        """Name in the pool."""
        return f"{self.group}-{self.frame}"

    def load(self) -> AnnotatedImage:
        """Return the frame: a window of the scene, at most 6 % closer, up to 10 % darker or brighter, and noisy.

        Boxes move with the picture and are cut at its edge; what leaves it is left out.
        """
        scene, generator = emoji_street(self.seed, self.street), np.random.default_rng([self.seed, self.frame, 1])
        height, width = scene.image.shape[:2]
        zoom = generator.uniform(1, MOST_ZOOM)
        left, top = generator.random(2) * (1 - 1 / zoom) * (width, height)
        window = (left, top, left + width / zoom, top + height / zoom)
        picture = Image.fromarray(scene.image).resize((width, height), Image.Resampling.BILINEAR, box=window)
        pixels = np.asarray(picture) * generator.uniform(0.9, 1.1) + generator.normal(0, NOISE, scene.image.shape)
        seen = [
            Annotation(one.category, box, one.visible, one.style)
            for one in scene.annotations
            if (box := _moved(one.box, window, zoom, width, height))
        ]
        return AnnotatedImage(self.id, pixels.clip(0, 255).astype(np.uint8), tuple(seen))


def frame_pool(streets: int, frames: int, first_seed: int, street: EmojiStreetConfig) -> list[FrameEntry]:
    """Return ``frames`` frames of each of ``streets`` scenes of consecutive seeds.

    >>> [one.id for one in frame_pool(1, 2, 40, EmojiStreetConfig())]
    ['street-000040-0', 'street-000040-1']
    """
    entries = emoji_pool(streets, first_seed, street)
    return [FrameEntry(one.seed, frame, street) for one in entries for frame in range(frames)]


def _moved(
    box: tuple[float, ...], window: tuple[float, ...], zoom: float, width: int, height: int
) -> tuple[float, ...] | None:
    """Return a box of the scene in pixels of the frame, cut at its edge; None where less than a pixel a side is left."""
    x0, x1 = (min(max((edge - window[0]) * zoom, 0.0), width) for edge in box[::2])
    y0, y1 = (min(max((edge - window[1]) * zoom, 0.0), height) for edge in box[1::2])
    return (x0, y0, x1, y1) if x1 - x0 >= 1 and y1 - y0 >= 1 else None
