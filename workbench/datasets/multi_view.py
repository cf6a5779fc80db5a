"""Scenes of several calibrated views: which files there are, which views go together, and samples of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.datasets.image_files import image_size, read_image
from workbench.geometry.camera_text import MVSNET_PLANES, MultiViewCamera, read_camera_text
from workbench.geometry.pfm import read_pfm


@dataclass(frozen=True)
class CameraReading:
    """How camera files are read.

    Attributes:
        depth_min, depth_max: put in the place of what the files say.
        planes, interval_scale: as :func:`workbench.geometry.camera_text.depth_range`.
        intrinsics_size: width and height of the images that the intrinsics are for, None for those that there are.
    """

    depth_min: float | None = None
    depth_max: float | None = None
    planes: int = MVSNET_PLANES
    interval_scale: float = 1.0
    intrinsics_size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class MultiViewSample:
    """A reference view and its sources.

    Attributes:
        scene: name of the scene.
        views: numbers of the views, the reference first.
        images: uint8 (H, W, 3) of each.
        cameras: of each.
        depth: float32 (H, W) of the reference, 0 for none; None where the scene has no depth.
        notes: what was done otherwise than asked.
    """

    scene: str
    views: tuple[int, ...]
    images: tuple[NDArray[np.uint8], ...]
    cameras: tuple[MultiViewCamera, ...]
    depth: NDArray[np.float32] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class MultiViewScene:
    """Files of one scene; nothing is read before it is asked for.

    Attributes:
        name: of the scene.
        images, cameras, depths: file of each view by its number; depths may be missing.
        pairs: source views of each reference, best first, with their scores.
        reading: how its cameras are read.
        depth_crop: top, bottom, left, right that are cut from a depth map after every other row and column of it was taken; None to
            take maps as they are. DTU's raw maps are of 1600 x 1200, its training images the middle of their half.
    """

    name: str
    images: Mapping[int, Path]
    cameras: Mapping[int, Path]
    depths: Mapping[int, Path]
    pairs: Mapping[int, tuple[tuple[int, float], ...]]
    reading: CameraReading = field(default_factory=CameraReading)
    depth_crop: tuple[int, int, int, int] | None = None

    @property
    def references(self) -> tuple[int, ...]:
        """The views that have at least one source view."""
        return tuple(view for view, sources in self.pairs.items() if sources)

    def camera(self, view: int) -> MultiViewCamera:
        """Return the camera of a view, for its image's size."""
        how = self.reading
        camera = read_camera_text(
            self._file(self.cameras, view, "camera"),
            depth_min=how.depth_min,
            depth_max=how.depth_max,
            planes=how.planes,
            interval_scale=how.interval_scale,
        )
        if how.intrinsics_size is None:
            return camera
        width, height = image_size(self._file(self.images, view, "image"))
        scale = np.array([width / how.intrinsics_size[0], height / how.intrinsics_size[1], 1.0])
        return replace(camera, intrinsics=camera.intrinsics * scale[:, None])

    def image(self, view: int) -> NDArray[np.uint8]:
        """Return the image of a view, uint8 (H, W, 3)."""
        return read_image(self._file(self.images, view, "image"))

    def depth(self, view: int) -> NDArray[np.float32] | None:
        """Return the depth of a view, 0 for none and for what is not finite; None where there is no file."""
        if view not in self.depths:
            return None
        depth = read_pfm(self.depths[view])
        if depth.ndim != 2:
            raise ValueError(f"{self.depths[view]} has {depth.shape[2]} channels; expected a depth map of one")
        if self.depth_crop is not None:
            top, bottom, left, right = self.depth_crop
            depth = np.ascontiguousarray(depth[::2, ::2][top:bottom, left:right])
        return np.where(np.isfinite(depth) & (depth > 0), depth, 0)

    def sample(self, reference: int, sources: int = 2, worst: int = 0) -> MultiViewSample:
        """Return a reference with its best source views and, as the published training takes them, some of its worst.

        Where there are fewer than asked, those that there are come, and a note says so. A depth map of another size than the
        image is brought to it by nearest neighbours: a mean would invent depths between two surfaces.

        Args:
            reference: number of the view.
            sources: best source views.
            worst: source views from the end of the list.

        Raises:
            KeyError: there is no such reference.
            ValueError: no source view is asked for, or there is none; or a file is damaged (it is named).
        """
        if reference not in self.pairs:
            raise KeyError(f"{self.name} has no reference view {reference}; it has {list(self.pairs)[:8]}")
        if sources + worst < 1 or min(sources, worst) < 0:
            raise ValueError(f"at least one source view must be asked for, got {sources} best and {worst} worst")
        ranked, notes = [view for view, _ in self.pairs[reference]], ()
        if not ranked:
            raise ValueError(f"{self.name}: view {reference} has no source view")
        if len(ranked) < sources + worst:
            notes = (f"{self.name}: view {reference} has {len(ranked)} source views, {sources + worst} were asked for",)
            chosen = ranked
        else:
            chosen = [*ranked[:sources], *ranked[len(ranked) - worst :]]
        views = (reference, *chosen)
        images, depth = tuple(self.image(view) for view in views), self.depth(reference)
        if depth is not None and depth.shape != images[0].shape[:2]:
            notes += (f"the depth of {depth.shape[1]} x {depth.shape[0]} was brought to its image's size",)
            depth = _nearest(depth, images[0].shape[1], images[0].shape[0])
        return MultiViewSample(self.name, views, images, tuple(self.camera(view) for view in views), depth, notes)

    def _file(self, files: Mapping[int, Path], view: int, what: str) -> Path:
        if view not in files:
            raise FileNotFoundError(f"{self.name} has no {what} of view {view}")
        return files[view]


