"""The panel of notebook 05 in JupyterLab, as a person meets it: move the severity, open every view, bring a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from jupyter_page import (
    assert_slider_moves_curve,
    cut_off_at_700,
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
from PIL import Image

from workbench.panels.robust_transformers import BUILDER, GATES, GROUPS, LAB, MACHINE, VIEWS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def notebook(module_page):
    open_notebook(module_page, "05_robust_transformers.ipynb")
    seconds = run_all(module_page)
    print(f"run all: {seconds:.1f} s")
    wait_for_figure(module_page)
    return module_page


@pytest.mark.parametrize(
    "view, label",
    [
        (LAB, "Severity"),
        (GROUPS, "Depth"),
        (MACHINE, "Steps"),
        (GATES, "Added to one token"),
        (BUILDER, "Channels"),
    ],
)
def test_arrow_key_on_a_slider_moves_what_is_drawn(notebook, view, label):
    show_view(notebook, view)
    if view == BUILDER:  # the mark goes when the width is another than that of the trained networks
        panels(notebook).first.get_by_text("It is").wait_for()
    times = [assert_slider_moves_curve(notebook, label, "ArrowLeft" if view == GROUPS else "ArrowRight")]
    print(f"{view}: {label} to drawing, ms:", [round(time) for time in times])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_and_nothing_is_cut_off(notebook, view):
    show_view(notebook, view)
    assert any(settled_drawing(notebook))
    screenshot(notebook, f"robust_transformers_{VIEWS.index(view) + 1}")
    assert overflowing(notebook) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_dark_page_cuts_nothing_off(notebook, view):
    show_view(notebook, view)
    set_theme(notebook, True)
    screenshot(notebook, f"robust_transformers_{VIEWS.index(view) + 1}_dark")
    found = overflowing(notebook)
    set_theme(notebook, False)
    assert found == []


@pytest.mark.parametrize("view", VIEWS)
def test_at_700_pixels_nothing_is_cut_off(notebook, view):
    assert cut_off_at_700(notebook, view, f"robust_transformers_{VIEWS.index(view) + 1}_700px") == []


def test_a_picture_of_ones_own_is_named_and_what_is_none_is_refused(notebook):
    show_view(notebook, LAB)
    upload(notebook, "notes.txt", b"no picture")
    panels(notebook).first.get_by_text("notes.txt: this is no picture of a known kind").first.wait_for()
    disc = np.hypot(*np.mgrid[-50:50, -60:60]) < 40
    content = io.BytesIO()
    Image.fromarray(np.where(disc, 40, 240).astype(np.uint8)).save(content, "PNG")
    upload(notebook, "disc.png", content.getvalue())
    panels(notebook).first.locator(".gtitle", has_text="disc.png").first.wait_for()
    screenshot(notebook, "robust_transformers_own")
