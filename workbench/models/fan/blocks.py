"""The blocks of a fully attentional network: self-attention, channel processing, and the class attention of its head.

Zhou et al., ICML 2022; the class attention is of Touvron et al., "Going Deeper with Image Transformers", ICCV 2021, as El-Nouby
et al., "XCiT", NeurIPS 2021, use it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torchvision.ops import StochasticDepth

from workbench.models.fan.channels import ChannelDesign, ChannelProcessing, PointwiseMlp, check_heads

BLOCK_EPSILON = 1e-6


class TokenAttention(nn.Module):
    """``softmax(Q K^T / sqrt(d)) V`` over all tokens, then a projection: (B, N, C) -> (B, N, C)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        queries = self.q(tokens).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        keys, values = self.kv(tokens).unflatten(2, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))

    def attention(self, tokens: Tensor) -> Tensor:
        """Return the weights of each token's mixture, (B, heads, N, N), rows adding up to 1."""
        queries = self.q(tokens).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        keys = self.kv(tokens)[..., : tokens.shape[2]].unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        return (queries @ keys.transpose(2, 3) * queries.shape[3] ** -0.5).softmax(3)


class Downsample(nn.Module):
    """Halve the grid: a 3x3 convolution of stride 2, then LayerNorm. (B, H*W, C) -> (B, ceil(H/2)*ceil(W/2), C')."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(dim, out_dim, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(out_dim)

    def forward(self, tokens: Tensor, height: int, width: int) -> tuple[Tensor, int, int]:
        maps = self.proj(tokens.unflatten(1, (height, width)).permute(0, 3, 1, 2))
        return self.norm(maps.flatten(2).transpose(1, 2)), *maps.shape[2:]


class Block(nn.Module):
    """``x + gamma1 * attention(LN(x))``, then ``x + gamma2 * channels(LN(x))``; height and width of the grid are arguments.

    Args:
        dim, num_heads: channels and heads, of both halves.
        hidden: width of the MLP.
        design: parts of the channel half.
        drop_path_rate: probability, in training, that an image skips a half.
        downsample_to: channels after a halving of the grid behind this block, or None; the network calls ``downsample``.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        hidden: int,
        design: ChannelDesign | None = None,
        drop_path_rate: float = 0.0,
        downsample_to: int | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=BLOCK_EPSILON)
        self.attn = TokenAttention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=BLOCK_EPSILON)
        self.mlp = ChannelProcessing(dim, num_heads, hidden, design)
        self.gamma1, self.gamma2 = (nn.Parameter(torch.ones(dim)) for _ in range(2))
        self.drop_path = StochasticDepth(drop_path_rate, "row")
        self.downsample = Downsample(dim, downsample_to) if downsample_to else None

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        tokens = tokens + self.drop_path(self.gamma1 * self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.gamma2 * self.mlp(self.norm2(tokens), height, width))


class ClassAttention(nn.Module):
    """Attention whose only query is the first token: (B, 1 + N, C) -> (B, 1, C)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.q, self.k, self.v, self.proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.q(tokens[:, :1]), self.k(tokens), self.v(tokens)
        heads = (part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in parts)
        return self.proj(scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class ClassAttentionBlock(nn.Module):
    """The class token looks at all tokens; patch tokens are normalised and doubled as in the published network.

    ``z = LN(x)``, ``x = LN(x + gamma1 * [attention(z); z_1..N])``, then ``x + [gamma2 * MLP(x_0); x_1..N]``.
    """

    def __init__(self, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=BLOCK_EPSILON)
        self.attn = ClassAttention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=BLOCK_EPSILON)
        self.mlp = PointwiseMlp(dim, hidden)
        self.gamma1, self.gamma2 = (nn.Parameter(torch.ones(dim)) for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        normal = self.norm1(tokens)
        tokens = self.norm2(tokens + self.gamma1 * torch.cat([self.attn(normal), normal[:, 1:]], 1))
        return tokens + torch.cat([self.gamma2 * self.mlp(tokens[:, :1]), tokens[:, 1:]], 1)
