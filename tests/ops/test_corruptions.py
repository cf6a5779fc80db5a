"""The corruptions: closed forms and statistics of each, the same pixels in any batch, and bad input."""

from __future__ import annotations

import colorsys
import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter, zoom

from workbench.ops import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES, corrupt
from workbench.ops._filters import convolve, sample, streak, zoom_centre
from workbench.ops._noise_and_blur import disk
from workbench.ops._spatter import edges
from workbench.ops._weather import cloud_maps

ALL = CORRUPTIONS + EXTRA_CORRUPTIONS
GROWING = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "defocus_blur", "motion_blur", "zoom_blur"),
    *("brightness", "contrast", "pixelate", "gaussian_blur"),
)
"""Whose change grows with the severity for any image, not just on average over many."""


def photos(count=3, side=32, channels=3, seed=0):
    """Smooth pictures with something at every place, uint8."""
    drawn = np.random.default_rng(seed).random((count, side, side, channels))
    smooth = gaussian_filter(drawn, (0, 2, 2, 0), mode="wrap")
    low, high = smooth.min(), smooth.max()
    return np.rint((smooth - low) / (high - low) * 255).astype(np.uint8)


def test_there_are_fifteen_and_four():
    assert (len(CORRUPTIONS), len(EXTRA_CORRUPTIONS), len(set(ALL))) == (15, 4, 19)


@pytest.mark.parametrize("constants", ["imagenet", "cifar"])
@pytest.mark.parametrize("corruption", ALL)
def test_an_image_is_the_same_in_any_batch_and_another_with_another_seed_or_index(corruption, constants):
    images = photos(5, 36)
    whole = corrupt(images, corruption, 3, seed=7, constants=constants)
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape
    order = [3, 0, 4]
    part = corrupt(images[order], corruption, 3, seed=7, indices=order, constants=constants)
    assert np.array_equal(part, whole[order])
    alone = corrupt(images[2:3], corruption, 3, seed=7, indices=[2], constants=constants)
    assert np.array_equal(alone, whole[2:3])
    drawn = corruption not in {
        *(
            "defocus_blur",
            "zoom_blur",
            "brightness",
            "contrast",
            "pixelate",
            "jpeg_compression",
            "gaussian_blur",
            "saturate",
        )
    }
    for other in (
        corrupt(images[:1], corruption, 3, seed=8, constants=constants),
        corrupt(images[:1], corruption, 3, seed=7, indices=[1], constants=constants),
    ):
        assert np.array_equal(other, whole[:1]) is not drawn


@pytest.mark.parametrize("corruption", ALL)
def test_the_global_generator_is_not_touched(corruption):
    np.random.seed(3)  # noqa: NPY002  (the legacy generator is what is watched)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    corrupt(photos(1), corruption, 2)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("constants", ["imagenet", "cifar"])
@pytest.mark.parametrize("corruption", ALL)
@given(st.integers(0, 2**31), st.sampled_from(SEVERITIES), st.sampled_from(["flat 0", "flat 1", "noise", "grey"]))
@settings(max_examples=6, deadline=None)
def test_results_stay_in_range_for_any_image(corruption, constants, seed, severity, kind):
    rng = np.random.default_rng(seed)
    shape = (2, 33, 40) if kind == "grey" else (2, 33, 40, 3)
    images = np.full(shape, float(kind[-1])) if kind.startswith("flat") else rng.random(shape)
    found = corrupt(images, corruption, severity, seed=seed, constants=constants)
    assert (found.shape, found.dtype) == (shape, np.float64)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("constants", ["imagenet", "cifar"])
@pytest.mark.parametrize("corruption", GROWING)
def test_a_higher_severity_changes_more(corruption, constants):
    images = photos(8, 48) / 255
    change = [np.abs(corrupt(images, corruption, level, constants=constants) - images).mean() for level in SEVERITIES]
    assert change[0] > 0
    assert all(after > 0.98 * before for before, after in pairwise(change))
    assert change[4] > change[0]


