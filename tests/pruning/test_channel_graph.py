"""Which channels belong together: the published groups of known networks, and each operation that joins or freezes channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from workbench.pruning import ChannelGraph, ConvSpec, titan_v_table

from .networks import Branches, graph_of, small_resnet


def on_meta(build, *arguments, **options):
    """Build a network without memory for its weights: only shapes matter here."""
    with torch.device("meta"):
        return build(*arguments, **options)


def groups_of(graph):
    return {frozenset(group.layers) for group in graph.groups}


def test_resnet50_has_the_published_groups():
    """Per stage the downsample and every conv3 together; each conv1, each conv2 and the stem alone (section 3.2)."""
    graph = graph_of(on_meta(torchvision.models.resnet50), 1, 3, 224, 224)
    expected = {frozenset({"conv1"})}
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        expected |= {frozenset({f"layer{stage}.{b}.conv{i}"}) for b in range(blocks) for i in (1, 2)}
        expected |= {frozenset({f"layer{stage}.0.downsample.0", *(f"layer{stage}.{b}.conv3" for b in range(blocks))})}
    assert groups_of(graph) == expected
    assert not graph.frozen
    assert graph.units == sum(group.size for group in graph.groups) == 11_456
    assert graph.layers["layer2.0.conv1"].sizes == graph.layers["layer2.0.conv2"].sizes == ((56, 56),)
    assert graph.layers["layer2.0.conv3"].sizes == ((28, 28),)
    assert graph.layers["layer3.1.conv2"].norm == "layer3.1.bn2"


@pytest.mark.parametrize("name, blocks", [("resnet18", (2, 2, 2, 2)), ("resnet34", (3, 4, 6, 3))])
def test_resnets_of_basic_blocks_couple_the_stem_with_the_first_stage(name, blocks):
    graph = graph_of(on_meta(getattr(torchvision.models, name)), 1, 3, 224, 224)
    for stage, count in enumerate(blocks, start=1):
        first = "conv1" if stage == 1 else f"layer{stage}.0.downsample.0"
        assert set(graph.group(first).layers) == {first, *(f"layer{stage}.{b}.conv2" for b in range(count))}
        assert all(graph.group(f"layer{stage}.{b}.conv1").layers == (f"layer{stage}.{b}.conv1",) for b in range(count))


def test_mobilenet_v2_couples_expand_with_depthwise_and_projections_along_a_shortcut():
    graph = graph_of(on_meta(torchvision.models.mobilenet_v2), 1, 3, 224, 224)
    assert graph.group("features.0.0").layers == ("features.0.0", "features.1.conv.0.0")
    for block in range(2, 18):
        assert graph.group(f"features.{block}.conv.0.0").layers == (
            f"features.{block}.conv.0.0",
            f"features.{block}.conv.1.0",
        )
    for first, last in ((2, 3), (4, 6), (7, 10), (11, 13), (14, 16)):
        assert graph.group(f"features.{first}.conv.2").layers == tuple(
            f"features.{b}.conv.2" for b in range(first, last + 1)
        )


def test_vgg_groups_stand_alone_and_a_channel_owns_49_columns_of_the_classifier():
    graph = graph_of(on_meta(torchvision.models.vgg16_bn), 1, 3, 224, 224)
    assert [group.size for group in graph.groups] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    (columns,) = (units for axis, units in graph.axes.items() if (axis.module, axis.dim) == ("classifier.0", 1))
    assert np.array_equal(columns, np.repeat(np.arange(512) + graph.groups[-1].start, 49))


@pytest.mark.parametrize("name, ms", [("resnet50", 304.740), ("resnet101", 602.376)])
def test_latency_on_a_titan_v_is_the_published_sum(name, ms):
    graph = graph_of(on_meta(getattr(torchvision.models, name)), 1, 3, 224, 224)
    assert graph.latency(titan_v_table(), 256) == pytest.approx(ms, abs=1e-6)


def test_macs_of_the_convolutions_are_those_that_torch_counts():
    model = small_resnet()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(2, 3, 64, 64))
    counted = sum(count for name, count in counter.get_flop_counts()["Global"].items() if "convolution" in str(name))
    graph = graph_of(model, 1, 3, 64, 64)
    assert sum(spec.macs for spec in graph.specs(2)) == counted / 2


class Net(nn.Module):
    """A convolution ``a``, what a test does with its 8 channels, and a head."""

    def __init__(self, use, inputs=8, **modules):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 3, padding=1)
        for name, module in modules.items():
            setattr(self, name, module)
        self.head = nn.Conv2d(inputs, 4, 1)
        self.use = use

    def forward(self, x):
        return self.head(self.use(self, self.a(x), self.b(x)))


TOGETHER = {frozenset({"a", "b"})}
APART = {frozenset({"a"}), frozenset({"b"})}
ONLY_A = {frozenset({"a"})}


@pytest.mark.parametrize(
    "net, groups",
    [
        (Net(lambda m, a, b: a + b), TOGETHER),
        (Net(lambda m, a, b: a.relu().sub(2 * b)), TOGETHER),
        (Net(lambda m, a, b: a * torch.sigmoid(b)), TOGETHER),
        (Net(lambda m, a, b: a * torch.sigmoid(b.mean((2, 3), keepdim=True))), TOGETHER),
        (Net(lambda m, a, b: torch.cat([a, b], 1), 16), APART),
        (Net(lambda m, a, b: torch.cat([a, b], 2)), TOGETHER),
        (Net(lambda m, a, b: functional.max_pool2d(a, 2)), ONLY_A),
        (Net(lambda m, a, b: functional.interpolate(a, scale_factor=2)), ONLY_A),
        (Net(lambda m, a, b: functional.pad(a, (1, 1))), ONLY_A),
        (Net(lambda m, a, b: a[:, :, ::2, 1:]), ONLY_A),
        (Net(lambda m, a, b: a.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)), ONLY_A),
        (Net(lambda m, a, b: a.flatten(2).unsqueeze(3)), ONLY_A),
        (Net(lambda m, a, b: a.view(a.size(0), a.size(1), -1, 1)), ONLY_A),
        (Net(lambda m, a, b: functional.normalize(a) * m.scale, scale=nn.Parameter(torch.ones(1, 8, 1, 1))), ONLY_A),
        (Net(lambda m, a, b: m.norm(a), norm=nn.InstanceNorm2d(8)), ONLY_A),
        (Net(lambda m, a, b: m.act(a), act=nn.PReLU(8)), ONLY_A),
        (Net(lambda m, a, b: m.act(a), act=nn.ReLU6()), ONLY_A),
    ],
    ids=lambda value: None,
)
def test_operations_that_keep_channels_apart_or_together(net, groups):
    assert groups_of(graph_of(net)) == groups


@pytest.mark.parametrize(
    "net, reason",
    [
        (Net(lambda m, a, b: torch.sigmoid(a)), "head reads it, and it is not zero where it is removed"),
        (Net(lambda m, a, b: a + 1), "head reads it, and it is not zero where it is removed"),
        (Net(lambda m, a, b: functional.pad(a, (1, 1), value=1.0)), "head reads it, and it is not zero"),
        (Net(lambda m, a, b: m.norm(a), norm=nn.LayerNorm([8, 16, 16])), "it goes through norm, which is not known"),
        (Net(lambda m, a, b: m.norm(a), norm=nn.LocalResponseNorm(3)), "it goes through norm, which is not known"),
        (
            Net(lambda m, a, b: torch.softmax(a, 1)),
            "it goes through softmax, which is not known to keep channels apart",
        ),
        (Net(lambda m, a, b: torch.cat(a.chunk(2, 1)[::-1], 1)), "it goes through chunk"),
        (Net(lambda m, a, b: a[:, :4], 4), "it goes through getitem"),
        (Net(lambda m, a, b: a.mean(1, keepdim=True), 1), "it goes through mean"),
        (Net(lambda m, a, b: a.view(-1, 8, 256, 1)), "its number is written into view"),
        (Net(lambda m, a, b: a.reshape(a.size(0), 2, 4, -1)[:, 0].unsqueeze(3), 4), "it goes through reshape"),
        (Net(lambda m, a, b: m.linear(a), linear=nn.Linear(16, 16)), "linear mixes the positions"),
        (Net(lambda m, a, b: m.up(a), up=nn.ConvTranspose2d(8, 8, 2, 2)), "it goes through up"),
        (Net(lambda m, a, b: a + m.table, table=nn.Parameter(torch.ones(1, 8, 16, 16))), "it goes through add"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_operations_that_forbid_to_remove_a_channel_say_so(net, reason):
    assert graph_of(net).frozen["a"].startswith(reason)


def test_grouped_convolutions_and_norms_keep_or_lose_whole_groups():
    model = nn.Sequential(nn.Conv2d(3, 12, 1), nn.GroupNorm(6, 12), nn.Conv2d(12, 24, 3, groups=4), nn.Conv2d(24, 2, 1))
    graph = graph_of(model)
    (group,) = graph.groups
    assert group.layers == ("0", "2")
    assert group.size == 2  # 4 groups of 3 inputs and 6 norm groups of 2 meet every 6 channels
    assert np.array_equal(graph.layers["0"].outputs, np.repeat([0, 1], 6))
    assert np.array_equal(graph.layers["2"].outputs, np.repeat([0, 1], 12))
    keep = np.array([False, True])
    assert graph.specs(1, keep)[1] == ConvSpec(1, 6, 12, 16, 3, 1, 2)


def test_depthwise_with_a_multiplier_goes_with_its_input():
    graph = graph_of(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(8, 2, 1)))
    assert groups_of(graph) == {frozenset({"0", "1"})}
    assert np.array_equal(graph.layers["1"].outputs, [0, 0, 1, 1, 2, 2, 3, 3])


def test_concatenation_gives_the_reader_the_channels_of_both_in_order():
    graph = graph_of(Net(lambda m, a, b: torch.cat([b, a], 1), 16))
    a, b = graph.group("a"), graph.group("b")
    assert np.array_equal(graph.layers["head"].inputs, np.r_[b.units, a.units])


def test_channels_of_one_layer_in_two_sums_make_one_group():
    """``c`` is added to ``[a, b]``: its channels go with those of one or the other, so all three are planned together."""

    def use(m, a, b):
        return torch.cat([a, b], 1) + m.c(a)

    graph = graph_of(Net(use, 16, c=nn.Conv2d(8, 16, 1)))
    (group,) = graph.groups
    assert (group.layers, group.size) == (("a", "b", "c"), 16)
    assert np.array_equal(graph.layers["c"].outputs, np.arange(16))


def test_layer_that_is_called_twice_reads_one_set_of_channels_and_costs_twice():
    net = Net(lambda m, a, b: m.shared(a) + m.shared(b)[:, :, :], shared=nn.Conv2d(8, 8, 3, padding=1))
    graph = graph_of(net)
    assert groups_of(graph) == {frozenset({"a", "b"}), frozenset({"shared"})}
    assert graph.layers["shared"].sizes == ((16, 16), (16, 16))
    assert len(graph.specs(1)) == 5


def test_what_reaches_the_output_or_comes_from_the_input_stays():
    graph = graph_of(nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.Conv2d(3, 4, 1)))
    assert graph.frozen == {
        "0": "it reaches back to the input of the network",
        "1": "its channels reach the output of the network",
    }
    assert not graph.groups
    with pytest.raises(KeyError, match="1 is in no group: its channels reach the output of the network"):
        graph.group("1")


def test_protected_and_coupled_layers():
    model = Net(lambda m, a, b: torch.cat([a, b], 1), 16)
    images = torch.zeros(1, 3, 16, 16)
    graph = ChannelGraph.trace(model, images, protect=["b"])
    assert graph.frozen["b"] == "it is protected"
    assert groups_of(graph) == ONLY_A
    assert groups_of(ChannelGraph.trace(model, images, couple=[("a", "b")])) == TOGETHER
    with pytest.raises(ValueError, match="'c' is no convolution that the network runs; it has a, b, head"):
        ChannelGraph.trace(model, images, protect=["c"])
    with pytest.raises(ValueError, match="a with 8 channels and head with 4 cannot be kept together"):
        ChannelGraph.trace(model, images, couple=[("a", "head")])


def test_tracing_leaves_the_network_as_it_was():
    model = small_resnet().train()
    model.layer1.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    graph_of(model, 2, 3, 32, 32)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_groups_that_may_be_emptied_have_a_branch_beside_them():
    graph = graph_of(small_resnet(), 1, 3, 64, 64)
    assert {group.name: graph.can_be_emptied(group) for group in graph.groups} == {
        "conv1": False,
        "layer1.0.conv1": True,
        "layer2.0.conv1": True,
        "layer2.0.conv2": False,
        "layer3.0.conv1": True,
        "layer3.0.conv2": False,
        "layer4.0.conv1": True,
        "layer4.0.conv2": False,
    }
    branches = graph_of(Branches())
    assert [branches.can_be_emptied(branches.group(name)) for name in ("left.0", "right.0", "stem")] == [
        True,
        True,
        False,
    ]
    keep = branches.everything()
    keep[branches.group("left.0").units] = keep[branches.group("right.0").units] = False
    assert branches.live(keep).broken == "its output no longer depends on its input"


def test_constant_that_a_padded_convolution_would_see_at_its_edge_forbids_to_empty():
    block = nn.Sequential(
        nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)
    )
    flat = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1))
    for module, possible in ((block, False), (flat, True)):
        graph = graph_of(Net(lambda m, a, b: a + m.block(a), block=module))
        assert graph.can_be_emptied(graph.group("block.0")) is possible


def test_dead_layers_cost_nothing():
    graph = graph_of(small_resnet(), 1, 3, 64, 64)
    keep = graph.everything()
    keep[graph.group("layer2.0.conv1").units] = False
    calls = graph.calls(keep)
    assert [name for name, numbers in calls.items() if not numbers] == ["layer2.0.conv1", "layer2.0.conv2"]
    whole = graph.specs(1)
    gone = {ConvSpec(1, 64, 128, 16, 3, 2), ConvSpec(1, 128, 128, 8, 3, 1)}
    assert [spec for spec in whole if spec not in gone] == graph.specs(1, keep)


class Untraceable(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    "model, example, error, message",
    [
        (
            Untraceable(),
            torch.zeros(1, 3, 8, 8),
            ValueError,
            r"Untraceable cannot be followed by torch.fx .*control flow",
        ),
        (nn.Conv2d(3, 4, 1), torch.zeros(1, 2, 8, 8), ValueError, r"inputs of shape \(1, 2, 8, 8\) \(RuntimeError: "),
        (nn.Conv2d(3, 4, 1), "picture", TypeError, "example must be a tensor or several, got 'picture'"),
        (nn.Conv2d(3, 4, 1), [], TypeError, r"example must be a tensor or several, got \[\]"),
    ],
)
def test_networks_and_examples_that_cannot_be_followed(model, example, error, message):
    with pytest.raises(error, match=message):
        ChannelGraph.trace(model, example)
