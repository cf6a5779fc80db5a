import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.datasets import ROAD_CLASSES, STYLES, TARGET_CLASSES, EmojiStreetConfig, emoji_pool, emoji_street
from workbench.datasets import _street_objects as objects
from workbench.datasets._street import Street

SMALL = {"width": 192, "height": 128}


def _targets(scene):
    return [one for one in scene.annotations if one.category in TARGET_CLASSES]


def _share(box, config):
    return (box[2] - box[0]) * (box[3] - box[1]) / (config.width * config.height)


def test_a_seed_gives_the_same_bytes_and_another_seed_another_street():
    first, again, other = emoji_street(3), emoji_street(3), emoji_street(4)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.annotations == again.annotations
    assert (first.image != other.image).mean() > 0.5


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    width=st.integers(64, 300),
    height=st.integers(64, 300),
    largest=st.floats(0.001, 0.25),
    prevalence=st.floats(0, 1),
)
def test_every_canvas_and_size_gives_boxes_inside_it(seed, width, height, largest, prevalence):
    config = EmojiStreetConfig(
        width=width, height=height, prevalence=prevalence, object_area=(largest / 3, largest), blur=2
    )
    scene = emoji_street(seed, config)
    assert scene.image.shape == (height, width, 3)
    for one in scene.annotations:
        x0, y0, x1, y1 = one.box
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert 0 < one.visible <= 1
        assert one.category in ROAD_CLASSES
        assert one.style in STYLES


@pytest.mark.parametrize("smallest, largest", [(0.003, 0.01), (0.05, 0.08), (0.2, 0.25)])
def test_targets_are_as_large_as_asked(smallest, largest):
    config = EmojiStreetConfig(prevalence=1, object_area=(smallest, largest), clutter=(0, 0))
    boxes = [one.box for seed in range(12) for one in _targets(emoji_street(seed, config))]
    whole = [_share(box, config) for box in boxes if box[0] > 0 and box[2] < config.width and box[1] > 0]
    assert len(whole) > 6
    assert smallest * 0.85 < min(whole) <= max(whole) <= largest
    if smallest < 0.01:
        assert np.mean(whole) == pytest.approx((smallest * largest) ** 0.5, rel=0.15)


def test_targets_of_the_default_stay_below_one_percent_of_the_image():
    config = EmojiStreetConfig(prevalence=1)
    shares = [_share(one.box, config) for seed in range(40) for one in _targets(emoji_street(seed, config))]
    assert max(shares) <= 0.01
    assert 0.005 < np.mean(shares) < 0.007


def test_larger_targets_leave_the_rest_of_the_scene_as_it_is():
    small, large = (
        emoji_street(7, EmojiStreetConfig(prevalence=1, object_area=area)) for area in ((0.004, 0.01), (0.02, 0.05))
    )
    assert [(one.category, one.style) for one in sorted(_targets(small), key=str)] == [
        (one.category, one.style) for one in sorted(_targets(large), key=str)
    ]
    clutter = [{one.box for one in scene.annotations if one.category not in TARGET_CLASSES} for scene in (small, large)]
    assert clutter[1] <= clutter[0]  # a larger target may hide some of it
    assert len(clutter[1]) >= 5


def _shown(config, count=600):
    street = Street(np.zeros((config.height, config.width, 3), np.float32), 30, (40, 90))
    draws = [objects.place_targets(config, street, np.random.default_rng(seed)) for seed in range(count)]
    return [{one.category for one in placed} for placed in draws]


def test_prevalence_is_the_probability_of_each_class():
    shown = _shown(EmojiStreetConfig(**SMALL, prevalence={"bike": 0.5, "dog": 1.0}))
    assert np.mean(["bike" in one for one in shown]) == pytest.approx(0.5, abs=0.08)
    assert all("dog" in one and one <= {"bike", "dog"} for one in shown)


@pytest.mark.parametrize("both", [0.0, 0.1, 0.3])
def test_joint_sets_how_often_two_classes_meet_and_leaves_each_as_frequent(both):
    config = EmojiStreetConfig(**SMALL, prevalence={"bike": 0.3, "dog": 0.4}, joint={("bike", "dog"): both})
    shown = _shown(config)
    assert np.mean([one == {"bike", "dog"} for one in shown]) == pytest.approx(both, abs=0.05)
    assert np.mean(["bike" in one for one in shown]) == pytest.approx(0.3, abs=0.08)
    assert np.mean(["dog" in one for one in shown]) == pytest.approx(0.4, abs=0.08)


