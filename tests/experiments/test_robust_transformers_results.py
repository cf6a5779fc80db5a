"""The stored tables of paper 7: their shape, that they are what the code and the shipped weights give, and what they must show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.experiments.results import COLUMNS, load_results
from workbench.experiments.robust_transformers import FULL, robustness, run
from workbench.experiments.robust_transformers_claims import claims
from workbench.experiments.robust_transformers_config import CNN, FAN, LINEAR, NETWORKS, VIT, build_network
from workbench.experiments.robust_transformers_lab import shipped_networks
from workbench.experiments.robust_transformers_measure import grouping_rows, predict
from workbench.experiments.robust_transformers_train import corrupted_images, held_out_images
from workbench.ops.corruptions import CORRUPTIONS


@pytest.fixture(scope="module")
def stored():
    return load_results("robust_transformers")


@pytest.fixture(scope="module")
def measured():
    return {name: load_results(f"robust_transformers_{name}") for name in ("errors", "grouping", "gates")}


@pytest.fixture(scope="module")
def value(stored):
    return stored.set_index(["setting", "quantity"])["value"]


def test_stored_tables_hold_every_network_seed_and_set(stored, measured):
    assert tuple(stored.columns) == COLUMNS
    for table in measured.values():
        config = table.attrs["record"]["config"]
        assert config["seeds"] == list(FULL.seeds)
        assert config["recipe"] == vars(FULL.recipe)
    counts = measured["errors"].groupby(["network", "seed"]).size()
    assert len(counts) == len(NETWORKS) * len(FULL.seeds)
    assert (counts == 1 + 5 * len(CORRUPTIONS)).all()
    assert len(FULL.seeds) >= 3


def test_the_summary_is_what_the_code_makes_of_the_measurements(stored, measured):
    fresh = run(FULL, measured=measured)
    np.testing.assert_array_equal(fresh["setting"], stored["setting"])
    np.testing.assert_allclose(fresh["value"], stored["value"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [VIT, FAN])
def test_shipped_weights_make_the_stored_errors(measured, name):
    rows = measured["errors"].query("network == @name and seed == 0")
    errors = rows.set_index(["corruption", "severity"])["error"]
    network, labels = shipped_networks()[name], held_out_images(FULL.test).labels
    for corruption, severity in (("fog", 5), ("glass_blur", 3)):
        wrong = predict(network, corrupted_images(corruption, severity, FULL.test)).argmax(1).numpy() != labels
        assert wrong.mean() == pytest.approx(errors[corruption, severity], abs=0.006)  # half precision, another machine


def test_an_untrained_network_groups_as_stored(measured):
    part = measured["grouping"].query("network == @CNN and seed == 1 and not trained").set_index("depth")
    for row in grouping_rows(build_network(CNN, FULL.recipe, 1).eval(), FULL):
        assert row["effective_rank"] == pytest.approx(part.loc[row["depth"], "effective_rank"], rel=0.01)
        assert row["noise_ratio"] == pytest.approx(part.loc[row["depth"], "noise_ratio"], rel=0.01)


def test_fan_is_more_accurate_and_keeps_more_than_a_vit_with_every_seed(measured):
    table = robustness(measured["errors"])
    for quantity, least in (("clean", 0.06), ("corrupted", 0.1), ("retention", 0.03)):
        assert (table.loc[FAN, quantity] - table.loc[VIT, quantity] > least).all()


def test_the_convolutions_carry_the_gain_and_the_gate_carries_none(value):
    for quantity in ("clean", "corrupted"):
        assert value[f"{FAN} less ECA, no DW", quantity] > 0.1
        assert abs(value[f"{FAN} less DW + LN_v", quantity]) < 0.02
    assert value[f"{FAN}, trained", "predictions changed by frozen gates"] < 0.01
    frozen = 1 / (1 + math.exp(-1 / 49))
    assert value[f"{FAN}, trained", "highest gate"] - frozen < 0.01
    assert value["SE, trained", "highest gate"] - value["SE, trained", "lowest gate"] > 0.3


def test_more_robust_is_not_more_grouped(value):
    assert value[f"{VIT}, trained", "effective rank, change"] < -0.2
    assert value[f"{FAN}, trained", "effective rank, change"] > 0.1
    assert abs(value[f"{VIT}, untrained", "effective rank, change"]) < 0.05
    assert value[CNN, "corrupted accuracy"] > value[FAN, "corrupted accuracy"] - 0.02
    assert value[LINEAR, "retention"] > value[FAN, "retention"]


def test_every_claim_is_judged_by_the_stored_numbers(stored):
    table = claims(stored).set_index("claim")
    assert list(table.index) == ["C1", "C2", "C3", "C3, gate", "C4", "C5", "C6"]
    assert table["holds"].tolist() == ["partly", "yes", "partly", "no", "partly", "not measured", "not measured"]
    assert not table["measured"].str.contains("nan").any()
