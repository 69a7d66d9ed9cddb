// What a report does beyond being read: tables sort and are searched, pictures answer the pointer and give their data.
"use strict";

// --- tables -------------------------------------------------------------------------------------------------------
const spoken = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// "0.521 ± 0.013", "+0.045", "1 min 05 s", "3.2 s": what a cell is sorted by.
function sortKey(text) {
  const time = text.match(/^(?:(\d+) h )?(?:(\d+) min )?(\d+(?:\.\d+)?) s$/);
  if (time) return 3600 * (time[1] ?? 0) + 60 * (time[2] ?? 0) + Number(time[3]);
  const number = text.replace("−", "-").match(/^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?= |$|\n)/i);
  return number ? Number(number[0]) : text;
}

function inOrder(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // numbers first, absent values behind them
  return spoken.compare(a, b);
}

function sortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 2) return;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => [sortKey(row.cells[column].textContent.trim()), row]);
      keyed.sort(([a], [b]) => (falling ? inOrder(b, a) : inOrder(a, b)));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}

// A number is found as a whole: 1 finds neither 10 nor 0.1, and "1 %" no seed 1. Other words are found in parts.
const joined = (text) => text.toLowerCase().replace(/\s+%/g, "%");

function finder(word) {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const number = /^[+-]?[\d.]+(e[+-]?\d+)?%?$/.test(word), ends = /[=\s][^=]*\d$/.test(word) || number;
  return new RegExp(`${number ? "(?<![\\w.+-])" : ""}${escaped}${ends ? "(?![\\w.])" : ""}`);
}

const CHOSEN = ["arm", "condition", "status"]; // columns whose values can be picked from a list
const MOST_CHOICES = 60;

function choice(name, column, rows) {
  const label = document.createElement("label"), select = document.createElement("select");
  const values = [...new Set(rows.map((row) => row.cells[column].textContent))];
  select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
  select.dataset.column = name;
  label.append(name, select);
  return { label, select, column, count: values.length };
}

function searchable(holder) {
  const rows = [...holder.querySelector("tbody").rows];
  const texts = rows.map((row) => joined([...row.cells].map((cell) => cell.textContent).join("\n")));
  const heads = [...holder.querySelector("thead").rows[0].cells].map((head) => head.textContent);
  const choices = CHOSEN.map((name) => choice(name, heads.indexOf(name), rows)).filter(
    ({ count }) => count > 1 && count <= MOST_CHOICES,
  );
  const line = document.createElement("div"), label = document.createElement("label");
  const input = document.createElement("input"), count = document.createElement("span");
  line.className = "search";
  count.setAttribute("role", "status");
  input.type = "search";
  label.append("Search", input);
  line.append(...choices.map((one) => one.label), label, count);
  const show = () => {
    const words = joined(input.value).split(/\s+/).filter(Boolean).map(finder);
    let shown = 0;
    rows.forEach((row, i) => {
      const chosen = choices.every(({ select, column }) => !select.value || row.cells[column].textContent === select.value);
      row.hidden = !(chosen && words.every((word) => word.test(texts[i])));
      shown += !row.hidden;
    });
    count.textContent = `${shown} of ${rows.length}`;
  };
  line.addEventListener("input", show);
  show();
  holder.before(line);
}

document.querySelectorAll("table").forEach(sortable);
document.querySelectorAll("[data-searched]").forEach(searchable);

// --- pictures -----------------------------------------------------------------------------------------------------
function* rowsOf(part) {
  if (Array.isArray(part)) for (const inner of part) yield* rowsOf(inner);
  else if (part && typeof part === "object")
    for (const [name, inner] of Object.entries(part))
      if (name === "datasets") yield* Object.values(inner).flat();
      else yield* rowsOf(inner);
}

function asCsv(specification) {
  const rows = [...rowsOf(specification)], columns = [...new Set(rows.flatMap(Object.keys))];
  const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = rows.map((row) => columns.map((name) => quoted(String(row[name] ?? ""))).join(","));
  return [columns.join(","), ...lines].join("\n") + "\n";
}

