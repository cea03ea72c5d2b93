
const COLUMNS = ["corpus_id", "row", "id", "class", "decision", "new_class", "note"];
const WORDS = { keep: "kept", reject: "rejected", unsure: "unsure", relabel: "is in fact" };
const N = DATA.own.length;
const KEY = "skclip-report:" + DATA.report_id;
const classOf = (row) => DATA.classes[DATA.own[row]];
const idOf = (row) => (DATA.ids === null ? "" : DATA.ids[row]);

const decisions = new Map(); // row -> {decision, new_class, note}
const history = []; // lists of [row, what was decided before]

// What is kept between visits. A sandboxed frame has no storage: then it is in memory only.
const storage = {
  read() {
    try { return JSON.parse(localStorage.getItem(KEY) ?? "[]"); } catch { return null; }
  },
  write() {
    try { localStorage.setItem(KEY, JSON.stringify([...decisions])); return true; } catch { return false; }
  },
};

function say(text) { byId("said").textContent = text; }

// Decisions ------------------------------------------------------------------

function decide(changes, message) {
  history.push(changes.map(([row]) => [row, decisions.get(row)]));
  put(changes);
  say(message);
}

function put(changes) {
  for (const [row, value] of changes) {
    if (value) decisions.set(row, value); else decisions.delete(row);
    refresh(row);
  }
  afterChange();
}

function afterChange() {
  byId("storage").hidden = storage.write();
  byId("undo").disabled = history.length === 0;
  byId("text").value = asCsv();
  count();
}

function undo() {
  const changes = history.pop();
  if (!changes) return say("Nothing to undo.");
  put(changes);
  const row = changes[0]?.[0];
  if (row !== undefined) pager.focus(row);
  say(changes.length === 1 ? "Undone: " + describe(row) : "Undone: " + changes.length + " decisions");
}

function describe(row) {
  const value = decisions.get(row);
  const what = value ? WORDS[value.decision] + (value.new_class ? " " + value.new_class : "") : "undecided";
  return classOf(row) + ", row " + row + ": " + what + ".";
}

function answer(row, kind, newClass = "") {
  const before = decisions.get(row);
  const value = { decision: kind, new_class: newClass, note: before?.note ?? "" };
  decide([[row, value]], "");
  say(describe(row) + " " + decisions.size + " of " + N + " decided.");
}

// Export and import ----------------------------------------------------------

function records() {
  return [...decisions.keys()].sort((a, b) => a - b).map((row) => ({
    corpus_id: DATA.corpus_id ?? "", row, id: idOf(row), class: classOf(row), ...decisions.get(row),
  }));
}

// A cell that begins as a formula would be run by a spreadsheet.
const guarded = (cell) => (/^'*[=+\-@\t\r]/.test(cell) ? "'" + cell : cell);
const unguarded = (cell) => (/^''*[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell);
const quoted = (cell) => (/[",\r\n]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell);

function asCsv() {
  const lines = records().map((one) => COLUMNS.map((name) => quoted(guarded(String(one[name])))).join(","));
  return [COLUMNS.join(","), ...lines].join("\n") + "\n";
}

function parseCsv(text) {
  const rows = [];
  let row = [], cell = "", inQuotes = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inQuotes) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i++; } else inQuotes = false;
    } else if (c === '"' && cell === "") inQuotes = true;
    else if (c === ",") { row.push(cell); cell = ""; }
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i++;
      rows.push([...row, cell]); row = []; cell = "";
    } else cell += c;
  }
  if (cell || row.length) rows.push([...row, cell]);
  const [header, ...body] = rows.filter((one) => one.length > 1 || one[0] !== "");
  return body.map((cells) => Object.fromEntries(header.map((name, i) => [name, unguarded(cells[i] ?? "")])));
}

function download(name, text, type) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(decisions.size + " decisions exported to " + name + ".");
}

function load(text, name) {
  const rows = name.toLowerCase().endsWith(".json") ? JSON.parse(text) : parseCsv(text.replace(/^\ufeff/, ""));
  if (!Array.isArray(rows)) throw new Error("it is no list of decisions");
  const rowsOf = new Map();
  for (let row = 0; row < N; row++) {
    const key = idOf(row) + "\u0000" + classOf(row);
    if (!rowsOf.has(key)) rowsOf.set(key, []);
    rowsOf.get(key).push(row);
  }
  const changes = [];
  let unused = 0;
  for (const one of rows) {
    const text = (column) => String(one[column] ?? "");
    if (!(text("decision") in WORDS)) throw new Error("it has the decision '" + text("decision") + "'");
    if (text("corpus_id") && DATA.corpus_id && text("corpus_id") !== DATA.corpus_id) {
      throw new Error("it is about the collection " + text("corpus_id"));
    }
    const value = { decision: text("decision"), new_class: text("new_class"), note: text("note") };
    const row = text("row") === "" ? -1 : Number(text("row"));
    const same = row >= 0 && row < N && idOf(row) === text("id") && classOf(row) === text("class");
    const found = same ? [row] : text("id") ? rowsOf.get(text("id") + "\u0000" + text("class")) ?? [] : [];
    if (!found.length) unused++;
    changes.push(...found.map((at) => [at, value]));
  }
  decide(changes, "");
  say(changes.length + " decisions imported" + (unused ? ", " + unused + " are about other images." : "."));
}