@pytest.mark.parametrize(
    "corruption, level, value, variance",
    [
        ("gaussian_noise", 2, 0.5, 0.12**2),
        ("shot_noise", 2, 0.25, 0.25 / 25),
        ("speckle_noise", 2, 0.25, (0.2 * 0.25) ** 2),
    ],
)
def test_noise_has_its_mean_and_variance(corruption, level, value, variance):
    noise = corrupt(np.full((4, 100, 100), value), corruption, level) - value
    assert noise.mean() == pytest.approx(0, abs=0.003)
    assert noise.var() == pytest.approx(variance, rel=0.04)


def test_impulses_are_black_or_white_by_halves():
    found = corrupt(np.full((4, 100, 100, 3), 0.5), "impulse_noise", 4)
    assert (found == 0).mean() == pytest.approx(0.085, abs=0.005)
    assert (found == 1).mean() == pytest.approx(0.085, abs=0.005)
    assert ((found == 0.5) | (found == 0) | (found == 1)).all()


def test_contrast_brightness_and_saturation_are_their_formulas():
    images = photos(2) / 255
    mean = images.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(corrupt(images, "contrast", 3), (images - mean) * 0.2 + mean, atol=1e-6)
    lighter, dull = corrupt(images, "brightness", 4), corrupt(images, "saturate", 4)
    for pixel in [(0, 3, 5), (1, 20, 30)]:
        hue, saturation, value = colorsys.rgb_to_hsv(*images[pixel])
        assert lighter[pixel] == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(value + 0.4, 1)), abs=1e-6)
        assert dull[pixel] == pytest.approx(colorsys.hsv_to_rgb(hue, min(5 * saturation + 0.1, 1), value), abs=1e-5)
    np.testing.assert_allclose(corrupt(np.zeros((1, 32, 32, 3)), "brightness", 1), 0.1, atol=1e-7)


def test_a_blur_keeps_a_flat_image_and_spreads_a_point_into_its_kernel():
    for corruption in ("defocus_blur", "gaussian_blur", "motion_blur", "zoom_blur"):
        np.testing.assert_allclose(corrupt(np.full((1, 40, 40), 0.5), corruption, 3), 0.5, atol=1e-6)
    point = np.zeros((1, 49, 49))
    point[0, 24, 24] = 1
    np.testing.assert_allclose(corrupt(point, "gaussian_blur", 2)[0], gaussian_filter(point[0], 2), atol=1e-6)
    kernel = disk(10, 0.5)
    assert kernel.shape == (21, 21)
    assert kernel.sum() == pytest.approx(
        1.011, abs=1e-3
    )  # the published one brightens too: its softening mirrors at the rim
    np.testing.assert_allclose(corrupt(point, "defocus_blur", 5)[0, 14:35, 14:35], kernel, atol=1e-6)
    assert disk(0.4, 0.5).max() < 1  # softened, although the disk is one pixel


def test_a_correlation_is_not_turned():
    image = np.zeros((1, 20, 20, 1), np.float32)
    image[0, 10, 10] = 1
    kernel = np.zeros((3, 3))
    kernel[0, 2] = 1
    assert np.argwhere(convolve(image, kernel)[0, ..., 0] > 0.5).tolist() == [[11, 9]]


def test_a_streak_is_half_a_gaussian_along_its_line():
    image = np.random.default_rng(0).random((30, 40, 3)).astype(np.float32)
    steps = np.arange(7)
    weights = np.exp(-(steps**2) / (2 * 4.0))
    expected = correlate1d(image, weights / weights.sum(), axis=1, mode="nearest", origin=-3)
    np.testing.assert_allclose(streak(image, 3, 2.0, 0.0), expected, atol=1e-6)
    down = correlate1d(image, weights / weights.sum(), axis=0, mode="nearest", origin=-3)
    np.testing.assert_allclose(streak(image, 3, 2.0, 90.0), down, atol=1e-6)
    np.testing.assert_allclose(streak(image[::-1], 3, 2.0, -90.0)[::-1], down, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1.1, 1.23, 2.5, 4.0])
