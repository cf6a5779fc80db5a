"""The weak losses on one mask: projections fit a box, pairs find the edge, and averages hold what maxima let go."""

import numpy as np
import pytest

from workbench.experiments.free_masks_microscope import (
    TERMS,
    MicroscopeConfig,
    agreement,
    connected_pairs,
    fit_mask,
    small_target,
)
from workbench.models.freesolo import LossWeights


@pytest.fixture(scope="module")
def disc():
    """A red disc before grey, its mask, and its box, which is what a coarse mask says."""
    rows, columns = np.mgrid[:60, :60]
    mask = (rows - 30) ** 2 + (columns - 28) ** 2 <= 18**2
    image = np.full((60, 60, 3), 90, np.uint8)
    image[mask] = (230, 80, 40)
    box = np.zeros_like(mask)
    box[12:49, 10:47] = True
    return image, mask, box


def _fit(disc, **weights):
    image, mask, box = disc
    fitted = fit_mask(image, box, MicroscopeConfig(LossWeights(**weights)))
    return fitted, agreement(fitted.probabilities, mask)


def test_pairs_find_the_edge_that_a_box_does_not_have(disc):
    _, with_pairs = _fit(disc)
    _, without = _fit(disc, pairwise=0.0)
    _, dice = _fit(disc, average=0.0, max=0.0, pairwise=0.0, dice=1.0)
    assert with_pairs[-1] > 0.8
    assert without[-1] < 0.76
    assert dice[-1] < 0.76


def test_maxima_alone_are_content_with_a_frame_of_touches(disc):
    """A mask that meets every row and column of the box has the greatest values of the box, however little it fills."""
    box = disc[2]
    fitted, _ = _fit(disc, average=0.0, pairwise=0.0)
    assert fitted.terms["max"].iloc[-1] < 0.1
    assert (fitted.probabilities[-1] >= 0.5).sum() < 0.9 * small_target(box, 3).sum().item()
    both, _ = _fit(disc, pairwise=0.0)
    assert (both.probabilities[-1] >= 0.5).sum() == pytest.approx(small_target(box, 3).sum().item(), rel=0.05)


def test_every_frame_and_term_is_kept(disc):
    fitted, overlap = _fit(disc)
    assert fitted.probabilities.shape == (17, 20, 20)
    assert fitted.steps[0] == 0
    assert fitted.steps[-1] == 48
    assert fitted.terms["step"].tolist() == list(range(49))
    assert set(fitted.terms) == {"step", *TERMS}
    assert overlap.shape == (17,)
    again, _ = _fit(disc)
    np.testing.assert_array_equal(again.probabilities, fitted.probabilities)


def test_pairs_join_places_of_like_colour_inside_the_box(disc):
    image, mask, box = disc
    pairs = connected_pairs(image, box)
    assert pairs.shape[1] == 4
    assert np.abs(pairs[:, :2] - pairs[:, 2:]).max() == 6  # two places of three pixels
    assert len({tuple(sorted([tuple(a[:2]), tuple(a[2:])])) for a in pairs.tolist()}) == len(pairs)
    ends = pairs.round().astype(int).clip(0, 59)
    assert box[ends[:, 1], ends[:, 0]].mean() > 0.95
    deep = [mask[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].mean() for x, y in ends[:, :2]]
    far = [mask[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].mean() for x, y in ends[:, 2:]]
    assert not any({0.0, 1.0} == {one, other} for one, other in zip(deep, far, strict=True))  # none crosses the edge


def test_what_is_wrong_is_said(disc):
    image, mask, _ = disc
    with pytest.raises(ValueError, match=r"coarse must be a mask of the image's \(60, 60\), got \(5, 5\)"):
        fit_mask(image, mask[:5, :5])
    with pytest.raises(ValueError, match="coarse must have more than a few of its pixels set, got 0"):
        fit_mask(image, np.zeros_like(mask))
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        MicroscopeConfig(steps=0)
