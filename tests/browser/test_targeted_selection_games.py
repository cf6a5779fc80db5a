"""The AND builder and a person's own folder in JupyterLab, as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jupyter_page import (
    assert_slider_moves_curve,
    line_contrasts,
    open_notebook,
    overflowing,
    panels,
    run_all,
    screenshot,
    set_theme,
    settled_drawing,
    text_contrasts,
    wait_for_figure,
)

from workbench.panels.targeted_selection_and import AND
from workbench.panels.targeted_selection_own import OWN

pytestmark = pytest.mark.browser
CELL = """
from workbench.experiments.selection_cache import open_pool
from workbench.experiments.selection_pool import PoolConfig
from workbench.panels.targeted_selection import TargetedSelectionPanel
from workbench.retrieval import EfficientNetLite0Backbone

backbone = EfficientNetLite0Backbone()
panel = TargetedSelectionPanel(open_pool(PoolConfig(scenes=12, queries=1), backbone), backbone)
panel
"""
VIEWS = (AND, OWN)


@pytest.fixture(scope="module")
def notebook(module_page, lab):
    open_notebook(module_page, lab.write_notebook("selection.ipynb", CELL))
    run_all(module_page, timeout=300)
    wait_for_figure(module_page)
    return module_page


def _show(page, view: str) -> None:
    panels(page).get_by_role("tab", name=view).click()
    panels(page).scroll_into_view_if_needed()
    settled_drawing(page)


def _choose(page, label: str, option: str) -> None:
    panels(page).locator(".widget-dropdown", has_text=label).locator("select").select_option(option)


def _readout(page, label: str) -> str:
    return panels(page).locator(".widget-inline-hbox", has_text=label).locator(".widget-readout").inner_text()


def _opened(page) -> None:
    """Open the drawn scenes, small, unless that was done."""
    _show(page, OWN)
    if panels(page).get_by_text("Drag the box in the picture").count() == 0:
        _choose(page, "Longer side scaled to", "384 pixels")
        panels(page).get_by_role("button", name="Try 40 drawn scenes").click()
        panels(page).get_by_text("40 of 40 pictures read").wait_for(timeout=120_000)
    settled_drawing(page)


def test_budget_and_combination_move_the_lines_of_the_and(notebook):
    _show(notebook, AND)
    times = [assert_slider_moves_curve(notebook, "Scenes to buy") for _ in range(3)]
    print("budget to drawing, ms:", [round(time) for time in times])
    panels(notebook).get_by_role("button", name="max", exact=True).last.click()
    panels(notebook).get_by_text("by max show both").wait_for()
    panels(notebook).get_by_role("button", name="min", exact=True).last.click()
    _choose(notebook, "and with a", "dog")
    panels(notebook).get_by_text("match of the dog").first.wait_for()
    notebook.wait_for_function(
        "() => document.querySelectorAll('.workbench-panel .im image, .imagelayer image').length >= 10"
    )
    screenshot(notebook, "targeted_selection_and")
    assert overflowing(notebook) == []


def test_a_box_is_drawn_with_the_mouse_and_the_hits_go_home(notebook):
    _opened(notebook)
    before = _readout(notebook, "Left and right edge")
    plot = panels(notebook).locator(".js-plotly-plot:visible").first
    plot.scroll_into_view_if_needed()
    area = plot.locator(".nsewdrag").first.bounding_box()
    x, y = area["x"] + 0.6 * area["width"], area["y"] + 0.4 * area["height"]
    notebook.mouse.move(x, y)
    notebook.mouse.down()
    notebook.mouse.move(x + 30, y + 20, steps=4)
    notebook.mouse.move(x + 60, y + 40, steps=4)
    notebook.mouse.up()
    notebook.wait_for_timeout(2500)
    assert _readout(notebook, "Left and right edge") != before
    assert plot.locator(".shapelayer path").count() == 1
    screenshot(notebook, "targeted_selection_own")
    with notebook.expect_download() as download:
        panels(notebook).get_by_role("button", name="Save hits (COCO json)").click()
    hits = json.loads(Path(download.value.path()).read_text())
    assert len(hits["annotations"]) == 24
    assert overflowing(notebook) == []


def test_an_upload_that_is_no_picture_is_one_line(notebook):
    _show(notebook, OWN)
    with notebook.expect_file_chooser() as chooser:
        panels(notebook).locator(".widget-upload:visible", has_text="Upload pictures").click()
    chooser.value.set_files({"name": "notes.json", "mimeType": "application/json", "buffer": b"{}"})
    notebook.wait_for_function("() => document.querySelector('.workbench-say')?.textContent.includes('holds no image')")
    message = panels(notebook).locator(".workbench-say").first.inner_text()
    assert "Traceback" not in message
    assert message.count("\n") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_text_and_curve_reads_on_the_page_behind_it(notebook, view, dark):
    _show(notebook, view)
    set_theme(notebook, dark)
    screenshot(notebook, f"targeted_selection_{view[0]}_{'dark' if dark else 'light'}")
    texts, lines = text_contrasts(notebook), line_contrasts(notebook)
    set_theme(notebook, False)
    assert {text: round(ratio, 2) for text, ratio in texts.items() if ratio < 4.5} == {}
    assert not lines or min(lines) >= 3


@pytest.mark.parametrize("view", VIEWS)
def test_at_700_pixels_nothing_is_cut_off(notebook, view):
    notebook.set_viewport_size({"width": 700, "height": 1100})
    _show(notebook, view)
    notebook.wait_for_timeout(1500)
    screenshot(notebook, f"targeted_selection_{view[0]}_700px")
    found = overflowing(notebook)
    notebook.set_viewport_size({"width": 1280, "height": 1000})
    assert found == []
