"""The network: published sizes and names, its sparse part against a dense one, invariances, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from workbench.models.mvs import (
    LossConfig,
    MvsConfig,
    NpCvpMvsNet,
    load_official_checkpoint,
    mvs_loss,
    np_cvp_mvsnet,
    np_cvp_mvsnet_small,
    pad_to_multiple,
)
from workbench.models.mvs.losses import covers
from workbench.models.mvs.network import photometric_confidence, ranks
from workbench.models.mvs.sparse import SparseRegulariser, pixel_sites

from .scenes import random_inputs, stepped_scene

TINY = MvsConfig((4, 8), (2, 4), (4, 8))
"""Two levels, for images whose sides are multiples of 16."""
NAMES = (
    "feature_extractor.conv0.0.conv.weight",
    "feature_extractor.conv0.4.bn.num_batches_tracked",
    "feature_extractor.conv3up.1.conv.weight",
    "feature_extractor.conv_out0.1.bn.running_var",
    "feature_extractor.conv_out0.2.weight",
    "cost_reg_net_init.conv3c.conv.weight",
    "cost_reg_net_init.conv3d.1.bn.bias",
    "cost_reg_net_init.prob0.bias",
    "va_net_init.conv1d.1.conv.weight",
    "va_net_init.conv0.1.weight",
    "cost_reg_net_refine_2.input.2.conv3.kernel",
    "cost_reg_net_refine_0.conv1up.0.conv.kernel",
    "cost_reg_net_refine_1.conv3down.2.conv1.kernel",
    "cost_reg_net_refine_2.prob.1.bn.running_mean",
    "cost_reg_net_refine_2.prob.4.kernel",
    "cost_reg_net_refine_2.prob.5.kernel",
)


def _stirred(module, seed=0):
    """Give normalisation statistics and scales that are not those of a new module, and evaluate."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if name.endswith(("running_var", "bn.weight")):
            value.copy_(1 + 0.2 * torch.rand(value.shape, generator=generator))
        elif name.endswith(("running_mean", "bn.bias")):
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    return module.eval()


@pytest.mark.parametrize("levels, numbers, entries", [(4, 931_407, 829), (3, 597_355, 610)])
def test_sizes_are_the_published_ones(levels, numbers, entries):
    with torch.device("meta"):
        network = np_cvp_mvsnet(levels)
    assert sum(parameter.numel() for parameter in network.parameters()) == numbers
    state = network.state_dict()
    assert len(state) == entries
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert parts["cost_reg_net_init"] == 439_945
    assert parts["va_net_init"] == 8_404
    assert parts["cost_reg_net_refine_0"] == 10_738
    if levels == 4:
        assert set(NAMES) <= set(state)
        assert parts["feature_extractor"] == 387_512
        assert parts["cost_reg_net_refine_2"] == parts["cost_reg_net_refine_1"] == 42_404
        assert state["cost_reg_net_refine_2.conv1up.0.conv.kernel"].shape == (8, 4, 8)
        assert state["cost_reg_net_refine_2.prob.5.kernel"].shape == (4, 1)


def test_checkpoints_of_the_released_program_load_by_name_and_sample_as_it_does(tmp_path):
    source, target = _stirred(np_cvp_mvsnet(3)), np_cvp_mvsnet(3)
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save({"epoch": 27, "model": state, "optimizer": {"state": {}}}, tmp_path / "model_000027.ckpt")
    assert not target.legacy_grid
    report = load_official_checkpoint(target, tmp_path / "model_000027.ckpt")
    assert report.complete
    assert target.legacy_grid
    assert all(
        torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    )
    with pytest.raises(ValueError, match=r"of 3 levels, the network has 4"):
        load_official_checkpoint(np_cvp_mvsnet(4), tmp_path / "model_000027.ckpt")
    inputs = random_inputs(height=32, width=32)
    with torch.inference_mode():
        source.legacy_grid = True
        legacy = source(*inputs).levels[0].logits
        source.legacy_grid = False
        assert not torch.allclose(legacy, source(*inputs).levels[0].logits)


def _masked(volume, mask):
    return volume * mask


