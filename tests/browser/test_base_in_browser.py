"""The base of the panels in JupyterLab, as a person meets it."""

from __future__ import annotations

import pytest
from jupyter_page import (
    assert_slider_moves_curve,
    line_contrasts,
    open_notebook,
    overflowing,
    panels,
    run_all,
    run_code,
    screenshot,
    set_theme,
    settled_drawing,
    slider_handle,
    text_contrasts,
    upload,
    wait_for_figure,
)

pytestmark = pytest.mark.browser
CELLS = (
    "from demo_panel import DemoPanel\nfrom workbench.panels.memory import forget",
    "panel = DemoPanel(key='demo')\npanel",
)


@pytest.fixture(scope="module")
def demo_page(module_page, lab):
    open_notebook(module_page, lab.write_notebook("demo.ipynb", *CELLS))
    run_all(module_page)
    wait_for_figure(module_page)
    return module_page


@pytest.fixture
def demo(demo_page):
    """The demo panel with its defaults, freshly run, on a wide light page."""
    demo_page.set_viewport_size({"width": 1280, "height": 1000})
    run_code(demo_page, "panel.stop(); forget()")
    run_all(demo_page)
    wait_for_figure(demo_page)
    settled_drawing(demo_page)
    return demo_page


def test_arrow_key_on_a_slider_moves_the_curve(demo):
    times = [assert_slider_moves_curve(demo, "Exponent of the law") for _ in range(8)]
    print("slider to curve, ms:", [round(t) for t in times])
    screenshot(demo, "base_light")


def test_figures_fill_the_width_of_the_panel_also_after_a_change_of_it(demo):
    def widths():
        return demo.evaluate("""() => {
            const panel = document.querySelector(".workbench-panel"), plot = panel.querySelector(".js-plotly-plot");
            return [panel.clientWidth, plot.querySelector(".main-svg").getBoundingClientRect().width]; }""")

    panel, plot = widths()
    assert plot > 0.93 * panel
    demo.set_viewport_size({"width": 900, "height": 1000})
    demo.wait_for_timeout(1500)
    narrower, plot = widths()
    assert narrower < panel
    assert 0.93 * narrower < plot <= narrower


def test_at_700_pixels_nothing_is_cut_off_or_sticks_out(demo):
    demo.set_viewport_size({"width": 700, "height": 1100})
    demo.wait_for_timeout(1500)
    demo.locator(".workbench-panel").scroll_into_view_if_needed()
    screenshot(demo, "base_700px")
    assert overflowing(demo) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_and_curve_reads_on_the_page_behind_it(demo, dark):
    set_theme(demo, dark)
    panels(demo).get_by_text("Fail", exact=True).click()
    panels(demo).get_by_text("weights is <damaged>").wait_for()
    screenshot(demo, f"base_text_{'dark' if dark else 'light'}")
    contrasts, lines = text_contrasts(demo), line_contrasts(demo)
    set_theme(demo, False)
    assert len(contrasts) > 25
    low = {text: round(ratio, 2) for text, ratio in contrasts.items() if ratio < 4.5}
    assert low == {}
    assert len(lines) == 7
    assert min(lines) >= 3


def test_slider_is_named_for_screen_readers(demo):
    handle = slider_handle(demo, "Exponent of the law")
    demo.wait_for_function("() => document.querySelector('.workbench-panel .noUi-handle[aria-label]')")
    assert handle.get_attribute("aria-label") == "Exponent of the law"
    assert handle.get_attribute("role") == "slider"


def test_job_shows_progress_while_sliders_still_answer_and_stops_on_the_button(demo):
    panels(demo).get_by_role("button", name="Count slowly").click()
    line = panels(demo).get_by_text("Counting · ")
    line.wait_for()
    assert_slider_moves_curve(demo, "Exponent of the law")
    demo.wait_for_timeout(1500)
    screenshot(demo, "base_job")
    assert "/100 · counting" in line.text_content()
    panels(demo).get_by_role("button", name="Stop").click()
    panels(demo).get_by_text("stopped after").wait_for(timeout=10_000)
    assert not panels(demo).get_by_role("button", name="Stop").is_visible()
    panels(demo).get_by_role("tab", name="Counts").click()
    demo.locator(".workbench-panel .bars path").wait_for()
    demo.wait_for_timeout(1000)
    screenshot(demo, "base_second_view")
    plot, panel = demo.locator(".js-plotly-plot:visible .main-svg").first.bounding_box(), panels(demo).bounding_box()
    assert plot["width"] > 0.93 * panel["width"]


