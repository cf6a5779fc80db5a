"""Helpers with which browser tests open a notebook in JupyterLab, run it and look at its panels."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

START_TIMEOUT_MS = 90_000

_CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === "code" && cell.model.sharedModel.getSource().trim())
  .map(cell => {
    const outputs = cell.model.outputs.toJSON();
    const error = outputs.find(output => output.output_type === "error");
    return { source: cell.model.sharedModel.getSource(), count: cell.model.executionCount,
             error: error ? error.traceback.join("\\n") || `${error.ename}: ${error.evalue}` : null };
  })"""

_DRAWN = """panel => [...panel.querySelectorAll(".js-plotly-plot")].filter(plot => plot.offsetParent).map(plot =>
  [...plot.querySelectorAll(".trace path, .points path, .points text, .im image, .hm image, .shapelayer path")]
    .map(mark => [mark.getAttribute("d"), mark.getAttribute("transform"), mark.getAttribute("href"), mark.style.cssText].join())
    .join("|"))"""

_WATCH = """panel => {
  window.workbenchWatch = {};
  addEventListener("keydown", () => { window.workbenchWatch.pressed ??= performance.now(); }, { capture: true, once: true });
  const layers = [...panel.querySelectorAll(".js-plotly-plot .cartesianlayer")];
  const observer = new MutationObserver(() => {
    if (window.workbenchWatch.pressed) window.workbenchWatch.drawn ??= performance.now();
  });
  for (const layer of layers) observer.observe(layer, { subtree: true, childList: true, attributes: true });
}"""


def open_notebook(page, name: str) -> None:
    """Open a notebook of the lab's folder and wait until its kernel is ready."""
    page.goto(f"/doc/tree/{name}")
    page.wait_for_function(
        """() => { const shown = window.jupyterapp?.shell.currentWidget;
                   return shown?.sessionContext?.isReady && shown.sessionContext.session?.kernel?.status === "idle"
                       && shown.content?.widgets?.length > 0; }""",
        timeout=START_TIMEOUT_MS,
    )


def run_all(page, timeout: float = 120) -> float:
    """Run every cell, wait until all have run, and return the seconds that took; fail with a cell's traceback."""
    started = time.monotonic()
    page.evaluate(
        """() => {
             window.workbenchRan = false;
             window.jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.workbenchRan = true; });
           }"""
    )
    while time.monotonic() - started < timeout:
        finished = page.evaluate("() => window.workbenchRan")
        cells = page.evaluate(_CELLS)
        for cell in cells:
            if cell["error"] and finished:
                plain = re.sub(r"\x1b\[[0-9;]*m", "", cell["error"])
                raise AssertionError(f"a cell failed:\n{cell['source']}\n\n{plain}")
        if finished and all(cell["count"] for cell in cells):
            return time.monotonic() - started
        page.wait_for_timeout(100)
    waiting = next(cell["source"] for cell in cells if not cell["count"])
    raise AssertionError(f"not every cell had run after {timeout:g} s; the first one that had not:\n{waiting}")


def run_code(page, code: str) -> None:
    """Run code in the notebook's kernel and wait until it is done."""
    page.evaluate(
        """async code => {
             const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
             await kernel.requestExecute({ code, store_history: false }).done;
           }""",
        code,
    )


def upload(page, name: str, content: bytes, panel: int = 0) -> None:
    """Choose a file with the upload button of a panel, as a person does."""
    with page.expect_file_chooser() as chooser:
        panels(page).nth(panel).locator(".widget-upload").click()
    chooser.value.set_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})


def panels(page):
    """Return the locator of the panels on the page."""
    return page.locator(".workbench-panel")


def wait_for_figure(page, timeout: float = 30) -> None:
    """Wait until the first panel shows a drawn figure."""
    page.locator(".workbench-panel .js-plotly-plot .main-svg:visible").first.wait_for(timeout=timeout * 1000)


def set_theme(page, dark: bool) -> None:
    """Switch JupyterLab to its dark or its light theme."""
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    page.wait_for_function(
        "light => document.body.dataset.jpThemeLight === light", arg="false" if dark else "true", timeout=15_000
    )
    page.wait_for_timeout(300)


def screenshot(page, name: str) -> Path | None:
    """Save a picture of the page to the folder of ``WORKBENCH_SCREENSHOTS``; do nothing when that is unset."""
    folder = os.environ.get("WORKBENCH_SCREENSHOTS")
    if not folder:
        return None
    path = Path(folder).expanduser() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    return path


def slider_handle(page, label: str, panel: int = 0):
    """Return the locator of the handle of the slider whose label contains ``label``."""
    control = panels(page).nth(panel).locator(".widget-inline-hbox", has=page.locator(".widget-label", has_text=label))
    return control.locator(".noUi-handle").first


