"""The panel of notebook 03 in JupyterLab, as a person meets it: draw a box, look through a match, click on the wall."""

from __future__ import annotations

import time

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
    wait_for_figure,
)

from workbench.panels.targeted_selection import VIEWS
from workbench.panels.targeted_selection_context import CONTEXT
from workbench.panels.targeted_selection_query import QUERY
from workbench.panels.targeted_selection_size import SIZE
from workbench.panels.targeted_selection_theatre import THEATRE
from workbench.panels.targeted_selection_wall import WALL

pytestmark = pytest.mark.browser
CELL = """
from workbench.experiments.selection_cache import open_pool
from workbench.experiments.selection_pool import PoolConfig
from workbench.panels.targeted_selection import TargetedSelectionPanel
from workbench.retrieval import EfficientNetLite0Backbone

backbone = EfficientNetLite0Backbone()
panel = TargetedSelectionPanel(open_pool(PoolConfig(scenes=64), backbone), backbone)
panel
"""
MINE = (QUERY, THEATRE, WALL, CONTEXT, SIZE)


@pytest.fixture(scope="module")
def notebook(module_page, lab):
    open_notebook(module_page, lab.write_notebook("selection.ipynb", CELL))
    print(f"run all, pool embedded: {run_all(module_page):.1f} s")
    wait_for_figure(module_page)
    return module_page


def _readout(page, label: str) -> str:
    return panels(page).locator(".widget-inline-hbox", has_text=label).locator(".widget-readout").inner_text()


def _tiles(page) -> list[str]:
    return page.locator(".hit-tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")


def _reset(page) -> None:
    button = page.locator(".hit-reset")
    if button.count():
        button.click()
        page.wait_for_function("() => document.querySelectorAll('.hit-example').length === 1")


def test_a_click_on_a_tile_adds_an_example_and_moves_the_wall(notebook):
    show_view(notebook, WALL)
    _reset(notebook)
    before = _tiles(notebook)
    assert len(before) == 12
    times = []
    for button, kind, place in ((".hit-more", "more", 1), (".hit-not", "not", 4), (".hit-more", "more", 0)):
        chosen, count = notebook.locator(".hit-tile").nth(place), notebook.locator(f".hit-example.{kind}").count()
        name = chosen.get_attribute("data-id")
        started = time.monotonic()
        chosen.locator(button).click()
        notebook.locator(f".hit-example.{kind}").nth(count).wait_for()
        times.append(time.monotonic() - started)
        assert name not in _tiles(notebook)
    print("click to new wall, ms:", [round(1000 * seconds) for seconds in times])
    assert len(_tiles(notebook)) == 12
    notebook.wait_for_timeout(800)
    screenshot(notebook, "targeted_selection_clicks")
    notebook.locator(".hit-away").first.click()
    notebook.wait_for_function("() => document.querySelectorAll('.hit-example').length === 3")
    _reset(notebook)
    assert _tiles(notebook) == before


def test_the_wall_works_by_keys_that_the_notebook_does_not_hear(notebook):
    show_view(notebook, WALL)
    _reset(notebook)
    cells = notebook.locator(".jp-Notebook .jp-Cell").count()
    notebook.locator(".hit-tile").first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        notebook.keyboard.press(key)
    focused = "() => document.activeElement.dataset.id"
    columns = notebook.evaluate("() => { const t = [...document.querySelectorAll('.hit-tile')];"
                                " return t.filter(one => one.offsetTop === t[0].offsetTop).length; }")  # fmt: skip
    name = notebook.evaluate(focused)
    assert name == _tiles(notebook)[columns]
    for key in ("b", "x", "m"):  # in the notebook: a new cell, cut the cell, make it text
        notebook.keyboard.press(key)
    notebook.keyboard.press("+")
    notebook.locator(".hit-example.more").wait_for()
    assert name not in _tiles(notebook)
    notebook.wait_for_function("() => document.activeElement.classList.contains('hit-tile')")
    notebook.keyboard.press("-")
    notebook.locator(".hit-example.not").wait_for()
    notebook.keyboard.press("u")
    notebook.wait_for_function("() => !document.querySelector('.hit-example.not')")
    assert notebook.locator(".jp-Notebook .jp-Cell").count() == cells
    _reset(notebook)


def test_pointing_at_a_tile_enlarges_the_match_inside_its_frame(notebook):
    show_view(notebook, WALL)
    tile = notebook.locator(".hit-tile").first
    tile.locator(".hit-frame").hover()
    notebook.wait_for_timeout(500)
    screenshot(notebook, "targeted_selection_zoom")
    match, frame = tile.locator("rect.match").bounding_box(), tile.locator(".hit-frame").bounding_box()
    assert 0.35 < max(match["width"] / frame["width"], match["height"] / frame["height"]) < 0.75
    assert frame["x"] <= match["x"]
    assert match["x"] + match["width"] <= frame["x"] + frame["width"]


