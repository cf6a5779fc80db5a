"""What a block does along the channels: the gate of efficient channel attention, and the forms that it is compared with.

Zhou et al., "Understanding The Robustness in Vision Transformers", ICML 2022, sections 2.3 and 3.4; Hu et al.,
"Squeeze-and-Excitation Networks", CVPR 2018.  The gate is the one of the published network, which differs from equation 7: the
softmax follows the projection, there is no ``1 / sqrt(n)``, and each head has a temperature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

CHANNEL_FORMS = ("none", "se", "ca", "eca")
SQUEEZE = 4
"""By how much the squeeze-and-excitation form narrows the channels."""


@dataclass(frozen=True)
class ChannelDesign:
    """Which parts the channel half of a block has; the default is the published block.

    Attributes:
        form: ``"none"``, ``"se"`` squeeze and excitation, ``"ca"`` channel attention (equation 6), ``"eca"`` efficient channel
            attention (equation 7, as published).
        depthwise: two depthwise convolutions inside of the MLP, which else is the MLP of a ViT.
        value_norm: LayerNorm behind the MLP.
        residual: the MLP keeps its hidden values beside what the convolutions make of them; off in FAN-Swin.

    Raises:
        ValueError: another form.
    """

    form: str = "eca"
    depthwise: bool = True
    value_norm: bool = True
    residual: bool = True

    def __post_init__(self) -> None:
        if self.form not in CHANNEL_FORMS:
            raise ValueError(f"form must be one of {', '.join(CHANNEL_FORMS)}, got {self.form!r}")


PLAIN_VIT = ChannelDesign("none", depthwise=False, value_norm=False)
"""The block of a ViT: an MLP with GELU."""


class DepthwiseConvs(nn.Module):
    """3x3 depthwise convolution, GELU, BatchNorm, 3x3 depthwise convolution over the grid: (B, H*W, C) -> the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.bn = nn.BatchNorm2d(dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        maps = tokens.unflatten(1, (height, width)).permute(0, 3, 1, 2)
        maps = gelu(self.conv1(maps))
        maps = self.conv2(self.bn(maps) if self.training else self._fixed_norm(maps))
        return maps.permute(0, 2, 3, 1).flatten(1, 2)

    def _fixed_norm(self, maps: Tensor) -> Tensor:
        """Return ``self.bn`` in evaluation, as one multiplication and addition: a quarter of its time in this memory layout."""
        scale = self.bn.weight * (self.bn.running_var + self.bn.eps).rsqrt()
        shift = self.bn.bias - self.bn.running_mean * scale
        return torch.addcmul(shift[:, None, None], maps, scale[:, None, None])


class ValueMlp(nn.Module):
    """``fc2(f + gamma * DW(f))`` with ``f = fc1(x)``: the only nonlinearity lies between the two convolutions."""

    def __init__(self, dim: int, hidden: int, residual: bool = True) -> None:
        super().__init__()
        self.residual = residual
        self.gamma = nn.Parameter(torch.ones(hidden))
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = DepthwiseConvs(hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        hidden = self.fc1(tokens)
        mixed = self.dwconv(hidden, height, width)
        return self.fc2(torch.addcmul(hidden, self.gamma, mixed) if self.residual else self.gamma * mixed)


class PointwiseMlp(nn.Module):
    """``fc2(gelu(fc1(x)))`` on each token; takes the grid as its sibling does, and does not look at it."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor, height: int = 0, width: int = 0) -> Tensor:
        return self.fc2(gelu(self.fc1(tokens)))


class SqueezeExcitation(nn.Module):
    """``sigmoid(W2 relu(W1 mean over tokens))``, one factor per channel: (B, N, C) -> (B, 1, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(dim, dim // SQUEEZE)
        self.expand = nn.Linear(dim // SQUEEZE, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.expand(self.reduce(tokens.mean(1, keepdim=True)).relu()).sigmoid()


class ChannelProcessing(nn.Module):
    """The channel half of a block: (B, N, C) -> (B, N, C), ``N = H * W`` tokens, row by row.

    ``"eca"``: with ``q = softmax over tokens of Wq y``, ``k = mean over a head's channels of softmax over tokens of y``,
    ``g = temperature * sigmoid(q^T k)`` and the output is ``g * LN(MLP(y))``. Both softmaxes are distributions over the tokens, so
    ``q^T k`` lies in (0, 1), ``g / temperature`` in (0.5, 0.7311), and is ``sigmoid(1 / N)`` where all tokens agree.

    ``"ca"``: ``softmax(Q K^T / sqrt(N)) V`` per head with Q, K, V of shape (d, N): a map of channels by channels.

    Args:
        dim, num_heads: channels and heads.
        hidden: width of the MLP.
        design: which parts there are.
        epsilon: of the LayerNorm behind the MLP.

    Raises:
        ValueError: ``dim`` is not divisible by the heads.
    """

    def __init__(
        self, dim: int, num_heads: int, hidden: int, design: ChannelDesign | None = None, epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        design = design or ChannelDesign()
        check_heads(dim, num_heads)
        self.num_heads, self.form = num_heads, design.form
        if self.form == "eca":
            self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        if self.form in ("eca", "ca"):
            self.q = nn.Linear(dim, dim)
        if self.form == "ca":
            self.k = nn.Linear(dim, dim)
        if self.form == "se":
            self.se = SqueezeExcitation(dim)
        self.mlp_v = ValueMlp(dim, hidden, design.residual) if design.depthwise else PointwiseMlp(dim, hidden)
        self.norm_v = nn.LayerNorm(dim, eps=epsilon) if design.value_norm else nn.Identity()

    def gate(self, tokens: Tensor) -> Tensor:
        """Return the factor of each channel, (B, C), of the forms ``"eca"`` and ``"se"``.

        Raises:
            ValueError: the form has no gate.
        """
        if self.form == "se":
            return self.se(tokens)[:, 0]
        if self.form != "eca":
            raise ValueError(f"the form {self.form!r} has no gate; 'se' and 'eca' have")
        queries = self.q(tokens).softmax(1).unflatten(2, (self.num_heads, -1))
        prototypes = tokens.softmax(1).unflatten(2, (self.num_heads, -1)).mean(3)
        scores = torch.einsum("bnhd,bnh->bhd", queries, prototypes)
        return (scores.sigmoid() * self.temperature[..., 0]).flatten(1)

    def channel_map(self, tokens: Tensor) -> Tensor:
        """Return the attention of channels to channels, (B, heads, d, d), rows adding up to 1, of the form ``"ca"``."""
        if self.form != "ca":
            raise ValueError(f"the form {self.form!r} has no map of channels by channels; 'ca' has")
        queries, keys = (_by_head(part(tokens), self.num_heads) for part in (self.q, self.k))
        return (queries @ keys.transpose(2, 3) * tokens.shape[1] ** -0.5).softmax(3)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        values = self.norm_v(self.mlp_v(tokens, height, width))
        if self.form == "ca":
            mixed = self.channel_map(tokens) @ _by_head(values, self.num_heads)
            return mixed.flatten(1, 2).transpose(1, 2)
        return values if self.form == "none" else self.gate(tokens)[:, None] * values


def check_heads(dim: int, num_heads: int) -> None:
    """Raise a ValueError where ``dim`` channels do not divide into the heads."""
    if num_heads < 1 or dim % num_heads:
        raise ValueError(f"dim {dim} is not divisible by {num_heads} heads")


def _by_head(tokens: Tensor, num_heads: int) -> Tensor:
    """Return (B, N, C) as (B, heads, C / heads, N)."""
    return tokens.transpose(1, 2).unflatten(1, (num_heads, -1))
