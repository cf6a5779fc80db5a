"""What decides the latency of a convolution: the key of a latency table."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

Size = int | tuple[int, int]

_KEY = re.compile(r"(\d+)_(\d+)_(\d+)_(\d+(?:x\d+)?)_(\d+(?:x\d+)?)_(\d+(?:x\d+)?)(?:_(\d+)(?:_(\d+(?:x\d+)?))?)?")


@dataclass(frozen=True)
class ConvSpec:
    """One convolution on one batch, padded by half its kernel.

    ``str(spec)`` is the key of the published tables, ``{batch}_{in}_{out}_{size}_{kernel}_{stride}_{groups}``; a pair of unequal
    numbers is written ``56x40``, and an eighth part is the dilation where it is not 1.

    Attributes:
        batch: images.
        in_channels: may be 0, as may ``out_channels``: nothing is computed then.
        out_channels: see there.
        size: height and width of the **input**: one number, or a pair where they differ.
        kernel: likewise, as are ``stride`` and ``dilation``.
        stride: see there.
        groups: of channels that do not see each other; as many as channels in a depthwise convolution.
        dilation: see there.

    Raises:
        ValueError: a number is not a positive whole one, or ``groups`` does not divide the channels.

    >>> str(ConvSpec(256, 64, 256, 56, 1, 1))
    '256_64_256_56_1_1_1'
    >>> ConvSpec.parse("256_32_32_112_3_1_32").is_depthwise
    True
    """

    batch: int
    in_channels: int
    out_channels: int
    size: Size
    kernel: Size
    stride: Size = 1
    groups: int = 1
    dilation: Size = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (tuple, list)) and field.name in {"size", "kernel", "stride", "dilation"}:
                value = int(value[0]) if len(set(value)) == 1 else tuple(map(int, value))
                object.__setattr__(self, field.name, value)
            least = 0 if field.name.endswith("channels") else 1
            numbers = value if isinstance(value, tuple) else (value,)
            if any(not isinstance(number, int) or isinstance(number, bool) or number < least for number in numbers):
                expected = "a whole number of at least" if isinstance(value, int) else "whole numbers of at least"
                raise ValueError(f"{field.name} of a convolution must be {expected} {least}, got {value!r}")
            if isinstance(value, tuple) and len(value) != 2:
                raise ValueError(f"{field.name} of a convolution must be one number or a pair, got {value!r}")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"groups={self.groups} does not divide {self.in_channels} input and {self.out_channels} output channels"
            )

    def __str__(self) -> str:
        parts = [self.batch, self.in_channels, self.out_channels, self.size, self.kernel, self.stride, self.groups]
        return "_".join(map(size_text, parts if self.dilation == 1 else [*parts, self.dilation]))

    @classmethod
    def parse(cls, key: str) -> ConvSpec:
        """Return the convolution of a key; one of six parts, of an older form, has no groups.

        Raises:
            ValueError: the text is no key.
        """
        match = _KEY.fullmatch(key) if isinstance(key, str) else None
        if match is None:
            raise ValueError(
                f"{key!r} is no key of a latency table, expected batch_in_out_size_kernel_stride_groups such as "
                "256_64_256_56_1_1_1"
            )
        batch, inputs, outputs, size, kernel, stride, groups, dilation = match.groups(default="1")
        pairs = (read_size(text) for text in (size, kernel, stride))
        return cls(int(batch), int(inputs), int(outputs), *pairs, int(groups), read_size(dilation))

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is filtered alone."""
        return self.groups > 1 and self.groups == self.in_channels == self.out_channels

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the output: the input's over the stride, rounded up."""
        return tuple(-(-size // step) for size, step in zip(pair(self.size), pair(self.stride), strict=True))

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations on the batch."""
        (height, width), (tall, wide) = self.out_size, pair(self.kernel)
        return self.batch * height * width * self.out_channels * (self.in_channels // self.groups) * tall * wide


def pair(size: Size) -> tuple[int, int]:
    """Return height and width."""
    return size if isinstance(size, tuple) else (size, size)


def size_text(size: Size) -> str:
    """Return ``"56"``, or ``"56x40"`` for a pair."""
    return "x".join(map(str, size)) if isinstance(size, tuple) else str(size)


def read_size(text: str) -> Size:
    """Return what :func:`size_text` wrote."""
    numbers = tuple(map(int, text.split("x")))
    return numbers[0] if len(numbers) == 1 else numbers
