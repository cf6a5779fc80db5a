"""Projections keep cosines, bytes keep directions, and the residual bounds what was left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.retrieval import (
    Encoding,
    Features,
    Letterbox,
    Projection,
    Shard,
    Template,
    fit_projections,
    l2_normalise,
    match,
)
from workbench.retrieval.compression import STEPS, decoded_share, encode

SIZE = (32, 48)


def random_maps(seed: int, count: int = 3, channels: int = 8, spread: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.exp(-spread * torch.arange(channels)).reshape(channels, 1, 1)
    return torch.randn(count, channels, 4, 6, generator=generator) * scale


def shard_of(maps: torch.Tensor) -> Shard:
    return Shard(tuple(map(str, range(len(maps)))), Features({8: maps}, [Letterbox.fit(SIZE)] * len(maps)))


def projection(seed: int, rows: int, channels: int) -> Projection:
    values = np.random.default_rng(seed).normal(size=(channels, rows))
    return Projection(np.linalg.qr(values)[0].T)


def test_a_projection_onto_all_directions_keeps_every_cosine():
    maps = random_maps(0, spread=0)
    turned = encode(maps, Encoding(projections={8: projection(1, 8, 8)}), 8)
    cells = torch.from_numpy(turned.values.astype(np.float32)).flatten(0, 2)
    unit, whole = l2_normalise(cells), l2_normalise(maps.permute(0, 2, 3, 1).flatten(0, 2))
    torch.testing.assert_close(unit @ unit.T, whole @ whole.T, atol=2e-3, rtol=0)


def test_the_fitted_directions_keep_more_than_any_others():
    maps = random_maps(0, count=20, spread=0.5)
    fitted = fit_projections([shard_of(maps[:7]), shard_of(maps[7:])], {8: 3})[8]
    unit = l2_normalise(maps).permute(0, 2, 3, 1)
    kept = fitted(unit).square().sum(3).mean()
    assert all(projection(seed, 3, 8)(unit).square().sum(3).mean() < kept for seed in range(20))
    values = np.linalg.svd(unit.flatten(0, 2).numpy(), compute_uv=False)
    assert kept == pytest.approx((values[:3] ** 2).sum() / (values**2).sum(), rel=1e-4)


def test_nothing_is_centred():
    """With all cells near one direction that direction is kept, though it varies least."""
    maps = 0.01 * random_maps(0, spread=0)
    maps[:, 4] += 1
    assert abs(fit_projections([shard_of(maps)], {8: 1})[8].matrix[0, 4]) > 0.99


def test_padding_is_not_looked_at_and_a_sample_is_enough():
    maps = random_maps(0, count=4, spread=0)
    padded = maps.clone()
    padded[:, :, 2:] = 100 * torch.arange(8.0).reshape(8, 1, 1)
    placed = [Letterbox.fit((16, 48))] * 4
    seen = fit_projections([Shard(tuple("abcd"), Features({8: padded}, placed))], {8: 2}, sample=3)[8]
    bare = fit_projections([Shard(tuple("abc"), Features({8: maps[:3, :, :2]}, placed[:3]))], {8: 2})[8]
    np.testing.assert_allclose(seen.matrix, bare.matrix, atol=1e-5)


@pytest.mark.parametrize("dtype, tolerance", [("float16", 1e-3), ("int8", 0.02)])
def test_stored_maps_match_like_projected_ones(dtype, tolerance):
    maps, encoding = random_maps(0, spread=0.2), Encoding(dtype, {8: projection(1, 5, 8)})
    template = Template.from_box({8: maps[:1]}, (8, 8, 32, 24), SIZE, stride=8)
    stored = torch.from_numpy(encode(maps, encoding, 8).values).permute(0, 3, 1, 2)
    projected = encoding.projections[8](maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    ours = match([encoding.project(template)], Features({8: stored}, [Letterbox.fit(SIZE)] * 3))
    expected = match([encoding.project(template)], Features({8: projected}, [Letterbox.fit(SIZE)] * 3))
    np.testing.assert_allclose(ours.scores, expected.scores, atol=tolerance)
    assert ours.scores[0, 0] == pytest.approx(1, abs=tolerance)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 999), st.integers(1, 8), st.floats(-3, 3), st.sampled_from([1e-9, 1e-6, 1e-3, 1.0, 1e4]))
def test_the_residual_and_the_error_bound_every_product(seed, rows, spread, scale):
    """<t, f> <= n <P t, q> + |P t| e + |t - P'P t| r, cell by cell, for what is stored: section 5's certificate."""
    maps = scale * random_maps(seed, spread=spread / 3)
    maps[0, :, 0, 0] = 0
    direction = projection(seed + 1, rows, 8)
    kept = encode(maps, Encoding("int8", {8: direction}, residual=True), 8)
    whole = l2_normalise(maps).permute(0, 2, 3, 1).double()
    template = l2_normalise(torch.randn(8, generator=torch.Generator().manual_seed(seed)), 0).double()
    matrix = torch.from_numpy(direction.matrix).double()
    inside = matrix @ template
    values = torch.from_numpy(kept.values).double() / STEPS
    bound = decoded_share(torch.from_numpy(kept.residual)) * (values @ inside)
    bound += inside.norm() * torch.from_numpy(kept.error).double()[:, None, None]
    bound += (template - matrix.T @ inside).norm() * torch.from_numpy(kept.residual).double() / 255
    assert (whole @ template <= bound + 1e-6).all()


def test_all_channels_in_bytes_leave_nothing_out():
    kept = encode(random_maps(0), Encoding("int8", residual=True), 8)
    assert kept.residual.max() == 0
    assert kept.error.max() < np.sqrt(8) / 2 / STEPS + 1e-3


def test_dead_cells_are_zeros():
    maps = random_maps(0)
    maps[1] = 0
    kept = encode(maps, Encoding("int8", {8: projection(0, 3, 8)}, residual=True), 8)
    assert not kept.values[1].any()
    assert kept.error[1] == pytest.approx(0, abs=1e-6)


def test_hashes_change_with_what_is_stored():
    one, other = projection(0, 3, 8), projection(1, 3, 8)
    encodings = [
        Encoding(),
        Encoding("int8"),
        Encoding("int8", residual=True),
        Encoding(projections={8: one}),
        Encoding(projections={8: other}),
        Encoding(projections={16: one}),
    ]
    assert len({encoding.digest for encoding in encodings}) == len(encodings)
    assert Encoding(projections={8: Projection(one.matrix.copy())}).digest == encodings[3].digest


def test_what_cannot_be_is_named():
    maps = random_maps(0)
    template = Template.from_box({8: maps[:1]}, (8, 8, 32, 24), SIZE, stride=8)
    narrow = Encoding(projections={8: projection(0, 3, 5)})
    with pytest.raises(ValueError, match="rows of matrix are not orthonormal"):
        Projection(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"matrix has shape \(4, 3\), expected \(d, C\) with 1 <= d <= C"):
        Projection(np.ones((4, 3)))
    with pytest.raises(ValueError, match="dtype must be one of 'float16', 'int8', got 'int4'"):
        Encoding("int4")
    with pytest.raises(ValueError, match="residual is kept with dtype 'int8' only"):
        Encoding(residual=True)
    with pytest.raises(ValueError, match="template of stride 8 has 8 channels, the projection 5"):
        narrow.project(template)
    with pytest.raises(ValueError, match="features of stride 8 have 8 channels, the projection of the store 5"):
        encode(maps, narrow, 8)
    with pytest.raises(ValueError, match=r"reach .*, too much for half precision: use 'int8'"):
        encode(1e6 * maps, Encoding(), 8)
    with pytest.raises(ValueError, match="features of stride 8 are not finite"):
        encode(maps / 0, Encoding(), 8)
    with pytest.raises(ValueError, match=r"dimensions\[8\] must lie in 1 to 8, got 9"):
        fit_projections([shard_of(maps)], {8: 9})
    with pytest.raises(ValueError, match="pool is empty"):
        fit_projections([], {8: 1})
    with pytest.raises(ValueError, match="dimensions name stride 16, but the features have"):
        fit_projections([shard_of(maps)], {16: 1})
