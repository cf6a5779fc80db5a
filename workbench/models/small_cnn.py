"""A small convolutional classifier that trains in a minute on two cores."""

from __future__ import annotations

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Two 3x3 convolutions with pooling and one hidden layer, for small grey or colour images.

    Args:
        image_size: height and width in pixels, a multiple of 4.
        in_chans: image channels.
        num_classes: outputs.
        width: channels of the first convolution; the second has twice as many.

    ``forward`` maps images (B, in_chans, image_size, image_size) to logits (B, num_classes).

    >>> import torch
    >>> SmallCNN()(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, image_size: int = 28, in_chans: int = 1, num_classes: int = 10, width: int = 16) -> None:
        super().__init__()
        if image_size % 4:
            raise ValueError(f"image_size must be a multiple of 4, got {image_size}")
        self.features = nn.Sequential(
            nn.Conv2d(in_chans, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Linear(2 * width * (image_size // 4) ** 2, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, num_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        return self.head(self.features(images))
