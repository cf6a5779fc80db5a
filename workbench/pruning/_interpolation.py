"""Straight lines between the known widths of one layer in a latency table."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from workbench.pruning.conv_spec import ConvSpec

Line = Mapping[int, float]


def interpolate(entries: Mapping[ConvSpec, float], spec: ConvSpec) -> float | None:
    """Return ms between known widths, None where there are none on both sides.

    A layer with one group is interpolated over its outputs at known inputs, and between these (or the other way round, where that
    alone is possible); a grouped layer over its number of groups, each of the same width.
    """
    same = {
        other: ms
        for other, ms in entries.items()
        if (other.batch, other.size, other.kernel, other.stride, other.dilation)
        == (spec.batch, spec.size, spec.kernel, spec.stride, spec.dilation)
    }
    if spec.groups > 1:
        return _on_line(_grouped(same, spec), spec.groups)
    dense = [(other.in_channels, other.out_channels, ms) for other, ms in same.items() if other.groups == 1]
    found = _on_grid(dense, spec.in_channels, spec.out_channels)
    if found is None:
        found = _on_grid([(b, a, ms) for a, b, ms in dense], spec.out_channels, spec.in_channels)
    return found


def _grouped(entries: Mapping[ConvSpec, float], spec: ConvSpec) -> Line:
    widths = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    return {
        other.groups: ms
        for other, ms in entries.items()
        if (other.in_channels // other.groups, other.out_channels // other.groups) == widths
        and (other.groups > 1 or widths == (1, 1))
    }


def _on_grid(points: Iterable[tuple[int, int, float]], a: int, b: int) -> float | None:
    lines: dict[int, dict[int, float]] = {}
    for first, second, ms in points:
        lines.setdefault(first, {})[second] = ms
    values = {first: _on_line(line, b) for first, line in lines.items()}
    return _on_line({first: ms for first, ms in values.items() if ms is not None}, a)


def _on_line(line: Line, x: int) -> float | None:
    if x in line:
        return line[x]
    known = sorted(line)
    place = bisect_left(known, x)
    if place in (0, len(known)):
        return None
    low, high = known[place - 1], known[place]
    return line[low] + (line[high] - line[low]) * (x - low) / (high - low)
