"""Distillation of key points: votes of a student's cells are moved, as a distribution, to those of the teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from workbench.distillation.sinkhorn import joint_diameter, sinkhorn_divergence

NORMALISATIONS = ("image", "crop", "diameter")
"""What votes are divided by: width and height of the image (published), the side of the crop, the object's diameter in pixels."""


@dataclass(frozen=True)
class DistillationConfig:
    """What is compared, and how; the defaults are the published ones.

    Attributes:
        p, blur, reach, scaling: of :func:`~workbench.distillation.sinkhorn.sinkhorn_divergence`.
        normalise: one of :data:`NORMALISATIONS`. By the image's size, an error of 5 px of 640 costs some 3e-5 per unit of mass,
            so that the value is almost all difference of scores; by the crop's, positions and scores weigh about the same.
        uniform_masses: give each vote of a set the same mass, summing to 1, in the place of its score.
        detach_scores, detach_positions: leave out the gradient by the student's scores, or by its votes.
        least_score: scores are clamped to [least_score, 1 - least_score].
        weight: of the loss in the student's total, ``lambda_kd``; the loss itself is not multiplied by it.
    """

    p: float = 2
    blur: float = 1e-3
    reach: float | None = 0.5
    scaling: float = 0.5
    normalise: str = "image"
    uniform_masses: bool = False
    detach_scores: bool = False
    detach_positions: bool = False
    least_score: float = 1e-3
    weight: float = 5.0

    def __post_init__(self) -> None:
        if self.normalise not in NORMALISATIONS:
            raise ValueError(f"normalise must be one of {', '.join(NORMALISATIONS)}, got {self.normalise!r}")
        if not 0 < self.least_score < 0.5:
            raise ValueError(f"least_score must be between 0 and 0.5, got {self.least_score!r}")


@dataclass(frozen=True, eq=False)
class Votes:
    """Where the cells of a network see the key points of an object, padded over the images of a batch.

    Attributes:
        positions: (B, N, K, 2), pixels of the original image.
        scores: (B, N) in (0, 1], 0 where there is no cell.
    """

    positions: Tensor
    scores: Tensor

    def __post_init__(self) -> None:
        if self.positions.ndim != 4 or self.positions.shape[-1] != 2 or self.scores.shape != self.positions.shape[:2]:
            raise ValueError(
                "positions must be (images, cells, key points, 2) and scores (images, cells), got "
                f"{tuple(self.positions.shape)} and {tuple(self.scores.shape)}"
            )

    @classmethod
    def pad(cls, positions: Sequence[Tensor], scores: Sequence[Tensor]) -> Votes:
        """Return the votes of images with different numbers of cells, (n_i, K, 2) and (n_i,) each.

        >>> Votes.pad([torch.zeros(2, 8, 2), torch.zeros(0, 8, 2)], [torch.ones(2), torch.ones(0)]).scores
        tensor([[1., 1.],
                [0., 0.]])
        """
        if not positions or len(positions) != len(scores):
            raise ValueError(
                f"expected positions and scores of the same images, got {len(positions)} and {len(scores)}"
            )
        return cls(pad_sequence(list(positions), batch_first=True), pad_sequence(list(scores), batch_first=True))


@dataclass(frozen=True, eq=False)
class DistillationLoss:
    """The loss, and of how many images it speaks.

    Attributes:
        loss: a number with gradient; 0 where no image had votes of both networks.
        kd_images: images that had.
        per_image: (B,), summed over key points, without gradient; NaN of images that were skipped.
    """

    loss: Tensor
    kd_images: int
    per_image: Tensor


def keypoint_distillation_loss(
    student: Votes,
    teacher: Votes,
    config: DistillationConfig | None = None,
    *,
    image_size: tuple[float, float] | None = None,
    crop_side: Tensor | None = None,
    diameter: Tensor | None = None,
) -> DistillationLoss:
    """Return ``L_kd``: the divergences of the votes for each key point, summed over key points, averaged over images.

    Each key point is a transport problem of its own in two dimensions, with the cells' scores as masses; the problems of one image
    share the schedule, as in the released code. An image without votes of the student or of the teacher is skipped and not
    counted. Guo et al., CVPR 2023, section 3.2.

    Args:
        student, teacher: votes on the same images and key points; the number of cells may differ. The student's are its positive
            cells, the teacher's those that it would solve a pose from.
        config: the published setting by default.
        image_size: width and height of the original image, pixels, for ``normalise="image"``.
        crop_side: (B,), side of the crop in pixels of the original image, for ``"crop"``.
        diameter: (B,), of the object in pixels, focal length times diameter over depth, for ``"diameter"``.

    Raises:
        ValueError: numbers of images or key points differ, or the size that ``normalise`` needs is missing.

    >>> corners = torch.linspace(0, 100, 16).view(1, 1, 8, 2)
    >>> teacher = Votes(corners.expand(1, 2, 8, 2), torch.full((1, 2), 0.5))
    >>> student = Votes(corners + torch.tensor([16.0, 0.0]), torch.full((1, 1), 0.99))
    >>> config = DistillationConfig(normalise="crop")
    >>> found = keypoint_distillation_loss(student, teacher, config, crop_side=torch.tensor([128.0]))
    >>> round(found.loss.item(), 3), round(8 * (16 / 128) ** 2 / 2, 3), found.kd_images
    (0.062, 0.062, 1)
    """
    config = config or DistillationConfig()
    _check_pair(student, teacher)
    unit = _unit(student, config.normalise, image_size, crop_side, diameter)
    x, y = student.positions / unit, teacher.positions.detach() / unit
    a, b = _masses(student.scores, config), _masses(teacher.scores.detach(), config)
    x, a = x.detach() if config.detach_positions else x, a.detach() if config.detach_scores else a
    kept = (a > 0).any(1) & (b > 0).any(1)
    per_image = torch.full_like(a[:, 0] if a.shape[1] else a.new_zeros(len(a)), torch.nan).detach()
    if not bool(kept.any()):
        return DistillationLoss(0 * (student.positions.sum() + student.scores.sum()), 0, per_image)
    x, a, y, b = x[kept], a[kept], y[kept], b[kept]
    keys = x.shape[2]
    whole = joint_diameter(x.flatten(1, 2), a.repeat_interleave(keys, 1), y.flatten(1, 2), b.repeat_interleave(keys, 1))
    values = sinkhorn_divergence(
        x.transpose(1, 2),
        a[:, None],
        y.transpose(1, 2),
        b[:, None],
        p=config.p,
        blur=config.blur,
        reach=config.reach,
        scaling=config.scaling,
        diameter=whole[:, None],
    ).sum(1)
    per_image[kept] = values.detach()
    return DistillationLoss(values.mean(), len(values), per_image)


