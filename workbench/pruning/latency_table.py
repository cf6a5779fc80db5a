"""Milliseconds of convolutions: known, measured on demand, or interpolated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from workbench.pruning._interpolation import interpolate
from workbench.pruning.conv_spec import ConvSpec

MISSING = ("error", "interpolate")
SHOWN = 3


class LatencyTable(Mapping[ConvSpec, float]):
    """The latency of convolutions on one device: a mapping of what is known, and a function of what is asked.

    ``table(spec)`` is in ms for the whole batch, and 0 where there are no channels.  What is not known is measured if there is a
    way to, and remembered; otherwise it is an error, or interpolated if that is wished.  Nothing is ever smoothed or scaled.
    Source: Shen et al., NeurIPS 2022, section 3.3.

    Args:
        entries: known ms, by :class:`ConvSpec` or by its key.
        measure: called with a spec that is not known, returns ms.  Where it has an attribute ``about`` it must agree with that of
            the entries.
        missing: ``"error"``, or ``"interpolate"`` for straight lines between known widths of the same layer, never beyond them.
        about: where the entries come from: device, versions, threads and so on, as text.

    Raises:
        ValueError: ms that are not positive and finite, a key that is none, another ``missing``, or entries and ``measure`` of
            different origin.

    >>> table = LatencyTable({"256_64_64_56_1_1_1": 1.349, "256_64_32_56_1_1_1": 1.192}, missing="interpolate")
    >>> table(ConvSpec(256, 64, 64, 56, 1)), table(ConvSpec(256, 64, 48, 56, 1)), table(ConvSpec(256, 64, 0, 56, 1))
    (1.349, 1.2705, 0.0)
    """

    def __init__(
        self,
        entries: Mapping[ConvSpec, float] | Mapping[str, float] | None = None,
        *,
        measure: Callable[[ConvSpec], float] | None = None,
        missing: str = "error",
        about: Mapping[str, str] | None = None,
    ) -> None:
        if missing not in MISSING:
            raise ValueError(f"missing must be one of {', '.join(MISSING)}, got {missing!r}")
        self._entries: dict[ConvSpec, float] = {}
        for key, ms in (entries or {}).items():
            spec = key if isinstance(key, ConvSpec) else ConvSpec.parse(key)
            self._entries[spec] = check_ms(ms, f"the row {spec}")
        measured = {name: str(value) for name, value in getattr(measure, "about", {}).items()}
        self.about = {name: str(value) for name, value in (about or {}).items()}
        if self._entries and self.about:
            for name in measured.keys() & self.about.keys():
                if measured[name] != self.about[name]:
                    raise ValueError(
                        f"the entries were measured with {name} {self.about[name]!r}, and measure has {measured[name]!r}: a table "
                        "of both would compare what cannot be compared"
                    )
        self.about = measured | self.about
        self.measure, self.missing = measure, missing

    def __call__(self, spec: ConvSpec) -> float:
        """Return ms of a convolution.

        Raises:
            KeyError: it is not known and cannot be measured or interpolated; the message names the nearest that are known.
            ValueError: the table knows other batch sizes only, or a measurement is not positive and finite.
        """
        if spec.in_channels == 0 or spec.out_channels == 0:
            return 0.0
        known = self._entries.get(spec)
        if known is not None:
            return known
        if self.measure is not None:
            ms = self._entries[spec] = check_ms(self.measure(spec), f"the measurement of {spec}")
            return ms
        batches = sorted({entry.batch for entry in self._entries})
        if batches and spec.batch not in batches:
            raise ValueError(
                f"{spec} is for a batch of {spec.batch}, but the table was measured with {', '.join(map(str, batches))}: latency "
                "does not scale with the batch, so measure another table"
            )
        between = interpolate(self._entries, spec) if self.missing == "interpolate" else None
        if between is None:
            nearest = ", ".join(map(str, self.nearest(spec)))
            where = "nor between its widths" if self.missing == "interpolate" else "and nothing measures it"
            raise KeyError(
                f"{spec} is not among the {len(self)} rows of the table, {where}; the nearest are {nearest or 'none'}"
            )
        return between

    def __getitem__(self, spec: ConvSpec) -> float:
        return self._entries[spec]

    def __iter__(self) -> Iterator[ConvSpec]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        origin = ", ".join(f"{name}={value!r}" for name, value in self.about.items())
        return f"{type(self).__name__}({len(self)} rows{', ' if origin else ''}{origin})"

    def fill(self, specs: Iterable[ConvSpec]) -> LatencyTable:
        """Look up, and so measure, each of ``specs``; return the table."""
        for spec in specs:
            self(spec)
        return self

    def nearest(self, spec: ConvSpec, count: int = SHOWN) -> list[ConvSpec]:
        """Return the known convolutions most like ``spec``: first of the same layer, then by the ratio of their widths."""

        def distance(other: ConvSpec) -> tuple[int, float]:
            same = ("batch", "size", "kernel", "stride", "dilation", "is_depthwise")
            widths = ((spec.in_channels, other.in_channels), (spec.out_channels, other.out_channels))
            return (
                sum(getattr(spec, name) != getattr(other, name) for name in same),
                sum(abs(math.log(max(wanted, 1) / max(width, 1))) for wanted, width in widths),
            )

        return sorted(self._entries, key=distance)[:count]


def check_ms(ms: float, what: str) -> float:
    """Return positive finite milliseconds; raise ValueError naming ``what`` otherwise."""
    try:
        number = float(ms)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{what} has {ms!r} ms, expected a positive finite number")
    return number