// Which images, in which order -----------------------------------------------

const STATES = {
  all: ["all", () => true],
  undecided: ["undecided", (row) => !decisions.has(row)],
  decided: ["decided", (row) => decisions.has(row)],
  keep: ["kept by me", (row) => decisions.get(row)?.decision === "keep"],
  reject: ["rejected by me", (row) => decisions.get(row)?.decision === "reject"],
  relabel: ["of another class", (row) => decisions.get(row)?.decision === "relabel"],
  unsure: ["unsure", (row) => decisions.get(row)?.decision === "unsure"],
  ...(DATA.kept && {
    passed: ["kept by the filter", (row) => DATA.kept[row] === 1],
    dropped: ["rejected by the filter", (row) => DATA.kept[row] === 0],
  }),
  ...(DATA.group && { duplicates: ["with duplicates", (row) => DATA.group[row] > 0] }),
  pictureless: ["without picture", (row) => DATA.thumbnails[row] === null],
};
const SORTS = {
  class: ["class", (row) => DATA.own[row]],
  row: ["row", (row) => row],
  ...(DATA.own_probability && {
    doubtful: ["least probable first", (row) => DATA.own_probability[row]],
    probable: ["most probable first", (row) => -DATA.own_probability[row]],
    image: ["least similar image first", (row) => DATA.image_similarity[row]],
  }),
  ...(DATA.text_similarity && { text: ["least similar caption first", (row) => DATA.text_similarity[row]] }),
  ...(DATA.group && { group: ["duplicate group", (row) => DATA.group[row] || Infinity] }),
};
const haystack = [];

function contains(row, words) {
  haystack[row] ??= [classOf(row), idOf(row), (DATA.captions?.[row] ?? []).join("")].join("\n").toLowerCase();
  return words.every((word) => haystack[row].includes(word));
}

function select() {
  const own = byId("own").value, label = byId("label").value;
  const state = STATES[byId("state").value][1], key = SORTS[byId("sort").value][1];
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  pager.headingOf = byId("sort").value === "class" ? classOf : () => null;
  pager.show(ordered(N, (row) =>
    (own === "" || DATA.own[row] === Number(own))
    && (label !== "same" || DATA.label[row] === DATA.own[row])
    && (label !== "other" || DATA.label[row] !== DATA.own[row])
    && (["", "same", "other"].includes(label) || DATA.label[row] === Number(label))
    && state(row) && contains(row, words), key));
}

// Drawing --------------------------------------------------------------------

const cardOf = (row) => byId("row-" + row);

function facts(row) {
  const list = element("ul", { class: "facts" });
  const add = (name, value, differs) =>
    list.append(element("li", { class: differs ? "differs" : null }, name + " ", element("strong", {}, value)));
  if (DATA.label) {
    const label = DATA.label[row], differs = label !== DATA.own[row];
    add("text says", label < 0 ? "nothing" : DATA.classes[label] + " " + percent(DATA.probability[row]), differs);
    if (differs && DATA.own_probability[row] !== null) add("own class", percent(DATA.own_probability[row]));
    if (DATA.image_similarity[row] !== null) add("image and name", DATA.image_similarity[row].toFixed(2));
  }
  if (DATA.text_similarity && DATA.text_similarity[row] !== null) {
    add("caption and name", DATA.text_similarity[row].toFixed(2));
  }
  if (DATA.kept) add("filter", DATA.kept[row] ? "keeps it" : "rejects it", !DATA.kept[row]);
  if (DATA.group && DATA.group[row]) add("duplicate group", String(DATA.group[row]));
  return list;
}

function card(row) {
  const id = idOf(row);
  const button = (kind, text) =>
    element("button", { type: "button", "data-answer": kind, tabindex: -1 }, text);
  const node = element("article", { class: "card", id: "row-" + row, "data-row": row, tabindex: -1 },
    picture(row, classOf(row)),
    DATA.captions ? caption(DATA.captions[row]) : null,
    facts(row),
    id ? element("p", { class: "id" }, id.length > 80 ? "…" + id.slice(-79) : id) : null,
    element("p", { class: "said" }),
    element("div", { class: "answers" }, button("keep", "Keep"), button("reject", "Reject"), button("unsure", "Unsure")),
    element("input", { list: "classes", "data-field": "class", placeholder: "another class", "aria-label": "Another class", tabindex: -1 }),
    element("input", { "data-field": "note", placeholder: "note", "aria-label": "Note", tabindex: -1 }));
  dress(node, row);
  return node;
}

