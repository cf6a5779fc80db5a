"""M2BEV: images of all cameras into one map seen from above, and from it boxes and the ground, by one network.

Xie et al., "M2BEV: Multi-Camera Joint 3D Detection and Segmentation with Unified Birds-Eye View Representation", 2022. Parts have
the names of the published family, so that its checkpoints load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from workbench.geometry.bev_grid import ANCHORS, BevGrid
from workbench.models.m2bev.anchors import AnchorConfig, make_anchors
from workbench.models.m2bev.bev_encoder import BevEncoder, VolumeEncoder
from workbench.models.m2bev.heads import AnchorHead, AnchorOutput, MapHead
from workbench.models.m2bev.image_boxes import RANGES, ImageBoxHead, ImageBoxOutput
from workbench.models.m2bev.image_encoder import STRIDES, DeformableResNet, FeaturePyramid, SmallResNet, fuse
from workbench.models.m2bev.projection import VoxelTable, project_features, voxel_table

TASKS = ("detection", "segmentation")
ENCODERS = ("s2c", "conv3d")


@dataclass(frozen=True)
class M2BevConfig:
    """Sizes of the network; the defaults are those published with ResNet-50.

    Attributes:
        grid: of voxels.
        anchor: point of a voxel that is projected, ``"centre"``, or ``"corner"`` as published.
        pyramid, fused: channels of the pyramid's levels, and of the map that they are fused to.
        fuse_kernel: side of the fusing convolution.
        encoder: ``"s2c"``, or ``"conv3d"`` for comparison.
        bev, bev_layers, bev_stride: channels, layers and stride of the encoder of the map.
        anchors: of the box head.
        classes, layers: of boxes, and of the ground.
        tasks: which of ``TASKS`` the network has a head for.
        auxiliary: whether there is a head for boxes in the images, for training.
        tower, tower_groups, ranges: channels and GroupNorm groups of its towers, and the range of each level.

    Raises:
        ValueError: a number below 1, or a word that is none of those above.
    """

    grid: BevGrid = field(default_factory=BevGrid)
    anchor: str = "centre"
    pyramid: int = 64
    fused: int = 64
    fuse_kernel: int = 3
    encoder: str = "s2c"
    bev: int = 256
    bev_layers: int = 6
    bev_stride: int = 2
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    classes: int = 10
    layers: int = 2
    tasks: tuple[str, ...] = TASKS
    auxiliary: bool = True
    tower: int = 32
    tower_groups: int = 32
    ranges: tuple[tuple[float, float], ...] = RANGES

    def __post_init__(self) -> None:
        for name in (
            "pyramid",
            "fused",
            "fuse_kernel",
            "bev",
            "bev_layers",
            "bev_stride",
            "classes",
            "layers",
            "tower",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        if self.anchor not in ANCHORS or self.encoder not in ENCODERS:
            raise ValueError(
                f"anchor must be one of {', '.join(ANCHORS)} and encoder of {', '.join(ENCODERS)}, got {self.anchor!r} and "
                f"{self.encoder!r}"
            )
        if not self.tasks or not set(self.tasks) <= set(TASKS):
            raise ValueError(f"tasks must be some of {', '.join(TASKS)}, got {self.tasks}")
        if len(self.ranges) != len(STRIDES):
            raise ValueError(f"ranges must be of {len(STRIDES)} levels, got {len(self.ranges)}")

    @property
    def map_grid(self) -> BevGrid:
        """The cells of the map that the heads see."""
        return self.grid.coarser(self.bev_stride)


@dataclass(frozen=True, eq=False)
class M2BevOutput:
    """What the network says of B samples.

    Attributes:
        boxes: of the box head; None without that task.
        ground: logits (B, layers, rows, columns): y along rows, x along columns; None without that task.
        image_boxes: of the auxiliary head, for all B * cameras images; None when it was not asked for.
        bev: features (B, channels, X, Y) that both heads read.
    """

    boxes: AnchorOutput | None
    ground: Tensor | None
    image_boxes: ImageBoxOutput | None
    bev: Tensor


class M2Bev(nn.Module):
    """Images (B, cameras, 3, H, W), normalised, and the table of each sample's calibration, to :class:`M2BevOutput`.

    Args:
        backbone: gives four levels at strides 4 to 32, of ``backbone.channels``.
        config: sizes.
    """

    stride = STRIDES[0]
    divisor = STRIDES[-1]

    def __init__(self, backbone: nn.Module, config: M2BevConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or M2BevConfig()
        self.backbone = backbone
        self.neck = FeaturePyramid(backbone.channels, config.pyramid)
        self.neck_fuse = nn.Conv2d(
            len(STRIDES) * config.pyramid, config.fused, config.fuse_kernel, padding=config.fuse_kernel // 2
        )
        height = config.grid.cells[2]
        if config.encoder == "s2c":
            self.neck_3d = BevEncoder(height, config.fused, config.bev, config.bev_layers, config.bev_stride)
        else:
            self.neck_3d = VolumeEncoder(height, config.fused, config.bev, config.bev_stride)
        if "segmentation" in config.tasks:
            self.seg_head = MapHead(config.bev, config.layers)
        if "detection" in config.tasks:
            self.bbox_head = AnchorHead(config.bev, config.anchors.count, config.classes)
        if config.auxiliary:
            self.bbox_head_2d = ImageBoxHead(
                config.pyramid, config.classes, config.tower, groups=config.tower_groups, ranges=config.ranges
            )
        self.register_buffer("anchors", make_anchors(config.map_grid, config.anchors), persistent=False)

    def table(self, intrinsics: Tensor, cam_from_ego: Tensor, image_size: tuple[int, int]) -> VoxelTable:
        """Return what :meth:`forward` takes for a calibration: see :func:`~workbench.models.m2bev.voxel_table`."""
        return voxel_table(intrinsics, cam_from_ego, image_size, self.config.grid, self.stride, self.config.anchor)

    def image_levels(self, images: Tensor) -> list[Tensor]:
        """Return the pyramid of images (n, 3, H, W)."""
        return self.neck(self.backbone(images))

    def forward(self, images: Tensor, tables: Sequence[VoxelTable], image_boxes: bool = False) -> M2BevOutput:
        """Return what the heads say.

        Args:
            images: (B, cameras, 3, H, W), padded below and on the right to multiples of 32.
            tables: one for each sample, or one for all.
            image_boxes: whether the auxiliary head is asked as well.

        Raises:
            ValueError: other shapes, tables that do not fit, or an auxiliary head that is not there.
        """
        if images.ndim != 5 or images.shape[2] != 3 or any(side % self.divisor for side in images.shape[3:]):
            raise ValueError(
                f"images must be (B, cameras, 3, H, W), sides multiples of {self.divisor}, got {tuple(images.shape)}"
            )
        if image_boxes and not self.config.auxiliary:
            raise ValueError("image_boxes were asked of a network without an auxiliary head: set auxiliary=True")
        levels = self.image_levels(images.flatten(0, 1))
        features = fuse(levels, self.neck_fuse).unflatten(0, images.shape[:2])
        bev = self.neck_3d(project_features(features, tables))
        maps = bev.transpose(2, 3)  # the heads speak of rows y and columns x
        return M2BevOutput(
            boxes=self.bbox_head(maps) if "detection" in self.config.tasks else None,
            ground=self.seg_head(maps) if "segmentation" in self.config.tasks else None,
            image_boxes=self.bbox_head_2d(levels) if image_boxes else None,
            bev=bev,
        )


def m2bev_r50(**overrides: object) -> M2Bev:
    """Return the published network on ResNet-50 with deformable convolutions; ``overrides`` of :class:`M2BevConfig`."""
    return M2Bev(DeformableResNet((3, 4, 6, 3)), replace(M2BevConfig(), **overrides))


def m2bev_x101(**overrides: object) -> M2Bev:
    """Return the published network on ResNeXt-101 64x4d, with wider pyramid, fused map and towers; see :func:`m2bev_r50`."""
    large = M2BevConfig(pyramid=128, fused=96, tower=64)
    return M2Bev(DeformableResNet((3, 4, 23, 3), groups=64, width_per_group=4), replace(large, **overrides))


def m2bev_tiny(**overrides: object) -> M2Bev:
    """Return the same network for images of about 96 x 176 and 48 x 48 m around the car, to be trained from nothing on two cores.

    Voxels of 1 x 1 x 1.5 m from 1 m below the ground, a map of 1 m cells, anchors of the sizes of things, and ranges of the
    auxiliary head an eighth of the published ones.
    """
    small = M2BevConfig(
        grid=BevGrid((48, 48, 4), (1.0, 1.0, 1.5), (-24.0, -24.0, -1.0)),
        pyramid=32,
        fused=24,
        bev=64,
        bev_layers=2,
        bev_stride=1,
        anchors=AnchorConfig(((1.9, 4.5, 1.6), (2.6, 8.0, 3.0), (0.7, 0.7, 1.7), (0.5, 1.5, 1.0)), bottom=0.0),
        tower=32,
        tower_groups=8,
        ranges=((-1.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, float("inf"))),
    )
    return M2Bev(SmallResNet(), replace(small, **overrides))
