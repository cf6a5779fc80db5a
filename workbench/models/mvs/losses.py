"""The losses of NP-CVP-MVSNet, and that of the unimodal recipe for comparison.

Yang, Alvarez, Liu, CVPR 2022, section 3.5.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workbench.models.mvs.ground_truth import (
    VOTES,
    high_frequency,
    kept_of_coarse,
    patch_depths,
    patch_distribution,
    smooth_surroundings,
    valid_patches,
)
from workbench.models.mvs.hypotheses import Hypotheses
from workbench.models.mvs.network import DepthPrediction, LevelOutput

DISTRIBUTION_LOSSES = ("bce", "kl")
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class LossConfig:
    """What is taught; the defaults are the paper's.

    Attributes:
        distribution: ``"bce"`` or ``"kl"``.
        vote: of the true distribution, ``"soft"`` or ``"hard"``.
        finest: ``"depth"``: smooth L1 on the depth of level 0; ``"distribution"``: as the levels above.
        finest_weight: of that smooth L1.
        finest_unit: what its error is measured in: ``"depth"`` (mm on DTU), or ``"interval"`` of level 0, on pixels alone whose
            true depth a hypothesis covers. The latter is what trains from nothing on few images: in mm it rules the shared
            features.
        edges: weigh the pixels of high frequency by the share of the others.
        level_distributions: False for the unimodal recipe: smooth L1 on every level's expected depth, in its intervals.

    Raises:
        ValueError: a choice that is none, or a weight below 0.
    """

    distribution: str = "bce"
    vote: str = "soft"
    finest: str = "depth"
    finest_weight: float = 0.1
    finest_unit: str = "depth"
    edges: bool = True
    level_distributions: bool = True

    def __post_init__(self) -> None:
        for name, choices in (
            ("distribution", DISTRIBUTION_LOSSES),
            ("vote", VOTES),
            ("finest", ("depth", "distribution")),
            ("finest_unit", ("depth", "interval")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if not self.finest_weight >= 0:
            raise ValueError(f"finest_weight must be at least 0, got {self.finest_weight!r}")


def distribution_loss(logits: Tensor, target: Tensor, known: Tensor, kind: str = "bce") -> Tensor:
    """Return how far the softmax of ``logits`` is from the true distribution, a scalar.

    ``bce``: the binary cross-entropy of each entry, times the number of positive entries (g > 0) of its pixel, times a balance
    of the classes (the share of entries that are not positive for positive ones, and the other way round), averaged over all
    entries. ``kl``: ``sum_i g_i (log g_i - log p_i)``, averaged over the pixels.

    Args:
        logits: (B, D, h, w).
        target: (B, D, h, w) of :func:`patch_distribution`.
        known: boolean (B, h, w), the pixels that count. Without any the loss is 0, with a gradient of 0, and a warning is given.
        kind: of ``DISTRIBUTION_LOSSES``.

    >>> target = torch.tensor([0.5, 0.5, 0.0, 0.0]).reshape(1, 4, 1, 1)
    >>> known = torch.ones(1, 1, 1, dtype=torch.bool)
    >>> distribution_loss(torch.tensor([0.0, 0.0, -30.0, -30.0]).reshape(1, 4, 1, 1), target, known, "kl").item()
    0.0
    """
    if kind not in DISTRIBUTION_LOSSES:
        raise ValueError(f"kind must be one of {', '.join(DISTRIBUTION_LOSSES)}, got {kind!r}")
    if not bool(known.any()):
        return _nothing_known(logits)
    log_p = logits.float().log_softmax(1).movedim(1, -1)[known]
    g = target.movedim(1, -1)[known].to(log_p)
    if kind == "kl":
        return (torch.xlogy(g, g) - g * log_p).sum(-1).mean()
    # The logarithm of p is exact; only that of 1 - p can be 0.
    log_rest = torch.log1p(-log_p.exp().clamp(max=1 - _LEAST_PROBABILITY))
    entropy = -(g * log_p.clamp(min=-1e4) + (1 - g) * log_rest)
    positive = g > 0
    share = positive.to(g).mean()
    weight = torch.where(positive, 1 - share, share) * positive.sum(-1, keepdim=True)
    return (weight * entropy).mean()


def depth_loss(
    depth: Tensor,
    truth: Tensor,
    depth_min: Tensor,
    depth_max: Tensor,
    *,
    keep: Tensor | None = None,
    unit: Tensor | None = None,
    edges: bool = True,
) -> Tensor:
    """Return the mean smooth L1 (beta 1) of full-resolution depth, weighted so that rare detail counts as much as the rest.

    Over pixels whose 5 x 5 neighbourhood lies above ``depth_min``. With f the share of high-frequency ones among these, such a
    pixel weighs 1 - f and another f. Without any pixel the loss is 0, and a warning is given.

    Args:
        depth, truth: (B, H, W).
        depth_min, depth_max: (B,).
        keep: boolean (B, H, W), the pixels that may count; all by default.
        unit: (B,) what an error of 1 is; 1 of the depth's unit by default.
        edges: False to weigh all pixels by 1.
    """
    valid = smooth_surroundings(truth, depth_min)
    if keep is not None:
        valid = valid & keep
    if not bool(valid.any()):
        return _nothing_known(depth)
    scale = 1.0 if unit is None else unit[:, None, None]
    known = torch.where(valid, truth, depth.detach().to(truth))
    error = functional.smooth_l1_loss(depth / scale, known / scale, reduction="none")[valid]
    if not edges:
        return error.mean()
    detail = high_frequency(torch.where(torch.isfinite(truth), truth, 0.0), depth_min, depth_max)[valid]
    share = detail.to(error).mean()
    return (torch.where(detail, 1 - share, share) * error).mean()


def expectation_loss(level: LevelOutput, truth: Tensor, depth_min: Tensor, depth_max: Tensor) -> Tensor:
    """Return the mean smooth L1 of a level's expected depth, in its intervals, against the true depth at each pixel's centre.

    What unimodal coarse-to-fine networks are taught. Pixel i of a level is centred on pixel ``i 2^level`` of the image.
    """
    factor = 2**level.level
    centre = truth[:, ::factor, ::factor]
    valid = valid_patches(centre[:, None], depth_min, depth_max)
    depth = level.depth()
    if not bool(valid.any()):
        return _nothing_known(depth)
    interval = level.hypotheses.interval[:, None, None]
    return functional.smooth_l1_loss((depth / interval)[valid], (centre / interval)[valid])


def mvs_loss(
    prediction: DepthPrediction,
    truth: Tensor,
    depth_min: Tensor,
    depth_max: Tensor,
    *,
    keep: Tensor | None = None,
    config: LossConfig | None = None,
) -> Tensor:
    """Return the mean of the losses of the levels that were run, a scalar.

    Args:
        prediction: of the network.
        truth: (B, H, W) true depth of the reference view at full resolution, 0 or not finite for none.
        depth_min, depth_max: (B,).
        keep: boolean (B, H, W) of pixels that may count, such as :func:`not_white` on DTU; a coarse pixel counts if all of its do.
        config: what is taught.
    """
    config = config or LossConfig()
    losses = []
    for level in prediction.levels:
        if not config.level_distributions:
            losses.append(expectation_loss(level, truth, depth_min, depth_max))
        elif level.level or config.finest == "distribution":
            target, known = patch_distribution(truth, level.hypotheses, depth_min, depth_max, config.vote)
            if keep is not None:
                known = known & kept_of_coarse(keep, 2**level.level)
            losses.append(distribution_loss(level.logits, target, known, config.distribution))
        else:
            losses.append(config.finest_weight * _finest(level, truth, depth_min, depth_max, keep, config))
    return sum(losses) / len(losses)


def _finest(
    level: LevelOutput, truth: Tensor, depth_min: Tensor, depth_max: Tensor, keep: Tensor | None, config: LossConfig
) -> Tensor:
    unit = None
    if config.finest_unit == "interval":
        unit, covered = level.hypotheses.interval, covers(level.hypotheses, truth)
        keep = covered if keep is None else keep & covered
    return depth_loss(level.depth(), truth, depth_min, depth_max, keep=keep, unit=unit, edges=config.edges)


def covers(hypotheses: Hypotheses, truth: Tensor, within: float = 0.5) -> Tensor:
    """Return where a full-resolution true depth (B, H, W) lies within so many intervals of a hypothesis of its coarse pixel."""
    factor = truth.shape[-1] // hypotheses.cells.shape[-1]
    depths, interval = hypotheses.depths, hypotheses.interval[:, None, None, None]
    patches = patch_depths(truth, factor)
    hit = torch.stack(
        [((depths - patches[:, j : j + 1]).abs() <= within * interval).any(1) for j in range(factor * factor)], -1
    )
    batch, height, width = hit.shape[:3]
    return hit.view(batch, height, width, factor, factor).permute(0, 1, 3, 2, 4).reshape(truth.shape)


def _nothing_known(values: Tensor) -> Tensor:
    warnings.warn("no pixel of the batch has a true depth that counts: its loss is 0", stacklevel=3)
    return (values * 0).sum()
