"""Measure convolutions on a device: a script that stands alone, and the timers that it runs.

Copy this one file and a list of convolutions to a device that has Python and either torch, or onnxruntime and numpy::

    python measure_convolutions.py needed.csv table.csv
    python measure_convolutions.py needed.csv table.csv --device cuda
    python measure_convolutions.py needed.csv table.csv --runtime onnxruntime

``needed.csv`` has the columns batch, cin, cout, fmap, kernel, stride, groups, dilation (``workbench.pruning.save_specs`` writes
it); ``table.csv`` gets them and ms, row by row, and is continued where a run before it ended.  The workbench is not needed.
"""

from __future__ import annotations

import argparse
import csv
import platform
import struct
import sys
import time
from pathlib import Path
from typing import Any

COLUMNS = ("batch", "cin", "cout", "fmap", "kernel", "stride", "groups", "dilation")


class Timer:
    """Milliseconds of a convolution: the least of some repetitions after a warm-up.

    With one thread the clock counts the CPU time of this thread, so that other programs on the machine do not matter; with more
    it is the wall clock.

    Args:
        threads: that compute.
        repetitions: of which the least counts.
        warm_up: runs before, not counted.
        unit: ``"conv"``, or ``"conv+bn+relu"`` for what mostly goes with it.
    """

    def __init__(self, threads: int = 1, repetitions: int = 10, warm_up: int = 2, unit: str = "conv") -> None:
        for name, value, least in (("threads", threads, 1), ("repetitions", repetitions, 1), ("warm_up", warm_up, 0)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if unit not in ("conv", "conv+bn+relu"):
            raise ValueError(f"unit must be conv or conv+bn+relu, got {unit!r}")
        self.threads, self.repetitions, self.warm_up, self.unit = threads, repetitions, warm_up, unit
        self.clock = time.thread_time if threads == 1 else time.perf_counter
        clock = "CPU time of the thread" if threads == 1 else "wall clock"
        self.about = {
            "device": processor(),
            "threads": str(threads),
            "unit": unit,
            "clock": f"{clock}, least of {repetitions}",
        }

    def __call__(self, spec: Any) -> float:
        raise NotImplementedError

    def least(self, run: Any) -> float:
        """Return the least ms of ``run()``."""
        for _ in range(self.warm_up):
            run()
        return 1e3 * min(self.seconds(run) for _ in range(self.repetitions))

    def seconds(self, run: Any) -> float:
        """Return the seconds of one ``run()``."""
        started = self.clock()
        run()
        return self.clock() - started


class TorchTimer(Timer):
    """Runs a convolution in torch, on the CPU or a CUDA device (timed there by device events).

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``.
        **options: of :class:`Timer`.

    Raises:
        RuntimeError: there is no such device.
    """

    def __init__(self, device: str = "cpu", dtype: str = "float32", **options: Any) -> None:
        super().__init__(**options)
        import torch

        self.torch, self.device, self.dtype = torch, torch.device(device), getattr(torch, dtype)
        self.about |= {"runtime": f"torch {torch.__version__}", "dtype": dtype}
        if self.device.type == "cuda":
            if not torch.cuda.is_available():
                raise RuntimeError(f"device {device!r} was asked for, but torch finds no CUDA device here")
            torch.backends.cudnn.benchmark = True  # the fastest algorithm of each shape, as in deployment
            self.about |= {
                "device": torch.cuda.get_device_name(self.device),
                "threads": "1",
                "clock": f"device events, least of {self.repetitions}",
            }

    def __call__(self, spec: Any) -> float:
        torch, (kernel, stride, dilation) = self.torch, (pair(v) for v in (spec.kernel, spec.stride, spec.dilation))
        padding = tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
        place = {"device": self.device, "dtype": self.dtype}
        images = torch.randn(spec.batch, spec.in_channels, *pair(spec.size), **place)
        weight = torch.randn(spec.out_channels, spec.in_channels // spec.groups, *kernel, **place)
        scale, mean = torch.ones(spec.out_channels, **place), torch.zeros(spec.out_channels, **place)

        def run() -> Any:
            out = torch.nn.functional.conv2d(images, weight, None, stride, padding, dilation, spec.groups)
            if self.unit == "conv":
                return out
            return torch.nn.functional.batch_norm(out, mean, scale, scale, mean).relu_()

        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(self.threads)
            with torch.inference_mode():
                return self.least(run)
        finally:
            torch.set_num_threads(threads)

    def seconds(self, run: Any) -> float:
        if self.device.type != "cuda":
            return super().seconds(run)
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        self.torch.cuda.synchronize(self.device)
        return start.elapsed_time(end) / 1e3


class OnnxRuntimeTimer(Timer):
    """Runs a convolution in ONNX Runtime, in float32.

    Args:
        provider: an execution provider of ONNX Runtime.
        **options: of :class:`Timer`; in ``"conv+bn+relu"`` the normalisation is folded into the convolution, as usual there.

    Raises:
        ImportError: onnxruntime is not installed.
        RuntimeError: it has no such provider.
    """

    def __init__(self, provider: str = "CPUExecutionProvider", **options: Any) -> None:
        super().__init__(**options)
        try:
            import onnxruntime
        except ImportError:
            raise ImportError(
                "measuring with ONNX Runtime needs the package onnxruntime, which is not installed: pip install onnxruntime"
            ) from None
        if provider not in onnxruntime.get_available_providers():
            available = ", ".join(onnxruntime.get_available_providers())
            raise RuntimeError(f"ONNX Runtime has no provider {provider!r} here, only {available}")
        self.runtime, self.provider = onnxruntime, provider
        if provider != "CPUExecutionProvider":  # the work is not on this thread
            self.clock = time.perf_counter
            self.about["clock"] = f"wall clock, least of {self.repetitions}"
        self.about |= {"runtime": f"onnxruntime {onnxruntime.__version__}", "dtype": "float32", "provider": provider}

    def __call__(self, spec: Any) -> float:
        import numpy as np

        options = self.runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        model = onnx_convolution(spec, relu=self.unit != "conv")
        session = self.runtime.InferenceSession(model, options, providers=[self.provider])
        images = np.random.default_rng(0).standard_normal(
            (spec.batch, spec.in_channels, *pair(spec.size)), dtype=np.float32
        )
        return self.least(lambda: session.run(None, {"images": images}))


def onnx_convolution(spec: Any, *, relu: bool = False) -> bytes:
    """Return the ONNX model (opset 13) of a convolution, with a bias and a ReLU where asked; the weights are all 0.1.

    It is written field by field in the wire format of protocol buffers, so that no package but the runtime is needed.
    """
    kernel, stride, dilation = (pair(value) for value in (spec.kernel, spec.stride, spec.dilation))
    padding = tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
    lists = {"kernel_shape": kernel, "strides": stride, "dilations": dilation, "pads": padding * 2}
    attributes = [_field(5, _text(1, name) + _ints(8, values) + _number(20, 7)) for name, values in lists.items()]
    attributes.append(_field(5, _text(1, "group") + _number(3, spec.groups) + _number(20, 2)))
    inputs = ["images", "weight", "bias"] if relu else ["images", "weight"]
    nodes = _field(
        1, b"".join(_text(1, name) for name in inputs) + _text(2, "conv") + _text(4, "Conv") + b"".join(attributes)
    )
    if relu:
        nodes += _field(1, _text(1, "conv") + _text(2, "out") + _text(4, "Relu"))
    tensors = _field(5, _tensor("weight", (spec.out_channels, spec.in_channels // spec.groups, *kernel)))
    if relu:
        tensors += _field(5, _tensor("bias", (spec.out_channels,)))
    shape = (spec.batch, spec.in_channels, *pair(spec.size))
    dims = b"".join(_field(1, _number(1, size)) for size in shape)
    source = _field(11, _text(1, "images") + _field(2, _field(1, _number(1, 1) + _field(2, dims))))
    result = _field(12, _text(1, "out" if relu else "conv") + _field(2, _field(1, _number(1, 1))))
    graph = nodes + _text(2, "convolution") + tensors + source + result
    return _number(1, 8) + _field(7, graph) + _field(8, _text(1, "") + _number(2, 13))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _ints(number: int, values: tuple[int, ...]) -> bytes:
    return b"".join(_number(number, value) for value in values)


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    count = 1
    for size in shape:
        count *= size
    return _ints(1, shape) + _number(2, 1) + _text(8, name) + _field(9, struct.pack("<f", 0.1) * count)


def pair(value: Any) -> tuple[int, int]:
    """Return height and width of ``56``, ``(56, 40)`` or ``"56x40"``."""
    if isinstance(value, str):
        value = tuple(int(part) for part in value.split("x"))
    if isinstance(value, (tuple, list)):
        return (int(value[0]), int(value[-1]))
    return (int(value), int(value))


def processor() -> str:
    """Return the name of the CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model", "Hardware")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class Needed:
    """One row of the list of convolutions."""

    def __init__(self, row: dict[str, str]) -> None:
        self.batch, self.in_channels, self.out_channels = (int(row[name]) for name in COLUMNS[:3])
        self.size, self.kernel, self.stride = row["fmap"], row["kernel"], row["stride"]
        self.groups, self.dilation = int(row.get("groups") or 1), row.get("dilation") or "1"
        texts = (self.size, self.kernel, self.stride, str(self.groups), self.dilation)
        self.fields = tuple(map(str, (self.batch, self.in_channels, self.out_channels, *texts)))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, without the lines that start with ``#``."""
    with path.open(newline="") as file:
        return list(csv.DictReader(line for line in file if line.strip() and not line.startswith("#")))


def _continue(table: Path, marks: list[str]) -> set[tuple[str, ...]]:
    """Return what a table holds already; make it where there is none, and cut off a row that was not written to its end."""
    if not table.is_file():
        table.write_text("\n".join([*marks, ",".join((*COLUMNS, "ms"))]) + "\n")
        return set()
    text = table.read_text()
    before = [line for line in text.splitlines() if line.startswith("#")]
    if before != marks:
        sys.exit(f"{table} was measured with other settings, {before}, than now, {marks}: choose another file")
    if not text.endswith("\n"):
        table.write_text(text[: text.rindex("\n") + 1])
    return {Needed(row).fields for row in read_rows(table)}


def main(arguments: list[str] | None = None) -> int:
    """Measure what is needed and not yet measured."""
    parser = argparse.ArgumentParser(description="Measure convolutions on this device.")
    parser.add_argument("needed", type=Path, help=f"CSV with the columns {', '.join(COLUMNS)}")
    parser.add_argument("table", type=Path, help="CSV to write; one that exists is continued")
    parser.add_argument("--runtime", choices=("torch", "onnxruntime"), default="torch")
    parser.add_argument("--device", default="cpu", help="of torch: cpu, cuda, cuda:1")
    parser.add_argument("--provider", default="CPUExecutionProvider", help="of onnxruntime")
    parser.add_argument("--dtype", default="float32", help="of torch: float32, float16, bfloat16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--unit", choices=("conv", "conv+bn+relu"), default="conv")
    chosen = parser.parse_args(arguments)
    options = {"threads": chosen.threads, "repetitions": chosen.repetitions, "unit": chosen.unit}
    timer = (
        TorchTimer(chosen.device, chosen.dtype, **options)
        if chosen.runtime == "torch"
        else OnnxRuntimeTimer(chosen.provider, **options)
    )
    marks = [f"# {name}: {value}" for name, value in timer.about.items()]
    done = _continue(chosen.table, marks)
    needed = [row for row in map(Needed, read_rows(chosen.needed)) if row.fields not in done]
    with chosen.table.open("a") as file:
        for count, row in enumerate(needed, start=1):
            ms = timer(row)
            file.write(",".join((*row.fields, f"{ms:.6g}")) + "\n")
            file.flush()
            print(f"{count} of {len(needed)}: {'_'.join(row.fields)} {ms:.4g} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
