"""DenseCL: learn features of places, not only of pictures, from two views of each picture.

Wang et al., "Dense Contrastive Learning for Self-Supervised Visual Pre-Training", CVPR 2021. Without its dense half it is MoCo-v2:
Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.models.freesolo.backbone import STAGES, ResNet


@dataclass(frozen=True)
class DenseCLConfig:
    """How two views are contrasted.

    Attributes:
        stage: of the ResNet whose features are contrasted; the published one is the last.
        hidden, projection: channels inside and at the end of both heads.
        queue: keys of earlier batches that serve as negatives, of each head.
        momentum: of the network that makes keys.
        temperature: of the cosine.
        dense: weight of the dense loss, lambda of equation 3; the global loss has 1 - dense. 0 is MoCo-v2.
        key_groups: parts of a batch, drawn anew each time, in which keys are made. Where a trunk normalises by its batch, a query
            would else know its own key by their common statistics; the published training shuffles batches among eight devices.

    Raises:
        ValueError: a field lies outside its range.
    """

    stage: str = "res5"
    hidden: int = 2048
    projection: int = 128
    queue: int = 65_536
    momentum: float = 0.999
    temperature: float = 0.2
    dense: float = 0.5
    key_groups: int = 8

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage must be one of {', '.join(STAGES)}, got {self.stage!r}")
        for name in ("hidden", "projection", "queue", "key_groups"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        for name in ("momentum", "dense"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 to 1, got {getattr(self, name)!r}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature!r}")


class ContrastEncoder(nn.Module):
    """A ResNet to one stage, and the two heads: of the mean over places, and of each place."""

    def __init__(self, trunk: ResNet, config: DenseCLConfig) -> None:
        super().__init__()
        self.trunk, self.stage = trunk, config.stage
        channels = trunk.channels[STAGES.index(config.stage)]
        self.global_head = nn.Sequential(
            nn.Linear(channels, config.hidden), nn.ReLU(), nn.Linear(config.hidden, config.projection)
        )
        self.dense_head = nn.Sequential(
            nn.Conv2d(channels, config.hidden, 1), nn.ReLU(), nn.Conv2d(config.hidden, config.projection, 1)
        )

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return unit features (B, channels, n) of the n places, unit global (B, size) and dense (B, size, n) projections."""
        features = self.trunk(views, last=self.stage)[self.stage]
        whole = self.global_head(features.mean((2, 3)))
        dense = self.dense_head(features).flatten(2)
        return tuple(functional.normalize(part, dim=1) for part in (features.flatten(2), whole, dense))


class DenseCL(nn.Module):
    """Two views of pictures (B, 3, H, W), normalised, to the losses ``global`` and ``dense`` and their weighted sum ``loss``.

    A forward pass in training mode moves the key network a little towards the query network and puts the batch's keys into the
    queues. Keys come without gradient.

    Args:
        trunk: the network that learns; it is trained in place.
        config: None for the published numbers.
    """

    def __init__(self, trunk: ResNet, config: DenseCLConfig | None = None) -> None:
        super().__init__()
        self.config = config or DenseCLConfig()
        self.query = ContrastEncoder(trunk, self.config)
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        for name in ("global_queue", "dense_queue"):
            start = functional.normalize(torch.randn(self.config.queue, self.config.projection), dim=1)
            self.register_buffer(name, start)
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def forward(self, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        if first.shape != second.shape or first.ndim != 4 or first.shape[1] != 3:
            raise ValueError(
                f"views must both be (batch, 3, height, width), got {tuple(first.shape)}, {tuple(second.shape)}"
            )
        features, whole, dense = self.query(first)
        with torch.no_grad():
            if self.training:
                self._follow()
            key_features, key_whole, key_dense = self._keys(second)
            matched = matching_places(features, key_features)
            positives = key_dense.gather(2, matched[:, None].expand(-1, key_dense.shape[1], -1))
        temperature = self.config.temperature
        losses = {
            "global": contrastive_loss(whole, key_whole, self.global_queue, temperature),
            "dense": contrastive_loss(
                dense.transpose(1, 2).flatten(0, 1),
                positives.transpose(1, 2).flatten(0, 1),
                self.dense_queue,
                temperature,
            ),
        }
        if self.training:
            self._remember(key_whole, functional.normalize(key_dense.mean(2), dim=1))
        weight = self.config.dense
        return {"loss": (1 - weight) * losses["global"] + weight * losses["dense"], **losses}

    def _keys(self, views: Tensor) -> tuple[Tensor, ...]:
        order = torch.randperm(len(views), device=views.device)
        parts = [self.key(views[some]) for some in order.tensor_split(min(self.config.key_groups, len(views)))]
        back = order.argsort()
        return tuple(torch.cat(part)[back] for part in zip(*parts, strict=True))

    @torch.no_grad()
    def _follow(self) -> None:
        for mine, theirs in zip(self.key.parameters(), self.query.parameters(), strict=True):
            mine.lerp_(theirs, 1 - self.config.momentum)

    @torch.no_grad()
    def _remember(self, whole: Tensor, dense: Tensor) -> None:
        """Put the keys of a batch over the oldest of the queues; of a batch larger than a queue its last ones stay."""
        size = self.config.queue
        places = (self.place + torch.arange(len(whole), device=whole.device))[-size:] % size
        # New tensors, not written in place: the loss of this batch still needs the old ones for its gradient.
        self.global_queue = self.global_queue.index_copy(0, places, whole[-size:])
        self.dense_queue = self.dense_queue.index_copy(0, places, dense[-size:])
        self.place = (self.place + len(whole)) % size


def matching_places(features: Tensor, others: Tensor) -> Tensor:
    """Return for each place of ``features`` (B, C, n) the place of ``others`` (B, C, m) of greatest product, (B, n).

    Section 3.3 of the paper: features of the trunk decide, not those of the head that is trained by them.

    >>> matching_places(torch.eye(2)[None], torch.tensor([[[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]]]))
    tensor([[1, 0]])
    """
    return torch.einsum("bcn,bcm->bnm", features, others).argmax(2)


def contrastive_loss(queries: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Return the mean of -log softmax of the positive among positive and negatives, a scalar.

    Equation 1 (and 2) of the paper: ``-log(exp(q k / t) / (exp(q k / t) + sum over negatives of exp(q k' / t)))``.

    Args:
        queries, positives: unit vectors (n, size).
        negatives: unit vectors (m, size), of all queries.
        temperature: t.

    >>> unit = torch.eye(3)
    >>> round(contrastive_loss(unit[:1], unit[:1], unit[1:], 1.0).item(), 4)  # log(1 + 2 / e)
    0.5514
    """
    agreement = (queries * positives).sum(1, keepdim=True)
    logits = torch.cat([agreement, queries @ negatives.T], 1) / temperature
    return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
