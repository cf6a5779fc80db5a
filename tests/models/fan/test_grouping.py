"""Spectra, groups, decay of noise, and the two iterations: closed forms, invariances and controls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import adjusted_rand_score
from torch import nn

from workbench.models.fan import Fan
from workbench.models.fan.bottleneck import Clusters, bottleneck_step, free_energy, mean_shift_step, proposition_2_1
from workbench.models.fan.grouping import (
    affinity,
    effective_rank,
    feature_spectrum,
    group_count,
    laplacian,
    map_list,
    noise_decay,
    significant_count,
    spectral_groups,
    token_list,
)


def three_groups(seed=0, spread=0.25, count=60, dim=8):
    """Unit tokens about three orthogonal directions."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    points = np.eye(dim)[labels] + spread * rng.standard_normal((count, dim))
    return points / np.linalg.norm(points, axis=1, keepdims=True), labels


@given(st.integers(0, 10**6), st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_k_distinct_tokens_have_at_most_k_minus_1_values_whatever_their_place(seed, distinct):
    rng = np.random.default_rng(seed)
    tokens = rng.standard_normal((distinct, 10))[rng.integers(0, distinct, 40)]
    spectrum = feature_spectrum(tokens)
    assert (spectrum > 0).sum() <= distinct - 1
    assert spectrum.sum() == pytest.approx(((tokens - tokens.mean(0)) ** 2).sum())
    rotated = tokens @ np.linalg.qr(rng.standard_normal((10, 10)))[0] + rng.standard_normal(10)
    np.testing.assert_allclose(feature_spectrum(rotated), spectrum, atol=1e-9)
    assert effective_rank(feature_spectrum(3 * tokens)) == pytest.approx(effective_rank(spectrum))
    assert 0 <= effective_rank(spectrum) <= max((spectrum > 0).sum(), 1) + 1e-9


def test_counts_and_ranks():
    assert effective_rank([5.0] * 7) == pytest.approx(7)
    assert [significant_count([100, 2, 1, 0.5], tau) for tau in (0, 0.01, 0.1)] == [4, 2, 1]
    equal = feature_spectrum(np.full((9, 4), 0.1))
    assert (significant_count(equal), effective_rank(equal)) == (0, 0.0)
    assert feature_spectrum(torch.ones(2, 3, requires_grad=True)).tolist() == [0, 0]


def test_zero_eigenvalues_are_connected_components():
    tokens = np.repeat(np.eye(4), 5, axis=0)
    values = np.linalg.eigvalsh(laplacian(affinity(tokens)))
    assert (values < 1e-9).sum() == 4
    assert values.max() <= 2
    assert group_count(tokens) == 4
    assert group_count(tokens[:1]) == 1


@pytest.mark.parametrize("seed", range(3))
def test_three_noisy_groups_are_found(seed):
    tokens, labels = three_groups(seed)
    assert group_count(tokens) == 3
    assert adjusted_rand_score(labels, spectral_groups(tokens, 3)) == 1
    assert np.array_equal(spectral_groups(tokens, 3, seed=1), spectral_groups(tokens, 3, seed=1))


def test_noise_that_a_depth_scales_does_not_count_and_one_that_it_smooths_does():
    """Scaling changes neither; adding a constant changes neither; averaging over pixels removes noise but not smooth signal."""
    images = torch.linspace(0, 1, 32)[None, None, :, None].expand(4, 1, 32, 32).contiguous()
    average = nn.Conv2d(1, 1, 5, padding=2, bias=False, padding_mode="replicate")
    nn.init.constant_(average.weight, 1 / 25)

    class Lift(nn.Module):
        def forward(self, maps):
            return 3 * maps + 100

    first, lifted, averaged = noise_decay(map_list([nn.Identity(), Lift(), average]), images)
    assert first == pytest.approx(0.1 / float(images[0].std(correction=0)), rel=0.05)
    assert lifted == pytest.approx(first, rel=1e-5)
    assert averaged < 0.3 * first


def test_noise_of_a_network_is_measured_at_every_depth_and_depends_on_the_seed_alone():
    torch.manual_seed(0)
    network = Fan(32, 3, 4, patch_size=4, num_classes=0, in_chans=1).eval()
    images = torch.rand(2, 1, 28, 28)
    first, again = (noise_decay(token_list(network), images) for _ in range(2))
    assert first.shape == (4,)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, noise_decay(token_list(network), images, seed=1))
    half = noise_decay(token_list(network), images, sigma=0.001)
    assert (half < first / 30).all()


@given(st.integers(0, 10**6), st.floats(0.1, 20))
@settings(max_examples=30, deadline=None)
def test_a_bottleneck_step_keeps_its_sums_and_never_raises_the_free_energy(seed, beta):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((30, 3))
    clusters = Clusters(rng.standard_normal((4, 3)), np.full(4, 7.5), np.zeros((30, 4)))
    energies = []
    for _ in range(6):
        clusters = bottleneck_step(points, clusters.centres, clusters.masses, beta, 0.8)
        energies.append(free_energy(points, clusters, beta, 0.8))
        np.testing.assert_allclose(clusters.assignment.sum(1), 1)
        assert clusters.masses.sum() == pytest.approx(30)
    assert (np.diff(energies) < 1e-9).all()


