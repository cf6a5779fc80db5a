"""Numbers of Zhou et al., "Understanding The Robustness in Vision Transformers", ICML 2022, and of the code published with it."""

from __future__ import annotations

from types import MappingProxyType

from workbench.experiments.robust_transformers_config import FAN, VIT

MCE_TABLE_6 = MappingProxyType({VIT: 56.2, "CA": 51.4, "SE": 50.0, FAN: 47.7})
"""Table 6, ImageNet-C, AlexNet-normalised: FAN-ViT-S with other channel halves."""
RETENTION = MappingProxyType({VIT: 0.72, FAN: 0.78})
"""Tables 4 and 6, ImageNet-C: share of the clean accuracy that ViT-S and FAN-S-ViT keep; ResNet-50 keeps 0.65."""

MILLION_PARAMETERS = MappingProxyType(
    {
        "fan_tiny_12_p16_224": 7.3,
        "fan_small_12_p16_224": 28.0,
        "fan_base_18_p16_224": 54.0,
        "fan_large_24_p16_224": 80.5,
        "fan_tiny_8_p4_hybrid": 7.4,
        "fan_small_12_p4_hybrid": 26.3,
        "fan_base_16_p4_hybrid": 50.4,
        "fan_large_16_p4_hybrid": 76.8,
    }
)
"""Millions of parameters that the paper prints."""

PUBLISHED = MappingProxyType(
    {
        "FAN-T-ViT": (7.3, 79.2, 57.5, None),
        "FAN-S-ViT": (28.0, 82.5, 64.5, 47.7),
        "FAN-B-ViT": (54.0, 83.6, 67.0, None),
        "FAN-L-ViT": (80.5, 83.9, 67.7, None),
        "FAN-T-Hybrid": (7.4, 80.1, 57.4, None),
        "FAN-S-Hybrid": (26.3, 83.5, 64.7, 47.8),
        "FAN-B-Hybrid": (50.4, 83.9, 66.4, 45.2),
        "FAN-L-Hybrid": (76.8, 84.3, 68.3, 43.0),
        "FAN-B-Hybrid, 22k": (50.4, 85.3, 70.5, None),
        "FAN-L-Hybrid, 22k": (76.8, 86.5, 73.6, 35.8),
        "ResNet-50": (25.6, 79.0, 50.6, None),
        "DeiT-S": (22.1, 79.9, 58.1, None),
        "Swin-T": (28.3, 81.3, 55.4, 59.6),
        "ConvNeXt-T": (28.6, 82.1, 59.1, 53.2),
        "Swin-B": (87.8, 83.5, 60.4, 54.4),
        "ConvNeXt-B": (88.6, 83.8, 63.0, 46.8),
    }
)
"""ImageNet at 224 pixels: million parameters, clean accuracy (%), accuracy on ImageNet-C (%), mCE (AlexNet-normalised, None where
none was published). Parameters of the networks that are not FAN are those of their own papers. FAN-L-Hybrid with ImageNet-22k has
87.1 % at 384 pixels, where no mCE was published."""
