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

function searchable(holder) {
  const rows = [...holder.querySelector("tbody").rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const line = document.createElement("label"), input = document.createElement("input");
  const count = document.createElement("span");
  line.className = "search";
  count.setAttribute("role", "status");
  input.type = "search";
  line.append("Search", input, count);
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !words.every((word) => texts[i].includes(word));
      shown += !row.hidden;
    });
    count.textContent = `${shown} of ${rows.length}`;
  };
  input.addEventListener("input", show);
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
  figure.append(line);
}

// The drawing that is there stays until the one that answers the pointer is complete. Expressions are interpreted, not
// compiled, so that the page's policy need not allow code that is made from text.
async function enliven(figure) {
  const specification = await specificationOf(figure);
  const place = document.createElement("div"), drawing = figure.querySelector(".drawing");
  place.hidden = true;
  drawing.after(place);
  await vegaEmbed(place, specification, { ast: true, renderer: "svg", actions: false });
  place.hidden = false;
  drawing.querySelector("svg").replaceWith(place);
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
document.documentElement.dataset.ready = "";
