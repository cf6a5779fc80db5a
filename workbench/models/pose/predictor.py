"""From an image and a box to votes, and from votes to a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from workbench.geometry.pnp import Pose, reprojection_threshold, solve_pnp
from workbench.models.pose.cells import KEY_POINTS, quota, span_of, to_image
from workbench.models.pose.crops import CROP_SIZE, Crop, crop_around
from workbench.models.pose.network import WdrNet, WdrOutput


@dataclass(frozen=True, eq=False)
class CellVotes:
    """The cells of one crop that a pose is solved from.

    Attributes:
        positions: (n, 8, 2), where each sees the key points, pixels of the original image.
        scores: (n,) in (0, 1).
        cells: (n,), which of the network's cells.
        levels: (n,), of which level.
    """

    positions: Tensor
    scores: Tensor
    cells: Tensor
    levels: Tensor


@dataclass(frozen=True)
class SelectionConfig:
    """Which cells take part.

    Attributes:
        threshold: least score, exclusive.
        number, sharpness: of :func:`~workbench.models.pose.cells.quota`.
    """

    threshold: float = 0.1
    number: int = 10
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold must be in [0, 1), got {self.threshold!r}")
        if self.number < 1:
            raise ValueError(f"number must be at least 1, got {self.number!r}")


@dataclass(frozen=True, eq=False)
class PoseEstimate:
    """What was found of an object.

    Attributes:
        pose: ``success`` is False where too few cells saw the object or their votes gave no pose.
        votes: of the cells that took part.
        crop: what the network saw.
        box_from: ``"truth"`` for a box from the true pose, as the published evaluation takes it, or ``"detector"``.
    """

    pose: Pose
    votes: CellVotes
    crop: Crop
    box_from: str


def select_votes(
    output: WdrOutput, affine: Tensor, classes: Tensor, sizes: Sequence[int], config: SelectionConfig | None = None
) -> list[CellVotes]:
    """Return, for each crop, the votes that a pose is solved from.

    Of the cells above the threshold the best one tells how large the object is in the crop; each level gives its quota of best
    cells. No cell above the threshold: no votes.

    Args:
        output: of B crops.
        affine: (B, 2, 3), from pixels of the original images to those of the crops.
        classes: (B,), the object in each crop.
        sizes: the network's reference sizes.
        config: the published one by default.
    """
    config = config or SelectionConfig()
    rows = torch.arange(len(classes), device=output.logits.device)
    scores = torch.sigmoid(output.logits[rows, :, classes])
    points = output.cells.decode(output.offsets[rows, :, classes])
    levels, found = output.cells.levels, []
    for image in range(len(classes)):
        above = scores[image] > config.threshold
        if bool(above.any()):
            span = span_of(points[image, scores[image].argmax()])[None]
            wanted = quota(span.detach(), sizes, config.number, config.sharpness)[0, levels]
            order = torch.argsort(torch.where(above, -scores[image], 1.0) + 4.0 * levels)
            place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
            above = above & (place - torch.searchsorted(levels, levels) < wanted)
        chosen = above.nonzero()[:, 0]
        seen = to_image(points[image, chosen][None], affine[image : image + 1])[0]
        found.append(CellVotes(seen, scores[image, chosen], chosen, levels[chosen]))
    return found


class PosePredictor:
    """Estimates poses of known objects in images.

    Args:
        model: trained; put into evaluation mode.
        corners: (C, 8, 3), the key points of each class in its own frame.
        size: of the crop, pixels.
        selection: which cells take part.
        method, refine: of :func:`~workbench.geometry.pnp.solve_pnp`.
        pixels: threshold of RANSAC at a width of 640 pixels.

    Raises:
        ValueError: corners of another number of classes than the model's.
    """

    def __init__(
        self,
        model: WdrNet,
        corners: ArrayLike,
        *,
        size: int = CROP_SIZE,
        selection: SelectionConfig | None = None,
        method: str = "epnp",
        refine: bool = False,
        pixels: float = 5.0,
    ) -> None:
        self.corners = np.asarray(corners, float)
        if self.corners.shape != (model.num_classes, KEY_POINTS, 3):
            raise ValueError(f"corners must be ({model.num_classes}, {KEY_POINTS}, 3), got {self.corners.shape}")
        self.model = model.eval()
        self.size, self.selection = size, selection or SelectionConfig()
        self.method, self.refine, self.pixels = method, refine, pixels

    @torch.inference_mode()
    def predict(
        self,
        image: NDArray[np.uint8],
        box: Sequence[float],
        intrinsics: ArrayLike,
        object_class: int = 0,
        *,
        box_from: str = "detector",
    ) -> PoseEstimate:
        """Return the pose of the object in a box.

        Args:
            image: uint8 (H, W, 3), red first.
            box: x0, y0, x1, y1 in pixels.
            intrinsics: (3, 3).
            object_class: which of the model's.
            box_from: ``"truth"`` or ``"detector"``; only noted.

        Raises:
            ValueError: the box has no area, the class is none of the model's, or the image is no uint8 RGB.
        """
        if not 0 <= object_class < self.model.num_classes:
            raise ValueError(f"object_class must be 0 to {self.model.num_classes - 1}, got {object_class!r}")
        if box_from not in ("truth", "detector"):
            raise ValueError(f"box_from must be 'truth' or 'detector', got {box_from!r}")
        crop = crop_around(box, (image.shape[1], image.shape[0]), size=self.size)
        device = next(self.model.parameters()).device
        output = self.model(crop.image(image)[None].to(device))
        affine = torch.as_tensor(crop.affine, dtype=torch.float32, device=device)[None]
        classes = torch.tensor([object_class], device=device)
        votes = select_votes(output, affine, classes, self.model.sizes, self.selection)[0]
        return PoseEstimate(self.solve(votes, intrinsics, object_class, image.shape[1]), votes, crop, box_from)

    def solve(self, votes: CellVotes, intrinsics: ArrayLike, object_class: int, width: int) -> Pose:
        """Return the pose that votes in an image of ``width`` agree on; its score is the square root of the best cell's."""
        count = len(votes.scores)
        if not count:
            return Pose.none()
        found = solve_pnp(
            np.tile(self.corners[object_class], (count, 1)),
            votes.positions.reshape(-1, 2).double().cpu().numpy(),
            intrinsics,
            threshold=reprojection_threshold(self.pixels, width),
            method=self.method,
            refine=self.refine,
        )
        score = float(votes.scores.max().sqrt()) if found.success else 0.0
        return Pose(found.rotation, found.translation, found.success, found.inliers, score)
