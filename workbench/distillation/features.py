"""Distillation of features, masked by attention: the baseline that transport of predictions is compared and combined with.

Zhang, Ma, "Improve Object Detection with Feature-based Knowledge Distillation: Towards Accurate and Efficient Detectors",
ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def attention_masks(features: Tensor, temperature: float = 0.5) -> tuple[Tensor, Tensor]:
    """Return where and in which channels features (B, C, H, W) are active: masks (B, 1, H, W) and (B, C, 1, 1) of mean 1.

    ``H W softmax(mean over channels of |F| / T)`` over places, and ``C softmax(mean over places of |F| / T)`` over channels.

    >>> places, channels = attention_masks(torch.ones(1, 4, 2, 2))
    >>> places.flatten().tolist(), channels.flatten().tolist()
    ([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0])
    """
    batch, channels, height, width = features.shape
    strength = features.abs()
    places = torch.softmax(strength.mean(1).flatten(1) / temperature, 1) * (height * width)
    kinds = torch.softmax(strength.mean((2, 3)) / temperature, 1) * channels
    return places.view(batch, 1, height, width), kinds.view(batch, channels, 1, 1)


class NonLocal(nn.Module):
    """Relations between all places of a map: ``F + W (1 / N sum_j theta(F_i)^T phi(F_j) g(F_j))``, as Zhang and Ma compare them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = max(channels // 2, 1)
        self.theta, self.phi, self.value = (nn.Conv2d(channels, inside, 1) for _ in range(3))
        self.out = nn.Conv2d(inside, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        theta, phi, value = (part(features).flatten(2) for part in (self.theta, self.phi, self.value))
        gathered = (value @ phi.transpose(1, 2)) @ theta / theta.shape[-1]
        return features + self.out(gathered.view(len(features), -1, *features.shape[2:]))


class FeatureDistillation(nn.Module):
    """The masked distance between the feature pyramids of a student and a frozen teacher.

    A 1x1 adapter for each level brings the student's map to the teacher's channels. Masks of both maps are averaged, and of each
    level counts ``sqrt(sum M_places M_channels (A(F_s) - F_t)^2)``, the sum over the batch.

    Args:
        student, teacher: channels of each level.
        temperature: of the masks.
        relation: add ``|R_s(A(F_s)) - R_t(F_t)|`` of a non-local block for each, trained along.

    Raises:
        ValueError: the networks have different numbers of levels.
    """

    def __init__(
        self, student: Sequence[int], teacher: Sequence[int], *, temperature: float = 0.5, relation: bool = False
    ) -> None:
        super().__init__()
        if not student or len(student) != len(teacher):
            raise ValueError(f"student has {len(student)} levels and teacher {len(teacher)}; expected the same")
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature!r}")
        self.temperature = temperature
        self.adapters = nn.ModuleList(nn.Conv2d(few, many, 1) for few, many in zip(student, teacher, strict=True))
        blocks = ([NonLocal(many) for many in teacher] for _ in range(2))
        self.relations = nn.ModuleList(map(nn.ModuleList, blocks)) if relation else None

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Return the loss from maps (B, C, H, W) of each level; the teacher's get no gradient.

        Raises:
            ValueError: levels are missing, or the maps of a level are of different sizes.
        """
        if not len(student) == len(teacher) == len(self.adapters):
            raise ValueError(f"expected {len(self.adapters)} levels, got {len(student)} and {len(teacher)}")
        total = student[0].new_zeros(())
        for level, (own, target) in enumerate(zip(student, teacher, strict=True)):
            target = target.detach()
            adapted = self.adapters[level](own)
            if adapted.shape != target.shape:
                raise ValueError(
                    f"level {level}: the student's adapted map is {tuple(adapted.shape)} and the teacher's {tuple(target.shape)}"
                )
            total = total + masked_distance(adapted, target, self.temperature)
            if self.relations is not None:
                mine, theirs = (blocks[level] for blocks in self.relations)
                total = total + _distance(mine(adapted) - theirs(target))
        return total


def masked_distance(student: Tensor, teacher: Tensor, temperature: float = 0.5) -> Tensor:
    """Return ``sqrt(sum M (F_s - F_t)^2)`` of maps (B, C, H, W), with M the product of both kinds of masks, no gradient to M.

    >>> masked_distance(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0)).item()  # masks of constant maps are 1
    4.0
    """
    with torch.no_grad():
        masks = [attention_masks(features, temperature) for features in (student, teacher)]
        places, channels = ((first + second) / 2 for first, second in zip(*masks, strict=True))
    return _distance((student - teacher) * (places * channels).sqrt())


def _distance(difference: Tensor) -> Tensor:
    return (difference.square().sum() + torch.finfo(difference.dtype).tiny).sqrt()
