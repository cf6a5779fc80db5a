"""The base of the panels in JupyterLab, as a person meets it."""

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
    slider_handle,
    text_contrasts,
    wait_for_figure,
)

pytestmark = pytest.mark.browser
CELLS = ("from demo_panel import DemoPanel", "panel = DemoPanel(key='demo')\npanel")


@pytest.fixture
def demo(page, lab):
    open_notebook(page, lab.write_notebook("demo.ipynb", *CELLS))
    run_all(page)
    wait_for_figure(page)
    return page


def test_arrow_key_on_a_slider_moves_the_curve(demo):
    times = [assert_slider_moves_curve(demo, "Exponent of the law") for _ in range(8)]
    print("slider to curve, ms:", [round(t) for t in times])
    screenshot(demo, "base_light")
