"""What only the page can do for a panel: hand over a download, fill the width again, name the sliders for screen readers."""

from __future__ import annotations

import anywidget
import traitlets

from workbench.figures.theme import PAGE_CSS

_SCRIPT = """
function initialize({ model }) {
  model.on("msg:custom", (message, buffers) => {
    if (message.kind !== "download") return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([buffers[0]], { type: message.mime }));
    link.download = message.name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
}

function nameForScreenReaders(panel) {
  for (const control of panel.querySelectorAll(".jupyter-widgets.widget-inline-hbox")) {
    const label = control.querySelector(".widget-label")?.textContent;
    for (const handle of control.querySelectorAll(".noUi-handle")) {
      if (label && handle.getAttribute("aria-label") !== label) handle.setAttribute("aria-label", label);
    }
  }
  for (const plot of panel.querySelectorAll(".js-plotly-plot")) {
    const title = plot.querySelector(".gtitle")?.textContent ?? "figure";
    if (plot.getAttribute("aria-label") !== title) {
      plot.setAttribute("role", "figure");
      plot.setAttribute("aria-label", title);
    }
  }
}

function fillWidth(panel, widths) {
  let changed = false;
  for (const plot of panel.querySelectorAll(".js-plotly-plot")) {
    if (!plot.querySelector(".main-svg") || plot.clientWidth === 0 || plot.clientWidth === widths.get(plot)) continue;
    widths.set(plot, plot.clientWidth);
    changed = true;
  }
  if (changed) requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
}

function render({ el }) {
  const widths = new WeakMap();
  let resizes, changes, waiting = false;
  const later = setInterval(() => {
    const panel = el.closest(".workbench-panel");
    if (!panel) return;
    clearInterval(later);
    resizes = new ResizeObserver(() => fillWidth(panel, widths));
    resizes.observe(panel);
    const look = () => { waiting = false; nameForScreenReaders(panel); fillWidth(panel, widths); };
    changes = new MutationObserver(() => {
      if (!waiting) setTimeout(look, 200);
      waiting = true;
    });
    changes.observe(panel, { childList: true, subtree: true });
    look();
  }, 50);
  return () => { clearInterval(later); resizes?.disconnect(); changes?.disconnect(); };
}

export default { initialize, render };
"""

_STYLE = (
    PAGE_CSS
    + """
.workbench-panel { width: 100%; max-width: 100%; overflow: hidden; }
.workbench-panel .workbench-row { flex-flow: row wrap; align-items: center; gap: 2px 16px; overflow: hidden; }
.workbench-panel .workbench-row:empty { display: none; }
.workbench-panel .workbench-row > * { max-width: 100%; }
.workbench-panel .widget-label { max-width: none; }
.workbench-panel .slider-container { min-width: 110px; }
.workbench-panel .workbench-status { min-height: 24px; }
.workbench-panel .workbench-status .widget-html-content { line-height: 1.5; overflow-wrap: anywhere; white-space: normal; }
.workbench-panel .workbench-say { color: var(--jp-content-font-color1, inherit); border-left: 3px solid; padding-left: 8px; }
.workbench-panel .js-plotly-plot { width: 100%; }
.workbench-panel .jupyter-widgets.jupyter-widget-tab > .lm-TabBar { overflow: visible; }
.workbench-panel .jupyter-widget-tab > .lm-TabBar > .lm-TabBar-content { flex-wrap: wrap; }
.workbench-panel .jupyter-widgets.jupyter-widget-tab > .lm-TabBar .lm-TabBar-tab { flex: 0 0 auto; }
.workbench-panel .jupyter-widgets.jupyter-widget-tab > .widget-tab-contents { background: transparent; }
"""
)


class Page(anywidget.AnyWidget):
    """An invisible widget through which Python reaches the page that shows a panel."""

    _esm = traitlets.Unicode(_SCRIPT).tag(sync=True)
    _css = traitlets.Unicode(_STYLE).tag(sync=True)

    def download(self, name: str, content: bytes, mime: str) -> None:
        """Make the browser save ``content`` as a file called ``name``, wherever the kernel runs."""
        self.send({"kind": "download", "name": name, "mime": mime}, buffers=[content])
