"""From a person's photographs and cameras to depth, confidence and the distribution of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from workbench.geometry.camera_text import MultiViewCamera, check_camera, check_depth_range
from workbench.models.mvs.checks import pad_to_multiple
from workbench.models.mvs.network import ESTIMATES, LevelOutput, NpCvpMvsNet
from workbench.training.config import choose_device

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LevelDistribution:
    """The distribution of each pixel at one level.

    Attributes:
        level: 0 for full resolution; pixel i is centred on pixel ``i 2^level`` of the photograph.
        depths: float32 (D, h, w), of the hypotheses.
        probability: float32 (D, h, w), summing to 1 over D.
        interval: length of a cell of depth.
    """

    level: int
    depths: Array
    probability: Array
    interval: float


@dataclass(frozen=True, eq=False)
class ViewPrediction:
    """What the network says of the reference view.

    Attributes:
        depth: float32 (H, W), in the unit of the cameras' translations.
        confidence: float32 (H, W) in 0 to 1.
        levels: coarsest first.
        depth_min, depth_max: the range that was searched.
    """

    depth: Array
    confidence: Array
    levels: tuple[LevelDistribution, ...]
    depth_min: float
    depth_max: float

    def distribution_at(self, row: int, column: int) -> pd.DataFrame:
        """Return the hypotheses of a pixel of the photograph at every level: level, depth, probability, interval.

        Raises:
            IndexError: the pixel lies outside.
        """
        height, width = self.depth.shape
        if not (0 <= row < height and 0 <= column < width):
            raise IndexError(f"pixel ({row}, {column}) lies outside the {height} x {width} photograph")
        parts = []
        for one in self.levels:
            place = (slice(None), row >> one.level, column >> one.level)
            values = {"depth": one.depths[place], "probability": one.probability[place]}
            parts.append(pd.DataFrame({"level": one.level, **values, "interval": one.interval}))
        return pd.concat(parts, ignore_index=True)


class DepthPredictor:
    """Run a network on photographs of any size.

    Args:
        network: put into evaluation mode and onto the device.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        estimate: one depth of each pixel's distribution: its mean (``"expectation"``), or the mean around its mode (``"mode"``).

    Raises:
        ValueError: another device or estimate.
    """

    def __init__(self, network: NpCvpMvsNet, device: str = "auto", estimate: str = "expectation") -> None:
        if estimate not in ESTIMATES:
            raise ValueError(f"estimate must be one of {', '.join(ESTIMATES)}, got {estimate!r}")
        self.device, self.estimate = choose_device(device), estimate
        self.network = network.to(self.device).eval()

    def predict(
        self,
        images: Sequence[ArrayLike],
        cameras: Sequence[MultiViewCamera],
        depth_min: float | None = None,
        depth_max: float | None = None,
    ) -> ViewPrediction:
        """Return the depth of the first photograph.

        Sizes that the network cannot take are padded on the right and below, which changes no camera, and the result is cropped.

        Args:
            images: uint8 (H, W, 3), the reference first; sizes may differ.
            cameras: of each image.
            depth_min, depth_max: what is searched; the range of the first camera by default.

        Raises:
            TypeError: an image is not uint8.
            ValueError: no source view, another number of cameras, a camera that cannot be one, or a range that is not 0 < min <
            max.
        """
        arrays = _check_views(images, cameras)
        least = cameras[0].depth_min if depth_min is None else depth_min
        most = cameras[0].depth_max if depth_max is None else depth_max
        check_depth_range(least, most, "the reference view")
        height, width = arrays[0].shape[:2]
        sides = [max(array.shape[axis] for array in arrays) for axis in (0, 1)]
        stack = torch.zeros(1, len(arrays), 3, *sides)
        for view, array in enumerate(arrays):
            stack[0, view, :, : array.shape[0], : array.shape[1]] = torch.from_numpy(array).permute(2, 0, 1) / 255
        inputs = (
            pad_to_multiple(stack, self.network.config.multiple),
            torch.from_numpy(np.stack([camera.intrinsics for camera in cameras]))[None],
            torch.from_numpy(np.stack([camera.cam_from_world for camera in cameras]))[None],
            torch.tensor([least], dtype=torch.float32),
            torch.tensor([most], dtype=torch.float32),
        )
        with torch.inference_mode():
            found = self.network(*(value.to(self.device) for value in inputs))
            depth = found.levels[-1].depth(self.estimate)
        return ViewPrediction(
            _numpy(depth[0, :height, :width]),
            _numpy(found.confidence[0, :height, :width]),
            tuple(_distribution(level, height, width) for level in found.levels),
            float(least),
            float(most),
        )


def _check_views(images: Sequence[ArrayLike], cameras: Sequence[MultiViewCamera]) -> list[NDArray[np.uint8]]:
    arrays = [np.ascontiguousarray(image) for image in images]
    if len(arrays) < 2:
        raise ValueError(f"at least one source view is needed beside the reference, got {len(arrays)} image(s)")
    if len(cameras) != len(arrays):
        raise ValueError(f"each image needs its camera, got {len(arrays)} images and {len(cameras)} cameras")
    for view, (array, camera) in enumerate(zip(arrays, cameras, strict=True)):
        if array.dtype != np.uint8:
            raise TypeError(f"view {view}: images must be uint8 (H, W, 3), got {array.dtype}")
        if array.ndim != 3 or array.shape[2] != 3:
            raise ValueError(f"view {view}: images must be uint8 (H, W, 3), got {array.shape}")
        check_camera(camera.intrinsics, camera.cam_from_world, f"view {view}")
    return arrays


def _distribution(level: LevelOutput, height: int, width: int) -> LevelDistribution:
    rows, columns = (-(-side // 2**level.level) for side in (height, width))
    depths, probability = (
        _numpy(values[0, :, :rows, :columns]) for values in (level.hypotheses.depths, level.probability)
    )
    return LevelDistribution(level.level, depths, probability, float(level.hypotheses.interval[0]))


def _numpy(values: torch.Tensor) -> Array:
    return np.ascontiguousarray(values.float().cpu().numpy())
