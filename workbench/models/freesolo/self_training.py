"""Self-training: coarse masks teach the network, and the network's own masks teach the next one.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from workbench.models.freesolo.free_mask import FreeMasks
from workbench.models.freesolo.inference import SELF_TRAINING, InferenceConfig, Instances, instances, normalised
from workbench.models.freesolo.network import FreeSolo, SoloOutput, dynamic_masks
from workbench.models.freesolo.objective import LossWeights, colour_pairs, solo_loss
from workbench.models.freesolo.targets import CoarseMasks, level_targets
from workbench.models.freesolo.views import paste_objects, strong_view

LEAST_SHARE, MOST_SHARE = 0.005, 0.95
"""Of the image, that the masks of a sound network cover in the mean."""
_LOOK_EVERY = 10
_LOOKS = 5
"""Looks, one after the other, that must all find masks collapsed."""


class CollapsedError(RuntimeError):
    """The network says nothing, or everything, of every mask; the message says what to change."""


@dataclass(frozen=True)
class SelfTrainingConfig:
    """How a round teaches.

    Attributes:
        weights: of the terms of the loss.
        ramp: steps over which the pairwise term comes in; too few collapse masks.
        strong: whether each image is also shown in a strong view, which doubles the batch.
        paste: whether objects of another image are pasted on the strong view.
        flip: whether images are mirrored at random.
        grace: steps before collapse is looked for.
        corner_boxes: take the boxes of weak views as the published code does, :meth:`CoarseMasks.with_corner_boxes`, which moves
            objects to coarser levels and shifts centre regions. For comparison only.

    Raises:
        ValueError: a number of steps below 0, or objects pasted without a strong view.
    """

    weights: LossWeights = field(default_factory=LossWeights)
    ramp: int = 1000
    strong: bool = True
    paste: bool = True
    flip: bool = True
    grace: int = 1000
    corner_boxes: bool = False

    def __post_init__(self) -> None:
        for name in ("ramp", "grace"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0 steps, got {getattr(self, name)!r}")
        if self.paste and not self.strong:
            raise ValueError("paste needs strong views, on which objects are pasted; got strong False")


class TaughtImages(Dataset):
    """Images and the masks that teach them, as :func:`workbench.training.fit` takes them, with :func:`together`.

    Args:
        images: uint8 (N, 3, height, width).
        taught: masks of each, at its size.

    Raises:
        ValueError: shapes or numbers do not fit.
    """

    def __init__(self, images: Tensor, taught: Sequence[CoarseMasks]) -> None:
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
            raise ValueError(f"images must be uint8 (N, 3, height, width), got {images.dtype} {tuple(images.shape)}")
        if len(taught) != len(images):
            raise ValueError(f"taught must have the masks of each of {len(images)} images, got {len(taught)}")
        self.images, self.taught = images, taught

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, CoarseMasks]:
        return self.images[index].float() / 255, self.taught[index]


def together(samples: Sequence[tuple[Tensor, CoarseMasks]]) -> tuple[Tensor, list[CoarseMasks]]:
    """Make a batch of samples of :class:`TaughtImages`."""
    images, taught = zip(*samples, strict=True)
    return torch.stack(images), list(taught)


class SelfTraining(nn.Module):
    """A network and how it is taught: images (B, 3, H, W) in 0 to 1 and their masks, to its loss and the terms of it.

    In training mode it counts steps, which the ramp of the pairwise term needs and which a checkpoint keeps, draws views, and looks
    after collapse; in evaluation mode it does none of that.

    Args:
        solo: the network, trained in place.
        config: None for the published recipe.

    Raises:
        CollapsedError: masks cover less than 0.5 %, or more than 95 %, of the image in the mean, many times one after the other.
    """

    def __init__(self, solo: FreeSolo, config: SelfTrainingConfig | None = None) -> None:
        super().__init__()
        self.solo, self.config = solo, config or SelfTrainingConfig()
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self._collapsed: list[float] = []

    def forward(self, images: Tensor, taught: Sequence[CoarseMasks]) -> dict[str, Tensor]:
        config, ramp = self.config, 1.0
        if self.training:
            self.step += 1
            ramp = min(1.0, int(self.step) / max(1, config.ramp))
            images, taught = training_views(images, taught, config)
        output = self.solo(normalised(images))
        stride = self.solo.mask_stride
        terms = solo_loss(output, taught, colour_pairs(images, stride), self.solo.config, stride, config.weights, ramp)
        if self.training and int(self.step) % _LOOK_EVERY == 0:
            self._look(output, taught)
        return {"loss": sum(terms.values()), **terms}

    def _look(self, output: SoloOutput, taught: Sequence[CoarseMasks]) -> None:
        share = mask_share(output, taught, self.solo)
        if int(self.step) < self.config.grace or share is None or LEAST_SHARE <= share <= MOST_SHARE:
            self._collapsed = []
            return
        self._collapsed.append(share)
        if len(self._collapsed) >= _LOOKS:
            raise CollapsedError(
                f"masks have collapsed: at step {int(self.step)} they cover {100 * share:.2f} % of the image in the mean; sound "
                f"ones cover {100 * LEAST_SHARE:g} to {100 * MOST_SHARE:g} %. Masks of one value everywhere satisfy every pair of "
                "like colour: lower weights.pairwise or the learning rate, or raise ramp"
            )


def training_views(
    images: Tensor, taught: Sequence[CoarseMasks], config: SelfTrainingConfig
) -> tuple[Tensor, list[CoarseMasks]]:
    """Return the batch as it teaches: mirrored at random, and the strong views behind it.

    Args:
        images: (B, 3, height, width) in 0 to 1.
        taught: masks of each.
        config: which views.
    """
    taught = [one.with_corner_boxes() for one in taught] if config.corner_boxes else list(taught)
    if config.flip:
        mirrored = torch.rand(len(images)) < 0.5
        images = torch.where(mirrored[:, None, None, None].to(images.device), images.flip(3), images)
        taught = [one.mirrored() if turn else one for one, turn in zip(taught, mirrored.tolist(), strict=True)]
    if not config.strong:
        return images, taught
    stronger, harder = paste_objects(images, taught) if config.paste else (images, taught)
    view = strong_view(images.shape[-1])
    return torch.cat([images, torch.stack([view(one) for one in stronger])]), [*taught, *harder]


@torch.no_grad()
def mask_share(output: SoloOutput, taught: Sequence[CoarseMasks], solo: FreeSolo) -> float | None:
    """Return the mean share of the image that the masks of positive cells cover, in 0 to 1; None where no cell is positive."""
    covered = []
    for level, kernels in enumerate(output.kernels):
        for image, one in enumerate(taught):
            cells = level_targets(one.masks, solo.config, level, solo.mask_stride, one.boxes).cells
            if len(cells):
                logits = dynamic_masks(kernels[image].flatten(1).T[cells], output.mask_features[image])
                covered.append((logits > 0).float().mean((1, 2)))
    return float(torch.cat(covered).mean()) if covered else None


def taught_by_free_masks(masks: FreeMasks) -> CoarseMasks:
    """Return what free masks of an image teach in the first round."""
    return CoarseMasks(masks.masks, masks.embeddings)


@torch.no_grad()
def found_in(
    solo: FreeSolo, images: Tensor, config: InferenceConfig | None = None, batch_size: int = 32
) -> list[Instances]:
    """Return the objects of each image of uint8 (N, 3, height, width), whose sides are multiples of ``solo.divisor``."""
    found = []
    for batch in images.split(batch_size):
        output = solo(normalised(batch.float() / 255))
        size = tuple(images.shape[2:])
        found += [instances(output, index, size, solo.strides, config) for index in range(len(batch))]
    return found


def taught_by_network(
    solo: FreeSolo,
    images: Tensor,
    config: InferenceConfig = SELF_TRAINING,
    width_share: float = 0.95,
    width_slip: bool = False,
) -> list[CoarseMasks]:
    """Return what a network's own masks of images teach in the next round.

    Args:
        solo: the network of the round before.
        images: uint8 (N, 3, height, width).
        config: which of its masks; the published one keeps scores from 0.3 on, at most 20.
        width_share: masks at least this share of the image wide are dropped.
        width_slip: take the width less the left edge for the width, as the published code does, which lets wide masks that do not
            begin at the left border pass. For comparison only.
    """
    taught = []
    for one in found_in(solo, images, config):
        widths = one.boxes[:, 2] - one.boxes[:, 0]
        narrow = (widths - one.boxes[:, 0] if width_slip else widths) < width_share * images.shape[3]
        taught.append(CoarseMasks(one.masks[narrow], one.embeddings[narrow]))
    return taught
