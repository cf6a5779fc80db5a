"""Notebook 01 in JupyterLab, as a newcomer meets it: run all, move the target, walk the views, bring a curve."""

from __future__ import annotations

import pytest
from jupyter_page import (
    assert_slider_moves_curve,
    open_notebook,
    overflowing,
    panels,
    run_all,
    screenshot,
    set_theme,
    settled_drawing,
    show_view,
    upload,
    wait_for_figure,
)

from workbench.panels.curve_choice import OWN_DATA
from workbench.panels.how_much_data import VIEWS

pytestmark = pytest.mark.browser
CURVE = b"images;accuracy\n500;61,2\n1000;66,0\n2000;70,1\n4000;73,4\n8000;76,2\n"


@pytest.fixture(scope="module")
def notebook(module_page):
    open_notebook(module_page, "01_how_much_data.ipynb")
    seconds = run_all(module_page)
    print(f"run all: {seconds:.1f} s")
    wait_for_figure(module_page)
    return module_page


def test_arrow_key_on_the_target_moves_the_answers(notebook):
    show_view(notebook, VIEWS[0])
    times = [assert_slider_moves_curve(notebook, "Target score") for _ in range(5)]
    print("target to answers, ms:", [round(time) for time in times])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_and_nothing_is_cut_off(notebook, view):
    show_view(notebook, view)
    assert any(settled_drawing(notebook))
    screenshot(notebook, f"how_much_data_{VIEWS.index(view) + 1}")
    assert overflowing(notebook) == []


def test_the_target_line_can_be_dragged(notebook):
    show_view(notebook, VIEWS[0])
    before = (
        panels(notebook)
        .first.locator(".widget-inline-hbox", has_text="Target score")
        .locator(".widget-readout")
        .inner_text()
    )
    line = panels(notebook).first.locator(".shapelayer path").first
    box = line.bounding_box()
    notebook.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    notebook.mouse.down()
    notebook.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + 30, steps=8)
    notebook.mouse.up()
    readout = panels(notebook).first.locator(".widget-inline-hbox", has_text="Target score").locator(".widget-readout")
    notebook.wait_for_timeout(1500)
    assert float(readout.inner_text()) < float(before)


def test_a_curve_of_ones_own_gets_a_report_and_a_wrong_file_one_line(notebook):
    panels(notebook).first.get_by_text(OWN_DATA).click()
    upload(notebook, "my_curve.csv", CURVE)
    panels(notebook).first.get_by_text("asks for").first.wait_for()
    settled_drawing(notebook)
    screenshot(notebook, "how_much_data_own")
    upload(notebook, "picture.png", b"\x89PNG\r\n\x1a\n\x00\x00")
    message = panels(notebook).first.locator(".workbench-say")
    notebook.wait_for_function("() => document.querySelector('.workbench-say').textContent.includes('picture.png')")
    assert "Traceback" not in message.inner_text()
    assert message.inner_text().count("\n") == 0


def test_narrow_and_dark(notebook):
    show_view(notebook, VIEWS[0])
    set_theme(notebook, True)
    screenshot(notebook, "how_much_data_dark")
    set_theme(notebook, False)
    notebook.set_viewport_size({"width": 700, "height": 1100})
    notebook.wait_for_timeout(1500)
    screenshot(notebook, "how_much_data_700px")
    assert overflowing(notebook) == []