def test_the_wall_of_whole_pictures_has_no_boxes(notebook):
    show_view(notebook, WALL)
    before = _tiles(notebook)
    panels(notebook).get_by_role("button", name="whole pictures (GeM)").click()
    notebook.wait_for_function("() => !document.querySelector('.hit-tile rect')")
    screenshot(notebook, "targeted_selection_gem")
    assert _tiles(notebook) != before
    panels(notebook).get_by_role("button", name="template matching (DTM)").click()
    notebook.wait_for_function("() => document.querySelectorAll('.hit-tile rect.match').length === 12")


def test_a_drawn_box_becomes_the_query(notebook):
    show_view(notebook, QUERY)
    picture = panels(notebook).locator(".js-plotly-plot:visible .im image").first.bounding_box()
    scale = picture["width"] / 512
    x, y = picture["x"] + 300 * scale, picture["y"] + 200 * scale
    notebook.mouse.move(x, y)
    notebook.mouse.down()
    notebook.mouse.move(x + 60 * scale, y + 40 * scale, steps=8)
    notebook.mouse.up()
    panels(notebook).get_by_text("299 – 359").or_(panels(notebook).get_by_text("300 – 360")).wait_for()
    notebook.wait_for_timeout(800)
    screenshot(notebook, "targeted_selection_drawn")
    shapes = panels(notebook).locator(".js-plotly-plot:visible").first.locator(".shapelayer path")
    assert shapes.count() == 1
    choice = panels(notebook).locator(".widget-dropdown", has_text="Object to look for").locator("select")
    choice.select_option("dog 2")
    notebook.wait_for_function("() => !document.body.innerText.includes('299 – 359')")
    choice.select_option("bike 1")
    notebook.wait_for_timeout(1000)


def test_a_click_on_the_score_map_moves_the_template(notebook):
    show_view(notebook, THEATRE)
    before = _readout(notebook, "Template's column")
    panels(notebook).locator(".js-plotly-plot:visible").first.scroll_into_view_if_needed()
    notebook.wait_for_timeout(300)
    heat = panels(notebook).locator(".js-plotly-plot:visible .hm image").first.bounding_box()
    notebook.mouse.click(heat["x"] + 0.7 * heat["width"], heat["y"] + 0.8 * heat["height"])
    panels(notebook).get_by_text("Cosines at the template's place").wait_for()
    assert _readout(notebook, "Template's column") != before
    panels(notebook).get_by_role("button", name="Back to the best match").click()
    panels(notebook).get_by_text("Cosines at the best match").wait_for()
    assert _readout(notebook, "Template's column") == before


@pytest.mark.parametrize(
    "view, label",
    [
        (QUERY, "Left and right edge"),
        (THEATRE, "Picture at rank"),
        (THEATRE, "Template's row"),
        (SIZE, "Object's area"),
    ],
)
def test_arrow_key_on_a_slider_moves_what_is_drawn(notebook, view, label):
    show_view(notebook, view)
    times = [assert_slider_moves_curve(notebook, label, key) for key in ("ArrowRight", "ArrowLeft")]
    print(f"{label} to drawing, ms:", [round(time) for time in times])


def test_padding_moves_the_star_and_is_swept_in_the_background(notebook):
    show_view(notebook, CONTEXT)
    padding = panels(notebook).locator(".widget-inline-hbox", has_text="Padding on each side").locator("visible=true")
    padding.locator(".noUi-handle").first.press("ArrowRight")
    panels(notebook).get_by_text("1 pixels of padding").wait_for()
    panels(notebook).get_by_role("button", name="Sweep my query").click()
    panels(notebook).get_by_text("Sweeping: done").wait_for(timeout=60_000)
    settled_drawing(notebook)
    screenshot(notebook, "targeted_selection_swept")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_and_nothing_is_cut_off(notebook, view):
    show_view(notebook, view)
    screenshot(notebook, f"targeted_selection_{view[0]}")
    assert overflowing(notebook) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", MINE)
def test_every_text_and_curve_reads_on_the_page_behind_it(notebook, view, dark):
    show_view(notebook, view)
    set_theme(notebook, dark)
    screenshot(notebook, f"targeted_selection_{view[0]}_{'dark' if dark else 'light'}")
    texts, lines = text_contrasts(notebook), line_contrasts(notebook)
    written = set(notebook.locator(".heatmap-label text").all_text_contents())  # in cells of a colour of their own
    set_theme(notebook, False)
    low = {text: round(ratio, 2) for text, ratio in texts.items() if ratio < 4.5 and text not in written}
    assert low == {}
    if view in (WALL, CONTEXT, SIZE):
        assert min(lines) >= 3


@pytest.mark.parametrize("view", VIEWS)
def test_at_700_pixels_nothing_is_cut_off(notebook, view):
    assert cut_off_at_700(notebook, view, f"targeted_selection_{view[0]}_700px") == []


def test_sliders_and_tiles_are_named_for_screen_readers(notebook):
    show_view(notebook, WALL)
    label = notebook.locator(".hit-tile").first.get_attribute("aria-label")
    assert label.startswith("Hit 1, street-")
    assert slider_handle(notebook, "Weight of").get_attribute("aria-label") == 'Weight of "not this" (ratio)'
