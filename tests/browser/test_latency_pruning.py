"""The panel of notebook 10 in JupyterLab, as a person meets it: move the budget, open every view, bring a table of latencies."""

from __future__ import annotations

import pytest
from jupyter_page import (
    assert_slider_moves_curve,
    cut_off_at_700,
    open_notebook,
    overflowing,
    panels,
    run_all,
    run_code,
    screenshot,
    set_theme,
    settled_drawing,
    show_view,
    upload,
    wait_for_figure,
)

from workbench.panels.latency_pruning import BUDGETS, DEVICES, FILM, KNAPSACK, STAIRS, SURGERY, TRAP, VIEWS

pytestmark = pytest.mark.browser

BUDGET = "Latency that may stay"
DIGITS = 'panel.update(network="digits, trained, seed 0", platform="Jetson TX2, simulated")'


@pytest.fixture(scope="module")
def notebook(module_page):
    open_notebook(module_page, "10_latency_pruning.ipynb")
    seconds = run_all(module_page)
    print(f"run all: {seconds:.1f} s")
    wait_for_figure(module_page)
    return module_page


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_and_nothing_is_cut_off(notebook, view):
    show_view(notebook, view)
    assert any(settled_drawing(notebook))
    screenshot(notebook, f"latency_pruning_{view[0]}")
    assert overflowing(notebook) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_dark_page_cuts_nothing_off(notebook, view):
    show_view(notebook, view)
    set_theme(notebook, True)
    screenshot(notebook, f"latency_pruning_{view[0]}_dark")
    found = overflowing(notebook)
    set_theme(notebook, False)
    assert found == []


@pytest.mark.parametrize("view", VIEWS)
def test_at_700_pixels_nothing_is_cut_off(notebook, view):
    assert cut_off_at_700(notebook, view, f"latency_pruning_{view[0]}_700px") == []


@pytest.mark.parametrize(
    "view, label",
    [(STAIRS, "Input channels left"), (KNAPSACK, BUDGET), (FILM, BUDGET), (SURGERY, BUDGET), (TRAP, "Budget")],
)
def test_arrow_key_on_a_slider_moves_what_is_drawn(notebook, view, label):
    show_view(notebook, view)
    time = assert_slider_moves_curve(notebook, label, "ArrowLeft")
    print(f"{view}: {label} to drawing, ms: {time:.0f}")


def test_the_budget_moves_the_plan_among_the_stored_ones(notebook):
    run_code(notebook, DIGITS)
    show_view(notebook, BUDGETS)
    panels(notebook).first.get_by_text("Accuracy with renewed statistics").first.wait_for()
    time = assert_slider_moves_curve(notebook, BUDGET)
    print(f"{BUDGETS}: solve, remove, renew, evaluate and draw, ms: {time:.0f}")
    screenshot(notebook, "latency_pruning_3_plan")


def test_the_devices_are_compared_and_a_table_that_is_none_is_refused(notebook):
    run_code(notebook, DIGITS)
    show_view(notebook, DEVICES)
    panels(notebook).first.get_by_role("button", name="Compare the devices").click()
    panels(notebook).first.get_by_text("Each device's plan has run on every device").first.wait_for(timeout=60_000)
    screenshot(notebook, "latency_pruning_5_compared")
    assert overflowing(notebook) == []
    upload(notebook, "notes.csv", b"batch,cin\n1,2\n")
    panels(notebook).first.get_by_text("notes.csv").first.wait_for()


def test_the_small_network_is_compared_with_the_masked_one(notebook):
    run_code(notebook, DIGITS)
    show_view(notebook, SURGERY)
    panels(notebook).first.get_by_role("button", name="Remove the channels and compare").click()
    panels(notebook).first.get_by_text("in float64").first.wait_for(timeout=60_000)
    screenshot(notebook, "latency_pruning_6_compared")
    assert overflowing(notebook) == []