@dataclass(frozen=True)
class UsableReferences:
    """Scenes and references that can be used, and how many cannot, by reason."""

    items: tuple[tuple[MultiViewScene, int], ...]
    skipped: Mapping[str, int]


def usable_references(scenes: Iterable[MultiViewScene], *, need_depth: bool = True) -> UsableReferences:
    """Return the references with a source view, a sensible camera and, if ``need_depth``, a depth map that is not empty.

    BlendedMVS holds a few whose range of depths begins at or below 0, and a few empty maps. Others are skipped and counted; a
    camera file that is damaged otherwise still raises.
    """
    items, skipped = [], Counter()
    for scene in scenes:
        for view in scene.pairs:
            reason = _unusable(scene, view, need_depth)
            if reason is None:
                items.append((scene, view))
            else:
                skipped[reason] += 1
    return UsableReferences(tuple(items), dict(skipped))


def _unusable(scene: MultiViewScene, view: int, need_depth: bool) -> str | None:
    if not scene.pairs[view]:
        return "no source view"
    try:
        for one in (view, *(source for source, _ in scene.pairs[view])):
            scene.camera(one)
    except ValueError as error:
        if "depth range must satisfy" not in str(error):
            raise
        return "range of depths"
    if need_depth:
        depth = scene.depth(view)
        if depth is None or not depth.any():
            return "no depth"
    return None


def read_pairs(path: str | os.PathLike[str]) -> dict[int, tuple[tuple[int, float], ...]]:
    """Return the source views of each reference of a ``pair.txt``, best first, with their scores.

    The file: the number of references; for each its number, and a line of ``n`` and n times a source's number and score. n may
    be 0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it ends too early, or holds something else; the file and the reference are named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    words = iter(path.read_text(errors="replace").split())
    pairs, view = {}, None
    try:
        for _ in range(int(next(words))):
            view = None
            view = int(next(words))
            pairs[view] = tuple((int(next(words)), float(next(words))) for _ in range(int(next(words))))
    except (StopIteration, ValueError, RuntimeError):
        place = "at its head" if view is None else f"at reference {view}"
        raise ValueError(
            f"{path} is truncated or damaged {place}; expected a count, then a source and its score"
        ) from None
    if left := list(words):
        raise ValueError(f"{path} goes on after its {len(pairs)} references, with {left[0]!r}")
    return pairs


def resized(sample: MultiViewSample, width: int, height: int) -> MultiViewSample:
    """Return a sample whose images have another size: fx and cx scaled by the ratio of widths, fy and cy by that of heights.

    Images are averaged, depth takes the nearest pixel. Pixel i of the new image has its centre on ``(i + 1/2) / ratio - 1/2`` of
    the old one, where the filter's window is centred, so ``c' = (c + 1/2) ratio - 1/2``.
    """
    if min(width, height) < 1:
        raise ValueError(f"width and height must be at least 1, got {width} x {height}")
    images, cameras = [], []
    for image, camera in zip(sample.images, sample.cameras, strict=True):
        ratio = np.array([width / image.shape[1], height / image.shape[0]])
        intrinsics = camera.intrinsics.copy()
        intrinsics[:2] *= ratio[:, None]
        intrinsics[:2, 2] += ratio / 2 - 0.5
        images.append(np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX)))
        cameras.append(replace(camera, intrinsics=intrinsics))
    depth = None if sample.depth is None else _nearest(sample.depth, width, height)
    return replace(sample, images=tuple(images), cameras=tuple(cameras), depth=depth)


def cropped(sample: MultiViewSample, top: int, left: int, height: int, width: int) -> MultiViewSample:
    """Return the same window of every view; principal points move with it.

    Raises:
        ValueError: the window leaves an image.
    """
    for image in sample.images:
        if (
            min(top, left) < 0
            or top + height > image.shape[0]
            or left + width > image.shape[1]
            or min(height, width) < 1
        ):
            raise ValueError(f"the window {height} x {width} at ({top}, {left}) leaves an image of {image.shape[:2]}")
    window = (slice(top, top + height), slice(left, left + width))
    shift = np.zeros((3, 3))
    shift[:2, 2] = left, top
    return replace(
        sample,
        images=tuple(np.ascontiguousarray(image[window]) for image in sample.images),
        cameras=tuple(replace(camera, intrinsics=camera.intrinsics - shift) for camera in sample.cameras),
        depth=None if sample.depth is None else np.ascontiguousarray(sample.depth[window]),
    )


def _nearest(depth: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Return a map of another size, each pixel taking the old one that its centre lies in."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip((height, width), depth.shape, strict=True)
    )
    return np.ascontiguousarray(depth[rows[:, None], columns])
