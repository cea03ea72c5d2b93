
const N = DATA.predicted.length;
const nameOf = (code) => (code < 0 ? "none" : DATA.classes[code]);
const isRight = (row) => DATA.true[row] === DATA.predicted[row];

const STATES = {
  all: ["all", () => true],
  ...(DATA.true && { wrong: ["wrong", (row) => !isRight(row)], right: ["right", isRight] }),
};
const SORTS = {
  least: ["least confident first", (row) => DATA.confidence[row]],
  most: ["most confident first", (row) => -DATA.confidence[row]],
  row: ["row", (row) => row],
  predicted: ["predicted class", (row) => DATA.predicted[row]],
  ...(DATA.true && { true: ["true class", (row) => DATA.true[row]] }),
};

function select() {
  const truth = byId("true").value, predicted = byId("predicted").value;
  const state = STATES[byId("state").value][1], key = SORTS[byId("sort").value][1];
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  pager.show(ordered(N, (row) => {
    const text = [DATA.ids?.[row] ?? "", nameOf(DATA.predicted[row]), DATA.true ? nameOf(DATA.true[row]) : ""];
    return (truth === "" || DATA.true[row] === Number(truth))
      && (predicted === "" || DATA.predicted[row] === Number(predicted))
      && state(row) && words.every((word) => text.join("\n").toLowerCase().includes(word));
  }, key));
}

function neighbours(row) {
  const found = DATA.neighbors?.[row] ?? [];
  if (!found.length) return null;
  return element("details", {}, element("summary", {}, "Nearest images"),
    element("ul", { class: "strip" }, ...found.map(([at, cosine]) => {
      const one = DATA.sources[at], words = nameOf(one.class) + ", " + one.kind + ", " + cosine.toFixed(2);
      return element("li", {}, picture(one.thumbnail, words), words);
    })));
}

function card(row) {
  const right = !DATA.true || isRight(row), id = DATA.ids?.[row] ?? "";
  const words = nameOf(DATA.predicted[row]) + " " + percent(DATA.confidence[row]);
  const list = element("ul", { class: "facts" });
  const add = (name, value, differs) =>
    list.append(element("li", { class: differs ? "differs" : null }, name + " ", element("strong", {}, value)));
  add("predicted", words, !right);
  if (DATA.true) add("true", nameOf(DATA.true[row]));
  for (const [code, probability] of DATA.runners[row]) add("then", nameOf(code) + " " + percent(probability));
  return element("article", {
    class: right ? "card" : "card wrong", id: "row-" + row, "data-row": row, tabindex: -1,
    "aria-label": words + (right ? "" : ", in truth " + nameOf(DATA.true[row])),
  },
  picture(row, words), list,
  id ? element("p", { class: "id" }, id.length > 80 ? "…" + id.slice(-79) : id) : null,
  neighbours(row));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
  if (event.key === "/") byId("search").focus();
  else if (!event.target.closest(".card") || !pager.arrow(event.key)) return;
  event.preventDefault();
});

const names = DATA.classes.map((name, i) => [i, name]);
fillSelect(byId("true"), [["", "any"], ...(DATA.true ? names : [])]);
byId("true").disabled = !DATA.true;
fillSelect(byId("predicted"), [["", "any"], ...names]);
fillSelect(byId("state"), Object.entries(STATES).map(([value, [text]]) => [value, text]));
fillSelect(byId("sort"), Object.entries(SORTS).map(([value, [text]]) => [value, text]));
for (const id of ["true", "predicted", "state", "sort"]) byId(id).addEventListener("change", select);
byId("search").addEventListener("input", select);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
for (const button of document.querySelectorAll("[data-true]")) {
  button.addEventListener("click", () => {
    byId("true").value = button.dataset.true;
    byId("predicted").value = button.dataset.predicted;
    select();
    byId("images").focus();
  });
}
pager.card = card;
pager.afterDraw = () => { byId("count").textContent = pager.order.length + " of " + N + " images shown."; };
pager.listen();
select();