function give(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function specificationOf(figure) {
  const packed = Uint8Array.from(atob(figure.querySelector("script").textContent), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

function withData(figure) {
  const line = document.createElement("p");
  line.className = "data";
  const kinds = [
    ["data as CSV", "csv", "text/csv", asCsv],
    ["specification as JSON", "vl.json", "application/json", (specification) => JSON.stringify(specification, null, 1)],
  ];
  kinds.forEach(([label, ending, type, make], i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", async () =>
      give(`${figure.id}.${ending}`, make(await specificationOf(figure)), type),
    );
    line.append(i ? ", " : "", button);
  });
  const told = document.createElement("p");
  told.className = "unseen";
  told.setAttribute("role", "status");
  if (figure === document.querySelector("figure")) line.append("; arrow keys walk the points of a picture in focus");
  figure.append(line, told);
}

// --- on a phone ----------------------------------------------------------------------------------------------------
const phone = matchMedia("(max-width: 40rem)");

// The same picture in one column, each panel so wide.
function inOneColumn(part, width) {
  if (Array.isArray(part)) return part.map((inner) => inOneColumn(inner, width));
  if (!part || typeof part !== "object") return part;
  const made = {};
  for (const [name, inner] of Object.entries(part))
    if (name === "datasets" || name === "data" || name === "config") made[name] = inner;
    else if (name === "columns") made.columns = 1;
    else if (name === "width") made.width = width;
    else if (name === "labelLimit") made.labelLimit = 110;
    else made[name === "hconcat" ? "vconcat" : name] = inOneColumn(inner, width);
  return made;
}

function forPhone(specification, width) {
  const config = { ...specification.config, padding: 5 };
  config.legend = { ...config.legend, columns: 2, columnPadding: 12 };
  return { ...inOneColumn(specification, width), config };
}

// --- points that answer --------------------------------------------------------------------------------------------
// Arrow keys walk the points that tell something, means only where there are means; Escape leaves.
function walkable(figure, drawing, view) {
  const told = figure.querySelector("[role=status]");
  let at = -1;
  const points = () => {
    const all = [...drawing.querySelectorAll(".mark-symbol path, .mark-rect path")].filter(
      (mark) => mark.__data__?.tooltip && typeof mark.__data__.tooltip === "object",
    );
    const means = all.filter((mark) => mark.__data__.datum.kind === "mean");
    return means.length ? means : all;
  };
  const leave = () => {
    drawing.querySelector(".chosen")?.classList.remove("chosen");
    view().tooltip()(view(), new MouseEvent("mouseout"), null, null);
  };
  const tell = (mark) => {
    leave();
    mark.classList.add("chosen");
    mark.scrollIntoView({ block: "nearest" });
    const item = mark.__data__, box = mark.getBoundingClientRect();
    const where = new MouseEvent("mousemove", { clientX: box.right, clientY: box.bottom });
    view().tooltip()(view(), where, item, item.tooltip);
    told.textContent = Object.entries(item.tooltip).map(([name, value]) => `${name}: ${value}`).join(", ");
  };
  drawing.tabIndex = 0;
  drawing.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") leave();
    if (!step) return;
    event.preventDefault();
    const found = points();
    at = (at + step + found.length) % found.length || 0;
    if (found[at]) tell(found[at]);
  };
  drawing.onblur = leave;
}

// The drawing that is there stays until the one that answers the pointer is complete. Expressions are interpreted, not
// compiled, so that the page's policy need not allow code that is made from text.
async function embedded(place, specification) {
  const { view } = await vegaEmbed(place, specification, { ast: true, renderer: "svg", actions: false });
  return view;
}

async function enliven(figure) {
  const specification = await specificationOf(figure), drawing = figure.querySelector(".drawing");
  const place = document.createElement("div"), room = drawing.clientWidth;
  const live = drawing.firstElementChild;
  let view;
  place.className = "unseen";
  drawing.append(place);
  if (phone.matches) {
    const first = Math.max(120, room - 150);
    view = await embedded(place, forPhone(specification, first));
    const left = room - place.querySelector("svg").width.baseVal.value;
    if (Math.abs(left) > 4) view = await embedded(place, forPhone(specification, Math.max(100, first + left)));
  } else view = await embedded(place, specification);
  place.className = "";
  live.replaceWith(place);
  walkable(figure, drawing, () => view);
  figure.dataset.live = "";
}

const seen = new IntersectionObserver(
  (entries) =>
    entries
      .filter((entry) => entry.isIntersecting)
      .forEach(({ target }) => {
        seen.unobserve(target);
        enliven(target);
      }),
  { rootMargin: "200px" },
);
document.querySelectorAll("figure").forEach((figure) => {
  withData(figure);
  seen.observe(figure);
});
phone.addEventListener("change", () => document.querySelectorAll("figure[data-live]").forEach(enliven));

// --- on paper ------------------------------------------------------------------------------------------------------
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((details) => (details.open = true));
});
addEventListener("afterprint", () => closed.forEach((details) => (details.open = false)));
document.documentElement.dataset.ready = "";
