"""Timers, the models that ONNX Runtime runs, and the script that stands alone."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.pruning import ConvSpec, LatencyTable, OnnxRuntimeTimer, TorchTimer, load_latency_table, save_specs
from workbench.pruning import measure_convolutions as script

SMALL, LARGE = ConvSpec(2, 8, 8, 8, 3), ConvSpec(8, 64, 128, 28, 3)
SPECS = [
    ConvSpec(2, 3, 8, 9, 3, 2),
    ConvSpec(1, 8, 8, (6, 10), 3, 1, 8),
    ConvSpec(1, 4, 6, 12, (1, 5), 1, 2),
    ConvSpec(1, 4, 6, 12, 3, 1, 1, 2),
]


@pytest.mark.parametrize("unit", ["conv", "conv+bn+relu"])
def test_torch_timer_measures_more_for_more_work_and_leaves_no_trace(unit):
    threads, state = torch.get_num_threads(), torch.is_inference_mode_enabled()
    timer = TorchTimer(repetitions=5, unit=unit)
    assert 0 < 5 * timer(SMALL) < timer(LARGE)
    assert (torch.get_num_threads(), torch.is_inference_mode_enabled()) == (threads, state)
    assert timer.about["runtime"] == f"torch {torch.__version__}"
    assert (timer.about["threads"], timer.about["unit"]) == ("1", unit)
    assert timer.about["device"]


def test_time_of_one_thread_does_not_count_waiting_and_the_least_counts():
    timer, runs = TorchTimer(repetitions=3, warm_up=1), []

    def run():
        runs.append(1)
        time.sleep(0.02)
        if len(runs) < 4:
            sum(range(200_000))

    assert timer.least(run) < 2.0
    assert len(runs) == 4


def test_a_table_measures_what_it_is_asked():
    table = LatencyTable(measure=TorchTimer(repetitions=2))
    assert table(SMALL) > 0
    assert list(table) == [SMALL]
    assert table.about["dtype"] == "float32"


def test_options_that_cannot_be():
    with pytest.raises(ValueError, match="repetitions must be a whole number of at least 1, got 0"):
        TorchTimer(repetitions=0)
    with pytest.raises(ValueError, match=r"unit must be conv or conv\+bn\+relu, got 'net'"):
        TorchTimer(unit="net")
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="device 'cuda' was asked for, but torch finds no CUDA device"):
            TorchTimer("cuda")


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("relu", [False, True])
def test_model_for_onnx_runtime_is_the_convolution(spec, relu):
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is optional")
    session = runtime.InferenceSession(script.onnx_convolution(spec, relu=relu), providers=["CPUExecutionProvider"])
    images = (
        np.random.default_rng(0).standard_normal((spec.batch, spec.in_channels, *script.pair(spec.size))).astype("f4")
    )
    (ours,) = session.run(None, {"images": images})
    weight = torch.full((spec.out_channels, spec.in_channels // spec.groups, *script.pair(spec.kernel)), 0.1)
    padding = [d * (k // 2) for d, k in zip(script.pair(spec.dilation), script.pair(spec.kernel), strict=True)]
    theirs = torch.conv2d(torch.from_numpy(images), weight, None, spec.stride, padding, spec.dilation, spec.groups)
    theirs = (theirs + 0.1).relu() if relu else theirs
    assert ours.shape[2:] == spec.out_size
    assert np.allclose(ours, theirs, atol=1e-5)


def test_onnx_runtime_timer_measures():
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is optional")
    timer = OnnxRuntimeTimer(repetitions=5, unit="conv+bn+relu")
    assert 0 < 3 * timer(SMALL) < timer(LARGE)
    assert timer.about["provider"] == "CPUExecutionProvider"
    with pytest.raises(RuntimeError, match="ONNX Runtime has no provider 'Abacus' here, only"):
        OnnxRuntimeTimer("Abacus")


def test_onnx_runtime_that_is_not_installed_is_named_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        ImportError, match="needs the package onnxruntime, which is not installed: pip install onnxruntime"
    ):
        OnnxRuntimeTimer()


def test_script_alone_measures_what_is_needed_and_continues(tmp_path):
    """A copy of the one file, in a process that cannot import the workbench."""
    save_specs([*SPECS, SPECS[0]], tmp_path / "needed.csv")
    shutil.copy(script.__file__, tmp_path / "measure.py")
    command = [sys.executable, "-I", "measure.py", "needed.csv", "table.csv", "--repetitions", "1"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(first.stdout.splitlines()) == len(SPECS)
    table = load_latency_table(tmp_path / "table.csv")
    assert list(table) == SPECS
    assert table.about["clock"] == "CPU time of the thread, least of 1"
    text = (tmp_path / "table.csv").read_text()
    (tmp_path / "table.csv").write_text(text.rsplit("\n", 2)[0] + "\n1,4,6,1")  # stopped in the middle of the last row
    assert script.main([str(tmp_path / "needed.csv"), str(tmp_path / "table.csv"), "--repetitions", "1"]) == 0
    assert list(load_latency_table(tmp_path / "table.csv")) == SPECS
    kept = list(csv.reader((tmp_path / "table.csv").read_text().splitlines()))[:-1]
    assert kept == list(csv.reader(text.splitlines()))[:-1]


def test_script_does_not_mix_settings(tmp_path):
    save_specs(SPECS[:1], tmp_path / "needed.csv")
    files = [str(tmp_path / "needed.csv"), str(tmp_path / "table.csv")]
    script.main([*files, "--repetitions", "1"])
    with pytest.raises(SystemExit, match=r"table.csv was measured with other settings.*choose another file"):
        script.main([*files, "--repetitions", "2"])


def test_script_imports_nothing_of_the_workbench():
    assert "workbench" not in "".join(
        line for line in Path(script.__file__).read_text().splitlines() if line.lstrip().startswith(("import", "from"))
    )