def test_wrong_file_gives_one_line_and_the_right_one_is_taken(demo):
    upload(demo, "wrong.csv", b"pictures,error\n1,2\n")
    panels(demo).get_by_text("wrong.csv: the first column must be called images").wait_for()
    screenshot(demo, "base_wrong_file")
    assert demo.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
    upload(demo, "right.csv", b"images,error\n1,2\n")
    panels(demo).get_by_text("Loaded right.csv").wait_for()


def test_export_buttons_download_files(demo, tmp_path):
    with demo.expect_download() as csv:
        panels(demo).get_by_role("button", name="Save numbers").click()
    assert csv.value.suggested_filename == "demo-of-the-base.csv"
    assert csv.value.path().read_text().startswith("images,error\n10.0,100.0\n")
    with demo.expect_download() as exported:
        panels(demo).get_by_role("button", name="Save figures").click()
    saved = tmp_path / exported.value.suggested_filename
    exported.value.save_as(saved)
    alone = demo.context.new_page()
    alone.route("http*://**", lambda route: route.abort())
    alone.goto(saved.as_uri())
    alone.locator(".js-plotly-plot .lines path").first.wait_for()
    screenshot(alone, "base_exported")
    assert alone.locator(".gtitle").first.text_content() == "Error of six detectors"


def test_camera_button_saves_a_picture_without_a_browser_on_the_kernel(demo):
    plot = demo.locator(".js-plotly-plot:visible").first
    plot.hover()
    with demo.expect_download() as picture:
        plot.locator(".modebar-btn").first.click()
    assert picture.value.suggested_filename == "error-of-six-detectors.png"
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")


def test_state_survives_when_the_cell_runs_again(demo):
    assert_slider_moves_curve(demo, "Exponent of the law")
    demo.wait_for_timeout(500)
    value = slider_handle(demo, "Exponent of the law").get_attribute("aria-valuetext")
    run_all(demo)
    wait_for_figure(demo)
    demo.wait_for_timeout(1000)
    assert panels(demo).count() == 1
    assert slider_handle(demo, "Exponent of the law").get_attribute("aria-valuetext") == value
    assert_slider_moves_curve(demo, "Exponent of the law")


def test_curves_outside_of_a_batch_keep_their_data(demo):
    before = demo.locator(".scatterlayer .trace:last-child path.js-line").get_attribute("d")
    level = {point.split(",")[1] for point in before.strip("M").replace("L", " ").split()}
    assert len(level) == 1, "the target at 20 % is a level line"


def test_a_cell_that_fails_is_reported_with_its_traceback(page, lab):
    open_notebook(page, lab.write_notebook("broken.ipynb", "1 + 1", "[][3]", "2 + 2"))
    with pytest.raises(AssertionError, match=r"\[\]\[3\](.|\n)*IndexError: list index out of range"):
        run_all(page, timeout=60)


def test_panel_works_as_a_dashboard(page, lab, dashboard):
    """A dashboard opens after the notebook has run, so it shows what the kernel says the figures are."""
    name = lab.write_notebook("dashboard.ipynb", "from demo_panel import DemoPanel\nDemoPanel(exponent=0.6)")
    page.goto(dashboard(name), timeout=90_000)
    wait_for_figure(page, timeout=90)
    page.locator(".workbench-panel .lines path.js-line").nth(6).wait_for(state="attached")
    assert_slider_moves_curve(page, "Exponent of the law")
    screenshot(page, "base_dashboard")
    with page.expect_download() as csv:
        panels(page).get_by_role("button", name="Save numbers").click()
    assert csv.value.suggested_filename == "demo-of-the-base.csv"
