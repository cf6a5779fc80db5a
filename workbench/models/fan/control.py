"""The network without attention that fully attentional ones are compared with: the same stem and grid, blocks of convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from workbench.models.fan.network import check_images
from workbench.models.fan.stems import ConvStem


class ResidualConvs(nn.Module):
    """``relu(x + BN(conv(relu(BN(conv(x))))))`` with 3x3 convolutions: (B, C, H, W) -> the same.

    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim), nn.ReLU()),
            *(nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim)),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return (maps + self.convs(maps)).relu()


class ConvControl(nn.Module):
    """A residual network on the grid of a :class:`Fan`: its stem, blocks of convolutions, the mean over the grid, a classifier.

    Args:
        embed_dim, depth: channels and blocks.
        patch_size: 4, 8 or 16, of the stem.
        num_classes: of the classifier.
        in_chans: channels of the images.

    ``forward`` maps normalised images (B, in_chans, H, W) of any size to logits (B, num_classes).

    Raises:
        ValueError: ``embed_dim`` cannot be halved as often as the stem needs.

    >>> import torch
    >>> ConvControl(16, 2, patch_size=4, num_classes=10, in_chans=1).eval()(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, embed_dim: int, depth: int, *, patch_size: int = 16, num_classes: int = 1000, in_chans: int = 3
    ) -> None:
        super().__init__()
        self.in_chans = in_chans
        self.patch_embed = ConvStem(patch_size, in_chans, embed_dim)
        self.blocks = nn.ModuleList(ResidualConvs(embed_dim) for _ in range(depth))
        self.head = nn.Linear(embed_dim, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.in_chans, self.patch_embed.least_side)
        maps = self.patch_embed(images)
        for block in self.blocks:
            maps = block(maps)
        return self.head(maps.mean((2, 3)))
