"""The page part of the wall of hits: tiles that zoom into the match, two buttons each, arrow keys, and pictures that glide."""

from __future__ import annotations

from workbench.figures.theme import GREEN, GREY, VERMILLION

SCRIPT = """
const SVG = "http://www.w3.org/2000/svg";
const MARKS = { good: "✔", bad: "✖", unknown: "?" };

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function deaf(element) {
  element.setAttribute("data-lm-suppress-shortcuts", "true");  // a key that it gets is none of the notebook's
  return element;
}

function button(name, text, tip, act) {
  const element = deaf(make("button", name, text));
  element.type = "button";
  element.title = tip;
  element.addEventListener("click", event => { event.stopPropagation(); act(); });
  return element;
}

function draw(tag, values) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
  return element;
}

function outline(box, width, height) {
  const [x, y, right, bottom] = box;
  const air = 0.006 * width;  // so that the line does not cover what it shows
  const place = { x: x - air, y: y - air, width: right - x + 2 * air, height: bottom - y + 2 * air };
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(draw("rect", { ...place, class: "halo" }), draw("rect", { ...place, class: "match" }));
  return svg;
}

function zoomTo(box, width, height) {
  const [x, y, right, bottom] = box;
  const times = Math.max(1, Math.min(5, 0.55 * width / (right - x), 0.55 * height / (bottom - y)));
  // the centre of the match moves to the middle of the frame as far as the picture's edges allow
  const origin = (centre, side) => {
    const at = (times * centre - side / 2) / (times - 1 || 1);
    return `${100 * Math.min(1, Math.max(0, at / side))}%`;
  };
  return { times, origin: `${origin((x + right) / 2, width)} ${origin((y + bottom) / 2, height)}` };
}

function render({ model, el }) {
  const urls = new Map();
  const tiles = new Map();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let active = null;

  const root = make("div", "hit-wall");
  const tray = make("div", "hit-tray");
  const said = make("div", "hit-said");
  said.setAttribute("aria-live", "polite");
  const grid = make("div", "hit-grid");
  grid.setAttribute("role", "list");
  const help = make("div", "hit-help",
    "Point at a picture to look closer. Keys: arrows to move, + more like this, − not this, u to undo.");
  root.append(tray, said, grid, help);
  el.append(root);

  const send = (kind, id) => model.send({ kind, id });

  function url(id) {
    const bytes = model.get("pictures")[id];
    const known = urls.get(id);
    if (!bytes) return known ? known.url : "";
    if (known && known.size === bytes.byteLength) return known.url;
    if (known) URL.revokeObjectURL(known.url);
    const made = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    urls.set(id, { url: made, size: bytes.byteLength });
    return made;
  }

  function judge(kind, id) {
    const tile = tiles.get(id);
    if (!tile || tile.classList.contains("leaving")) return;
    tile.classList.add("leaving", kind === "more like this" ? "wanted" : "unwanted");
    if (tile.contains(document.activeElement)) {
      const order = [...grid.children];
      active = (order[order.indexOf(tile) + 1] ?? order[order.indexOf(tile) - 1])?.dataset.id ?? null;
    }
    send(kind, id);
  }

  function newTile(one) {
    const tile = deaf(make("div", "hit-tile"));
    tile.dataset.id = one.id;
    tile.setAttribute("role", "listitem");
    const frame = make("div", "hit-frame");
    const zoom = make("div", "hit-zoom");
    const image = make("img");
    image.alt = "";
    image.draggable = false;
    zoom.append(image);
    frame.append(zoom, make("span", "hit-mark"));
    const line = make("div", "hit-line");
    line.append(make("b", "hit-rank"), make("span", "hit-score"), make("span", "hit-name"));
    const acts = make("div", "hit-acts");
    acts.append(
      button("hit-more", "+ more like this", "Also look for what is in the box (key +)", () => judge("more like this", one.id)),
      button("hit-not", "− not this", "Avoid what is in the box (key −)", () => judge("not this", one.id)));
    tile.append(frame, line, acts);
    tile.addEventListener("focusin", () => activate(one.id));
    return tile;
  }

  function fill(tile, one) {
    tile.classList.remove("leaving", "wanted", "unwanted", "good", "bad", "unknown", "bare");
    tile.classList.add(one.mark);
    const zoom = tile.querySelector(".hit-zoom");
    const source = url(one.id);
    if (zoom.firstChild.getAttribute("src") !== source) zoom.firstChild.src = source;
    zoom.style.aspectRatio = `${one.width} / ${one.height}`;
    zoom.querySelector("svg")?.remove();
    if (one.box) {
      const { times, origin } = zoomTo(one.box, one.width, one.height);
      zoom.append(outline(one.box, one.width, one.height));
      zoom.style.setProperty("--times", times);
      zoom.style.transformOrigin = origin;
    } else zoom.style.setProperty("--times", 1);
    tile.querySelector(".hit-mark").textContent = one.words ? `${MARKS[one.mark]} ${one.words}` : "";
    tile.querySelector(".hit-rank").textContent = one.rank;
    tile.querySelector(".hit-score").textContent = one.score;
    tile.querySelector(".hit-name").textContent = one.id;
    tile.querySelector(".hit-name").title = one.id;
    tile.setAttribute("aria-label", `Hit ${one.rank}, ${one.id}, score ${one.score}${one.words ? ", " + one.words : ""}`);
  }

  function activate(id) {
    active = id;
    for (const [name, tile] of tiles) {
      tile.tabIndex = name === id ? 0 : -1;
      for (const act of tile.querySelectorAll("button")) act.tabIndex = name === id ? 0 : -1;
    }
  }

  function showTiles(shown) {
    const before = new Map([...tiles].map(([id, tile]) => [id, tile.getBoundingClientRect()]));
    const held = grid.contains(document.activeElement);
    const wanted = new Set(shown.map(one => one.id));
    for (const [id, tile] of tiles) if (!wanted.has(id)) { tile.remove(); tiles.delete(id); }
    for (const one of shown) {
      if (!tiles.has(one.id)) tiles.set(one.id, newTile(one));
      const tile = tiles.get(one.id);
      fill(tile, one);
      grid.append(tile);
    }
    if (!wanted.has(active)) active = shown[0]?.id ?? null;
    activate(active);
    if (held && active) tiles.get(active).focus({ preventScroll: true });
    if (still || !before.size) return;
    for (const [id, tile] of tiles) {
      const from = before.get(id), to = tile.getBoundingClientRect();
      const move = from && (from.left !== to.left || from.top !== to.top);
      if (move) tile.animate(
        [{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, { transform: "none" }],
        { duration: 260, easing: "cubic-bezier(.2, .8, .3, 1)" });
      if (!from) tile.animate([{ opacity: 0, transform: "scale(.9)" }, { opacity: 1, transform: "none" }],
        { duration: 260, easing: "ease-out" });
    }
  }

  function crop(one) {
    const [x, y, right, bottom] = one.box;
    const side = 1.25 * Math.max(right - x, bottom - y);
    const view = [(x + right - side) / 2, (y + bottom - side) / 2, side, side];
    const svg = draw("svg", { viewBox: view.join(" "), role: "img", "aria-label": `${one.words}: ${one.id}` });
    svg.append(draw("image", { href: url(one.id), width: one.width, height: one.height, preserveAspectRatio: "none" }));
    return svg;
  }

  function showTray(examples) {
    tray.replaceChildren();
    for (const one of examples) {
      const item = make("div", `hit-example ${one.kind}`);
      item.title = one.id;
      item.append(crop(one), make("span", "", one.words));
      if (one.kind !== "query") {
        const away = button("hit-away", "×", `Take back: ${one.words}, ${one.id}`, () => send("take back", one.id));
        away.setAttribute("aria-label", away.title);
        item.append(away);
      }
      tray.append(item);
    }
    if (examples.length > 1) tray.append(
      button("hit-undo", "↶ undo", "Take the last click back (key u)", () => send("undo", "")),
      button("hit-reset", "reset", "Take every click back", () => send("reset", "")));
  }

  function show() {
    const state = model.get("state");
    showTray(state.examples ?? []);
    said.textContent = state.said ?? "";
    showTiles(state.tiles ?? []);
    const known = new Set(Object.keys(model.get("pictures")));
    for (const [id, made] of urls) if (!known.has(id)) { URL.revokeObjectURL(made.url); urls.delete(id); }
  }

  root.addEventListener("keydown", event => {
    const tile = event.target.closest(".hit-tile");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const order = [...grid.children];
    const columns = order.filter(one => one.offsetTop === order[0].offsetTop).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (event.key === "u") send("undo", "");
    else if (tile && step) (order[order.indexOf(tile) + step] ?? tile).focus();
    else if (tile && (event.key === "+" || event.key === "=")) judge("more like this", tile.dataset.id);
    else if (tile && (event.key === "-" || event.key === "−")) judge("not this", tile.dataset.id);
    else return;
    event.preventDefault();
  });

  model.on("change:state", show);
  show();
  return () => {
    model.off("change:state", show);
    for (const made of urls.values()) URL.revokeObjectURL(made.url);
  };
}

export default { render };
"""

