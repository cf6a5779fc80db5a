"""Shrunk networks give what masked ones give, in double precision, whatever is removed; and nothing of the original changes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from workbench.models.mobilenet_v1 import MobileNetV1
from workbench.models.ssd import small_ssd, ssd512_resnet50
from workbench.pruning import ChannelGraph, ChannelPlan, Masks, mask, shrink

from .networks import Branches, difference, graph_of, random_plan, settled, small_resnet

EXACT = 1e-10


def vgg16_bn():
    """VGG-16-BN with a narrow classifier: 49 columns a channel, as in the published one, but 32 hidden units."""
    layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"], batch_norm=True)
    model = torchvision.models.VGG(layers, num_classes=10, init_weights=False)
    model.classifier = nn.Sequential(nn.Linear(512 * 49, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10))
    return model


NETWORKS = {
    "resnet18": torchvision.models.resnet18,
    "resnet50": torchvision.models.resnet50,
    "vgg16_bn": vgg16_bn,
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": torchvision.models.mobilenet_v2,
    "ssd512_resnet50": ssd512_resnet50,
    "small_ssd": small_ssd,
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    model = settled(NETWORKS[request.param]())
    images = torch.randn(1, 3, 64, 64, dtype=torch.double)
    return model, images, ChannelGraph.trace(model, images)


@pytest.mark.parametrize("emptied", [0.0, 0.4])
def test_published_networks_give_what_the_masked_ones_give(network, emptied):
    model, images, graph = network
    plan = random_plan(graph, seed=1, emptied=emptied)
    error, small = difference(model, plan, images)
    assert error < EXACT
    assert type(small) is type(model)
    for name, (inputs, outputs) in plan.widths.items():
        if name not in plan.dead:
            conv = small.get_submodule(name)
            assert (conv.in_channels, conv.out_channels) == (inputs, outputs)
            assert conv.weight.shape[:2] == (outputs, inputs // conv.groups)


class Zoo(nn.Module):
    """Squeeze and excitation, a grouped convolution, a group norm, a concatenation, a scale, a shared layer and two outputs."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(4, 8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.side = nn.Sequential(nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1))
        self.shared = nn.Conv2d(18, 18, 3, padding=1)
        self.act = nn.PReLU(18)
        self.scale = nn.Parameter(torch.linspace(0.5, 2, 18).reshape(1, 18, 1, 1))
        self.head, self.linear = nn.Conv2d(18, 2, 1), nn.Linear(18 * 16, 3)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        x = x * self.excite(self.squeeze(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        x = torch.cat([self.grouped(x), self.side(x)], 1)
        x = self.act(self.shared(x))
        x = self.shared(x).relu() + functional.normalize(x) * self.scale
        return self.head(x), self.linear(functional.max_pool2d(x, 4).flatten(1))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.95), emptied=st.sampled_from([0.0, 0.5, 1.0]))
@pytest.mark.parametrize("build", [small_resnet, Zoo, Branches])
def test_any_plan_of_small_networks_gives_what_the_masked_one_gives(build, seed, share, emptied):
    model = settled(build())
    images = torch.randn(2, 3, 16, 16, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    plan = random_plan(ChannelGraph.trace(model, images), seed, share, emptied)
    error, _ = difference(model, plan, images)
    assert error < EXACT


def test_emptied_branch_becomes_the_constant_that_a_zero_gives_on_its_way():
    """The zero meets relu after bn2: leaving that out, as the published script does, gives another constant."""
    torch.manual_seed(0)
    model = settled(torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [2, 1, 1, 1], num_classes=4))
    images = torch.randn(1, 3, 32, 32, dtype=torch.double)
    graph = ChannelGraph.trace(model, images)
    plan = ChannelPlan.keeping(graph, {"layer1.1.conv1": []})
    assert set(plan.dead) == {"layer1.1.conv1", "layer1.1.conv2", "layer1.1.conv3"}
    error, small = difference(model, plan, images)
    assert error < EXACT
    block = model.layer1[1]
    zero = torch.zeros(1, 64, 1, 1, dtype=torch.double)
    expected = block.bn3(block.conv3(block.bn2(zero).relu()))
    wrong = block.bn3(block.conv3(block.bn2(zero)))
    bias = small.layer1[1].add_bias
    assert torch.allclose(bias, expected)
    assert (bias - wrong).abs().max() > 0.01
    assert [name for name in small.state_dict() if name.startswith("layer1.1")] == ["layer1.1.add_bias"]


def test_emptied_conv2_removes_the_conv1_that_only_it_reads():
    torch.manual_seed(0)
    model = settled(torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [2, 1, 1, 1], num_classes=4))
    images = torch.randn(1, 3, 32, 32, dtype=torch.double)
    plan = ChannelPlan.keeping(ChannelGraph.trace(model, images), {"layer2.0.conv2": []})
    assert set(plan.dead) == {"layer2.0.conv1", "layer2.0.conv2", "layer2.0.conv3"}
    error, small = difference(model, plan, images)
    assert error < EXACT
    assert not hasattr(small.layer2[0], "conv1")
    assert small.get_submodule("layer2.0.downsample.0").out_channels == 512