@pytest.mark.parametrize("side", [32, 33])
def test_the_middle_is_enlarged_as_scipy_does(factor, side):
    image = photos(1, side)[0] / 255
    cut = int(np.ceil(side / factor))
    first = (side - cut) // 2
    large = zoom(image[first : first + cut, first : first + cut], (factor, factor, 1), order=1)
    trim = (len(large) - side) // 2
    if len(large) >= side:
        np.testing.assert_allclose(
            zoom_centre(image[None], factor)[0], large[trim : trim + side, trim : trim + side], atol=1e-6
        )


def test_glass_blur_shuffles_near_pixels_grey_ones_without_loss():
    """With the smallest blur, a grey image keeps its values and only changes their places, by at most so many steps."""
    grey = np.random.default_rng(0).permutation(40 * 40).reshape(1, 40, 40) / 1600
    values = np.floor(grey * 255) / 255
    found = corrupt(grey, "glass_blur", 1, constants="cifar")
    np.testing.assert_allclose(np.sort(found.ravel()), np.sort(values.ravel()), atol=1e-6)
    assert (np.abs(found - values) > 1e-6).mean() > 0.3
    for still in (np.s_[0, 0], np.s_[0, :, 0]):  # the last row and column take part, as in the published code
        np.testing.assert_allclose(found[still], values[still], atol=1e-6)


def test_sampling_reads_between_pixels_and_mirrors():
    image = np.arange(12.0).reshape(1, 3, 4, 1)
    rows, columns = np.array([[[0.5, 1.0, -1.0]]]), np.array([[[1.0, 1.25, 0.0]]])
    assert sample(image, rows, columns)[0, 0, :, 0] == pytest.approx([3, 5.25, 0])
    assert sample(image, rows, columns, turn_at_pixel=True)[0, 0, 2, 0] == 4


def test_a_cloud_is_diamond_square():
    sources = [np.random.default_rng(index) for index in range(2)]
    maps = cloud_maps(32, 1.75, sources)
    assert maps.shape == (2, 32, 32)
    assert maps.min((1, 2)).tolist() == [0, 0]
    assert maps.max((1, 2)).tolist() == [1, 1]
    rough, smooth = (cloud_maps(64, decay, [np.random.default_rng(0)])[0] for decay in (1.2, 4))
    step = [np.abs(np.diff(one, axis=1)).mean() for one in (rough, smooth)]
    assert step[0] > 3 * step[1]


def test_fog_keeps_the_brightest_value_in_reach_and_leaves_black():
    assert corrupt(np.zeros((1, 32, 32)), "fog", 5).max() == 0
    images = photos(2) / 510
    assert corrupt(images, "fog", 3).max() <= 0.5 + 1e-6


def test_frost_is_a_cut_of_a_texture():
    texture = np.arange(50 * 60 * 3, dtype=np.uint32).reshape(50, 60, 3).astype(np.uint8)
    found = corrupt(np.zeros((4, 40, 40, 3)), "frost", 2, textures=[texture]) / 0.6 * 255
    for one in found:
        places = [
            np.abs(texture[row : row + 40, column : column + 40] - one).max()
            for row in range(11)
            for column in range(21)
        ]
        assert min(places) < 1e-3
    assert corrupt(np.zeros((1, 400, 500, 3)), "frost", 1).shape == (1, 400, 500, 3)  # larger than the textures
    with pytest.raises(ValueError, match=r"textures must be uint8 \(h, w, 3\), got float64"):
        corrupt(np.zeros((1, 40, 40)), "frost", 1, textures=[np.zeros((50, 50, 3))])


def test_pixelate_and_jpeg_are_those_of_pillow():
    images = photos(1, 64)
    picture = Image.fromarray(images[0])
    small = picture.resize((25, 25), Image.Resampling.BOX)
    assert np.array_equal(corrupt(images, "pixelate", 3)[0], small.resize((64, 64), Image.Resampling.NEAREST))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=58)
    assert np.array_equal(corrupt(images, "jpeg_compression", 3, constants="cifar")[0], Image.open(buffer))


