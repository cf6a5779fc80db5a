"""The AND builder, the budget loop, the scale page and a person's own folder in JupyterLab, as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jupyter_page import (
    assert_slider_moves_curve,
    cut_off_at_700,
    line_contrasts,
    open_notebook,
    overflowing,
    panels,
    run_all,
    screenshot,
    set_theme,
    settled_drawing,
    show_view,
    text_contrasts,
    wait_for_figure,
)

from workbench.panels.targeted_selection_and import AND
from workbench.panels.targeted_selection_loop import LOOP
from workbench.panels.targeted_selection_own import OWN
from workbench.panels.targeted_selection_scale import SCALE

pytestmark = pytest.mark.browser
CELL = """
from dataclasses import replace

from workbench.experiments.selection_cache import open_pool
from workbench.experiments.selection_pool import PoolConfig
from workbench.panels import targeted_selection_loop
from workbench.panels.targeted_selection import TargetedSelectionPanel
from workbench.retrieval import EfficientNetLite0Backbone

targeted_selection_loop.LIVE = replace(targeted_selection_loop.LIVE, pool=PoolConfig(scenes=40), validation=30, test=30)
backbone = EfficientNetLite0Backbone()
panel = TargetedSelectionPanel(open_pool(PoolConfig(scenes=12, queries=1), backbone), backbone)
panel
"""
VIEWS = (AND, LOOP, SCALE, OWN)


@pytest.fixture(scope="module")
def notebook(module_page, lab):
    open_notebook(module_page, lab.write_notebook("selection.ipynb", CELL))
    run_all(module_page, timeout=300)
    wait_for_figure(module_page)
    return module_page


def _choose(page, label: str, option: str) -> None:
    panels(page).locator(".widget-dropdown", has_text=label).locator("select").select_option(option)


def _readout(page, label: str) -> str:
    return panels(page).locator(".widget-inline-hbox", has_text=label).locator(".widget-readout").inner_text()


def _opened(page) -> None:
    """Open the drawn scenes, small, unless that was done."""
    show_view(page, OWN)
    if panels(page).get_by_text("Drag the box in the picture").count() == 0:
        _choose(page, "Longer side scaled to", "384 pixels")
        panels(page).get_by_role("button", name="Try 40 drawn scenes").click()
        panels(page).get_by_text("40 of 40 pictures read").wait_for(timeout=120_000)
    settled_drawing(page)


def test_budget_and_combination_move_the_lines_of_the_and(notebook):
    show_view(notebook, AND)
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


def test_labels_are_bought_and_shown(notebook):
    show_view(notebook, LOOP)
    panels(notebook).get_by_role("button", name="Buy 20 labels").click()
    panels(notebook).get_by_text("Buying 20 labels: done").wait_for(timeout=240_000)
    panels(notebook).get_by_text("Your round 1").wait_for()
    panels(notebook).get_by_text("Bought last, by DTM").wait_for()
    settled_drawing(notebook)
    screenshot(notebook, "targeted_selection_loop")
    _choose(notebook, "Stored campaigns of", "dog")
    panels(notebook).get_by_text("Buying labels: dog, mean of").wait_for()
    panels(notebook).get_by_role("button", name="a video").click()
    panels(notebook).get_by_text("Sequences with the").wait_for()
    assert overflowing(notebook) == []


@pytest.mark.parametrize("label", ["Pictures in the pool", "Channels", "Disk of a machine"])
def test_sliders_of_the_scale_page_move_its_lines(notebook, label):
    show_view(notebook, SCALE)
    times = [assert_slider_moves_curve(notebook, label, "ArrowLeft") for _ in range(3)]
    print(f"{label} to drawing, ms:", [round(time) for time in times])


def test_a_press_sets_what_was_measured(notebook):
    show_view(notebook, SCALE)
    panels(notebook).get_by_role("button", name="As measured here").click()
    notebook.wait_for_timeout(1000)
    choice = panels(notebook).locator(".widget-dropdown:visible", has_text="Kept of a picture").locator("select")
    assert choice.evaluate("select => select.selectedOptions[0].textContent").split() == ["my", "own"]
    screenshot(notebook, "targeted_selection_scale")
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
    show_view(notebook, OWN)
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
    show_view(notebook, view)
    set_theme(notebook, dark)
    screenshot(notebook, f"targeted_selection_{view[0]}_{'dark' if dark else 'light'}")
    texts, lines = text_contrasts(notebook), line_contrasts(notebook)
    set_theme(notebook, False)
    assert {text: round(ratio, 2) for text, ratio in texts.items() if ratio < 4.5} == {}
    assert not lines or min(lines) >= 3


@pytest.mark.parametrize("view", VIEWS)
def test_at_700_pixels_nothing_is_cut_off(notebook, view):
    assert cut_off_at_700(notebook, view, f"targeted_selection_{view[0]}_700px") == []