STYLE = (
    f"""
.hit-wall {{ --good: {GREEN}; --bad: {VERMILLION}; --plain: {GREY}; color: var(--jp-content-font-color1, inherit);
  font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; line-height: 1.35; width: 100%; }}
"""
    + """
.hit-tray { display: flex; flex-wrap: wrap; gap: 8px; align-items: flex-start; min-height: 78px; padding-top: 8px; }
.hit-example { position: relative; width: 60px; font-size: 11px; text-align: center; }
.hit-example svg { display: block; width: 56px; height: 56px; border: 2px solid var(--plain); border-radius: 6px; }
.hit-example.more svg { border-color: var(--good); }
.hit-example.not svg { border: 2px dashed var(--bad); }
.hit-wall button { font: inherit; cursor: pointer; border: 1px solid var(--plain); border-radius: 5px; min-height: 26px;
  background: var(--jp-layout-color1, transparent); color: inherit; padding: 2px 7px; white-space: nowrap; }
.hit-wall button:hover { background: var(--jp-layout-color2, rgba(128, 128, 128, .2)); }
.hit-wall button:focus-visible, .hit-tile:focus-visible { outline: 3px solid #0098FF; outline-offset: 1px; }
.hit-wall .hit-away { position: absolute; top: -4px; right: -4px; min-height: 20px; width: 20px; padding: 0; line-height: 1;
  border-radius: 50%; }
.hit-tray .hit-undo { margin-left: auto; }
.hit-said { min-height: 20px; margin: 4px 0 6px; }
.hit-grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(188px, 1fr)); gap: 10px; }
.hit-tile { min-width: 0; border-radius: 7px; transition: opacity .15s, transform .15s; }
.hit-tile.leaving { opacity: .35; transform: scale(.94); }
.hit-frame { position: relative; overflow: hidden; border: 3px solid var(--plain); border-radius: 7px; }
.hit-tile.good .hit-frame { border-color: var(--good); }
.hit-tile.bad .hit-frame { border: 3px dashed var(--bad); }
.hit-tile.unknown .hit-frame { border-style: dotted; }
.hit-tile.wanted .hit-frame { box-shadow: 0 0 0 4px var(--good); }
.hit-tile.unwanted .hit-frame { box-shadow: 0 0 0 4px var(--bad); }
.hit-zoom { position: relative; width: 100%; transition: transform .25s cubic-bezier(.2, .8, .3, 1); }
.hit-zoom img, .hit-zoom svg { display: block; position: absolute; inset: 0; width: 100%; height: 100%; }
.hit-zoom rect { fill: none; vector-effect: non-scaling-stroke; transition: stroke-width .25s; }
.hit-zoom .halo { stroke: rgba(0, 0, 0, .75); stroke-width: 3.6px; }
.hit-zoom .match { stroke: #FFFFFF; stroke-width: 1.6px; }
.hit-frame:hover .hit-zoom, .hit-tile:focus-visible .hit-zoom { transform: scale(var(--times)); }
.hit-frame:hover .halo, .hit-tile:focus-visible .halo { stroke-width: 1.3px; }
.hit-frame:hover .match, .hit-tile:focus-visible .match { stroke-width: .6px; }
.hit-mark { position: absolute; left: 4px; top: 4px; padding: 0 6px; border-radius: 4px; color: #FFFFFF; font-size: 12px;
  font-weight: 600; pointer-events: none; background: #5A5A5A; }
.hit-mark:empty { display: none; }
.hit-tile.good .hit-mark { background: var(--good); }
.hit-tile.bad .hit-mark { background: var(--bad); }
.hit-line { display: flex; gap: 8px; align-items: baseline; padding: 2px 2px 3px; }
.hit-rank::before { content: "#"; }
.hit-name { margin-left: auto; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; font-size: 11px; }
.hit-acts { display: flex; gap: 5px; }
.hit-acts button { flex: 1 1 auto; font-size: 12px; padding: 2px 4px; }
.hit-help { font-size: 12px; margin-top: 8px; }
@media (prefers-reduced-motion: reduce) { .hit-wall * { transition: none !important; } }
"""
)
