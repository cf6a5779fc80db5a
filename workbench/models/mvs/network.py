"""NP-CVP-MVSNet: depth from several views, keeping several depths of each pixel from level to level.

Yang, Alvarez, Liu, "Non-parametric Depth Distribution Modelling based Depth Inference for Multi-view Stereo", CVPR 2022.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.geometry.homography import plane_sweep_warp, relative_projection, scale_intrinsics
from workbench.models.mvs.checks import check_inputs
from workbench.models.mvs.dense import CoarseRegulariser, FeaturePyramid, VisibilityNet
from workbench.models.mvs.hypotheses import (
    SELECTIONS,
    Hypotheses,
    expectation_window,
    expected_depth,
    mode_depth,
    subdivide,
    uniform_planes,
)
from workbench.models.mvs.sparse import SparseRegulariser

COORDINATES = ("cells", "ranks")
ESTIMATES = ("expectation", "mode")
_LEAST_WEIGHT = 1e-5


@dataclass(frozen=True)
class MvsConfig:
    """Sizes of the network; tuples are by level, finest first.

    Attributes:
        channels: of the features.
        groups: of the correlation; each divides its channels, and the coarsest is even.
        hypotheses: depths of each pixel; even, and at the coarsest level a multiple of 8.
        selection: what a level hands on: ``"top_k"`` cells (the paper), or the ``"window"`` around the expected depth (unimodal).
        coordinates: of the sites of the sparse nets: the true ``"cells"`` (the paper), or the ``"ranks"`` of the hypotheses, as a
            dense net over the list of hypotheses has them.
        visibility_threshold: below which a source view does not count at a pixel.

    Raises:
        ValueError: lengths that differ, or numbers that do not fit.
    """

    channels: tuple[int, ...] = (8, 16, 32, 64)
    groups: tuple[int, ...] = (2, 4, 4, 8)
    hypotheses: tuple[int, ...] = (8, 16, 32, 48)
    selection: str = "top_k"
    coordinates: str = "cells"
    visibility_threshold: float = 0.05

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.groups) == len(self.hypotheses) >= 2:
            raise ValueError(
                f"channels, groups and hypotheses must be of the same levels, at least 2; got {len(self.channels)}, "
                f"{len(self.groups)} and {len(self.hypotheses)}"
            )
        for channels, groups in zip(self.channels, self.groups, strict=True):
            if groups < 1 or channels % groups:
                raise ValueError(f"groups must divide channels, got {groups} for {channels}")
        if self.groups[-1] % 2:
            raise ValueError(f"groups of the coarsest level must be even, got {self.groups[-1]}")
        if self.hypotheses[-1] % 8 or self.hypotheses[-1] < 8:
            raise ValueError(
                f"hypotheses of the coarsest level, its planes, must be a multiple of 8, got {self.hypotheses[-1]}"
            )
        for level, (own, above) in enumerate(zip(self.hypotheses[:-1], self.hypotheses[1:], strict=True)):
            if own % 2 or not 2 <= own <= 2 * above:
                raise ValueError(
                    f"hypotheses of level {level} must be even and at most twice the {above} of the level above, of whose cells "
                    f"half as many are kept; got {own}"
                )
        for name, value, choices in (
            ("selection", self.selection, SELECTIONS),
            ("coordinates", self.coordinates, COORDINATES),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")

    @property
    def multiple(self) -> int:
        """What height and width of images must be multiples of: the coarsest U-Net halves three times."""
        return 8 * 2 ** (len(self.channels) - 1)


@dataclass(frozen=True, eq=False)
class LevelOutput:
    """What one level says.

    Attributes:
        level: 0 for full resolution.
        hypotheses: the depths that were looked at.
        logits: (B, D, h, w); their softmax over D is the distribution.
    """

    level: int
    hypotheses: Hypotheses
    logits: Tensor

    @property
    def probability(self) -> Tensor:
        """The distribution over the hypotheses, (B, D, h, w)."""
        return self.logits.float().softmax(1)

    def depth(self, estimate: str = "expectation") -> Tensor:
        """Return one depth for each pixel, (B, h, w): the mean, or the mean around the mode (``"mode"``)."""
        if estimate not in ESTIMATES:
            raise ValueError(f"estimate must be one of {', '.join(ESTIMATES)}, got {estimate!r}")
        return (expected_depth if estimate == "expectation" else mode_depth)(self.hypotheses, self.probability)


@dataclass(frozen=True, eq=False)
class DepthPrediction:
    """Depth of the reference view.

    Attributes:
        depth: (B, h, w) of the finest level that was run, in the unit of the cameras' translations.
        confidence: (B, h, w) in 0 to 1, the probability of four neighbouring planes of the coarsest level; 0 where no source sees.
        levels: coarsest first.
    """

    depth: Tensor
    confidence: Tensor
    levels: tuple[LevelOutput, ...]


class NpCvpMvsNet(nn.Module):
    """The network; see :meth:`forward`.

    Args:
        config: sizes.
        legacy_grid: sample source features as the released code does, for its checkpoints; can be set later.
    """

    def __init__(self, config: MvsConfig | None = None, *, legacy_grid: bool = False) -> None:
        super().__init__()
        self.config = config = config or MvsConfig()
        self.legacy_grid = legacy_grid
        self.feature_extractor = FeaturePyramid(config.channels)
        self.cost_reg_net_init = CoarseRegulariser(config.groups[-1])
        for level in range(len(config.channels) - 2, -1, -1):
            self.add_module(f"cost_reg_net_refine_{level}", SparseRegulariser(config.groups[level]))
        self.va_net_init = VisibilityNet(config.groups[-1], config.visibility_threshold)

    def forward(
        self,
        images: Tensor,
        intrinsics: Tensor,
        cam_from_world: Tensor,
        depth_min: Tensor,
        depth_max: Tensor,
        *,
        finest: int = 0,
    ) -> DepthPrediction:
        """Return the depth of the first view.

        Args:
            images: (B, V, 3, H, W) in 0 to 1, the reference first; H and W multiples of ``config.multiple``.
            intrinsics: (B, V, 3, 3), a pixel's centre being at whole coordinates.
            cam_from_world: (B, V, 4, 4).
            depth_min, depth_max: (B,), the range that is searched.
            finest: level to stop after, 0 for full resolution; training begins with the coarse ones alone.

        Raises:
            ValueError: shapes that do not fit, no source view, a camera that cannot be one (the view is named), or a range that is
                not 0 < min < max.
        """
        check_inputs(images, intrinsics, cam_from_world, depth_min, depth_max, self.config.multiple)
        top = len(self.config.channels) - 1
        if not 0 <= finest <= top:
            raise ValueError(f"finest must lie in 0 to {top}, got {finest}")
        batch, views = images.shape[:2]
        features = [one.unflatten(0, (batch, views)) for one in self.feature_extractor(images.flatten(0, 1))]
        hypotheses = uniform_planes(
            depth_min.float(), depth_max.float(), self.config.hypotheses[top], *features[top].shape[-2:]
        )
        transforms = level_transforms(intrinsics, cam_from_world, top)
        cost, visibility = self._coarse_cost(features[top], transforms, hypotheses)
        levels = [LevelOutput(top, hypotheses, self.cost_reg_net_init(cost))]
        confidence = photometric_confidence(levels[0].probability) * (visibility.sum(1) > 0)
        for level in range(top - 1, finest - 1, -1):
            hypotheses = self._selected(levels[-1])
            visibility = _enlarged(visibility, 2)
            transforms = level_transforms(intrinsics, cam_from_world, level)
            cost = self._fine_cost(features[level], transforms, hypotheses, visibility, self.config.groups[level])
            cells = hypotheses.cells if self.config.coordinates == "cells" else ranks(hypotheses.cells)
            logits = self.get_submodule(f"cost_reg_net_refine_{level}")(cost, cells)
            levels.append(LevelOutput(level, hypotheses, logits))
        confidence = _enlarged(confidence[:, None], 2 ** (top - finest))[:, 0]
        return DepthPrediction(levels[-1].depth(), confidence, tuple(levels))

    def _selected(self, above: LevelOutput) -> Hypotheses:
        count = self.config.hypotheses[above.level - 1]
        probability = above.probability.detach()
        if self.config.selection == "top_k":
            return subdivide(above.hypotheses, probability, count // 2)
        return expectation_window(above.hypotheses, probability, count)

    def _correlation(self, features: Tensor, source: int, transforms: Tensor, depths: Tensor, groups: int) -> Tensor:
        """Return S (B, groups, D, h, w) of one source view: means of products of features over the channels of a group."""
        warped, _ = plane_sweep_warp(
            features[:, 1 + source], transforms[:, source], depths, legacy_grid=self.legacy_grid
        )
        return (features[:, 0, :, None] * warped).unflatten(1, (groups, -1)).mean(2)

    def _coarse_cost(self, features: Tensor, transforms: Tensor, hypotheses: Hypotheses) -> tuple[Tensor, Tensor]:
        """Return the fused cost (B, G, D, h, w) and the visibility (B, S, h, w); the views are folded into one batch."""
        batch, sources = transforms.shape[:2]
        depths, groups = hypotheses.depths, self.config.groups[-1]
        costs = torch.stack(
            [self._correlation(features, source, transforms, depths, groups) for source in range(sources)], 1
        )
        visibility = self.va_net_init(costs.flatten(0, 1)).unflatten(0, (batch, sources))
        weights = visibility[:, :, None, None]
        return (weights * costs).sum(1) / (weights.sum(1) + _LEAST_WEIGHT), visibility

    def _fine_cost(
        self, features: Tensor, transforms: Tensor, hypotheses: Hypotheses, visibility: Tensor, groups: int
    ) -> Tensor:
        """Return the fused cost (B, G, D, h, w), view after view, so that one warped volume is held at a time."""
        depths, total = hypotheses.depths, None
        for source in range(transforms.shape[1]):
            weight = visibility[:, source, None, None]
            cost = weight * self._correlation(features, source, transforms, depths, groups)
            total = cost if total is None else total + cost
        return total / (visibility.sum(1)[:, None, None] + _LEAST_WEIGHT)


def level_transforms(intrinsics: Tensor, cam_from_world: Tensor, level: int) -> Tensor:
    """Return the matrices (B, V - 1, 4, 4) from pixels of the reference to those of each source view at a level."""
    scaled = scale_intrinsics(intrinsics.double(), 0.5**level)
    reference = scaled[:, :1].expand_as(scaled[:, 1:]), cam_from_world[:, :1].expand_as(cam_from_world[:, 1:])
    return relative_projection(*reference, scaled[:, 1:], cam_from_world[:, 1:])


def photometric_confidence(probability: Tensor) -> Tensor:
    """Return the greatest sum of four neighbouring probabilities, p[i-1] to p[i+2] with zeros outside: (B, D, h, w) to (B, h, w).

    MVSNet takes the sum at the expected depth instead.

    >>> photometric_confidence(torch.tensor([0.1, 0.2, 0.2, 0.2, 0.0, 0.3]).reshape(1, 6, 1, 1)).item()
    0.7...
    """
    padded = functional.pad(probability, (0, 0, 0, 0, 1, 2))
    count = probability.shape[1]
    return sum(padded[:, shift : shift + count] for shift in range(4)).amax(1)


def ranks(cells: Tensor) -> Tensor:
    """Return 0 to D - 1 in the place of the cells (B, D, h, w): what is left of depth when the list is taken for a grid."""
    return torch.arange(cells.shape[1], device=cells.device)[None, :, None, None].expand_as(cells)


def _enlarged(values: Tensor, factor: int) -> Tensor:
    return functional.interpolate(values, scale_factor=factor, mode="bilinear", align_corners=False)


def np_cvp_mvsnet(levels: int = 4, **overrides: object) -> NpCvpMvsNet:
    """Return the published network: 931,407 numbers with 4 levels, 597,355 with 3; ``overrides`` of :class:`MvsConfig`.

    Raises:
        ValueError: another number of levels; give :class:`NpCvpMvsNet` a configuration of its own for that.
    """
    published = {4: MvsConfig(), 3: MvsConfig((8, 16, 32), (2, 4, 8), (8, 16, 48))}
    if levels not in published:
        raise ValueError(f"levels must be 3 or 4, as published, got {levels!r}")
    return NpCvpMvsNet(replace(published[levels], **overrides))


def np_cvp_mvsnet_small(**overrides: object) -> NpCvpMvsNet:
    """Return the network of 3 levels for images of some 200 pixels across: 24, 12 and 6 hypotheses; ``overrides`` likewise.

    At that size the whole range is some 40 pixels of disparity; 24 planes, halved twice, are steps of 0.4 pixels.
    """
    return NpCvpMvsNet(replace(MvsConfig((8, 16, 32), (2, 4, 8), (6, 12, 24)), **overrides))
