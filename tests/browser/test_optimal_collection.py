"""The panel of notebook 02 in JupyterLab, as a person meets it: move the penalty, dial a risk, wait, look, resume a campaign."""

from __future__ import annotations

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
    upload,
    wait_for_figure,
)

from workbench.panels.optimal_collection import OWN_DATA, VIEWS

pytestmark = pytest.mark.browser
LOG = b"""# campaign: target=90 rounds=3 cost=1 penalty=1000000 q_max=60000
round,n,score,cost_paid
0,1000,44,0
0,2000,60.8,0
0,3000,64.9,0
0,4000,75.6,0
0,5000,76.9,0
1,9000,85,4000
"""


@pytest.fixture(scope="module")
def notebook(module_page):
    open_notebook(module_page, "02_optimal_collection.ipynb")
    seconds = run_all(module_page)
    print(f"run all: {seconds:.1f} s")
    wait_for_figure(module_page)
    return module_page


def _readout(page, label: str) -> str:
    slider = panels(page).first.locator(".widget-inline-hbox", has_text=label)
    return slider.locator(".widget-readout").inner_text()


@pytest.mark.parametrize(
    "view, label",
    [
        (VIEWS[0], "Penalty for a miss P"),
        (VIEWS[0], "Cost of a sample c"),
        (VIEWS[1], "Risk I accept"),
        (VIEWS[2], "Rounds T"),
        (VIEWS[4], "Target score"),
    ],
)
def test_arrow_key_on_a_slider_moves_what_is_drawn(notebook, view, label):
    show_view(notebook, view)
    key = "ArrowLeft" if label.startswith("Penalty") else "ArrowRight"
    times = [assert_slider_moves_curve(notebook, label, key) for _ in range(4)]
    print(f"{label} to drawing, ms:", [round(time) for time in times])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_and_nothing_is_cut_off(notebook, view):
    show_view(notebook, view)
    assert any(settled_drawing(notebook))
    screenshot(notebook, f"optimal_collection_{VIEWS.index(view) + 1}")
    assert overflowing(notebook) == []


def test_order_is_said_above_the_tabs_and_follows_the_target(notebook):
    show_view(notebook, VIEWS[0])
    answer = panels(notebook).first.get_by_text("chance that they suffice")
    before = answer.inner_text()
    assert before.startswith("Order ")
    assert_slider_moves_curve(notebook, "Target score")
    notebook.wait_for_function("before => !document.body.innerText.includes(before)", arg=before)


def test_the_target_line_of_the_ensemble_can_be_dragged(notebook):
    show_view(notebook, VIEWS[4])
    before = float(_readout(notebook, "Target score"))
    box = panels(notebook).first.locator(".js-plotly-plot:visible .shapelayer path").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    notebook.mouse.move(x, y)
    notebook.mouse.down()
    notebook.mouse.move(x, y + 20, steps=8)
    notebook.mouse.up()
    notebook.wait_for_timeout(1500)
    assert float(_readout(notebook, "Target score")) < before


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", [*VIEWS[:3], VIEWS[4]])
def test_every_text_and_curve_reads_on_the_page_behind_it(notebook, view, dark):
    show_view(notebook, view)
    set_theme(notebook, dark)
    screenshot(notebook, f"optimal_collection_{VIEWS.index(view) + 1}_{'dark' if dark else 'light'}")
    texts, lines = text_contrasts(notebook), line_contrasts(notebook)
    set_theme(notebook, False)
    assert {text: round(ratio, 2) for text, ratio in texts.items() if ratio < 4.5} == {}
    assert min(lines) >= 3


def test_a_campaign_goes_on_from_its_log_and_a_wrong_file_is_one_line(notebook):
    panels(notebook).first.get_by_text(OWN_DATA).click()
    upload(notebook, "campaign.csv", LOG)
    panels(notebook).first.get_by_text("1 of 3 rounds done, 9,000 samples").wait_for()
    assert "samples now" in panels(notebook).first.locator(".workbench-say").inner_text()
    assert _readout(notebook, "Rounds T") == "2"
    settled_drawing(notebook)
    screenshot(notebook, "optimal_collection_resumed")
    upload(notebook, "picture.png", b"\x89PNG\r\n\x1a\n\x00\x00")
    notebook.wait_for_function("() => document.querySelector('.workbench-say').textContent.includes('picture.png')")
    message = panels(notebook).first.locator(".workbench-say").inner_text()
    assert "Traceback" not in message
    assert message.count("\n") == 0


def test_changing_the_curve_keeps_what_the_kernel_chose(notebook):
    """The page must not send old values of the sliders back when their ranges change."""
    show_view(notebook, VIEWS[0])
    choice = panels(notebook).first.locator(".widget-dropdown", has_text="Learning curve").locator("select")
    for task, target, penalty in (
        ("nuScenes", "28.00", "10.0M"),
        ("ImageNet", "59.00", "100M"),
        ("VOC", "74.00", "1.00M"),
    ):
        choice.select_option(task)
        notebook.wait_for_timeout(1500)
        assert (_readout(notebook, "Target score"), _readout(notebook, "Penalty for a miss P")) == (target, penalty)


@pytest.mark.parametrize("view", VIEWS)
def test_at_700_pixels_nothing_is_cut_off(notebook, view):
    assert cut_off_at_700(notebook, view, f"optimal_collection_{VIEWS.index(view) + 1}_700px") == []
