"""What the scenes of emoji street look like: sizes, prevalences, which objects keep company, styles, clutter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.datasets.sprites import ROAD_CLASSES, STYLES

TARGET_CLASSES = ("bike", "barrier", "wheelchair_person", "dog", "motor_scooter", "traffic_light")
"""The rare objects that are looked for; the other classes of the road are clutter, among them some that look alike."""


@dataclass(frozen=True)
class EmojiStreetConfig:
    """What the scenes of one pool have in common.

    Attributes:
        width, height: of the canvas, pixels, at least 64.
        targets: classes that are looked for; the rest of ``ROAD_CLASSES`` is clutter.
        prevalence: probability that a scene shows a target class, independently of the others; or one per class (a class that
            the mapping leaves out never appears).
        joint: probability that both classes of a pair appear, where they shall not be independent; no class in two pairs.
        object_area: smallest (far) and largest (near) area of a target's box, as a share of the canvas before occlusion.
        clutter: fewest and most clutter objects.
        clutter_area: like ``object_area``, of clutter of the size of a person; cars, trees and buses are up to 3 times as large.
        styles: art styles that may be drawn; or one tuple per class (a class that the mapping leaves out takes all).
        noise: standard deviation of the sensor noise, of 255.
        blur: largest radius of the blur, pixels; each scene draws its own from 0 up.

    Raises:
        ValueError: a field lies outside what it says here, or a joint probability is impossible with its two prevalences.

    >>> EmojiStreetConfig(joint={("bike", "dog"): 0.2})
    Traceback (most recent call last):
    ValueError: joint of bike and dog must lie in 0 to 0.1 with prevalences 0.1 and 0.1, got 0.2
    """

    width: int = 512
    height: int = 320
    targets: tuple[str, ...] = TARGET_CLASSES
    prevalence: float | Mapping[str, float] = 0.1
    joint: Mapping[tuple[str, str], float] = field(default_factory=dict)
    object_area: tuple[float, float] = (0.004, 0.01)
    clutter: tuple[int, int] = (7, 15)
    clutter_area: tuple[float, float] = (0.004, 0.01)
    styles: tuple[str, ...] | Mapping[str, tuple[str, ...]] = STYLES
    noise: float = 4.0
    blur: float = 0.8

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 64:
            raise ValueError(f"width and height must be at least 64 pixels, got {self.width}x{self.height}")
        for name in ("object_area", "clutter_area"):
            least, most = getattr(self, name)
            if not 0 < least <= most <= 0.5:
                raise ValueError(f"{name} must be two shares, 0 < smallest <= largest <= 0.5, got {least, most}")
        if not 0 <= self.clutter[0] <= self.clutter[1]:
            raise ValueError(f"clutter must be 0 <= fewest <= most, got {self.clutter}")
        if self.noise < 0 or self.blur < 0:
            raise ValueError(f"noise and blur must be at least 0, got {self.noise} and {self.blur}")
        self._check_classes()
        self._check_joint()

    def probability(self, target: str) -> float:
        """Return the probability that a scene shows ``target``."""
        return float(self.prevalence.get(target, 0.0) if isinstance(self.prevalence, Mapping) else self.prevalence)

    def styles_of(self, category: str) -> tuple[str, ...]:
        """Return the styles in which ``category`` may be drawn."""
        return tuple(self.styles.get(category, STYLES) if isinstance(self.styles, Mapping) else self.styles)

    def _check_classes(self) -> None:
        if not self.targets or len(set(self.targets)) < len(self.targets):
            raise ValueError(f"targets must name at least one class and none twice, got {self.targets}")
        named = [*self.targets, *(self.styles if isinstance(self.styles, Mapping) else ())]
        if unknown := sorted(set(named) - set(ROAD_CLASSES)):
            raise ValueError(f"no class {unknown[0]!r} in targets or styles; there are {', '.join(ROAD_CLASSES)}")
        named = [
            *(self.prevalence if isinstance(self.prevalence, Mapping) else ()),
            *(name for pair in self.joint for name in pair),
        ]
        if unknown := sorted(set(named) - set(self.targets)):
            raise ValueError(f"prevalence or joint names {unknown[0]!r}, which is not among the targets {self.targets}")
        for category in self.targets:
            if not 0 <= self.probability(category) <= 1:
                raise ValueError(f"prevalence must lie in 0 to 1, got {self.probability(category)} of {category}")
        for category in ROAD_CLASSES:
            styles = self.styles_of(category)
            if not styles or set(styles) - set(STYLES):
                raise ValueError(f"styles of {category} must be some of {STYLES}, got {styles}")

    def _check_joint(self) -> None:
        paired = [name for pair in self.joint for name in pair]
        if len(set(paired)) < len(paired):
            raise ValueError(f"joint must name a class in one pair only, got {sorted(self.joint)}")
        for (first, second), both in self.joint.items():
            one, other = self.probability(first), self.probability(second)
            least, most = max(0.0, one + other - 1), min(one, other)
            if not least <= both <= most:
                raise ValueError(
                    f"joint of {first} and {second} must lie in {least:g} to {most:g} with prevalences {one:g} and {other:g}, "
                    f"got {both:g}"
                )
