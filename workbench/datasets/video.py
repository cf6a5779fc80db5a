"""Frames of a video as entries of a pool: named and grouped at once, decoded one by one where they are needed."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from workbench.datasets.annotated_images import AnnotatedImage, Annotation, clipped
from workbench.datasets.extras import NotInstalledError
from workbench.datasets.image_files import UnreadableImageError

_FORWARD = 5.0
"""Seconds up to which decoding on is preferred to a jump: key frames stand that far apart or further."""
_OPEN = threading.local()


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video; nothing is decoded before :meth:`load`.

    Attributes:
        id: ``<name>@<seconds>``, such as ``drive.mp4@0012.50``.
        path: of the video.
        seconds: from its start.
        group: the video, or the part of it, whose frames resemble each other: see ``one_per_group`` of
            :func:`workbench.retrieval.mine`.
        annotations: its objects, where somebody has looked.
    """

    id: str
    path: Path
    seconds: float
    group: str
    annotations: tuple[Annotation, ...] = ()

    def load(self) -> AnnotatedImage:
        """Return the frame, upright; frames that are asked for in their order are decoded in one pass.

        Raises:
            UnreadableImageError: the video is gone, damaged, or ends before.
            NotInstalledError: the package ``av`` is not installed.
        """
        try:
            image = _reader(self.path).image_at(self.seconds)
        except _av().FFmpegError as error:
            raise UnreadableImageError(f"{self.path} is damaged at {self.seconds:g} s ({error})") from None
        height, width = image.shape[:2]
        return AnnotatedImage(self.id, image, tuple(clipped(self.annotations, width, height, self.id)))


def read_video_frames(
    path: str | os.PathLike[str], every: float | None = None, group_every: float | None = None
) -> list[VideoFrame]:
    """Return the frames of a video as entries of a pool, without decoding one.

    Reads whatever FFmpeg reads, through the package PyAV, which is an optional dependency:
    ``pip install 'perception-workbench[video]'``. To mine a drive, with one hit from each ten seconds at most::

        frames = read_video_frames("drive.mp4", every=1.0, group_every=10.0)
        features = [backbone.features(*letterbox_batch([frame.load().image])) for frame in frames]
        ids, groups = (tuple(getattr(frame, name) for frame in frames) for name in ("id", "group"))
        found = mine([Shard(ids, Features.concatenate(features), groups)], [templates], top=20, one_per_group=True)

    Args:
        path: of the video.
        every: seconds between two frames; None takes all.
        group_every: seconds that make a group, so that a long drive gives more than one picture with ``one_per_group``; None makes
            the whole video one group.

    Raises:
        NotInstalledError: PyAV is not installed, and the message says how to get it.
        FileNotFoundError: there is no such file.
        ValueError: it does not say how long it is, or an interval is not positive; or it is no video (UnreadableImageError).
    """
    for name, value in (("every", every), ("group_every", group_every)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be seconds above 0 or None, got {value!r}")
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no video at {path}")
    reader = _reader(path)
    if reader.duration is None:
        raise ValueError(
            f"{path} does not say how long it is; write it anew with 'ffmpeg -i {path.name} -c copy whole.mp4'"
        )
    step = every if every is not None else 1 / reader.rate
    count = max(1, math.floor((reader.duration - 0.5 / reader.rate) / step) + 1)
    return [_frame(path, index * step, group_every) for index in range(count)]


def _frame(path: Path, seconds: float, group_every: float | None) -> VideoFrame:
    group = path.name
    if group_every is not None:
        first = math.floor(seconds / group_every + 1e-9) * group_every
        group = f"{path.name}@{first:07.2f}-{first + group_every:07.2f}"
    return VideoFrame(f"{path.name}@{seconds:07.2f}", path, seconds, group)


class _Reader:
    """An open video and the place up to which it is decoded."""

    def __init__(self, path: Path) -> None:
        av = _av()
        try:
            self._container = av.open(str(path))
        except av.FFmpegError as error:
            raise UnreadableImageError(f"{path} is no video that FFmpeg reads ({error})") from None
        if not self._container.streams.video:
            self.close()
            raise UnreadableImageError(f"{path} holds no video stream")
        self._stream = self._container.streams.video[0]
        self._path, self._frames, self._position = path, None, -math.inf
        self._last: tuple[float, np.ndarray | None] = math.nan, None
        base = self._stream.time_base
        self._start = float((self._stream.start_time or 0) * base)
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        self.duration = None
        if self._stream.duration:
            self.duration = float(self._stream.duration * base)
        elif self._container.duration:
            self.duration = self._container.duration / av.time_base

    def image_at(self, seconds: float) -> np.ndarray:
        """Return the first frame from half a frame before ``seconds`` on, uint8 (height, width, 3)."""
        if seconds == self._last[0]:
            return self._last[1].copy()
        earliest = seconds - 0.5 / self.rate
        if self._frames is None or not self._position < earliest <= self._position + _FORWARD:
            self._container.seek(int((seconds + self._start) / self._stream.time_base), stream=self._stream)
            self._frames = self._decoded()
        frames, self._frames = self._frames, None  # a decoder that fails is not gone on with
        for frame in frames:
            self._position = frame.time - self._start
            if self._position >= earliest:
                self._frames = frames
                upright = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                self._last = seconds, np.ascontiguousarray(upright)
                return self._last[1].copy()
        raise UnreadableImageError(f"{self._path} ends before {seconds:g} s")

    def _decoded(self) -> Iterator:
        for frame in self._container.decode(self._stream):
            if frame.time is not None:
                yield frame

    def close(self) -> None:
        self._container.close()


def _reader(path: Path) -> _Reader:
    """Return the reader of a video: this thread's open one if it is that and unchanged, else a new one."""
    try:
        key = (path, path.stat().st_mtime_ns)
    except OSError:
        raise UnreadableImageError(f"no video at {path}") from None
    if getattr(_OPEN, "key", None) != key:
        if hasattr(_OPEN, "reader"):
            _OPEN.reader.close()
            del _OPEN.reader, _OPEN.key
        _OPEN.reader, _OPEN.key = _Reader(path), key
    return _OPEN.reader


def _av() -> ModuleType:
    try:
        import av  # optional: 35 MB that only those who read video need
    except ImportError:
        raise NotInstalledError(
            "reading video needs the package PyAV: pip install 'perception-workbench[video]', or pip install av"
        ) from None
    return av
