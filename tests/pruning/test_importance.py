"""Importances: the first-order Taylor score by hand and by what removing a channel does to the loss; others beside it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from workbench.pruning import (
    ChannelGraph,
    ChannelPlan,
    MagnitudeImportance,
    RandomImportance,
    TaylorImportance,
    mask,
)

from .networks import graph_of, settled, small_resnet


class TwoBranches(nn.Module):
    """Two convolutions with batch norms, added; everything after the norms is linear."""

    def __init__(self, **options):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(3, 4, 1, bias=False)
        self.norm_a, self.norm_b = nn.BatchNorm2d(4, **options), nn.BatchNorm2d(4, **options)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.head(self.norm_a(self.a(x)) + self.norm_b(self.b(x)))


def backward(model, seed=0, shape=(2, 3, 4, 4)):
    """Run one batch; the loss is a weighted sum, linear in what the network gives.  Return it."""
    model.zero_grad()
    generator = torch.Generator().manual_seed(seed)
    out = model(torch.randn(shape, dtype=torch.double, generator=generator))
    loss = (out * torch.randn(out.shape, dtype=torch.double, generator=generator)).sum()
    loss.backward()
    return loss.item()


def scores_of(importance, model, seeds=(0,)):
    for seed in seeds:
        backward(model, seed)
        assert importance.update(model)
    return importance.scores(model)


def test_taylor_is_the_change_of_the_loss_where_the_network_is_linear():
    """Removing a channel sets scale and shift to zero; a loss that is linear in them changes by exactly the score."""
    model = settled(TwoBranches())
    graph = graph_of(model)
    (group,) = graph.groups
    scores = scores_of(TaylorImportance(graph), model)
    loss = backward(model)
    for unit in range(group.size):
        keep = np.delete(np.arange(group.size), unit)
        without = backward(mask(copy.deepcopy(model), ChannelPlan.keeping(graph, {"a": keep})))
        assert scores[unit] == pytest.approx(abs(loss - without), rel=1e-9)


def test_coupled_layers_are_summed_with_their_signs():
    """Where two branches cancel, the published score is zero and that of absolute values is not."""
    model = settled(TwoBranches())
    model.b.load_state_dict(model.a.state_dict())
    model.norm_b.load_state_dict(model.norm_a.state_dict())
    model.norm_b.weight.data.neg_()
    model.norm_b.bias.data.neg_()
    graph = graph_of(model)
    published, absolute = (scores_of(TaylorImportance(graph, kind), model) for kind in ("published", "absolute"))
    assert published == pytest.approx(np.zeros(4), abs=1e-12)
    assert (absolute > 0.1).all()
    norm = model.norm_a
    once = (norm.weight * norm.weight.grad + norm.bias * norm.bias.grad).abs().detach().numpy()
    assert absolute == pytest.approx(2 * once)


def test_mean_over_batches_is_arithmetic_and_starts_anew_after_a_reset():
    model = settled(small_resnet())
    graph = graph_of(model, 1, 3, 32, 32)
    importance = TaylorImportance(graph)
    each = []
    for seed in range(3):
        backward(model, seed, (2, 3, 32, 32))
        importance.reset()
        importance.update(model)
        each.append(importance.scores())
    importance.reset()
    for seed in range(3):
        backward(model, seed, (2, 3, 32, 32))
        importance.update(model)
    assert importance.batches == 3
    assert importance.scores() == pytest.approx(np.mean(each, 0))


def test_squared_is_the_square_of_one_batch():
    model = settled(TwoBranches())
    graph = graph_of(model)
    published, squared = (scores_of(TaylorImportance(graph, kind), model) for kind in ("published", "squared"))
    assert squared == pytest.approx(published**2)


@pytest.mark.parametrize("options", [{"affine": False}, None])
def test_group_where_a_layer_has_no_scale_falls_back_to_rows_of_weights(options):
    """For one group and no bias before the sum, ``sum(w dL/dw)`` of all its layers."""
    model = settled(TwoBranches(**(options or {})))
    if options is None:
        model.norm_b = nn.Identity()  # one layer without a norm takes the whole group with it
    graph = graph_of(model)
    scores = scores_of(TaylorImportance(graph), model)
    weights = (model.a.weight, model.b.weight)
    assert scores == pytest.approx(sum((w * w.grad).flatten(1).sum(1) for w in weights).abs().detach().numpy())


def test_batch_that_is_not_finite_is_left_out_whole():
    model = settled(small_resnet())
    graph = graph_of(model, 1, 3, 32, 32)
    importance = TaylorImportance(graph)
    backward(model, 0, (2, 3, 32, 32))
    assert importance.update(model)
    before = importance.scores()
    model.layer3[0].bn1.weight.grad[2] = torch.nan
    assert not importance.update(model)
    assert (importance.batches, importance.skipped) == (1, 1)
    assert np.array_equal(importance.scores(), before)
    importance.reset()
    assert not importance.update(model)
    with pytest.raises(RuntimeError, match=r"no batch was added \(1 were left out as not finite\): run backward\(\)"):
        importance.scores()


def test_scores_without_gradients_or_batches_say_what_to_run():
    model = settled(TwoBranches())
    importance = TaylorImportance(graph_of(model))
    with pytest.raises(
        RuntimeError, match=r"no batch was added: run backward\(\) and update\(model\) before scores\(\)"
    ):
        importance.scores()
    with pytest.raises(RuntimeError, match=r"the parameters of a have no gradient: run backward\(\) before update\(\)"):
        importance.update(model)


def test_magnitudes():
    model = settled(TwoBranches())
    graph = graph_of(model)
    rows = torch.cat([model.a.weight.flatten(1), model.b.weight.flatten(1)], 1)
    l2 = MagnitudeImportance(graph).scores(model)
    assert l2 == pytest.approx((rows.norm(dim=1) / rows.shape[1] ** 0.5).detach().numpy())
    scale = MagnitudeImportance(graph, "norm_scale").scores(model)
    assert scale == pytest.approx((model.norm_a.weight.abs() + model.norm_b.weight.abs()).detach().numpy())
    model.norm_b = nn.Identity()
    without = graph_of(model)
    assert np.array_equal(MagnitudeImportance(without, "norm_scale").scores(model), l2)


def test_scores_of_grouped_convolutions_are_summed_over_the_channels_of_a_unit():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 3, groups=4), nn.Conv2d(16, 2, 1)).double()
    graph = graph_of(model)
    scores = scores_of(TaylorImportance(graph), model, seeds=(1,))
    products = [(conv.weight * conv.weight.grad).flatten(1).sum(1).detach().numpy() for conv in model[:2]]
    assert scores == pytest.approx(np.abs(products[0].reshape(4, 2).sum(1) + products[1].reshape(4, 4).sum(1)))


def test_random_importances_come_from_the_seed():
    graph = graph_of(TwoBranches())
    first, again, other = (RandomImportance(graph, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.scores(), again.scores())
    assert not np.array_equal(first.scores(), other.scores())
    before = first.scores()
    first.reset()
    assert not np.array_equal(first.scores(), before)


def test_kinds_that_do_not_exist():
    graph = graph_of(TwoBranches())
    with pytest.raises(ValueError, match="kind must be one of published, squared, absolute, got 'ema'"):
        TaylorImportance(graph, "ema")
    with pytest.raises(ValueError, match="kind must be one of l2, norm_scale, got 'l1'"):
        MagnitudeImportance(graph, "l1")


def test_shared_layer_is_counted_for_each_of_its_calls():
    """Its gradient is the sum over its calls, so its importance is too."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 2, 1, bias=False)

        def forward(self, x):
            return self.head(self.conv(x)) + self.head(self.conv(2 * x))

    torch.manual_seed(0)
    model = Shared().double()
    graph = ChannelGraph.trace(model, torch.zeros(1, 3, 4, 4))
    scores = scores_of(TaylorImportance(graph), model)
    loss = backward(model)
    for unit in range(4):
        keep = np.delete(np.arange(4), unit)
        without = backward(mask(copy.deepcopy(model), ChannelPlan.keeping(graph, {"conv": keep})))
        assert scores[unit] == pytest.approx(abs(loss - without), rel=1e-9)
