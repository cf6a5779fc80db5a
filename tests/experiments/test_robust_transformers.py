"""Small networks of equal size: how they are built, trained, kept and measured."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.datasets import sha256
from workbench.experiments import robust_transformers as experiment
from workbench.experiments import robust_transformers_lab as lab
from workbench.experiments import robust_transformers_measure as measuring
from workbench.experiments import robust_transformers_train as training
from workbench.experiments.claim_values import NOT_MEASURED
from workbench.experiments.results import COLUMNS
from workbench.experiments.robust_transformers_claims import claims
from workbench.experiments.robust_transformers_config import (
    CNN,
    DESIGNS,
    FAN,
    LINEAR,
    NETWORKS,
    VIT,
    Recipe,
    RobustConfig,
    build_network,
    count_parameters,
)
from workbench.ops.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from workbench.training import Cancelled, CancelToken

SMALL = Recipe(train=96, epochs=1, batch_size=32, embed_dim=16, depth=2, heads=2)
TINY = RobustConfig(SMALL, (FAN, LINEAR), seeds=(0,), test=20, grouped=10)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def measured(cache):
    return measuring.measure(TINY, cache=cache)


def test_all_have_as_many_parameters_and_what_their_names_say():
    sizes = {name: count_parameters(build_network(name)) for name in NETWORKS if name != LINEAR}
    for name, size in sizes.items():
        assert size == pytest.approx(sizes[FAN], rel=0.04 if name == CNN else 0.003), name
    for name, design in DESIGNS.items():
        half = build_network(name).blocks[0].mlp
        assert half.form == design.form
        assert hasattr(half.mlp_v, "dwconv") == design.depthwise
        assert isinstance(half.norm_v, torch.nn.LayerNorm) == design.value_norm


def test_a_seed_gives_the_same_weights_and_leaves_torchs_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (build_network(FAN, SMALL, seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_are_mirrored_and_shifted_but_no_pixel_is_made_up():
    torch.manual_seed(0)
    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    padded = {
        way: torch.nn.functional.pad(one, [1] * 4, value=-training.MEAN / training.STD)
        for way, one in {"as it is": image, "mirrored": image.flip(3)}.items()
    }
    possible = [
        one[..., y : y + 8, x : x + 8] for one in padded.values() for y, x in itertools.product(range(3), repeat=2)
    ]
    seen = training.augment(image.expand(200, 1, 8, 8), replace(SMALL, shift=1, jitter=0.0))
    which = [[index for index, one in enumerate(possible) if torch.equal(one[0], picture)] for picture in seen]
    assert all(len(found) == 1 for found in which)
    assert {found[0] for found in which} == set(range(18))


def test_jitter_is_one_contrast_and_one_brightness_a_picture():
    torch.manual_seed(0)
    pixels = torch.linspace(0.3, 0.6, 16).reshape(1, 1, 4, 4).expand(300, 1, 4, 4)
    images = (pixels - training.MEAN) / training.STD
    seen = training.augment(images, replace(SMALL, shift=0, jitter=1.0)) * training.STD + training.MEAN
    ordered = seen.flatten(1).sort(1).values
    contrast = (ordered[:, -1] - ordered[:, 0]) / 0.3
    brightness = ordered[:, 0] - 0.3 * contrast
    inside = (ordered[:, 0] > 0) & (ordered[:, -1] < 1)
    assert contrast[inside].min() >= 0.5 - 1e-5
    assert contrast[inside].max() <= 1.4 + 1e-5
    assert brightness[inside].min() >= -0.1 - 1e-5
    assert brightness[inside].max() <= 0.3 + 1e-5
    assert contrast[inside].std() > 0.1
    assert seen.min() >= -1e-6


def test_a_run_that_is_made_again_takes_everything_from_the_cache(measured, cache, monkeypatch):
    monkeypatch.setattr(training, "train_network", lambda *_, **__: pytest.fail("trained again"))
    again = measuring.measure(TINY, cache=cache)
    for name, table in measured.items():
        pd.testing.assert_frame_equal(again[name], table)
    network = training.trained_network(FAN, SMALL, 0, cache=cache)
    image = training.held_out_images(20)
    errors = measured["errors"].query("network == @FAN").set_index(["corruption", "severity"])["error"]
    noisy = corrupt(image.images, "shot_noise", 4, seed=training.CORRUPTION_SEED, constants="cifar")
    wrong = (measuring.predict(network, noisy).argmax(1).numpy() != image.labels).mean()
    assert errors["shot_noise", 4] == wrong


def test_stop_keeps_no_half_trained_network(tmp_path):
    token = CancelToken()
    with pytest.raises(Cancelled):
        measuring.measure(TINY, lambda *_: token.cancel(), token, tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_tables_hold_every_set_depth_and_block(measured):
    errors, grouping, gates = (measured[name] for name in ("errors", "grouping", "gates"))
    assert len(errors) == 2 * (1 + len(CORRUPTIONS) * len(SEVERITIES))
    assert errors["error"].between(0, 1).all()
    assert grouping.groupby("trained")["depth"].apply(list).tolist() == [[0, 1, 2]] * 2
    assert (grouping["effective_rank"] <= 16).all()
    assert gates["block"].tolist() == [0, 1, 0, 1]
    assert (gates["low"] > 0.5).all()
    assert (gates["high"] < 1 / (1 + np.exp(-1))).all()
    assert (gates["low"] <= gates["mean"]).all()


def test_frozen_gates_are_sigmoid_of_one_over_n_whatever_the_image():
    torch.manual_seed(0)
    network = build_network(FAN, SMALL)
    for block in network.blocks:
        torch.nn.init.normal_(block.mlp.q.weight)
        block.mlp.temperature.data.uniform_(0.5, 2)
    images = torch.randn(3, 1, 28, 28)
    with torch.inference_mode():
        moving = torch.stack(network.eval().gates(images))
        fixed = torch.stack(measuring.freeze_gates(network).gates(images))
    expected = torch.sigmoid(torch.tensor(1 / 49))
    torch.testing.assert_close(fixed, expected.expand_as(fixed))
    assert (moving - expected).abs().max() > 1e-3
    with pytest.raises(ValueError, match="only 'eca' has such a gate"):
        measuring.freeze_gates(build_network("SE", SMALL))


def planted(errors):
    """Return the table of errors of networks that make the same error on every corruption and severity."""
    rows = [
        {
            "network": name,
            "seed": seed,
            "parameters": 10,
            "corruption": corruption,
            "severity": severity,
            "error": error,
        }
        for (name, seed), (clean, corrupted) in errors.items()
        for corruption, severity, error in [
            ("none", 0, clean),
            *((one, level, corrupted) for one in CORRUPTIONS for level in SEVERITIES),
        ]
    ]
    return pd.DataFrame(rows)


def test_robustness_by_hand():
    table = planted(
        {
            (FAN, 0): (0.2, 0.4),
            (FAN, 1): (0.2, 0.2),
            (VIT, 0): (0.2, 0.5),
            (VIT, 1): (0.2, 0.5),
            (LINEAR, 0): (0.3, 0.4),
        }
    )
    found = experiment.robustness(table)
    assert found.loc[(FAN, 0), "retention"] == pytest.approx(0.75)
    assert found.loc[(FAN, 0), "mCE"] == pytest.approx(100)
    assert found.loc[(FAN, 1), "mCE"] == pytest.approx(50)
    assert found.loc[(LINEAR, 0), "mCE"] == pytest.approx(100)
    rows = {(row[1], row[2]): row[4:6] for row in experiment.difference_rows(table)}
    assert rows["FAN less plain ViT", "corrupted"] == pytest.approx((0.2, 0.1 * 2**0.5))
    assert set(
        experiment.KINDS["noise"] + experiment.KINDS["blur"] + experiment.KINDS["weather"] + experiment.KINDS["digital"]
    ) == set(CORRUPTIONS)
    without = experiment.robustness(table[table["network"] != LINEAR])
    assert without["mCE"].isna().all()


def test_run_gives_the_table_and_claims_say_what_is_not_part_of_it(measured):
    table = experiment.run(TINY, measured=measured)
    assert tuple(table.columns) == COLUMNS
    assert not table.duplicated(["setting", "quantity"]).any()
    assert not table["value"].isna().any()
    judged = claims(table).set_index("claim")
    assert judged.loc["C1", "holds"] == NOT_MEASURED
    assert judged.loc["C2", "holds"] == "yes"
    assert judged.loc["C5", "holds"] == NOT_MEASURED


def test_a_picture_is_corrupted_and_seen_as_in_the_table():
    networks = {"a": build_network(FAN, SMALL).eval(), "b": build_network(VIT, SMALL).eval()}
    images = training.held_out_images(20).images
    whole = corrupt(images, "glass_blur", 5, seed=3, constants="cifar")
    seen = lab.corrupt_and_predict(images[7], "glass_blur", 5, seed=3, networks=networks, index=7)
    np.testing.assert_array_equal(seen.picture, whole[7])
    expected = measuring.predict(networks["b"], whole[7:8]).softmax(1)[0]
    np.testing.assert_allclose(seen.confidence["b"], expected, atol=1e-6)
    plain = lab.corrupt_and_predict(images[7], "none", 0, networks=networks)
    np.testing.assert_array_equal(plain.picture, images[7])


def test_groups_of_a_picture_are_painted_cell_by_cell():
    network, image = build_network(FAN, SMALL).eval(), training.held_out_images(20).images[0]
    found = lab.token_groups(network, image, depth=1, groups=3)
    assert found.labels.shape == (7, 7)
    assert set(found.labels.ravel()) == {0, 1, 2}
    np.testing.assert_array_equal(found.painted[::4, ::4], found.labels)
    np.testing.assert_array_equal(found.painted[3::4, 3::4], found.labels)
    assert len(found.spectrum) == 16
    assert 1 <= found.effective_rank <= 16
    noisy = lab.token_groups(network, image, depth=1, groups=3, sigma=0.5)
    assert not np.allclose(noisy.spectrum, found.spectrum)


@pytest.fixture
def empty_data(tmp_path, monkeypatch):
    """A folder of data without weights."""
    lab.shipped_networks.cache_clear()
    monkeypatch.setattr(lab, "data_dir", lambda: tmp_path)
    yield tmp_path
    lab.shipped_networks.cache_clear()


def test_weights_ship_in_half_precision_and_load_again(empty_data, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no weights file"):
        lab.shipped_networks()
    monkeypatch.setattr(lab, "trained_network", lambda name, seed, cache: build_network(name, seed=7))
    paths = [lab.ship_network(name) for name in lab.SHIPPED]
    before = [path.read_bytes() for path in paths]
    assert [lab.ship_network(name).read_bytes() for name in lab.SHIPPED] == before
    assert sum(len(one) for one in before) < 3 * 2**20
    loaded, expected = lab.shipped_networks()[FAN], build_network(FAN, seed=7)
    assert not loaded.training
    for mine, theirs in zip(loaded.parameters(), expected.parameters(), strict=True):
        assert mine.dtype == torch.float32
        assert torch.equal(mine, theirs.half().float())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: build_network("GAN"), ValueError, "name must be one of"),
        (lambda: RobustConfig(networks=("FAN", "GAN")), ValueError, "networks must be some of .*got 'GAN'"),
        (lambda: lab.corrupt_and_predict(np.zeros((28, 28)), "fog", 1, networks={}), TypeError, "expected uint8"),
        (
            lambda: lab.corrupt_and_predict(np.zeros((32, 32), np.uint8), "fog", 1, networks={}),
            ValueError,
            "expected \\(28, 28\\)",
        ),
        (
            lambda: lab.corrupt_and_predict(np.zeros((28, 28), np.uint8), "fogg", 1, networks={}),
            ValueError,
            "did you mean 'fog'",
        ),
        (
            lambda: lab.token_groups(build_network(FAN, SMALL).eval(), np.zeros((28, 28), np.uint8), depth=3),
            ValueError,
            "depth must lie in 0 to 2, got 3",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_readme_of_the_data_names_the_weights_that_ship():
    readme = (lab.data_dir() / "README.md").read_text()
    for name in lab.SHIPPED:
        path = lab.weights_path(name)
        row = next(line for line in readme.splitlines() if f"`weights/{path.name}`" in line)
        assert f"{path.stat().st_size:,}".replace(",", " ") in row
        assert sha256(path)[:16] in row