def assert_slider_moves_curve(page, label: str, key: str = "ArrowRight", panel: int = 0, timeout: float = 10) -> float:
    """Press a key on a slider and check that what its panel's visible figures draw has changed.

    Returns:
        Milliseconds from the key press to the first change of the drawing.
    """
    wait_for_figure(page)
    shown = panels(page).nth(panel)
    handle = slider_handle(page, label, panel)
    handle.scroll_into_view_if_needed()
    handle.focus()
    before = settled_drawing(page, panel)
    value = handle.get_attribute("aria-valuetext")
    shown.evaluate(_WATCH)
    handle.press(key)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if shown.evaluate(_DRAWN) != before:
            watch = page.evaluate("() => window.workbenchWatch")
            return watch.get("drawn", 0) - watch.get("pressed", 0)
        page.wait_for_timeout(20)
    now = handle.get_attribute("aria-valuetext")
    raise AssertionError(f"slider {label!r} went from {value} to {now} and no curve changed within {timeout:g} s")


def settled_drawing(page, panel: int = 0) -> list[str]:
    """Return the marks that the visible figures of a panel draw, once they no longer change."""
    shown = panels(page).nth(panel)
    drawing = shown.evaluate(_DRAWN)
    for _ in range(50):
        page.wait_for_timeout(150)
        again = shown.evaluate(_DRAWN)
        if again == drawing and any(drawing):
            return drawing
        drawing = again
    return drawing


def overflowing(page) -> list[str]:
    """Return descriptions of visible elements of the panels that stick out of their panel or cut off their own text."""
    return page.evaluate("""() => {
      const found = [];
      for (const panel of document.querySelectorAll(".workbench-panel")) {
        const edge = panel.getBoundingClientRect();
        for (const element of panel.querySelectorAll("button, label, input, select, textarea, .widget-label, .slider-container, "
            + ".widget-readout, .js-plotly-plot, .main-svg, .legend, .gtitle, .workbench-say, .lm-TabBar-tabLabel")) {
          const box = element.getBoundingClientRect();
          if (!element.checkVisibility() || box.width === 0) continue;
          const name = `${element.tagName}.${element.getAttribute("class")} ${(element.textContent || "").slice(0, 40)}`;
          if (box.right > edge.right + 1.5 || box.left < edge.left - 1.5) found.push(`sticks out: ${name}`);
          const title = element.matches(".legend") && element.closest(".js-plotly-plot").querySelectorAll(".gtitle, .xtitle");
          for (const text of title || []) {
            const other = text.getBoundingClientRect();
            if (other.bottom > box.top && other.top < box.bottom) found.push(`overlaps the legend: ${text.textContent}`);
          }
          const cut = element.matches(".widget-label, button, .workbench-say, .lm-TabBar-tabLabel, .widget-readout");
          if (cut && element.scrollWidth > element.clientWidth + 1) found.push(`cut off: ${name}`);
        }
      }
      return found;
    }""")


_CONTRAST = """
  const channels = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(at).backgroundColor);
      if (r !== undefined && a > 0.5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const contrast = (element, colour) => {
    const [front, back] = [luminance(channels(colour)), luminance(behind(element))];
    return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  };
  const seen = element => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
"""


def show_view(page, view: str, panel: int = 0) -> None:
    """Look at a view of a panel, and wait until it is drawn."""
    panels(page).nth(panel).get_by_role("tab", name=view).click()
    panels(page).nth(panel).scroll_into_view_if_needed()
    settled_drawing(page, panel)


def cut_off_at_700(page, view: str, name: str) -> list[str]:
    """Return what is cut off or sticks out when a view is looked at in a window of 700 pixels, and take a picture of it."""
    page.set_viewport_size({"width": 700, "height": 1100})
    show_view(page, view)
    for _ in range(20):  # a plot that was hidden follows the width when it is looked at
        page.wait_for_timeout(500)
        if not (found := overflowing(page)):
            break
    screenshot(page, name)
    page.set_viewport_size({"width": 1280, "height": 1000})
    return found


def text_contrasts(page) -> dict[str, float]:
    """Return the contrast of each visible text of the panels with the page behind it, by the first words of the text."""
    return page.evaluate(
        "() => {"
        + _CONTRAST
        + """
      const result = {};
      const texts = document.querySelectorAll(".workbench-panel text, .workbench-panel .widget-label, .workbench-panel button, "
        + ".workbench-panel select, .workbench-panel .widget-readout, .workbench-panel .workbench-say, "
        + ".workbench-panel .lm-TabBar-tabLabel, .workbench-panel label");
      for (const element of texts) {
        const text = (element.value || element.textContent || "").trim();
        const style = getComputedStyle(element);
        const colour = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
        if (text && seen(element)) result[text.slice(0, 40)] = contrast(element, colour);
      }
      return result;
    }"""
    )


def line_contrasts(page) -> list[float]:
    """Return the contrast of each visible curve of the panels with the page behind it."""
    return page.evaluate(
        "() => {"
        + _CONTRAST
        + """
      return [...document.querySelectorAll(".workbench-panel .js-plotly-plot .lines path.js-line")].filter(seen)
        .map(line => contrast(line, getComputedStyle(line).stroke));
    }"""
    )
