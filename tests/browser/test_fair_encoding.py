"""The panel of notebook 04 in JupyterLab, as a person meets it: move m, drag the threshold, split people, bring a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
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
    slider_handle,
    text_contrasts,
    upload,
    wait_for_figure,
)

from workbench.panels.fair_encoding import CONVENTIONS, FRONTIER, LAB, LADDER, MAP, OWN, RELABEL, RIDGES, TREES, VIEWS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def notebook(module_page):
    open_notebook(module_page, "04_fair_encoding.ipynb")
    seconds = run_all(module_page)
    print(f"run all: {seconds:.1f} s")
    wait_for_figure(module_page)
    return module_page


def _readout(page, label: str) -> str:
    slider = panels(page).first.locator(".widget-inline-hbox", has_text=label)
    return slider.locator(".widget-readout").inner_text()


def _choose(page, label: str, option: str) -> None:
    panels(page).first.locator(".widget-dropdown", has_text=label).first.locator("select").select_option(option)


@pytest.mark.parametrize(
    "view, label",
    [
        (LAB, "Rows n of the group"),
        (LADDER, "Smoothing m"),
        (FRONTIER, "Smoothing m"),
        (RIDGES, "Threshold τ"),
        (TREES, "Smoothing m"),
        (MAP, "Threshold τ"),
    ],
)
def test_arrow_key_on_a_slider_moves_what_is_drawn(notebook, view, label):
    show_view(notebook, view)
    times = [assert_slider_moves_curve(notebook, label, "ArrowRight") for _ in range(2)]
    print(f"{view}: {label} to drawing, ms:", [round(time) for time in times])


@pytest.mark.parametrize("view", VIEWS[:-1])
def test_every_view_draws_and_nothing_is_cut_off(notebook, view):
    show_view(notebook, view)
    assert any(settled_drawing(notebook))
    screenshot(notebook, f"fair_encoding_{VIEWS.index(view) + 1}")
    assert overflowing(notebook) == []


def test_the_threshold_line_can_be_dragged(notebook):
    show_view(notebook, RIDGES)
    before = float(_readout(notebook, "Threshold τ"))
    box = panels(notebook).first.locator(".js-plotly-plot:visible .shapelayer path").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 40
    notebook.mouse.move(x, y)
    notebook.mouse.down()
    notebook.mouse.move(x - 60, y, steps=8)
    notebook.mouse.up()
    notebook.wait_for_timeout(1500)
    assert float(_readout(notebook, "Threshold τ")) < before


def test_play_lets_the_group_grow(notebook):
    show_view(notebook, LAB)
    panels(notebook).first.locator(".jupyter-widgets.widget-play:visible button").first.click()
    notebook.wait_for_timeout(2500)
    panels(notebook).first.locator(".jupyter-widgets.widget-play:visible button").first.click()
    assert _readout(notebook, "Rows n of the group") != "50"


def test_a_coin_splits_people_off(notebook):
    show_view(notebook, RELABEL)
    panels(notebook).first.get_by_role("button", name="Split k people off at random").click()
    notebook.wait_for_function("() => document.body.textContent.includes('your draws: mean')", timeout=60_000)
    screenshot(notebook, "fair_encoding_split")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", [LAB, LADDER, FRONTIER, RIDGES, TREES, CONVENTIONS])
def test_every_text_and_curve_reads_on_the_page_behind_it(notebook, view, dark):
    show_view(notebook, view)
    set_theme(notebook, dark)
    screenshot(notebook, f"fair_encoding_{VIEWS.index(view) + 1}_{'dark' if dark else 'light'}")
    texts, lines = text_contrasts(notebook), line_contrasts(notebook)
    set_theme(notebook, False)
    assert {text: round(ratio, 2) for text, ratio in texts.items() if ratio < 4.5} == {}
    assert min(lines, default=3) >= 3


@pytest.mark.parametrize("view", [MAP, RELABEL])
def test_cells_and_bars_in_the_dark(notebook, view):
    show_view(notebook, view)
    set_theme(notebook, True)
    screenshot(notebook, f"fair_encoding_{VIEWS.index(view) + 1}_dark")
    found = overflowing(notebook)
    set_theme(notebook, False)
    assert found == []


@pytest.mark.parametrize("view", VIEWS[:-1])
def test_at_700_pixels_nothing_is_cut_off(notebook, view):
    assert cut_off_at_700(notebook, view, f"fair_encoding_{VIEWS.index(view) + 1}_700px") == []


def test_other_people_are_shown_and_the_convention_is_said(notebook):
    show_view(notebook, FRONTIER)
    _choose(notebook, "People", "Adult: race")
    panels(notebook).first.get_by_text("Yearly income above 50 000 dollars").first.wait_for()
    panels(notebook).first.get_by_role("button", name="published").click()
    panels(notebook).first.get_by_text("Convention: published").first.wait_for()
    settled_drawing(notebook)
    screenshot(notebook, "fair_encoding_published")
    panels(notebook).first.get_by_role("button", name="paper", exact=True).click()
    _choose(notebook, "People", "COMPAS: ethnicity")


def test_a_table_of_ones_own_is_asked_about_measured_and_shown(notebook):
    rng = np.random.default_rng(0)
    region = rng.choice(["north", "south", "east"], 400, p=[0.5, 0.3, 0.2])
    skill = rng.normal(size=400).round(2)
    hired = np.where(skill + (region == "north") > 0.5, "yes", "no")
    content = pd.DataFrame({"region": region, "skill": skill, "hired": hired}).to_csv(index=False).encode()
    show_view(notebook, OWN)
    upload(notebook, "picture.png", b"\x89PNG\r\n\x1a\n\x00\x00")
    notebook.wait_for_function("() => document.querySelector('.workbench-say')?.textContent.includes('picture.png')")
    assert "Traceback" not in panels(notebook).first.locator(".workbench-say").inner_text()
    upload(notebook, "mine.csv", content)
    panels(notebook).first.get_by_text("now say which column is the label").wait_for()
    _choose(notebook, "Label", "hired")
    panels(notebook).first.locator(".widget-select-multiple", has_text="Protected").locator("select").select_option(
        "region"
    )
    _choose(notebook, "counts as 1", "yes")
    panels(notebook).first.get_by_text("of whom").first.wait_for()
    screenshot(notebook, "fair_encoding_9_groups")
    panels(notebook).first.get_by_role("button", name="Measure").click()
    panels(notebook).first.get_by_text("mine.csv: measured").wait_for(timeout=120_000)
    settled_drawing(notebook)
    screenshot(notebook, "fair_encoding_9")
    assert overflowing(notebook) == []
    show_view(notebook, FRONTIER)
    panels(notebook).first.locator(".gtitle", has_text="mine.csv: region").first.wait_for()
    assert slider_handle(notebook, "Smoothing m").is_visible()
