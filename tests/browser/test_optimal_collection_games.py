"""The campaign, the two sources and Table 1 of notebook 02 in JupyterLab, as a person meets them."""

from __future__ import annotations

import pytest
from jupyter_page import (
    open_notebook,
    overflowing,
    panels,
    run_all,
    screenshot,
    set_theme,
    settled_drawing,
    show_view,
    slider_handle,
    wait_for_figure,
)

from workbench.panels.optimal_collection_campaign import CAMPAIGN
from workbench.panels.optimal_collection_sources import TWO_SOURCES
from workbench.panels.optimal_collection_tables import TABLES

pytestmark = pytest.mark.browser
CELL = "from workbench.panels.optimal_collection import OptimalCollectionPanel\npanel = OptimalCollectionPanel()\npanel"


@pytest.fixture(scope="module")
def notebook(module_page, lab):
    open_notebook(module_page, lab.write_notebook("collection.ipynb", CELL))
    run_all(module_page)
    wait_for_figure(module_page)
    return module_page


def test_a_typed_order_is_placed_and_the_game_ends_with_everybodys_bill(notebook):
    show_view(notebook, CAMPAIGN)
    box = panels(notebook).locator(".widget-inline-hbox", has_text="Your next order").locator("input")
    for order in ("1234", "90000"):
        box.fill(order)
        box.press("Enter")
        panels(notebook).get_by_role("button", name="Order", exact=True).click()
        notebook.wait_for_timeout(500)
    panels(notebook).get_by_text("You met the target with 2 orders").wait_for()
    settled_drawing(notebook)
    screenshot(notebook, "optimal_collection_campaign")
    rows = panels(notebook).locator(".workbench-table tbody tr")
    assert [row.split()[0] for row in rows.all_inner_texts()] == ["you", "regression", "regression", "LOC", "optimum"]
    assert overflowing(notebook) == []


def test_the_price_turns_the_lines_of_the_map(notebook):
    show_view(notebook, TWO_SOURCES)
    before = settled_drawing(notebook)
    slider_handle(notebook, "Price of a source-2 sample").press("ArrowRight")
    notebook.wait_for_timeout(300)
    assert settled_drawing(notebook) != before
    panels(notebook).get_by_role("button", name="Let LOC collect").click()
    panels(notebook).get_by_text("LOC collects: done").wait_for(timeout=60_000)
    settled_drawing(notebook)
    screenshot(notebook, "optimal_collection_sources")
    assert overflowing(notebook) == []


def test_another_task_changes_the_overlay(notebook):
    show_view(notebook, TABLES)
    panels(notebook).locator(".widget-dropdown", has_text="Figure 2 of").locator("select").select_option("ImageNet")
    panels(notebook).get_by_text("ImageNet: data collected / data needed").wait_for()
    screenshot(notebook, "optimal_collection_table_1")
    assert overflowing(notebook) == []


@pytest.mark.parametrize("view", [CAMPAIGN, TWO_SOURCES, TABLES])
def test_narrow_and_dark(notebook, view):
    show_view(notebook, view)
    set_theme(notebook, True)
    notebook.set_viewport_size({"width": 700, "height": 1100})
    notebook.wait_for_timeout(1500)
    screenshot(notebook, f"optimal_collection_dark_{view[0]}")
    found = overflowing(notebook)
    set_theme(notebook, False)
    notebook.set_viewport_size({"width": 1280, "height": 1000})
    assert found == []
