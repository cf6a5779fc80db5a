"""Two stages find what one finds: always where that is proved, and the bound is a proof."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.retrieval import (
    Encoding,
    Features,
    FeatureStore,
    Letterbox,
    Projection,
    Shard,
    Template,
    compress,
    fit_projections,
    l2_normalise,
    match,
    two_stage,
)
from workbench.retrieval.coarse_scan import CoarseScan
from workbench.retrieval.compression import encode

SIZE = (48, 64)


def random_template(rng: np.random.Generator, channels: int, stride: int = 8) -> Template:
    rows, columns = rng.integers(1, 4, 2)
    weights = torch.from_numpy((rng.random((rows, columns)) * (rng.random((rows, columns)) > 0.3)).astype(np.float32))
    weights[0, 0] = 1
    vectors = torch.from_numpy(rng.normal(size=(channels, rows, columns)).astype(np.float32))
    return Template(l2_normalise(vectors, 0) * (weights > 0), weights, stride, (0, 0, 8 * columns, 8 * rows))


def street_like(rng: np.random.Generator, count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Return maps whose channels differ in strength, with a mean of their own, some cells dead."""
    values = (rng.normal(size=(count, channels, height, width)) + 0.5) * np.exp(-0.15 * np.arange(channels))[
        :, None, None
    ]
    values[rng.random((count, 1, height, width)).repeat(channels, 1) < 0.05] = 0
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("stores")
    fine = FeatureStore.create(folder / "fine", {}, shard_size=40)
    for number in range(3):
        maps = {8: street_like(rng, 40, 16, 6, 8), 16: street_like(rng, 40, 12, 3, 4)}
        names = tuple(f"{number}-{row}" for row in range(40))
        fine.append(Shard(names, Features(maps, [Letterbox.fit(SIZE), Letterbox.fit((40, 50))] * 20)))
    encoding = Encoding("int8", fit_projections(fine, {8: 10, 16: 9}), residual=True)
    return fine, compress(fine, folder / "coarse", encoding)


@pytest.fixture(scope="module")
def templates(stores):
    fine, _ = stores
    found = []
    for name, box, stride in (("0-3", (8, 8, 32, 32), 8), ("2-10", (16, 0, 48, 32), 16), ("1-8", (20, 10, 44, 26), 8)):
        shard = fine.select([name])
        found.append(Template.from_box(shard.features, box, SIZE, stride=stride))
    return found


def exact(fine: FeatureStore, templates: list[Template]) -> tuple[list[str], np.ndarray]:
    names = [name for part in fine.image_ids() for name in part]
    return names, np.concatenate([match(templates, shard.features).scores for shard in fine])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 9999),
    st.integers(2, 24),
    st.floats(0.05, 1),
    st.sampled_from([torch.float32, torch.bfloat16]),
    st.sampled_from([1e-7, 1e-3, 1.0, 100.0]),
    st.booleans(),
)
def test_no_score_exceeds_its_bound(seed, channels, share, dtype, scale, opposed):
    rng = np.random.default_rng(seed)
    maps = scale * street_like(rng, 3, channels, 5, 6)
    rows = max(1, round(share * channels))
    matrix = np.linalg.qr(rng.normal(size=(channels, rows)))[0].T
    encoding = Encoding("int8", {8: Projection(matrix)} if rng.random() < 0.8 else {}, residual=True)
    templates = [random_template(rng, channels) for _ in range(3)]
    templates.append(Template(l2_normalise(maps[0, :, 1:3, 2:4], 0), torch.ones(2, 2), 8, (0, 0, 16, 16)))
    if opposed:
        templates = [Template(-one.vectors, one.weights, 8, one.outline) for one in templates]
    placed = [Letterbox.fit((40, 48)), Letterbox.fit((30, 20)), Letterbox.fit((40, 48))]
    scores = match(templates, Features({8: maps}, placed)).scores
    kept = encode(maps, encoding, 8)
    stored = Features({8: torch.from_numpy(kept.values).permute(0, 3, 1, 2)}, placed)
    bounds = CoarseScan(tuple(templates), encoding, dtype).upper_bounds(stored, {8: (kept.residual, kept.error)})
    assert (bounds >= scores).all()
    if not encoding.projections and scale >= 1 and dtype == torch.float32:
        assert (bounds - np.maximum(scores, 0)).max() < 2.5 * np.sqrt(
            channels
        ) / 254 + 0.01  # all that is lost is rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("top", [1, 7, 200])
