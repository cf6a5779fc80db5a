"""How networks that were trained on ImageNet see colours: its mean and standard deviation."""

from __future__ import annotations

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green and blue over ImageNet, of values in [0, 1], as torchvision and timm use it."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of the same."""
