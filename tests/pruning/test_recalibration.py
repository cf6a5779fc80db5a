"""Statistics of batch norms after pruning, and the latency of whole networks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from workbench.pruning import ChannelPlan, mask, measure_latency, recalibrate_bn, shrink

from .networks import graph_of, random_plan, settled, small_resnet


def batches(count=4, size=6):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, 3, 32, 32, dtype=torch.double, generator=generator) for _ in range(count)]


def test_first_norm_gets_the_mean_over_batches_of_what_reaches_it():
    model, images = settled(small_resnet()), batches()
    assert recalibrate_bn(model, images) == 4
    reached = [model.conv1(batch) for batch in images]
    mean = torch.stack([out.mean((0, 2, 3)) for out in reached]).mean(0)
    variance = torch.stack([out.var((0, 2, 3)) for out in reached]).mean(0)
    assert torch.allclose(model.bn1.running_mean, mean)
    assert torch.allclose(model.bn1.running_var, variance)
    again = copy.deepcopy(model.state_dict())
    recalibrate_bn(model, images)
    assert all(torch.allclose(tensor, again[name]) for name, tensor in model.state_dict().items())


def test_nothing_but_the_statistics_changes():
    model = settled(small_resnet()).train()
    model.layer2.eval()
    modes = [module.training for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    recalibrate_bn(model, iter(batches()))
    assert [module.training for module in model.modules()] == modes
    assert {module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)} == {0.1}
    changed = {
        name.rpartition(".")[2] for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])
    }
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}


def test_shrunk_network_recalibrates_to_what_the_masked_one_does():
    """The statistics of what is kept do not depend on what is removed; a dead branch is a constant for both."""
    model, images = settled(small_resnet()), batches()
    plan = random_plan(graph_of(model, 1, 3, 32, 32), 2)
    masked, small = mask(copy.deepcopy(model), plan), shrink(model, plan)
    for network in (masked, small):
        recalibrate_bn(network, images)
    with torch.no_grad():
        assert torch.allclose(mask(masked, plan)(images[0]), small(images[0]), rtol=0, atol=1e-10)


def test_without_batches_or_norms_nothing_is_changed():
    model = settled(small_resnet())
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="batches is empty: the statistics are left as they were"):
        recalibrate_bn(model, [])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(ValueError, match="Conv2d has no batch norm with running statistics"):
        recalibrate_bn(nn.Conv2d(3, 4, 1), batches())


def test_network_with_a_quarter_of_the_channels_is_measured_faster():
    model = nn.Sequential(*[nn.Conv2d(64, 64, 3, padding=1) for _ in range(3)], nn.Conv2d(64, 8, 1)).train()
    images = torch.zeros(4, 64, 32, 32)
    graph = graph_of(model, *images.shape)
    small = shrink(model, ChannelPlan.keeping(graph, {group.name: range(16) for group in graph.groups}))
    threads = torch.get_num_threads()
    assert measure_latency(small, images, repetitions=3) < 0.7 * measure_latency(model, images, repetitions=3)
    assert torch.get_num_threads() == threads
    assert model.training
    assert measure_latency(model, images, repetitions=2, statistic="mean") > 0


def test_measurements_that_cannot_be():
    with pytest.raises(ValueError, match="statistic must be one of least, mean, got 'median'"):
        measure_latency(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 8, 8), statistic="median")
    with pytest.raises(ValueError, match="repetitions must be a whole number of at least 1, got 0"):
        measure_latency(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 8, 8), repetitions=0)
