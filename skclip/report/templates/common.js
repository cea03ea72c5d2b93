"use strict";
// What comes from the data is set as text and never as HTML.
const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function picture(index, description) {
  const content = DATA.thumbnails[index];
  if (content === null) {
    return element("span", { class: "picture none", role: "img", "aria-label": description }, "no picture");
  }
  const src = DATA.folder
    ? DATA.folder + "/" + content
    : "data:image/webp;base64," + content;
  return element("img", { class: "picture", src, alt: description, loading: "lazy" });
}

const percent = (value) => (100 * value).toFixed(value > 0.995 || value < 0.1 ? 1 : 0) + " %";

function fillSelect(select, options) {
  for (const [value, text] of options) select.append(element("option", { value }, text));
}

function caption(pieces) {
  return element("p", { class: "caption", dir: "auto" },
    ...pieces.map((piece, i) => (i % 2 ? element("mark", {}, piece) : piece)));
}

// One page of images at a time, so that the document stays small.
const PER_PAGE = 60;
const pager = {
  order: [], page: 0, active: null,
  card: null, headingOf: () => null, afterDraw: () => {},

  shown() { return this.order.slice(this.page * PER_PAGE, (this.page + 1) * PER_PAGE); },
  show(order) { this.order = order; this.page = 0; this.active = null; this.draw(); },
  turn(to) { this.page = to; this.draw(); },

  draw() {
    const grid = byId("grid"), rows = this.shown();
    grid.replaceChildren();
    let list = null, last = null;
    for (const row of rows) {
      const heading = this.headingOf(row);
      if (list === null || heading !== last) {
        last = heading;
        list = element("ul", { class: "cards" });
        if (heading !== null) grid.append(element("h3", {}, heading));
        grid.append(list);
      }
      list.append(element("li", {}, this.card(row)));
    }
    const pages = Math.max(1, Math.ceil(this.order.length / PER_PAGE));
    byId("page").textContent = "Page " + (this.page + 1) + " of " + pages;
    byId("previous").disabled = this.page === 0;
    byId("next").disabled = this.page + 1 >= pages;
    if (rows.length) this.activate(rows.includes(this.active) ? this.active : rows[0]);
    this.afterDraw();
  },

  // One image can be reached by Tab, the others from it by arrows.
  activate(row) {
    if (this.active !== null) this.reachable(this.active, -1);
    this.active = row;
    this.reachable(row, 0);
  },

  reachable(row, tabindex) {
    const node = byId("row-" + row);
    if (!node) return;
    for (const one of [node, ...node.querySelectorAll("button, input")]) one.tabIndex = tabindex;
  },

  focus(row) {
    const at = this.order.indexOf(row);
    if (at < 0) return;
    if (Math.floor(at / PER_PAGE) !== this.page) this.turn(Math.floor(at / PER_PAGE));
    this.activate(row);
    byId("row-" + row).focus();
  },

  move(step) {
    const to = this.order[this.order.indexOf(this.active) + step];
    if (to !== undefined) this.focus(to);
  },

  columns() {
    const list = byId("row-" + this.active).closest("ul");
    return getComputedStyle(list).gridTemplateColumns.split(" ").length;
  },

  // Returns whether the key was an arrow that moves.
  arrow(key) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns(), ArrowUp: -this.columns() };
    if (!(key in steps)) return false;
    this.move(steps[key]);
    return true;
  },

  listen() {
    byId("grid").addEventListener("focusin", (event) => {
      const node = event.target.closest(".card");
      if (node) this.activate(Number(node.dataset.row));
    });
    byId("previous").addEventListener("click", () => this.turn(this.page - 1));
    byId("next").addEventListener("click", () => { this.turn(this.page + 1); byId("images").focus(); });
  },
};

// Rows that pass a test, in ascending order of a key; rows without one come last.
function ordered(n, passes, key) {
  const rows = [];
  for (let row = 0; row < n; row++) if (passes(row)) rows.push([key(row) ?? Infinity, row]);
  rows.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return rows.map(([, row]) => row);
}
