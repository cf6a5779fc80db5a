"""Simulated platforms: the mechanisms that make latency a staircase, with illustrative constants.

They show how tiles, peak throughput, bandwidth and launch cost shape the best widths.  They are no measurement of any device.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.pruning.conv_spec import ConvSpec, pair
from workbench.pruning.latency_table import LatencyTable


@dataclass(frozen=True)
class SimulatedPlatform:
    """A device that computes channels in whole tiles and is bound by arithmetic or by memory.

    ``ms = launch + max(2 B o^2 k^2 ceil(cin / t_in) t_in ceil(cout / t_out) t_out / peak, 4 B (cin f^2 + cout o^2) / bandwidth)``
    for a batch B, input side f and output side o, in float32; in a grouped convolution ``cin`` in the first term is that of a
    group, which is not tiled.

    Attributes:
        name: of the device that the constants bring to mind.
        launch_ms: fixed cost of a convolution.
        tile_in: input channels computed at once.
        tile_out: output channels computed at once.
        peak_gflops: operations, in 1e9 a second.
        bandwidth_gbs: bytes, in 1e9 a second.
    """

    name: str
    launch_ms: float
    tile_in: int
    tile_out: int
    peak_gflops: float
    bandwidth_gbs: float

    @property
    def about(self) -> dict[str, str]:
        """Where a table of this platform comes from."""
        return {"device": f"{self.name} (simulated, illustrative)"}

    def __call__(self, spec: ConvSpec) -> float:
        """Return ms of a convolution.

        >>> wide, wider = (PLATFORMS["titan_v"](ConvSpec(256, 64, width, 56, 3)) for width in (64, 65))
        >>> round(wide, 2), round(wider, 2)
        (4.24, 6.35)
        """
        (height, width), (tall, wide) = spec.out_size, pair(spec.kernel)
        inputs = spec.in_channels // spec.groups
        if spec.groups == 1:
            inputs = _whole_tiles(inputs, self.tile_in)
        outputs = _whole_tiles(spec.out_channels, self.tile_out)
        operations = 2 * spec.batch * height * width * tall * wide * inputs * outputs
        in_height, in_width = pair(spec.size)
        moved = 4 * spec.batch * (spec.in_channels * in_height * in_width + spec.out_channels * height * width)
        return self.launch_ms + max(operations / (1e6 * self.peak_gflops), moved / (1e6 * self.bandwidth_gbs))


PLATFORMS = {
    "titan_v": SimulatedPlatform("TITAN V", 0.01, 16, 32, 14_000.0, 650.0),
    "jetson_tx2": SimulatedPlatform("Jetson TX2", 0.05, 8, 16, 650.0, 58.0),
    "xavier": SimulatedPlatform("Jetson Xavier", 0.03, 32, 64, 1_400.0, 137.0),
    "xeon_e5": SimulatedPlatform("Xeon E5", 0.005, 1, 16, 600.0, 70.0),
}
"""Illustrative constants: of the order of the devices they are named after, not measured."""


def simulate_latency_table(platform: str | SimulatedPlatform) -> LatencyTable:
    """Return a table that answers every convolution by a simulated platform.

    Args:
        platform: a name of :data:`PLATFORMS`, or one of your own.

    Raises:
        ValueError: there is no such platform.

    >>> simulate_latency_table("jetson_tx2")
    LatencyTable(0 rows, device='Jetson TX2 (simulated, illustrative)')
    """
    if isinstance(platform, str):
        if platform not in PLATFORMS:
            raise ValueError(f"platform must be one of {', '.join(PLATFORMS)} or a SimulatedPlatform, got {platform!r}")
        platform = PLATFORMS[platform]
    return LatencyTable(measure=platform)


def _whole_tiles(channels: int, tile: int) -> int:
    return -(-channels // tile) * tile