def test_styles_can_be_chosen_for_all_classes_or_for_one():
    config = EmojiStreetConfig(**SMALL, prevalence=1, styles=("fluent",))
    assert {one.style for one in emoji_street(0, config).annotations} == {"fluent"}
    config = EmojiStreetConfig(**SMALL, prevalence=1, styles={"bike": ("noto",)}, clutter=(0, 0))
    found = [one for seed in range(20) for one in emoji_street(seed, config).annotations]
    assert {one.style for one in found if one.category == "bike"} == {"noto"}
    assert {one.style for one in found if one.category == "dog"} == set(STYLES)


def test_clutter_counts_and_is_never_a_target():
    for fewest, most in ((0, 0), (3, 3), (5, 8)):
        config = EmojiStreetConfig(prevalence=0, clutter=(fewest, most), targets=("bus", "tree"))
        street = Street(np.zeros((320, 512, 3), np.float32), 90, (110, 270))
        for seed in range(20):
            placed = [one.category for one in objects.place_clutter(config, street, np.random.default_rng(seed))]
            assert fewest <= len(placed) <= most
            assert not {"bus", "tree"} & set(placed)


def _square(side, left, top):
    return objects.Placed("bike", "noto", np.full((side, side, 4), 255, np.uint8), left, top, top + side, 1.0)


def test_visible_share_counts_what_is_hidden_and_what_is_outside():
    pixels = np.zeros((40, 60, 3), np.float32)
    hidden, cut, near = _square(10, 20, 10), _square(10, -4, 20), _square(10, 25, 15)
    owner = objects.paint(pixels, [hidden, cut, near])
    assert objects.visible_shares(owner, [hidden, cut, near]) == [0.75, 0.6, 1.0]
    assert cut.box(60, 40) == (0, 20, 6, 30)
    assert (owner == 2).sum() == 100
    assert (pixels[owner == 2] == 255).all()


def test_an_object_of_which_nothing_shows_is_not_annotated():
    config = EmojiStreetConfig(**SMALL, prevalence={"bike": 1}, clutter=(5, 5), clutter_area=(0.1, 0.3))
    scenes = [emoji_street(seed, config) for seed in range(30)]
    assert min(one.visible for scene in scenes for one in scene.annotations) > 0
    assert 5 < sum(not scene.shows("bike") for scene in scenes) < 25


def test_noise_is_as_strong_as_asked_and_none_when_zero():
    flat = np.full((200, 300, 3), 120, np.float32)
    shot = objects.photographed(flat, noise=4, blur=0, generator=np.random.default_rng(0)).astype(float)
    assert shot.std() == pytest.approx(4, rel=0.05)
    assert np.abs(np.corrcoef(shot[:, :, 0])[np.triu_indices(200, 1)]).max() < 0.4  # rows do not repeat
    quiet = objects.photographed(flat, noise=0, blur=1, generator=np.random.default_rng(0))
    assert quiet.std() == 0


def test_a_pool_draws_on_demand_and_travels_to_other_processes():
    pool = emoji_pool(3, first_seed=5, config=EmojiStreetConfig(**SMALL, joint={("bike", "dog"): 0.05}))
    assert [entry.id for entry in pool] == ["street-000005", "street-000006", "street-000007"]
    sent = pickle.loads(pickle.dumps(pool[1]))
    assert sent.load().image.tobytes() == emoji_street(6, pool[1].config).image.tobytes()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"width": 32}, "at least 64 pixels, got 32x320"),
        ({"object_area": (0.01, 0.003)}, r"object_area must be two shares.*got \(0.01, 0.003\)"),
        ({"clutter_area": (0.1, 0.9)}, "clutter_area must be two shares"),
        ({"clutter": (5, 2)}, r"clutter must be 0 <= fewest <= most, got \(5, 2\)"),
        ({"noise": -1}, "noise and blur must be at least 0, got -1"),
        ({"targets": ()}, "targets must name at least one class"),
        ({"targets": ("unicorn",)}, "no class 'unicorn'"),
        ({"prevalence": 1.5}, "prevalence must lie in 0 to 1, got 1.5 of bike"),
        ({"prevalence": {"bus": 0.1}}, "names 'bus', which is not among the targets"),
        ({"styles": ()}, r"styles of bike must be some of .*, got \(\)"),
        ({"styles": {"dog": ("apple",)}}, r"styles of dog must be some of"),
        ({"joint": {("bike", "dog"): 0.01, ("dog", "barrier"): 0.01}}, "one pair only"),
        ({"prevalence": 0.9, "joint": {("bike", "dog"): 0.5}}, "must lie in 0.8 to 0.9"),
    ],
)
def test_settings_that_cannot_be_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        EmojiStreetConfig(**change)


def test_seeds_and_counts_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        emoji_street(-1)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        emoji_pool(0)
    with pytest.raises(ValueError, match="first_seed must be at least 0, got -3"):
        emoji_pool(1, -3)