def _dense_block(x, mask, block):
    for size, conv in (((1, 1, 3), block.conv1), ((1, 3, 1), block.conv2), ((3, 1, 1), block.conv3)):
        x = _dense_taps(x, mask, conv.kernel, size)
    return _masked(functional.relu(_normalised(x, block.bn)), mask)


def _dense_taps(x, mask, kernel, size):
    weight = kernel.permute(2, 1, 0).reshape(kernel.shape[2], kernel.shape[1], *size)
    return _masked(functional.conv3d(x, weight, padding=[side // 2 for side in size]), mask)


def _normalised(x, bn):
    return functional.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)


def _dense_regulariser(net, volume, mask):
    """The same network on a full grid, everything that is no site being put back to 0 after each step."""
    x, masks = volume, [mask]
    for block in net.input:
        x = _dense_block(x, mask, block)
    skips = [x]
    for step in (1, 2, 3):
        resample, *blocks = net.get_submodule(f"conv{step}up")
        masks.append(functional.max_pool3d(masks[-1], 2))
        kernel = resample.conv.kernel
        weight = kernel.permute(2, 1, 0).reshape(kernel.shape[2], kernel.shape[1], 2, 2, 2)
        x = functional.conv3d(x, weight, stride=2)
        x = _masked(functional.relu(_normalised(x, resample.bn)), masks[-1])
        for block in blocks:
            x = _dense_block(x, masks[-1], block)
        skips.append(x)
    for step in (3, 2, 1):
        resample, *blocks = net.get_submodule(f"conv{step}down")
        kernel = resample.conv.kernel
        weight = kernel.permute(1, 2, 0).reshape(kernel.shape[1], kernel.shape[2], 2, 2, 2)
        x = functional.conv_transpose3d(x, weight, stride=2)
        x = _masked(functional.relu(_normalised(x, resample.bn)), masks[step - 1])
        for block in blocks:
            x = _dense_block(x, masks[step - 1], block)
        x = skips[step - 1] + x
    first, second, *factors, last = net.prob
    x = _dense_block(_dense_block(x, mask, first), mask, second)
    for size, conv in zip([(1, 1, 3), (1, 3, 1), (3, 1, 1)], factors, strict=True):
        x = _dense_taps(x, mask, conv.kernel, size)
    return torch.einsum("bcyxz,co->byxz", x, last.kernel)


def test_sparse_aggregation_is_the_dense_network_on_a_masked_grid():
    torch.manual_seed(0)
    net = _stirred(SparseRegulariser(2).double())
    cells = torch.rand(2, 32, 8, 8).topk(6, dim=1).indices.sort(1).values
    cost = torch.randn(2, 2, 6, 8, 8, dtype=torch.float64)
    volume, mask = torch.zeros(2, 2, 8, 8, 32, dtype=torch.float64), torch.zeros(2, 1, 8, 8, 32, dtype=torch.float64)
    place = cells.permute(0, 2, 3, 1)
    volume.scatter_(4, place[:, None].expand(-1, 2, -1, -1, -1), cost.permute(0, 1, 3, 4, 2))
    mask.scatter_(4, place[:, None], 1.0)
    with torch.no_grad():
        expected = _dense_regulariser(net, volume, mask).gather(3, place).permute(0, 3, 1, 2)
        got = net(cost, cells)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)
    with torch.no_grad():
        flat = net(cost, ranks(cells))
    assert not torch.allclose(flat, expected, atol=1e-3)


def test_sites_come_pixel_by_pixel_in_order():
    cells = torch.tensor([3, 9]).reshape(1, 2, 1, 1).expand(1, 2, 1, 2)
    assert pixel_sites(cells).coordinates.tolist() == [[0, 0, 0, 3], [0, 0, 0, 9], [0, 0, 1, 3], [0, 0, 1, 9]]


def test_shapes_of_every_level_and_depths_inside_the_range():
    network = _stirred(np_cvp_mvsnet(4))
    with torch.inference_mode():
        found = network(*random_inputs(height=64, width=128))
    assert found.depth.shape == found.confidence.shape == (1, 64, 128)
    assert [level.logits.shape for level in found.levels] == [
        (1, 48, 8, 16),
        (1, 32, 16, 32),
        (1, 16, 32, 64),
        (1, 8, 64, 128),
    ]
    half = 480 / 47 / 2
    assert found.depth.min() >= 425 - half
    assert found.depth.max() <= 905 + half
    assert ((found.confidence >= 0) & (found.confidence <= 1 + 1e-6)).all()
    for level in found.levels:
        torch.testing.assert_close(level.probability.sum(1), torch.ones_like(level.probability[:, 0]))


@pytest.mark.parametrize("changes", [{}, {"selection": "window"}, {"coordinates": "ranks"}])
def test_sources_have_no_order_samples_do_not_mix_and_runs_repeat(changes):
    network = _stirred(np_cvp_mvsnet_small(**changes))
    images, k, poses, least, most = random_inputs(batch=2, views=4, height=32, width=32)
    order = [0, 3, 1, 2]
    with torch.inference_mode():
        plain = network(images, k, poses, least, most)
        again = network(images, k, poses, least, most)
        mixed = network(images[:, order], k[:, order], poses[:, order], least, most)
        alone = network(images[1:], k[1:], poses[1:], least[1:], most[1:])
    assert torch.equal(plain.depth, again.depth)
    torch.testing.assert_close(plain.levels[0].logits, mixed.levels[0].logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(plain.levels[0].logits[1:], alone.levels[0].logits, rtol=1e-3, atol=1e-4)


def test_a_unit_of_length_is_only_a_unit():
    """Metres in the place of millimetres: the same picture, all depths a thousandth."""
    network = _stirred(np_cvp_mvsnet_small())
    images, k, poses, least, most = random_inputs(height=32, width=32)
    metres = poses.clone()
    metres[..., :3, 3] /= 1000
    with torch.inference_mode():
        one = network(images, k, poses, least, most)
        other = network(images, k, metres, least / 1000, most / 1000)
    torch.testing.assert_close(one.levels[0].logits, other.levels[0].logits, rtol=1e-3, atol=1e-3)
    assert ((one.depth / 1000 - other.depth).abs() < 1e-4).float().mean() > 0.99


def test_where_no_source_sees_the_cost_is_finite_and_confidence_zero():
    """A source whose camera lies beyond the whole range: every point is behind it, and every visibility below the threshold."""
    network = _stirred(NpCvpMvsNet(MvsConfig(TINY.channels, TINY.groups, TINY.hypotheses, visibility_threshold=1.1)))
    images, k, poses, least, most = random_inputs(views=2, height=32, width=32)
    poses[:, 1, 2, 3] = -5000.0
    with torch.inference_mode():
        found = network(images, k, poses, least, most)
    assert torch.isfinite(found.depth).all()
    assert (found.confidence == 0).all()


def test_half_precision_keeps_depths_in_float32():
    network = _stirred(np_cvp_mvsnet_small())
    inputs = random_inputs(height=32, width=32)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = network(*inputs)
    assert found.depth.dtype == torch.float32
    assert all(level.hypotheses.depths.dtype == torch.float32 for level in found.levels)
    assert torch.isfinite(found.depth).all()


def test_levels_can_be_switched_on_one_after_the_other():
    network = np_cvp_mvsnet_small()
    inputs = random_inputs(batch=2, height=32, width=32)
    found = network(*inputs, finest=2)
    assert found.depth.shape == found.confidence.shape == (2, 8, 8)
    mvs_loss(found, torch.full((2, 32, 32), 600.0), *inputs[3:]).backward()
    assert network.cost_reg_net_init.prob0.weight.grad.abs().sum() > 0
    assert network.cost_reg_net_refine_0.prob[5].kernel.grad is None
    with pytest.raises(ValueError, match="finest must lie in 0 to 2, got 3"):
        network(*inputs, finest=3)


def test_confidence_is_the_greatest_sum_of_four_neighbours():
    probability = torch.zeros(1, 8, 1, 2)
    probability[0, :, 0, 0] = 0.125
    probability[0, [0, 7], 0, 1] = torch.tensor([0.4, 0.6])
    torch.testing.assert_close(photometric_confidence(probability), torch.tensor([[[0.5, 0.6]]]))


def test_training_learns_where_two_planes_lie():
    """Near on the left in one scene and on the right in the other: only correspondence tells, not the place in the image."""
    torch.manual_seed(0)
    network = NpCvpMvsNet(TINY).train()
    scenes = [stepped_scene(left=500.0, right=800.0), stepped_scene(left=800.0, right=500.0, seed=1)]
    images, k, poses, truth = (torch.cat(parts) for parts in zip(*scenes, strict=True))
    inputs = images, k, poses, torch.tensor([400.0, 400.0]), torch.tensor([900.0, 900.0])
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    errors, config = [], LossConfig(finest="distribution", distribution="kl")
    for _ in range(25):
        optimizer.zero_grad()
        found = network(*inputs)
        mvs_loss(found, truth, *inputs[3:], config=config).backward()
        optimizer.step()
        errors.append((found.depth - truth).abs().median().item())
    assert errors[0] > 100
    assert errors[-1] < 20
    assert covers(found.levels[-1].hypotheses, truth).float().mean() > 0.98  # 4 of 16 cells cover a quarter by chance


def test_images_are_padded_on_the_right_and_below():
    padded = pad_to_multiple(torch.ones(1, 2, 3, 33, 64), 32)
    assert padded.shape == (1, 2, 3, 64, 64)
    assert padded[..., :33, :].min() == 1
    assert padded[..., 33:, :].max() == 0
    with pytest.raises(ValueError, match="multiple must be at least 1"):
        pad_to_multiple(padded, 0)


def _with(**changes):
    names = ("images", "intrinsics", "cam_from_world", "depth_min", "depth_max")
    inputs = dict(zip(names, random_inputs(height=32, width=32), strict=True))
    for name, change in changes.items():
        inputs[name] = change(inputs[name].clone())
    return inputs


def _set(place, value):
    def change(tensor):
        tensor[place] = value
        return tensor

    return change


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"images": lambda x: x[..., :30, :]}, r"multiples of 32, got 30 x 32; pad_to_multiple\(images, 32\)"),
        ({"images": lambda x: x[:, :1]}, "at least one source view is needed beside the reference, got 1 view"),
        ({"images": lambda x: x[0]}, r"images must be floating point \(B, V, 3, H, W\)"),
        ({"images": lambda x: (255 * x).byte()}, "got torch.uint8"),
        ({"intrinsics": lambda x: x[:, :2]}, r"intrinsics must be \(1, 3, 3, 3\), got \(1, 2, 3, 3\)"),
        ({"depth_min": _set(0, 0.0)}, "sample 0: depth range must satisfy 0 < min < max, got 0 and 905"),
        ({"depth_max": _set(0, 425.0)}, "got 425 and 425"),
        ({"depth_max": _set(0, math.inf)}, "got 425 and inf"),
        ({"depth_min": _set(0, math.nan)}, "got nan"),
        (
            {"cam_from_world": _set((0, 2, 0, 0), -1.0)},
            "sample 0, view 2: the rotation is not orthonormal: determinant -1",
        ),
        ({"intrinsics": _set((0, 1, 1, 1), 0.0)}, "sample 0, view 1: the focal lengths must be above 0"),
    ],
)
def test_inputs_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        np_cvp_mvsnet_small()(**_with(**changes))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"hypotheses": (6, 12, 25)}, "planes, must be a multiple of 8, got 25"),
        ({"hypotheses": (5, 12, 24)}, "hypotheses of level 0 must be even .* got 5"),
        ({"hypotheses": (6, 50, 24)}, "hypotheses of level 1 must be even and at most twice the 24 .* got 50"),
        ({"hypotheses": (6, 12)}, "of the same levels"),
        ({"groups": (3, 4, 8)}, "groups must divide channels, got 3 for 8"),
        ({"groups": (2, 4, 1)}, "coarsest level must be even, got 1"),
        ({"selection": "best"}, "selection must be one of top_k, window, got 'best'"),
        ({"coordinates": "depth"}, "coordinates must be one of cells, ranks"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        np_cvp_mvsnet_small(**changes)
    with pytest.raises(ValueError, match="levels must be 3 or 4, as published, got 5"):
        np_cvp_mvsnet(5)