def test_a_certified_answer_is_the_exact_one(stores, templates, dtype, top):
    fine, coarse = stores
    names, scores = exact(fine, templates)
    found = two_stage(coarse, fine, templates, top=top, shortlist=0, certified=True, dtype=dtype)
    assert found.certified
    for column, matches in zip(scores.T, found.matches, strict=True):
        order = np.argsort(-column, kind="stable")[:top]
        assert [one.image_id for one in matches] == [names[place] for place in order]
        np.testing.assert_allclose([one.score for one in matches], column[order], atol=1e-6)
    assert (found.evaluated <= 1).all()


def test_boxes_are_those_of_matching(stores, templates):
    fine, coarse = stores
    found = two_stage(coarse, fine, templates, top=5)
    for index, matches in enumerate(found.matches):
        expected = match(templates, fine.select([one.image_id for one in matches]).features)
        assert [one.box for one in matches] == [tuple(box) for box in expected.boxes[:, index].tolist()]


def test_the_estimate_is_the_score_in_the_projection(stores, templates):
    _, coarse = stores
    encoding, features = coarse.manifest.encoding, coarse.shard(0).features
    expected = match([encoding.project(template) for template in templates], features).scores
    for dtype, tolerance in ((torch.float32, 0.02), (torch.bfloat16, 0.03)):
        estimates = CoarseScan(tuple(templates), encoding, dtype).estimates(features)
        np.testing.assert_allclose(estimates, expected.clip(min=0), atol=tolerance)


def test_a_longer_shortlist_finds_more_and_the_whole_pool_everything(stores, templates):
    fine, coarse = stores
    names, scores = exact(fine, templates)
    best = [[names[place] for place in np.argsort(-column, kind="stable")[:10]] for column in scores.T]
    recalls = []
    for share in (0, 0.2, 0.5, 1):
        found = two_stage(coarse, fine, templates, top=10, shortlist=share)
        assert found.evaluated == pytest.approx(max(share, 10 / 120))
        assert not found.certified
        recalls.append(found.recall(best).mean())
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1


def test_excluded_pictures_are_not_found(stores, templates):
    fine, coarse = stores
    for certified in (False, True):
        found = two_stage(coarse, fine, templates, top=120, shortlist=1, exclude=["0-3", "2-10"], certified=certified)
        assert all(len(matches) == 118 for matches in found.matches)
        assert not {"0-3", "2-10"} & {one.image_id for matches in found.matches for one in matches}


def test_each_object_finds_itself_first(stores, templates):
    fine, coarse = stores
    found = two_stage(coarse, fine, templates, top=1)
    assert [matches[0].image_id for matches in found.matches] == ["0-3", "2-10", "1-8"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"templates": []}, "templates is empty, expected at least one"),
        ({"top": 0}, "top must be a whole number of at least 1, got 0"),
        ({"shortlist": 1.5}, "shortlist must lie in 0 to 1, got 1.5"),
        (
            {"exclude": [f"{n}-{row}" for n in range(3) for row in range(40)]},
            "pool is empty: every picture of it is excluded",
        ),
    ],
)
def test_what_cannot_be_is_named(stores, templates, options, message):
    fine, coarse = stores
    with pytest.raises(ValueError, match=message):
        two_stage(coarse, fine, **({"templates": templates} | options))


def test_stores_that_do_not_belong_together_are_named(stores, templates, tmp_path):
    fine, coarse = stores
    with pytest.raises(ValueError, match=f"compressed from {fine.digest}, not from the fine one, {coarse.digest}"):
        two_stage(coarse, coarse, templates)
    bare = compress(fine, tmp_path / "bare", Encoding("int8"))
    with pytest.raises(ValueError, match="certified needs a coarse store with residuals"):
        two_stage(bare, fine, templates, certified=True)
    half = compress(fine, tmp_path / "half", Encoding("float16", fit_projections(fine, {8: 4})))
    with pytest.raises(ValueError, match="coarse store must be kept in 'int8', not in 'float16'"):
        two_stage(half, fine, templates)
    lost = Template(torch.ones(3, 1, 1), torch.ones(1, 1), 4, (0, 0, 4, 4))
    with pytest.raises(ValueError, match=r"a template has stride 4, but the stores have \(8, 16\)"):
        two_stage(coarse, fine, [lost])