def test_the_bottleneck_finds_groups_at_a_high_beta_and_one_group_at_beta_0():
    points, labels = three_groups()
    clusters = Clusters(points[:3], np.full(3, 20.0), np.zeros((60, 3)))
    for _ in range(20):
        clusters = bottleneck_step(points, clusters.centres, clusters.masses, 10.0)
    assert np.array_equal(clusters.assignment.argmax(1), labels)
    np.testing.assert_allclose(clusters.masses, 20, atol=0.5)
    merged = bottleneck_step(points, points[:3], np.full(3, 20.0), 0.0)
    np.testing.assert_allclose(merged.centres, np.broadcast_to(points.mean(0), (3, 8)))


def test_with_unit_centres_of_equal_mass_the_step_is_attention_over_centres():
    points, _ = three_groups(1)
    centres = np.eye(8)[:3]
    step = bottleneck_step(points, centres, np.ones(3), beta=6.0, spread=0.7)
    np.testing.assert_allclose(step.assignment, softmax(6.0 / 0.49 * points @ centres.T, axis=1))


def test_proposition_2_1_is_its_sum_term_by_term():
    rng = np.random.default_rng(0)
    points, centres = rng.standard_normal((6, 3)), rng.standard_normal((2, 3))
    covariance, masses = np.diag([1.0, 2.0, 0.5]), np.array([4.0, 2.0])
    expected = np.zeros((2, 3))
    for point in points:
        scores = np.array([centre @ np.linalg.inv(covariance) @ point / 0.5 for centre in centres])
        share = np.exp(scores) / np.exp(scores).sum()
        for cluster in range(2):
            expected[cluster] += np.log(masses[cluster] / 6) / (6 * 1.0) * share[cluster] * point
    np.testing.assert_allclose(proposition_2_1(points, centres, covariance, masses), expected)
    for covariance, masses, match in (
        (-np.eye(3), [4, 2], "covariance is not positive definite"),
        (np.eye(3), [4, 4], "masses must be above 0 and add up to 6"),
    ):
        with pytest.raises(ValueError, match=match):
            proposition_2_1(points, centres, covariance, masses)


@pytest.mark.parametrize("beta, count", [(1.0, 1), (8.0, 3), (1000.0, 60)])
def test_mean_shift_draws_together_as_much_as_beta_allows(beta, count):
    """A low beta makes one point of all, a middling one a point of each group, a high one leaves every point where it is."""
    points, labels = three_groups()
    moved = points
    for _ in range(30):
        moved = mean_shift_step(moved, beta)
    near = np.linalg.norm(moved[:, None] - moved, axis=2) < 1e-3
    assert len(np.unique(near, axis=0)) == count
    if count == 3:
        assert np.array_equal(near, labels[:, None] == labels)
        assert significant_count(feature_spectrum(moved)) == 2
        assert effective_rank(feature_spectrum(moved)) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: feature_spectrum(np.zeros(3)), r"tokens has shape \(3,\), expected \(N, C\)"),
        (lambda: feature_spectrum(np.zeros((0, 3))), r"tokens has shape \(0, 3\)"),
        (lambda: feature_spectrum([[np.nan]]), "tokens holds NaN"),
        (lambda: affinity([[1.0], [0.0]]), "token 1 is 0; its cosine is not defined"),
        (lambda: laplacian([[1.0, 0.5]]), r"shape \(1, 2\), expected a symmetric"),
        (lambda: laplacian([[0.0]]), "every token needs one"),
        (lambda: group_count([[1.0]], most=0), "most must be at least 1, got 0"),
        (lambda: spectral_groups([[1.0], [2.0]], 3), "groups must lie in 1 to 2, got 3"),
        (lambda: significant_count([1.0], 1.0), r"tau must lie in \[0, 1\), got 1.0"),
        (lambda: effective_rank([-1.0]), "that are not negative"),
        (lambda: noise_decay(map_list([nn.Identity()]), torch.zeros(0, 1, 4, 4)), "got 0 images and 0.1"),
        (lambda: noise_decay(map_list([nn.Identity()]), torch.zeros(1, 1, 4, 4)), "are equal at depth 0"),
        (lambda: bottleneck_step(np.zeros((3, 2)), np.zeros((2, 3)), [1, 1], 1.0), r"got \(3, 2\), \(2, 3\), \(2,\)"),
        (lambda: bottleneck_step(np.zeros((3, 2)), np.zeros((2, 2)), [1, 1], -1.0), "beta must not be negative"),
        (
            lambda: bottleneck_step(np.zeros((3, 2)), np.zeros((2, 2)), [0, 0], 1.0),
            "masses must not be negative nor all 0",
        ),
        (lambda: mean_shift_step([[0.0, 0.0]], 1.0), "point 0 is 0; it has no direction"),
        (lambda: mean_shift_step([1.0], 1.0), r"got \(1,\) and 1.0"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(ValueError, match=match):
        call()
