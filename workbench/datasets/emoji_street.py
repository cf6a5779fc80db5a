"""Emoji street: seeded street scenes with small, cluttered, occluded objects and exact boxes, drawn instead of stored."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from workbench.datasets._street import empty_street
from workbench.datasets._street_objects import paint, photographed, place_clutter, place_targets, visible_shares
from workbench.datasets.annotated_images import AnnotatedImage, Annotation
from workbench.datasets.emoji_street_config import EmojiStreetConfig


def emoji_street(seed: int, config: EmojiStreetConfig | None = None) -> AnnotatedImage:
    """Return the scene of ``seed``: targets and clutter on a street, with every object's class, style, box and visible share.

    Objects are larger the nearer they stand, mirrored at random, darker or lighter (gain 0.6 to 1.15), cut at the sides, and
    painted from far to near, so that near ones hide far ones. A box spans the whole object inside the canvas, also what is
    hidden; ``visible`` is the share of all its pixels that can be seen; objects with none are left out. Layout, objects, and
    noise draw from streams of their own: another ``object_area`` gives the same scene with targets of another size.
    Source: the evaluation of targeted selection needs objects below 1 % of the image, occluded and in clutter (Kothawade et
    al., IV 2022, abstract); this generator is ours.

    Args:
        seed: whole number, at least 0; the same seed and configuration give the same bytes.
        config: default EmojiStreetConfig().

    Returns:
        Image uint8 (height, width, 3), id ``street-<seed>``; annotations from far to near.

    Raises:
        ValueError: the seed is negative.

    >>> scene = emoji_street(8)
    >>> scene.id, scene.image.shape, len(scene.annotations)
    ('street-000008', (320, 512, 3), 11)
    """
    config = config or EmojiStreetConfig()
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    street_stream, target_stream, clutter_stream, camera_stream = (
        np.random.default_rng([seed, index]) for index in range(4)
    )
    street = empty_street(config.width, config.height, street_stream)
    objects = [*place_targets(config, street, target_stream), *place_clutter(config, street, clutter_stream)]
    objects.sort(key=lambda one: one.foot)
    owner = paint(street.pixels, objects)
    image = photographed(street.pixels, config.noise, config.blur, camera_stream)
    annotations = []
    for one, visible in zip(objects, visible_shares(owner, objects), strict=True):
        if visible > 0:
            annotations.append(Annotation(one.category, one.box(config.width, config.height), visible, one.style))
    return AnnotatedImage(f"street-{seed:06d}", image, tuple(annotations))


@dataclass(frozen=True)
class SceneEntry:
    """A scene that is not yet drawn: 60 bytes that stand for half a megabyte, and travel to other processes.

    >>> SceneEntry(8).id, SceneEntry(8).load().id
    ('street-000008', 'street-000008')
    """

    seed: int
    config: EmojiStreetConfig = field(default_factory=EmojiStreetConfig)

    @property
    def id(self) -> str:
        """Name in the pool."""
        return f"street-{self.seed:06d}"

    def load(self) -> AnnotatedImage:
        """Draw the scene."""
        return emoji_street(self.seed, self.config)


def emoji_pool(count: int, first_seed: int = 0, config: EmojiStreetConfig | None = None) -> list[SceneEntry]:
    """Return a pool of scenes of consecutive seeds, each drawn when its ``load()`` is called.

    Raises:
        ValueError: ``count`` is below 1 or ``first_seed`` below 0.

    >>> [entry.id for entry in emoji_pool(2, first_seed=40)]
    ['street-000040', 'street-000041']
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if first_seed < 0:
        raise ValueError(f"first_seed must be at least 0, got {first_seed}")
    config = config or EmojiStreetConfig()
    return [SceneEntry(seed, config) for seed in range(first_seed, first_seed + count)]