function dress(node, row) {
  const value = decisions.get(row);
  node.className = value ? "card " + value.decision : "card";
  for (const button of node.querySelectorAll("[data-answer]")) {
    button.setAttribute("aria-pressed", String(button.dataset.answer === value?.decision));
  }
  node.querySelector(".said").textContent = value
    ? WORDS[value.decision] + (value.new_class ? " " + value.new_class : "") : "";
  node.querySelector("[data-field=class]").value = value?.new_class ?? "";
  node.querySelector("[data-field=note]").value = value?.note ?? "";
  node.setAttribute("aria-label", describe(row) + " " + (DATA.captions?.[row] ?? []).join(""));
}

function refresh(row) {
  const node = cardOf(row);
  if (node) dress(node, row);
}

function count() {
  byId("count").textContent = pager.order.length + " of " + N + " images shown, " + decisions.size + " decided.";
}

// What the user does ----------------------------------------------------------

const KEYS = { y: "keep", n: "reject", u: "unsure" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest("input, select, textarea");
  if (field) {
    if (event.key === "Escape" && field.closest(".card")) pager.focus(pager.active);
    return;
  }
  const row = event.target.closest(".card") ? pager.active : null;
  if (event.key === "z") undo();
  else if (event.key === "/") byId("search").focus();
  else if (row === null) return;
  else if (event.key in KEYS) { answer(row, KEYS[event.key]); pager.move(1); }
  else if (event.key === "r") cardOf(row).querySelector("[data-field=class]").focus();
  else if (!pager.arrow(event.key)) return;
  event.preventDefault();
});

byId("grid").addEventListener("click", (event) => {
  const node = event.target.closest(".card");
  if (!node) return;
  const row = Number(node.dataset.row), kind = event.target.dataset.answer;
  if (!kind) return;
  if (decisions.get(row)?.decision === kind) decide([[row, undefined]], classOf(row) + ", row " + row + ": undecided.");
  else answer(row, kind);
});

byId("grid").addEventListener("change", (event) => {
  const row = Number(event.target.closest(".card").dataset.row), before = decisions.get(row);
  const value = event.target.value.trim();
  if (event.target.dataset.field === "note") {
    decide([[row, { decision: "unsure", new_class: "", ...before, note: value }]], "Noted.");
  } else if (value === "" || value === classOf(row)) {
    if (before?.decision === "relabel") decide([[row, undefined]], "Undecided again.");
  } else if (DATA.classes.includes(value)) answer(row, "relabel", value);
  else { say("There is no class " + value + "."); refresh(row); }
});

for (const id of ["own", "label", "state", "sort"]) byId(id).addEventListener("change", select);
byId("search").addEventListener("input", select);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("undo").addEventListener("click", undo);
byId("csv").addEventListener("click", () => download("decisions.csv", asCsv(), "text/csv"));
byId("json").addEventListener("click", () => download("decisions.json", JSON.stringify(records(), null, 1), "application/json"));
byId("forget").addEventListener("click", () => decide([...decisions.keys()].map((row) => [row, undefined]), "All forgotten; undo brings them back."));
byId("import").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  try { load(await file.text(), file.name); } catch (error) { say(file.name + " cannot be used: " + error.message + "."); }
  event.target.value = "";
});
for (const button of document.querySelectorAll("[data-own]")) {
  button.addEventListener("click", () => {
    byId("own").value = button.dataset.own;
    byId("label").value = button.dataset.label;
    select();
    byId("images").focus();
  });
}

const names = DATA.classes.map((name, i) => [i, name]);
fillSelect(byId("own"), [["", "all"], ...names]);
fillSelect(byId("label"), DATA.label ? [["", "any"], ["same", "the same"], ["other", "another"], ...names] : [["", "any"]]);
byId("label").disabled = !DATA.label;
fillSelect(byId("state"), Object.entries(STATES).map(([value, [text]]) => [value, text]));
fillSelect(byId("sort"), Object.entries(SORTS).map(([value, [text]]) => [value, text]));
for (const name of DATA.classes) byId("classes").append(element("option", { value: name }));
pager.card = card;
pager.afterDraw = count;
pager.listen();
const kept = storage.read();
for (const [row, value] of kept ?? []) if (row < N && value?.decision in WORDS) decisions.set(row, value);
select();
afterChange();
