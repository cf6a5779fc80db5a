"""Pruning in steps: the schedule, plans within their targets, masks that stay, and what cannot be asked for."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from workbench.pruning import (
    ChannelGraph,
    ConvSpec,
    HALPConfig,
    HALPPruner,
    LatencyTable,
    MagnitudeImportance,
    RandomImportance,
    exponential_schedule,
    shrink,
    simulate_latency_table,
    solve_knapsack_greedy,
    solve_knapsack_published,
    titan_v_table,
)

from .networks import Branches, graph_of, small_resnet

TABLE = simulate_latency_table("titan_v")
PUBLISHED_SIZES = {1: (32, 32, 64), 2: (32, 32, 128), 3: (128, 32, 128), 4: (32, 32, 128)}
"""Of conv1, conv2 and the residual outputs of each stage of ResNet-50; the first block of stages 3 and 4 has 64 for both."""


def pruner_of(model, share=0.5, shape=(1, 3, 32, 32), importance=None, solver=None, **config):
    graph = graph_of(model, *shape)
    settings = HALPConfig(share, **{"interval": 2, "steps": 3, "group_size": 8} | config)
    options = {} if solver is None else {"solver": solver}
    return HALPPruner(model, graph, TABLE, 64, settings, importance=importance, **options)


def random_scores(graph, seed=0):
    return np.random.default_rng(seed).lognormal(size=graph.units)


def resnet50_pruner(**config):
    with torch.device("meta"):
        model = torchvision.models.resnet50()
    graph = ChannelGraph.trace(model, torch.zeros(1, 3, 224, 224), protect=["conv1"])
    sizes = {}
    for name in graph.layers:
        if name.startswith("layer"):
            stage, block = int(name[5]), int(name[7])
            conv = 3 if "downsample" in name else int(name[-1])
            first = block == 0 and stage > 2 and conv < 3
            sizes[name] = 64 if first else PUBLISHED_SIZES[stage][conv - 1]
    return HALPPruner(model, graph, titan_v_table(), 256, HALPConfig(group_size=sizes, **config))


def prune_to_the_end(pruner, scores):
    """Solve all steps with fixed importances."""
    keep = pruner.graph.everything()
    for target in pruner.targets:
        plan = pruner.solve(float(target), scores, keep)
        keep = plan.keep
    return plan


@given(st.floats(1, 1e4), st.floats(0.01, 1), st.integers(1, 60))
def test_schedule_falls_by_the_same_factor_each_step_and_ends_at_the_target(initial, share, steps):
    targets = exponential_schedule(initial, share * initial, steps)
    assert targets[-1] == share * initial
    assert np.r_[initial, targets][1:] / np.r_[initial, targets][:-1] == pytest.approx(share ** (1 / steps))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 1, 1), "initial must be positive finite ms, got 0"),
        ((1, np.nan, 1), "final must be positive finite ms, got nan"),
        ((1, 2, 1), "final is 2 ms, above the 1 ms of the start"),
        ((2, 1, 0), "steps must be a positive whole number, got 0"),
    ],
)
def test_schedules_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        exponential_schedule(*arguments)


def test_more_steps_land_closer_to_the_target_and_keep_more_and_so_does_refilling():
    """What narrower inputs save is not in the costs of a step, so one step overshoots (section 3.4; TITAN V, ResNet-50)."""
    pruners = [resnet50_pruner(steps=steps) for steps in (1, 5, 30)]
    scores = random_scores(pruners[0].graph)
    budget = 0.55 * pruners[0].initial_latency
    one, five, thirty = (prune_to_the_end(pruner, scores) for pruner in pruners)
    refilled = pruners[0].solve(budget, scores, refill=True)
    assert pruners[0].initial_latency == pytest.approx(304.740)
    assert one.latency < five.latency < thirty.latency <= budget
    assert one.importance < five.importance < thirty.importance
    assert 0.95 * budget < refilled.latency <= budget
    assert refilled.importance > one.importance
    assert refilled.bound >= refilled.importance


def train(pruner, iterations, momentum=0.9):
    """Train with what the docstring of the pruner says to call; yield the plans."""
    torch.manual_seed(0)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    optimiser = torch.optim.SGD(pruner.model.parameters(), 0.02, momentum=momentum)
    pruner.model.train()
    for _ in range(iterations):
        optimiser.zero_grad()
        functional.cross_entropy(pruner.model(images), labels).backward()
        pruner.collect()
        optimiser.step()
        yield pruner.step()


def removed_is_zero(pruner):
    return all(
        not pruner.model.get_submodule(name).weight[~np.append(pruner.plan.keep, True)[layer.outputs]].any()
        for name, layer in pruner.graph.layers.items()
    )


@pytest.mark.parametrize("refill", [False, True])
def test_pruning_while_training_meets_every_target_and_nothing_comes_back(refill):
    pruner = pruner_of(small_resnet(), refill=refill)
    plans = []
    for plan in train(pruner, 8):
        assert removed_is_zero(pruner)
        plans += [plan] if plan else []
    assert pruner.done
    assert plans == pruner.history
    assert len(plans) == 3
    assert all(plan.latency <= target for plan, target in zip(plans, pruner.targets, strict=True))
    assert all(not (later.keep & ~earlier.keep).any() for earlier, later in itertools.pairwise(plans))
    assert pruner.plan.latency <= 0.5 * pruner.initial_latency
    small = shrink(pruner.model, pruner.plan)
    assert graph_of(small, 1, 3, 32, 32).latency(TABLE, 64) == pytest.approx(pruner.plan.latency)


def test_pruning_begins_at_its_start_and_comes_at_its_interval():
    pruner = pruner_of(small_resnet(), start=3, interval=2, steps=2)
    pruned = [number for number, plan in enumerate(train(pruner, 9), start=1) if plan is not None]
    assert pruned == [5, 7]
    assert pruner.targets == pytest.approx(pruner.initial_latency * np.array([0.5**0.5, 0.5]))


def test_optimiser_calls_an_attached_pruner():
    """The same plans and weights as with calls by hand; accumulated gradients count once, with all batches in them."""
    by_hand, attached = (pruner_of(small_resnet()) for _ in range(2))
    list(train(by_hand, 8))
    torch.manual_seed(0)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    optimiser = torch.optim.SGD(attached.model.parameters(), 0.02, momentum=0.9)
    handles = attached.attach(optimiser)
    attached.model.train()
    for _ in range(8):
        optimiser.zero_grad()
        functional.cross_entropy(attached.model(images), labels).backward()
        optimiser.step()
    assert np.array_equal(by_hand.plan.keep, attached.plan.keep)
    for a, b in zip(by_hand.model.parameters(), attached.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for handle in handles:
        handle.remove()
    optimiser.step()
    assert attached.iteration == 8


def test_same_seed_gives_the_same_plan_and_solving_changes_nothing():
    model = small_resnet()
    before = copy.deepcopy(model.state_dict())
    pruners = [pruner_of(model, importance=RandomImportance(graph_of(model, 1, 3, 32, 32), 3)) for _ in range(2)]
    plans = [pruner.solve(0.7 * pruner.initial_latency, pruner.importance.scores()) for pruner in pruners]
    assert np.array_equal(plans[0].keep, plans[1].keep)
    assert pruners[0].plan.keep.all()
    assert not pruners[0].history
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_target_that_is_met_already_asks_for_no_work():
    pruner = pruner_of(small_resnet())
    plan = pruner.solve(1.01 * pruner.initial_latency, random_scores(pruner.graph))
    assert plan.keep.all()
    assert plan.latency == pruner.initial_latency


def test_least_latency_is_named_where_a_target_cannot_be_met():
    pruner = pruner_of(small_resnet())
    scores = random_scores(pruner.graph)
    with pytest.raises(
        ValueError, match=r"cannot be reached in one step: the least is ([\d.]+) ms, of which"
    ) as caught:
        pruner.solve(0.01 * pruner.initial_latency, scores)
    least = float(str(caught.value).split("the least is ")[1].split(" ms")[0])
    assert pruner.solve(1.0001 * least, scores).latency <= 1.0001 * least
    with pytest.raises(ValueError, match=r"cannot be reached in one step: the least that was found is"):
        pruner.solve(1e-6 * pruner.initial_latency, scores, refill=True)
    for target in (0, -1.0, np.nan):
        with pytest.raises(ValueError, match="target must be positive ms"):
            pruner.solve(target, scores)


def test_groups_without_a_branch_beside_them_keep_a_channel_and_with_keep_one_all_do():
    model = small_resnet()
    scores = random_scores(graph_of(model, 1, 3, 32, 32))
    for keep_one in (False, True):
        pruner = pruner_of(model, keep_one=keep_one)
        items_least = float(str(_error(pruner, scores)).split("the least is ")[1].split(" ms")[0])
        plan = pruner.solve(1.001 * items_least, scores)
        empty = {name for name, kept in plan.kept.items() if not len(kept)}
        can_be = {group.name for group in pruner.graph.groups if pruner.graph.can_be_emptied(group)}
        assert empty == (set() if keep_one else can_be)


def _error(pruner, scores):
    with pytest.raises(ValueError, match="cannot be reached") as caught:
        pruner.solve(1e-3 * pruner.initial_latency, scores)
    return caught.value


def test_two_branches_of_which_one_must_stay():
    """Each may be emptied, both may not: the one that is worth more stays, though its items alone cost too much."""
    model = Branches()
    graph = graph_of(model)
    table = LatencyTable(measure=lambda spec: 1.0 + 0.01 * spec.out_channels)
    pruner = HALPPruner(model, graph, table, 1, HALPConfig(group_size=1))
    scores = np.ones(graph.units)
    scores[graph.group("right.0").units] = 2.0
    with pytest.raises(ValueError, match=r"in one step: the least is 5.06 ms, of which 1.02 ms"):
        pruner.solve(4.3, scores)  # the convolution behind the emptied one is still paid for in this step
    for target in np.linspace(4.3, 6.0, 8):
        plan = pruner.solve(float(target), scores, refill=True)
        assert plan.latency <= target
        assert graph.live(plan.keep).broken is None
        assert len(plan.kept["right.0"])


@pytest.mark.parametrize("solver", [solve_knapsack_published, solve_knapsack_greedy])
def test_other_solvers_keep_less_or_as_much(solver):
    model = small_resnet()
    importance = MagnitudeImportance(graph_of(model, 1, 3, 32, 32))
    exact, other = pruner_of(model, importance=importance), pruner_of(model, importance=importance, solver=solver)
    scores = importance.scores(model)
    target = 0.6 * exact.initial_latency
    plans = [pruner.solve(target, scores) for pruner in (exact, other)]
    assert plans[1].latency <= target
    assert plans[1].importance <= plans[0].importance * (1 + 1e-12)


def test_step_without_batches_says_what_to_run():
    pruner = pruner_of(small_resnet(), interval=1)
    with pytest.raises(
        RuntimeError, match=r"no batch was added: run backward\(\) and update\(model\) before scores\(\)"
    ):
        pruner.step()
    with pytest.raises(RuntimeError, match=r"have no gradient: run backward\(\) before update\(\)"):
        pruner.collect()


def test_layer_that_the_table_does_not_know():
    graph = graph_of(small_resnet(), 1, 3, 32, 32)
    table = LatencyTable({ConvSpec(64, 3, 64, 32, 7, 2): 1.0})
    with pytest.raises(KeyError, match="64_64_64_8_3_1_1 is not among the 1 rows of the table"):
        HALPPruner(small_resnet(), graph, table, 64, HALPConfig(group_size=8))
    with pytest.raises(ValueError, match="the table was measured with 64"):
        HALPPruner(small_resnet(), graph, table, 32, HALPConfig(group_size=8))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"share": 0}, "share must be above 0 and at most 1 of the latency, got 0"),
        ({"share": 1.5}, "share must be above 0 and at most 1 of the latency, got 1.5"),
        ({"share": float("nan")}, "share must be above 0 and at most 1 of the latency, got nan"),
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"interval": 1.5}, "interval must be a whole number of at least 1, got 1.5"),
        ({"start": -1}, "start must be a whole number of at least 0, got -1"),
    ],
)
def test_configurations_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        HALPConfig(**options)


def test_group_sizes_of_a_pruner():
    with pytest.raises(ValueError, match="group size 12 does not divide 64 channels of conv1; use"):
        pruner_of(small_resnet(), group_size=12)
    with pytest.raises(ValueError, match="group_size must be 'latency', a number or numbers by layer, got 'fast'"):
        pruner_of(small_resnet(), group_size="fast")
    ragged = pruner_of(small_resnet(), group_size=12, allow_ragged=True)
    plan = ragged.solve(0.5 * ragged.initial_latency, random_scores(ragged.graph))
    assert {len(kept) % 12 for kept in plan.kept.values()} <= {0, 4, 64 % 12, 128 % 12, 256 % 12, 512 % 12}
    by_stairs = pruner_of(small_resnet(), group_size="latency")
    assert set(by_stairs.sizes.values()) == {32}  # the tile of this platform


def test_protected_stem_stays_whole():
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.Conv2d(64, 4, 1)
    )
    graph = ChannelGraph.trace(model, torch.zeros(1, 3, 32, 32), protect=["0"])
    pruner = HALPPruner(model, graph, TABLE, 64, HALPConfig(0.7, group_size=8))
    plan = pruner.solve(0.7 * pruner.initial_latency, random_scores(graph))
    assert plan.widths["0"] == (3, 32)
    assert plan.widths["2"][1] < 64