def test_elastic_with_no_reach_would_leave_and_a_shift_moves_smoothly():
    """A linear ramp is moved by a smooth field: no value far from the old one, and the mean stays."""
    ramp = np.broadcast_to(np.linspace(0, 1, 64), (2, 64, 64))
    moved = corrupt(ramp, "elastic_transform", 5)
    assert 0 < np.abs(moved - ramp).max() < 30 * 0.005 * 64 / 63
    assert moved.mean() == pytest.approx(0.5, abs=0.02)


def test_edges_are_thin_and_where_the_step_is():
    step = np.zeros((20, 20))
    step[:, 12:] = 200.0
    assert np.unique(np.argwhere(edges(step))[:, 1]).tolist() in ([11], [12])
    assert not edges(np.full((20, 20), 7.0)).any()
    assert not edges(step / 50).any()  # a gradient of 16 is below both thresholds


@pytest.mark.parametrize("name", ["water", "mud"])
def test_spatter_adds_the_colour_of_water_or_covers_with_mud(name):
    images = np.full((4, 100, 100, 3), 0.9)
    change = corrupt(images, "spatter", 1 if name == "water" else 4) - images
    assert (np.abs(change) > 0.01).mean() > 0.02
    assert bool(change.mean() > 0) is (name == "water")


def test_values_that_are_whole_stay_whole():
    """A factor of one leaves every level of uint8 as it is: what impulses did not hit is untouched."""
    images = np.arange(256, dtype=np.uint8).repeat(8).reshape(1, 64, 32)
    found = corrupt(images, "impulse_noise", 1)
    assert np.isin(found[found != images], [0, 255]).all()
    assert 0 < (found != images).mean() < 0.05


def test_an_empty_batch_stays_empty():
    assert corrupt(np.zeros((0, 32, 32, 3), np.uint8), "snow", 1).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    "change, error, match",
    [
        (
            {"corruption": "gausian_noise"},
            ValueError,
            "unknown corruption 'gausian_noise'; did you mean 'gaussian_noise'",
        ),
        ({"severity": 0}, ValueError, "severity must be 1, 2, 3, 4 or 5, got 0"),
        ({"severity": 6}, ValueError, "severity must be 1, 2, 3, 4 or 5, got 6"),
        ({"severity": True}, ValueError, "severity must be 1, 2, 3, 4 or 5, got True"),
        ({"constants": "tiny"}, ValueError, "constants must be 'imagenet' or 'cifar', got 'tiny'"),
        (
            {"images": np.zeros((1, 28, 28))},
            ValueError,
            "28x28, expected sides of at least 32 .* constants='cifar' are for small",
        ),
        ({"images": np.zeros((1, 8, 8)), "constants": "cifar"}, ValueError, "8x8, expected sides of at least 16"),
        ({"images": np.full((1, 32, 32), 1.5)}, ValueError, "images holds values 1.5 to 1.5, expected 0 to 1"),
        ({"images": np.full((1, 32, 32), np.nan)}, ValueError, "images holds values nan to nan, expected 0 to 1"),
        ({"images": np.zeros((32, 32))}, ValueError, r"shape \(32, 32\), expected \(N, H, W\)"),
        ({"images": np.zeros((1, 3, 32, 32))}, ValueError, r"shape \(1, 3, 32, 32\), expected"),
        ({"images": np.zeros((1, 32, 32), int)}, TypeError, "images is int64, expected uint8, or floating-point"),
        ({"indices": [1]}, ValueError, "indices must be 2 whole numbers from 0, one an image, got 1"),
        ({"indices": [1, -1]}, ValueError, "indices must be 2 whole numbers from 0"),
    ],
)
def test_bad_input(change, error, match):
    arguments = {"images": np.zeros((2, 32, 32)), "corruption": "fog", "severity": 1, **change}
    with pytest.raises(error, match=match):
        corrupt(arguments.pop("images"), arguments.pop("corruption"), arguments.pop("severity"), **arguments)
