"""Weights of a TensorFlow.js model: split over files at any byte, and every fault named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.datasets.tfjs_file import read_tfjs

KERNEL, BIAS = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4), np.array([-1.5, 2.0], np.float32)
WEIGHTS = [
    {"name": "a/kernel", "shape": [1, 2, 3, 4], "dtype": "float32"},
    {"name": "a/bias", "shape": [2], "dtype": "float32"},
]


CONTENT = KERNEL.tobytes() + BIAS.tobytes()


def _write(folder, weights=WEIGHTS, cut=50, content=CONTENT):
    (folder / "one.bin").write_bytes(content[:cut])
    (folder / "two.bin").write_bytes(content[cut:])
    manifest = [{"paths": ["one.bin", "two.bin"], "weights": weights}]
    (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest}))
    return folder / "model.json"


def test_weights_may_straddle_files(tmp_path):
    for cut in (0, 50, 96, 104):
        weights = read_tfjs(_write(tmp_path, cut=cut))
        assert np.array_equal(weights["a/kernel"], KERNEL)
        assert np.array_equal(weights["a/bias"], BIAS)


def test_faults_are_named(tmp_path):
    path = _write(tmp_path, content=KERNEL.tobytes())
    with pytest.raises(ValueError, match="group 0: the files end within a/bias; they are truncated"):
        read_tfjs(path)
    with pytest.raises(ValueError, match="8 bytes are left over after its last weight"):
        read_tfjs(_write(tmp_path, WEIGHTS[:1]))
    with pytest.raises(ValueError, match="a/kernel is int32, perhaps quantised; expected plain float32"):
        read_tfjs(_write(tmp_path, [WEIGHTS[0] | {"dtype": "int32"}]))
    with pytest.raises(ValueError, match="a/kernel is float32, perhaps quantised"):
        read_tfjs(_write(tmp_path, [WEIGHTS[0] | {"quantization": {}}]))
    (tmp_path / "two.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no two.bin, which model.json names"):
        read_tfjs(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"model.json has no 'weightsManifest'"):
        read_tfjs(path)