def naive_distillation_loss(
    student: Votes,
    teacher: Votes,
    config: DistillationConfig | None = None,
    *,
    image_size: tuple[float, float] | None = None,
    crop_side: Tensor | None = None,
    diameter: Tensor | None = None,
) -> DistillationLoss:
    """Return the baseline: the mean p-norm between what the same cell of student and teacher votes for.

    Row n of both is the same cell. Cells whose score is 0 in the student's votes are left out. Arguments are those of
    :func:`keypoint_distillation_loss`; of ``config`` only ``p`` and ``normalise`` matter.

    >>> student = Votes(torch.zeros(1, 2, 8, 2), torch.tensor([[0.9, 0.0]]))
    >>> teacher = Votes(torch.full((1, 2, 8, 2), 64.0), torch.full((1, 2), 0.9))
    >>> naive_distillation_loss(student, teacher, image_size=(640, 640)).loss.item()  # sqrt(2) / 10
    0.1414...
    """
    config = config or DistillationConfig()
    _check_pair(student, teacher)
    if student.scores.shape != teacher.scores.shape:
        raise ValueError(
            f"student has {student.scores.shape[1]} cells and teacher {teacher.scores.shape[1]}; expected the same cells"
        )
    unit = _unit(student, config.normalise, image_size, crop_side, diameter)
    positive = student.scores.detach() > 0
    per_image = torch.full_like(student.scores.detach().sum(1), torch.nan)
    if not bool(positive.any()):
        return DistillationLoss(0 * student.positions.sum(), 0, per_image)
    difference = (student.positions / unit - teacher.positions.detach() / unit)[positive]
    distances = torch.linalg.vector_norm(difference, config.p, dim=-1).mean(-1)
    image = positive.nonzero()[:, 0]
    count = positive.sum(1)
    sums = torch.zeros_like(per_image).index_add_(0, image, distances.detach())
    per_image = torch.where(count > 0, sums / count.clamp(min=1), per_image)
    return DistillationLoss(distances.mean(), int((count > 0).sum()), per_image)


def _check_pair(student: Votes, teacher: Votes) -> None:
    for place, what in ((0, "images"), (2, "key points")):
        first, second = student.positions.shape[place], teacher.positions.shape[place]
        if first != second:
            raise ValueError(f"student votes for {first} {what} and teacher for {second}; expected the same")


def _masses(scores: Tensor, config: DistillationConfig) -> Tensor:
    present = scores > 0
    if config.uniform_masses:
        return present.to(scores.dtype) / present.sum(1, keepdim=True).clamp(min=1)
    return torch.where(present, scores.clamp(config.least_score, 1 - config.least_score), 0)


def _unit(
    votes: Votes,
    normalise: str,
    image_size: tuple[float, float] | None,
    crop_side: Tensor | None,
    diameter: Tensor | None,
) -> Tensor:
    """Return what positions are divided by, broadcast to (B, 1, 1, 2)."""
    name, given = {
        "image": ("image_size", image_size),
        "crop": ("crop_side", crop_side),
        "diameter": ("diameter", diameter),
    }[normalise]
    if given is None:
        raise ValueError(f"normalise={normalise!r} needs {name}")
    unit = torch.as_tensor(given, dtype=votes.positions.dtype, device=votes.positions.device)
    expected = (2,) if normalise == "image" else (len(votes.positions),)
    if unit.shape != expected or not bool((unit > 0).all() & unit.isfinite().all()):
        raise ValueError(f"{name} must be {expected} positive pixels, got {unit.tolist()!r:.60}")
    return unit.view(1, 1, 1, 2) if normalise == "image" else unit.view(-1, 1, 1, 1)