def test_original_network_its_mode_and_its_gradients_are_left_alone():
    model = settled(small_resnet()).train()
    model.layer3.eval()
    model(torch.randn(2, 3, 32, 32, dtype=torch.double)).sum().backward()
    before = copy.deepcopy(model.state_dict())
    gradient = model.conv1.weight.grad.clone()
    small = shrink(model, random_plan(graph_of(model, 1, 3, 32, 32), 0, emptied=1.0))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(model.conv1.weight.grad, gradient)
    modes = {name: module.training for name, module in model.named_modules()}
    assert all(module.training == modes[name] for name, module in small.named_modules() if name in modes)
    assert all(parameter.grad is None for parameter in small.parameters())


def test_shrunk_network_trains_and_survives_pickling():
    model = small_resnet()
    small = shrink(model, random_plan(graph_of(model, 1, 3, 32, 32), 0, emptied=1.0)).train()
    optimiser = torch.optim.SGD(small.parameters(), 0.1)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = functional.cross_entropy(small(images), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    with torch.no_grad():
        again = pickle.loads(pickle.dumps(small.eval()))
        assert torch.equal(again(images), small(images))


def test_keeping_everything_changes_nothing():
    model = settled(small_resnet())
    images = torch.randn(1, 3, 32, 32, dtype=torch.double)
    graph = ChannelGraph.trace(model, images)
    small = shrink(model, ChannelPlan(graph, graph.everything()))
    assert all(torch.equal(a, b) for a, b in zip(small.state_dict().values(), model.state_dict().values(), strict=True))
    assert small.conv1.weight is not model.conv1.weight


def test_order_of_the_kept_indices_does_not_matter():
    model = settled(Branches())
    graph = graph_of(model)
    one, other = (ChannelPlan.keeping(graph, {"left.0": order}) for order in ([4, 0, 2], [0, 2, 4]))
    assert np.array_equal(one.keep, other.keep)
    assert np.array_equal(one.kept["left.0"], [0, 2, 4])


def test_masks_zero_biases_norms_and_statistics_and_are_applied_again():
    model = settled(small_resnet())
    graph = graph_of(model, 1, 3, 32, 32)
    plan = ChannelPlan.keeping(graph, {"layer1.0.conv1": range(1, 64)})
    masks = Masks(model, plan)
    for _ in range(2):
        masks.apply()
        norm = model.layer1[0].bn1
        for tensor in (model.layer1[0].conv1.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert not tensor[0].any()
            assert tensor[1:].any()
        for tensor in (model.layer1[0].conv1.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.data.add_(1.0)  # as momentum does
    biased = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    mask(biased, ChannelPlan.keeping(graph_of(biased), {"0": [1]}))
    assert not biased[0].bias[[0, 2, 3]].any()
    assert biased[0].bias[1]
    assert biased[1].weight.all()


def test_plans_that_cannot_be():
    model = settled(Branches())
    graph = graph_of(model)
    with pytest.raises(ValueError, match=r"left.0 has units 0 to 4, and 5 was to be kept"):
        ChannelPlan.keeping(graph, {"left.0": [0, 5]})
    with pytest.raises(KeyError, match="head is in no group: its channels reach the output"):
        ChannelPlan.keeping(graph, {"head": [0]})
    with pytest.raises(ValueError, match=r"keep must be 22 flags, one a unit, got shape \(3,\) of type int64"):
        ChannelPlan(graph, np.ones(3, int))
    with pytest.raises(
        ValueError, match="the network cannot be shrunk like this: its output no longer depends on its input"
    ):
        shrink(model, ChannelPlan.keeping(graph, {"stem": []}))
    with pytest.raises(ValueError, match="the network cannot be shrunk like this: its output no longer"):
        shrink(model, ChannelPlan.keeping(graph, {"left.0": [], "right.0": []}))
    with pytest.raises(
        ValueError, match=r"of another network: stem.weight must have 6 channels in dimension 0, got none"
    ):
        shrink(nn.Conv2d(3, 3, 1), ChannelPlan(graph, graph.everything()))
    other = Branches()
    other.stem = nn.Conv2d(3, 5, 3)
    with pytest.raises(ValueError, match=r"stem.weight must have 6 channels in dimension 0, got shape \(5, 3, 3, 3\)"):
        mask(other, ChannelPlan(graph, graph.everything()))


def test_masks_of_the_published_form():
    model = settled(small_resnet())
    graph = graph_of(model, 1, 3, 32, 32)
    stage = graph.group("conv1")
    flags = (np.arange(64) % 3 > 0).astype(float)
    plan = ChannelPlan.from_masks(graph, {stage.layers[::-1]: flags})
    assert np.array_equal(plan.kept["conv1"], np.flatnonzero(flags))
    assert plan.keep.sum() == graph.units - 22
    with pytest.raises(ValueError, match=r"a mask is of conv1, but the network couples conv1, layer1.0.conv2"):
        ChannelPlan.from_masks(graph, {("conv1",): flags})
    with pytest.raises(ValueError, match=r"the mask of conv1 must be 64 numbers 0 or 1, got shape \(63,\)"):
        ChannelPlan.from_masks(graph, {stage.layers: flags[1:]})
    with pytest.raises(ValueError, match="the mask of conv1 must be 64 numbers 0 or 1"):
        ChannelPlan.from_masks(graph, {stage.layers: 0.5 * flags})
