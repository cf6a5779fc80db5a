"""Measured latencies of convolutions on an NVIDIA TITAN V, compact: batch 256, float32, cuDNN 7.4, images of 224 x 224.

The numbers are from the tables of the authors of HALP, as found in the solver inputs of their follow-up (MDP, CVPR 2025, arXiv
2504.02168; repository NVlabs/MDP, Apache-2.0).  A row is one layer at its full input width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.pruning.conv_spec import ConvSpec
from workbench.pruning.latency_table import LatencyTable

BATCH = 256
FIXED_SHARE = 0.1
"""Of the ms of a 1x1 convolution, the share that does not fall with its input width: a rule of thumb; 0 for larger kernels."""


class Row(NamedTuple):
    """One layer of a network: its ms at 1, 2, 3, ... ``step`` of output channels; ``inputs`` is 0 for a depthwise one."""

    layer: str
    kernel: int
    stride: int
    inputs: int
    size: int
    step: int
    ms: tuple[float, ...]

    def spec(self, steps: int) -> ConvSpec:
        """Return the convolution with so many steps of output channels."""
        outputs = steps * self.step
        inputs, groups = (self.inputs, 1) if self.inputs else (outputs, outputs)
        return ConvSpec(BATCH, inputs, outputs, self.size, self.kernel, self.stride, groups)


def _row(layer: str, kernel: int, stride: int, inputs: int, size: int, step: int, ms: str) -> Row:
    return Row(layer, kernel, stride, inputs, size, step, tuple(map(float, ms.split())))


RESNET_ROWS = (
    _row("conv1", 7, 2, 3, 224, 64, "8.302"),
    _row("layer1.0.conv1", 1, 1, 64, 56, 32, "1.192 1.349"),
    _row("layer1 conv2", 3, 1, 64, 56, 32, "2.527 4.948"),
    _row("layer1 conv3", 1, 1, 64, 56, 64, "1.349 2.714 3.609 4.858"),
    _row("layer2.0.conv1", 1, 1, 256, 56, 32, "2.341 3.756 7.116 7.581"),
    _row("layer2.0.conv2", 3, 2, 128, 56, 32, "1.978 3.547 5.843 6.695"),
    _row("layer2 downsample", 1, 2, 256, 56, 128, "1.885 3.657 5.501 7.325"),
    _row("layer2 conv1", 1, 1, 512, 28, 32, "1.146 1.940 3.482 3.802"),
    _row("layer2 conv2", 3, 1, 128, 28, 32, "1.029 1.625 2.264 2.846"),
    _row("layer2 conv3", 1, 1, 128, 28, 128, "1.139 2.293 3.120 4.158"),
    _row("layer3.0.conv1", 1, 1, 512, 28, 64, "1.940 3.802 5.604 7.512"),
    _row("layer3.0.conv2", 3, 2, 256, 28, 64, "1.791 3.708 5.432 7.122"),
    _row("layer3 downsample", 1, 2, 512, 28, 128, "1.199 1.709 2.635 3.465 4.275 5.189 6.016 6.860"),
    _row("layer3 conv1", 1, 1, 1024, 14, 128, "2.236 3.798"),
    _row("layer3 conv2", 3, 1, 256, 14, 32, "1.871 3.003 4.078 5.260 6.358 7.491 8.563 9.653"),
    _row("layer3 conv3", 1, 1, 256, 14, 128, "0.605 1.030 1.471 2.024 2.560 2.979 3.533 4.057"),
    _row("layer4.0.conv1", 1, 1, 1024, 14, 64, "1.638 2.236 4.898 3.798 4.584 5.659 6.694 7.482"),
    _row("layer4.0.conv2", 3, 2, 512, 14, 64, "1.147 2.339 3.227 4.345 5.140 6.653 7.521 9.011"),
    _row(
        "layer4 downsample",
        1,
        2,
        1024,
        14,
        128,
        "0.645 1.016 1.576 2.089 2.332 2.832 3.289 3.842 4.345 4.619 5.175 5.671 6.125 6.713 6.937 7.566",
    ),
    _row(
        "layer4 conv1",
        1,
        1,
        2048,
        7,
        32,
        "0.546 1.000 1.485 1.536 2.411 2.930 2.790 2.585 2.973 2.978 3.725 4.168 4.485 4.751 4.958 5.545",
    ),
    _row(
        "layer4 conv2",
        3,
        1,
        512,
        7,
        32,
        "1.073 1.964 2.969 3.807 4.762 5.712 6.605 7.601 8.681 9.772 10.792 11.944 12.969 13.942 15.039 16.179",
    ),
    _row(
        "layer4 conv3",
        1,
        1,
        512,
        7,
        128,
        "0.473 0.672 0.948 1.298 1.618 1.854 2.167 2.447 2.748 3.045 3.323 3.628 3.919 4.248 4.547 4.842",
    ),
)
"""Layers of ResNet-50 and ResNet-101 (torchvision's names)."""

MOBILENET_V1_ROWS = (
    _row("pointwise 3", 1, 1, 128, 56, 32, "2.098 2.793 6.650 5.642"),
    _row(
        "depthwise 1",
        3,
        1,
        0,
        112,
        2,
        "2.008 4.194 1.049 1.400 1.718 2.093 2.400 2.749 3.071 3.410 3.769 4.111 4.428 4.757 5.103 5.439",
    ),
)
"""Two layers of MobileNetV1, of another series of measurements: more channels can run much faster."""


def titan_v_table() -> LatencyTable:
    """Return the table of :data:`RESNET_ROWS`, for ResNet-50 and ResNet-101 at batch 256.

    What was measured is answered exactly.  Other widths of these layers are approximated: over the outputs by lines from step to
    step, the first from 0, and with fewer inputs by ``T(full) (a + (1 - a) inputs / full)``, ``a`` = 0.1 for 1x1 convolutions
    and 0 for others.  Beside the 1 099 other entries of the full tables the median error of this is 6 %, and one in ten is off by
    more than 23 %.  A layer that is not there is a ``KeyError``.

    >>> table = titan_v_table()
    >>> table(ConvSpec(256, 256, 96, 56, 1)), table(ConvSpec(256, 256, 128, 56, 1))
    (7.116, 7.581)
    """
    entries = {row.spec(steps): ms for row in RESNET_ROWS for steps, ms in enumerate(row.ms, start=1)}
    about = {
        "device": "NVIDIA TITAN V",
        "source": "HALP (arXiv 2210.06659), tables as found in NVlabs/MDP; widths that are not listed are approximated",
    }
    return LatencyTable(entries, measure=_Approximation(entries), about=about)


class _Approximation:
    """The rule for widths that the rows leave out."""

    def __init__(self, entries: dict[ConvSpec, float]) -> None:
        self.lines: dict[tuple[object, ...], dict[int, dict[int, float]]] = {}
        for spec, ms in entries.items():
            self.lines.setdefault(_layer(spec), {}).setdefault(spec.in_channels, {})[spec.out_channels] = ms

    def __call__(self, spec: ConvSpec) -> float:
        lines = self.lines.get(_layer(spec), {})
        fits = [full for full, line in lines.items() if full >= spec.in_channels and max(line) >= spec.out_channels]
        if not fits:
            raise KeyError(f"{spec} is no layer of ResNet-50 or ResNet-101 at batch {BATCH}, of which this table is")
        full = min(fits)
        widths, ms = zip(*sorted(lines[full].items()), strict=True)
        fixed = FIXED_SHARE if spec.kernel == 1 else 0.0
        return float(np.interp(spec.out_channels, (0, *widths), (0.0, *ms))) * (
            fixed + (1 - fixed) * spec.in_channels / full
        )


def _layer(spec: ConvSpec) -> tuple[object, ...]:
    return spec.batch, spec.size, spec.kernel, spec.stride, spec.groups, spec.dilation
