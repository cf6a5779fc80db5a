"""Accuracy in the panel of notebook 10, its table of claims and its runs, beside the stored results."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.experiments.latency_pruning_methods import REFILL, UNIFORM
from workbench.experiments.results import load_results
from workbench.panels import latency_pruning_report
from workbench.panels.latency_pruning import BUDGETS, LatencyPruningPanel
from workbench.panels.latency_pruning_report import RUN_CLAIMS, RUN_ONE, ClaimsTable, run_panel

DIGITS = "digits, trained, seed 0"
TX2 = "Jetson TX2, simulated"


@pytest.fixture(scope="module")
def shared():
    return LatencyPruningPanel()


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


def test_a_digits_plan_and_its_accuracy_are_those_of_the_stored_results(panel):
    panel.update(view=BUDGETS, network=DIGITS, platform=TX2, budget=60)
    stored = (
        load_results("latency_pruning_budgets").query(f"seed == 0 and method == '{REFILL}' and share == 0.6").iloc[0]
    )
    plan = panel.plan_for(TX2, 60)
    assert plan.latency == pytest.approx(stored["latency_ms"], rel=1e-4)
    assert panel.accuracy() == pytest.approx(stored["before"], abs=1)
    diamond = panel._budget_figure.data[-1]
    assert diamond.x[0] == pytest.approx(100 * stored["reached"], rel=1e-4)
    assert f"{panel.accuracy():.1f} %" in panel._answer_box.value
    panel.budget_axis = "parameters"
    small = stored["parameters"] / sum(weight.numel() for weight in panel.subject.model.parameters())
    assert panel._budget_figure.data[-1].x[0] == pytest.approx(100 * small)
    panel.budget_stage = "after"
    assert len(panel._budget_figure.data[-1].x) == 0


def test_lines_are_means_of_the_stored_seeds_and_the_axis_changes_places_alone(panel):
    panel.update(view=BUDGETS, budget_methods=(REFILL, UNIFORM))
    stored = load_results("latency_pruning_budgets").query(f"method == '{UNIFORM}'").groupby("share")
    by_latency = panel.budgets_frame().set_index(["method", "share"])
    panel.budget_axis = "macs_share"
    by_macs = panel.budgets_frame().set_index(["method", "share"])
    assert by_latency.loc[(UNIFORM, 40), "spread"] == pytest.approx(stored["before"].std()[0.4])
    assert by_macs.loc[(UNIFORM, 40), "left"] == pytest.approx(100 * stored["macs_share"].mean()[0.4])
    assert (by_macs["accuracy"] == by_latency["accuracy"]).all()
    line = next(trace for trace in panel._budget_figure.data if trace.name == UNIFORM)
    np.testing.assert_allclose(line.x, by_macs.loc[UNIFORM].sort_index()["left"])
    panel.budget_stage = "after"
    assert set(panel.budgets_frame()["share"]) == {60, 40}


def test_measured_networks_stand_at_what_was_measured(panel):
    panel.update(view=BUDGETS, budget_axis="measured", budget_stage="after")
    assert panel.budget_table == "latency_pruning_measured"
    stored = load_results("latency_pruning_measured").query(f"method == '{UNIFORM}' and share == 0.4")
    found = panel.budgets_frame().set_index(["method", "share"]).loc[(UNIFORM, 40)]
    assert found["left"] == pytest.approx(100 * (stored["measured_ms"] / stored["whole_ms"]).mean())
    assert found["accuracy"] == pytest.approx(stored["after"].mean())
    assert "CPU" in panel._budget_figure.layout.title.text
    panel.budget_table = "latency_pruning_budgets"
    assert panel.budget_axis == "reached"  # nothing was measured on a device that is simulated
    assert "simulated" in panel._budget_figure.layout.title.text


def test_newer_budgets_replace_the_stored_ones(panel, monkeypatch):
    stored = load_results("latency_pruning_budgets")
    monkeypatch.setattr(panel, "_budgets", stored)  # puts them back
    monkeypatch.setattr(panel, "_budgets_from", "stored")
    panel.view = BUDGETS
    panel.show_budgets(stored.query("seed == 1").assign(before=50.0))
    assert set(panel.budgets_frame()["accuracy"]) == {50.0}
    assert "measured just now, 1 seed<" in panel._budget_figure.layout.title.text
    assert "nan" not in panel._budget_text.value


def test_one_seed_moves_the_lines_and_all_seeds_the_claims_too(monkeypatch):
    stored, shown = load_results("latency_pruning_budgets"), []
    asked = []

    def measure(config, progress, cancel):
        asked.append(config.seeds)
        return stored[stored["seed"].isin(config.seeds)].assign(importance=0.5)

    monkeypatch.setattr(latency_pruning_report, "measure_budgets", measure)
    table = ClaimsTable()
    before = table.value
    runs = run_panel(table, shown.append)
    runs.start(RUN_ONE)
    runs.wait(30)
    assert asked == [(0,)]
    assert len(shown) == 1
    assert table.value == before
    runs.start(RUN_CLAIMS)
    runs.wait(30)
    assert asked[1] == (0, 1, 2)
    assert "HALP, refilled 0.50" in table.value
    assert "measured just now" in table.value
