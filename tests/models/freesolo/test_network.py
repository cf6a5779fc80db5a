import pytest
import torch
from torchvision.models import resnet50
from torchvision.ops import FrozenBatchNorm2d

from workbench.models.freesolo import (
    SoloConfig,
    freesolo_r50,
    freesolo_r101,
    freesolo_tiny,
    load_densecl,
    load_official_checkpoint,
)
from workbench.models.freesolo.backbone import with_coordinates
from workbench.models.freesolo.network import dynamic_masks


def test_published_names_and_size():
    with torch.device("meta"):
        state = freesolo_r50().state_dict()
    assert len(state) == 335  # 336 with the counter of steps
    assert round(sum(value.numel() for value in state.values()) / 1e6, 1) == 46.9
    expected = {
        "backbone.bottom_up.stem.conv1.norm.running_var": (64,),
        "backbone.bottom_up.res5.2.conv3.weight": (2048, 512, 1, 1),
        "backbone.bottom_up.res3.0.shortcut.norm.bias": (512,),
        "backbone.fpn_lateral5.weight": (256, 2048, 1, 1),
        "backbone.fpn_output2.bias": (256,),
        "ins_head.cate_tower.0.weight": (512, 256, 3, 3),
        "ins_head.kernel_tower.0.weight": (512, 258, 3, 3),
        "ins_head.kernel_tower.10.bias": (512,),
        "ins_head.cate_pred.weight": (2, 512, 3, 3),
        "ins_head.emb_pred.weight": (128, 512, 3, 3),
        "mask_head.convs_all_levels.3.conv0.0.weight": (128, 258, 3, 3),
        "mask_head.convs_all_levels.3.conv2.1.weight": (128,),
        "mask_head.conv_pred.0.weight": (256, 128, 1, 1),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected


def test_r101_has_23_blocks_in_its_third_stage():
    with torch.device("meta"):
        assert len(freesolo_r101().backbone.bottom_up.res4) == 23


def test_shapes_of_what_the_tiny_network_says():
    network = freesolo_tiny()
    output = network(torch.zeros(2, 3, 96, 64))
    assert [tuple(one.shape) for one in output.categories] == [(2, 1, side, side) for side in (12, 12, 8, 6, 4)]
    assert output.kernels[2].shape == (2, 32, 8, 8)
    assert output.embeddings[4].shape == (2, 128, 4, 4)
    assert output.mask_features.shape == (2, 32, 48, 32)
    assert torch.sigmoid(output.categories[0]).mean().item() == pytest.approx(0.01, abs=0.002)
    assert network.strides == (4, 4, 8, 16, 16)


def test_backbone_gives_what_torchvision_gives_from_the_same_densecl_file(tmp_path):
    theirs = resnet50(norm_layer=FrozenBatchNorm2d).eval()
    generator = torch.Generator().manual_seed(0)
    state = {
        name: 1 + 0.1 * torch.rand(value.shape, generator=generator)
        if value.ndim == 1
        else value.shape[1:].numel() ** -0.5 * torch.randn(value.shape, generator=generator)
        for name, value in theirs.state_dict().items()
    }
    theirs.load_state_dict(state)
    torch.save({"state_dict": state | {"bn1.num_batches_tracked": torch.tensor(3)}}, tmp_path / "densecl.pth")
    ours = freesolo_r50()
    report = load_densecl(ours, tmp_path / "densecl.pth")
    assert report.complete
    assert set(report.ignored) == {"fc.weight", "fc.bias", "bn1.num_batches_tracked"}
    images = torch.randn(1, 3, 64, 64, generator=generator)
    with torch.no_grad():
        expected = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(images))))
        for layer in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
            expected = layer(expected)
        found = ours.backbone.bottom_up(images)["res5"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_official_checkpoint_loads_without_its_counter(tmp_path):
    first, second = freesolo_tiny(), freesolo_tiny()
    torch.save({"model": first.state_dict() | {"_iter": torch.zeros(1)}}, tmp_path / "FreeSOLO.pth")
    report = load_official_checkpoint(second, tmp_path / "FreeSOLO.pth")
    assert report.complete
    assert report.ignored == ("_iter",)
    images = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(first(images).mask_features, second(images).mask_features)
    with pytest.raises(ValueError, match="has shape"):
        load_official_checkpoint(freesolo_tiny(tower=96), tmp_path / "FreeSOLO.pth")
    with pytest.raises(FileNotFoundError):
        load_official_checkpoint(second, tmp_path / "none.pth")


def test_coordinates_are_x_then_y():
    added = with_coordinates(torch.zeros(1, 1, 2, 3))[0, 1:]
    assert added.tolist() == [[[-1, 0, 1], [-1, 0, 1]], [[-1, -1, -1], [1, 1, 1]]]


def test_a_mask_is_the_product_of_its_kernel_with_the_features():
    features = torch.randn(3, 4, 5)
    expected = (torch.tensor([1.0, 0, 2])[:, None, None] * features).sum(0)
    torch.testing.assert_close(dynamic_masks(torch.tensor([[1.0, 0, 2]]), features)[0], expected)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="multiples of 16"):
        freesolo_tiny()(torch.zeros(1, 3, 40, 64))
    with pytest.raises(ValueError, match="5 levels"):
        SoloConfig(grids=(12, 8))
    with pytest.raises(ValueError, match="tower must be at least 1"):
        SoloConfig(tower=0)
