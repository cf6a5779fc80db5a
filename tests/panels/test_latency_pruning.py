"""The panel of notebook 10 without a browser: attributes in, drawn numbers and words out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from workbench.panels.latency_pruning import (
    DEVICES,
    FILM,
    KNAPSACK,
    STAIRS,
    SURGERY,
    TRAP,
    VIEWS,
    LatencyPruningPanel,
)
from workbench.panels.latency_pruning_choice import MEASURED
from workbench.panels.latency_pruning_knapsack import ORDERLESS, SOLVERS
from workbench.panels.latency_pruning_trap import read_blocks
from workbench.pruning import RESNET_ROWS, LatencyTable, save_latency_table, simulate_latency_table, solve_knapsack

MOBILE = "MobileNetV1, pointwise 3 (measured)"
DIGITS = "digits, trained, seed 0"


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 48, 1), nn.ReLU(), nn.Conv2d(48, 8, 1),
    )  # fmt: skip


@pytest.fixture(scope="module")
def shared():
    panel = LatencyPruningPanel()
    panel.add_network("mine", small_network(), torch.zeros(1, 3, 32, 32), batch=256)
    return panel


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


@pytest.fixture
def small(shared):
    shared.reset()
    shared.network = "mine"
    return shared


def errors(panel):
    return [message.text for message in panel.messages if message.level == "error"]


# 1 Staircase


def test_measured_rows_are_drawn_as_published_and_dots_stand_on_them_alone(panel):
    panel.update(view=STAIRS, stair_layer="layer4.0.conv1")
    row = next(row for row in RESNET_ROWS if row.layer == "layer4.0.conv1")
    dots = panel._stairs_figure.data[2]
    np.testing.assert_allclose(dots.y, row.ms)
    np.testing.assert_array_equal(dots.x, row.step * np.arange(1, len(row.ms) + 1))


def test_where_more_channels_run_faster_is_marked(panel):
    panel.update(view=STAIRS, stair_layer=MOBILE)
    np.testing.assert_array_equal(panel._stairs_figure.data[3].x, [128])
    assert panel._stairs_figure.data[3].y[0] == 5.642
    assert "more channels run faster" in panel._stairs_text.value


def test_bands_are_the_tiles_of_a_simulated_device(panel):
    panel.update(view=STAIRS, platform="Jetson TX2, simulated", stair_layer="layer3.1.conv2")
    frame = panel.stairs_frame()
    jumps = frame["channels"][1:][np.diff(frame["ms"]) > 1e-9]
    assert set(jumps % 16) == {1}
    assert "16 channels wide" in panel._stairs_text.value
    assert len(panel._stairs_figure.data[2].x) == 0


def test_fewer_inputs_make_a_layer_faster_and_another_kernel_dearer(panel):
    panel.update(view=STAIRS, platform="TITAN V, simulated", stair_layer="layer3.1.conv1")
    whole = panel.stairs_frame()["ms"].iloc[-1]
    panel.stair_kernel = 3
    assert panel.stairs_frame()["ms"].iloc[-1] > whole
    panel.update(stair_kernel=0, stair_inputs=50)
    assert panel.stairs_frame()["ms"].iloc[-1] < whole


# 2 Knapsack


def test_kept_blocks_fit_the_budget_and_no_solver_beats_the_exact_one_but_by_breaking_the_rules(panel):
    panel.view = KNAPSACK
    worth = {}
    for solver in SOLVERS.values():
        panel.solver = solver
        frame = panel.knapsack_frame()
        worth[solver] = frame.loc[frame["kept"], "importance"].sum()
        fixed = panel._items()[1]
        assert frame.loc[frame["kept"], "ms"].sum() + fixed <= panel.target * (1 + 1e-9)
    assert worth["published"] <= worth["exact"] + 1e-9
    assert worth["greedy"] <= worth["exact"] <= worth[ORDERLESS] + 1e-9


def test_precedence_is_kept_by_all_but_one(panel):
    panel.update(view=KNAPSACK, budget=40)
    for solver in SOLVERS.values():
        panel.solver = solver
        broken = any(
            np.any(np.diff(part["kept"].to_numpy().astype(int)) > 0)
            for _, part in panel.knapsack_frame().groupby("group")
        )
        assert broken == (solver == ORDERLESS)


def test_bars_stand_on_the_latency_of_their_groups(panel):
    panel.view = KNAPSACK
    bars = panel._blocks_figure.data[0]
    fixed = panel._items()[1]
    assert sum(bars.y) + fixed == pytest.approx(panel.pruner.initial_latency)
    bases = np.array(bars.base, float)
    tops = bases + np.array(bars.y, float)
    for place in set(bars.x):
        own = np.array(bars.x) == place
        np.testing.assert_allclose(bases[own][1:], tops[own][:-1], atol=1e-9)


# 4 Film


def test_one_shot_lands_far_below_steps_come_closer_and_refill_meets_the_target(panel):
    panel.update(view=FILM, film_steps=1)
    once = panel.film_frame()["latency"].iloc[-1]
    panel.film_steps = 5
    five = panel.film_frame()["latency"].iloc[-1]
    panel.update(film_steps=1, refill=True)
    refilled = panel.film_frame()["latency"].iloc[-1]
    assert once < 0.8 * panel.target
    assert once < five <= panel.target
    assert 0.95 * panel.target < refilled <= panel.target


def test_many_steps_are_pruned_in_the_background(small):
    small.update(view=FILM, film_steps=12)
    assert "Press" in small._film_text.value
    small.prune_in_steps()
    small.wait(60)
    assert len(small._film_figure.data[0].x) == 12
    assert not errors(small)


# 5 Devices


def test_plans_of_equal_importance_run_on_every_device(small):
    small.view = DEVICES
    with pytest.raises(ValueError, match="not compared at this setting yet"):
        small.devices_frame()
    place, plan = small.usable().index(small.platform), small.plan_for(small.platform, small.budget)
    share = 100 * plan.latency / small.pruner.initial_latency
    assert small._device_figure.data[0].z[place][place] == pytest.approx(share)
    small.compare()
    small.wait(60)
    frame = small.devices_frame().set_index("plan made for")
    subject = small.subject
    assert (frame.drop(columns="importance") <= 100 + 1e-9).all(axis=None)
    least = 100 * small.plan_for(small.platform, small.budget).importance / subject.scores.sum()
    assert (frame["importance"] >= least - 1e-9).all()


def test_a_table_from_elsewhere_becomes_a_device_and_a_wrong_one_a_sentence(small, tmp_path):
    table = LatencyTable(measure=simulate_latency_table("xavier").measure).fill(small.needed_specs())
    path = save_latency_table(LatencyTable(dict(table)), tmp_path / "phone.csv")
    small.receive_file("phone.csv", path.read_bytes())
    assert small.platform == "phone.csv"
    assert small.pruner.initial_latency == pytest.approx(small.pruner_for("Jetson Xavier, simulated").initial_latency)
    small.receive_file("broken.csv", b"batch,cin\n1,2\n")
    assert "broken.csv" in small.messages[-1].text
    assert small.messages[-1].level == "error"
    small.receive_file("evil.pkl", b"cos\nsystem\n(S'true'\ntR.")
    assert small.messages[-1].level == "error"
    del small.tables["phone.csv"]
    small.network = "ResNet-50"


# 6 Surgery


def test_the_small_network_says_what_the_masked_one_says(small):
    small.update(view=SURGERY, budget=60)
    small.operate_now()
    small.wait(60)
    found = small._operations[small.state_key()]
    assert found.difference < 1e-10 < found.scale
    assert found.parameters_after < found.parameters_before
    assert found.bytes_after < found.bytes_before
    frame = small.surgery_frame().set_index("layer")
    assert frame.loc["3", "before"] == "(64, 32, 3, 3)"
    assert (frame["channels after"] <= frame["channels before"]).all()


# 8 Trap


def test_the_trap_is_that_of_the_paper_s_solver(panel):
    panel.view = TRAP
    worth = panel.trap_frame().groupby("solver")["importance"].sum()
    assert worth["exact"] == 25
    assert worth["published heuristic"] == 9
    assert worth["ignore precedence"] >= 25
    assert "<b>16</b>" in panel._trap_text.value


def test_the_published_solver_finds_the_best_plan_of_the_trap_where_the_budget_is_large(panel):
    panel.update(view=TRAP, trap_budget=17.0)
    worth = panel.trap_frame().groupby("solver")["importance"].sum()
    assert worth["exact"] == worth["published heuristic"] == 42


def test_blocks_can_be_edited_and_wrong_ones_are_named(panel):
    panel.update(view=TRAP, trap_blocks="2/5 2/1; 3/4", trap_budget=5.0)
    costs, values = read_blocks("2/5 2/1; 3/4")
    best = solve_knapsack(costs, values, 5.0).value
    assert panel.trap_frame().query("solver == 'exact'")["importance"].sum() == best == 9
    panel.trap_blocks = "2/5 x"
    assert "cost/importance such as 6/9, got 'x'" in panel.messages[-1].text
    panel.reset_trap()


# All of them


@pytest.mark.parametrize("network", ["ResNet-50", DIGITS, "mine"])
def test_every_network_draws_every_view_without_an_error(panel, network):
    panel.network = network
    for view in VIEWS:
        panel.view = view
        if view != DEVICES:
            assert len(panel.frame())
        assert all(len(figure.layout.title.text.split("<br>")[0]) <= 68 for figure in panel.shown_figures())
    assert (MEASURED in panel.usable()) == (network == "ResNet-50")


def test_networks_that_cannot_be_pruned_and_wrong_importances_are_refused(panel):
    with pytest.raises(ValueError, match="has no channels that may be removed"):
        panel.add_network("one", nn.Sequential(nn.Conv2d(3, 8, 3)), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="scores must be 144 numbers, one a unit"):
        panel.add_network("two", small_network(), torch.zeros(1, 3, 8, 8), scores=np.ones(3))


def test_a_table_of_another_network_names_the_layer(panel):
    with pytest.raises((KeyError, ValueError), match="256_3_64_224_7_2_1"):
        panel.add_table("other", LatencyTable({"256_3_32_32_3_1_1": 1.0}))


def test_a_table_that_measures_is_asked_about_the_network_it_was_brought_for_alone(small):
    asked = []
    small.add_table("here", LatencyTable(measure=lambda spec: asked.append(spec) or 1.0 + spec.macs / 1e9))
    assert small.platform == "here"
    asked.clear()
    small.network = "ResNet-50"
    assert not asked
    assert "here" not in small.usable()
    assert small.platform in small.usable()
    del small.tables["here"]


@pytest.mark.parametrize(
    "name, value, words", [("budget", 5, "budget must be from 20 to 100"), ("platform", "PDP-11", "platform must be")]
)
def test_wrong_values_from_code_are_named(panel, name, value, words):
    with pytest.raises(ValueError, match=words):
        setattr(panel, name, value)
