"""Fully attentional networks (FAN): vision transformers that attend along tokens and along channels.

Zhou et al., "Understanding The Robustness in Vision Transformers", ICML 2022.
"""

from workbench.models.fan.channels import CHANNEL_FORMS, PLAIN_VIT, ChannelDesign
from workbench.models.fan.checkpoint import load_official_checkpoint, published_names, variant_of
from workbench.models.fan.network import Fan
from workbench.models.fan.swin import FanSwin
from workbench.models.fan.variants import VARIANTS, plain_vit

__all__ = [
    "CHANNEL_FORMS",
    "PLAIN_VIT",
    "VARIANTS",
    "ChannelDesign",
    "Fan",
    "FanSwin",
    "load_official_checkpoint",
    "plain_vit",
    "published_names",
    "variant_of",
]
