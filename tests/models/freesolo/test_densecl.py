import math

import pytest
import torch
from torch.nn import functional

from workbench.models.freesolo.backbone import ResNet, group_norm
from workbench.models.freesolo.densecl import DenseCL, DenseCLConfig, contrastive_loss, matching_places

SMALL = {"stage": "res4", "hidden": 16, "projection": 8, "queue": 6, "momentum": 0.9}


def _network(**overrides: object) -> DenseCL:
    torch.manual_seed(0)
    trunk = ResNet((1, 1, 1, 1), width=8, pooled=False, norm=group_norm)
    return DenseCL(trunk, DenseCLConfig(**{**SMALL, **overrides}))


def _views(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(count, 3, 32, 32, generator=generator) for _ in range(2))


def test_the_loss_of_a_query_that_no_negative_resembles_is_that_of_the_closed_form():
    unit = functional.normalize(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    negatives = -unit[:1].expand(7, -1)
    expected = torch.log1p(7 * torch.exp(torch.tensor(-2 / 0.5)))
    assert contrastive_loss(unit[:1], unit[:1], negatives, 0.5).item() == pytest.approx(expected.item(), rel=1e-5)


def test_places_match_where_they_went():
    features = functional.normalize(torch.randn(2, 64, 9, generator=torch.Generator().manual_seed(0)), dim=1)
    moved = torch.stack([torch.randperm(9, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)])
    others = torch.stack([one[:, order] for one, order in zip(features, moved, strict=True)])
    assert torch.equal(matching_places(features, others), moved.argsort(1))


def test_the_two_losses_are_mixed_by_the_weight_and_zero_is_moco():
    first, second = _views()
    parts = {weight: _network(dense=weight).eval()(first, second) for weight in (0.0, 0.3, 1.0)}
    for weight, found in parts.items():
        mixed = (1 - weight) * found["global"] + weight * found["dense"]
        assert found["loss"].item() == pytest.approx(mixed.item(), rel=1e-6)
    network = _network(dense=0.0)
    network(first, second)["loss"].backward()
    assert all(not parameter.grad.any() for parameter in network.query.dense_head.parameters())
    assert network.query.global_head[0].weight.grad.any()


def test_the_key_network_follows_by_its_momentum_and_takes_no_gradient():
    network = _network()
    before = [parameter.clone() for parameter in network.key.parameters()]
    with torch.no_grad():
        for parameter in network.query.parameters():
            parameter.add_(1.0)
    network(*_views())["loss"].backward()
    for old, new in zip(before, network.key.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.1)  # one tenth of the way
        assert new.grad is None


def test_a_queue_holds_the_latest_keys_and_forgets_the_oldest():
    network = _network(momentum=1.0)
    first, second = _views(4)
    start = network.global_queue.clone()
    with torch.no_grad():
        keys = network.key(second)[1]
    network(first, second)
    torch.testing.assert_close(network.global_queue[:4], keys)
    torch.testing.assert_close(network.global_queue[4:], start[4:])
    network(first, second)  # goes on at 4, and around
    assert int(network.place) == 2
    torch.testing.assert_close(network.global_queue, keys[[2, 3, 2, 3, 0, 1]])
    assert network.dense_queue.norm(dim=1).allclose(torch.ones(6))


def test_evaluation_changes_nothing():
    network = _network().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(*_views())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_steps_tell_a_picture_from_those_in_the_queue():
    """The global loss starts at chance, log(1 + queue): keys of an untrained network are alike. Both losses fall."""
    network = _network(queue=32, momentum=1.0)
    generator = torch.Generator().manual_seed(0)
    pictures = functional.interpolate(torch.randn(36, 3, 4, 4, generator=generator), scale_factor=8)
    network(pictures[:32], pictures[:32])
    network.eval()  # keys and queues stay
    optimizer = torch.optim.AdamW(network.query.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        found = network(pictures[32:], pictures[32:])
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        losses.append([found[name].item() for name in ("global", "dense")])
    assert losses[0][0] == pytest.approx(math.log(33), abs=0.1)
    assert losses[-1][0] < losses[0][0] - 0.15
    assert losses[-1][1] < losses[0][1] - 0.8


@pytest.mark.parametrize("wrong", [{"stage": "res6"}, {"dense": 1.5}, {"queue": 0}, {"temperature": 0.0}])
def test_a_field_outside_its_range_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DenseCLConfig(**wrong)


def test_views_of_other_shapes_are_refused():
    first, second = _views()
    with pytest.raises(ValueError, match="views must both be"):
        _network()(first, second[:2])
