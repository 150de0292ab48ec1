/** A line chart in SVG, with bands for intervals, a reading under the pointer and the same numbers as a table. */
import { element, setAttribute, setText, shape } from "./dom.mjs";
import { linearScale, logScale } from "./scale.mjs";

const EDGE = { left: 46, right: 10, top: 10, bottom: 30 };
const HEIGHT = 210;
const MOST_ROWS = 60;
let nextId = 0;

/**
 * `title`, `x` and `y` (what the axes show), `formatX`, `formatY`, `yRange` (fixed) or `log` (y axis).
 * A line is `{ name, colour, points: [[x, y]], band: [[x, low, high]], marks: [[x, y]] }`.
 */
export class Chart {
  #options;
  #lines = [];
  #parts = new Map();
  #width = 0;
  #scales;
  #ticksDrawn = "";
  #drawing = 0;

  constructor(options) {
    this.#options = options;
    const id = `chart-${nextId++}`;
    this.title = element("span", { class: "chart-title" }, options.title);
    this.note = element("span", { class: "chart-note" });
    this.description = shape("desc", { id: `${id}-text` });
    this.grid = shape("g", { class: "grid" });
    this.plot = shape("g");
    this.cursor = shape("line", { class: "cursor", visibility: "hidden" });
    this.svg = shape(
      "svg",
      { role: "img", "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-text`, height: HEIGHT },
      this.description,
      this.grid,
      this.plot,
      this.cursor,
    );
    this.title.id = `${id}-title`;
    this.reading = element("div", { class: "reading", "aria-hidden": "true", hidden: "" });
    this.table = element("table");
    this.details = element(
      "details",
      {},
      element("summary", {}, "as a table", element("span", { class: "unseen" }, `: ${options.title}`)),
      element(
        "div",
        {
          class: "scroll short",
          tabindex: "0",
          role: "region",
          "aria-label": `${options.title}, as a table`,
        },
        this.table,
      ),
    );
    this.node = element(
      "figure",
      { class: "chart" },
      element("figcaption", {}, this.title, this.note),
      element("div", { class: "canvas" }, this.svg, this.reading),
      this.details,
    );
    this.details.addEventListener("toggle", () => this.#fillTable());
    this.svg.addEventListener("pointermove", (event) => this.#read(event));
    this.svg.addEventListener("pointerleave", () => this.#unread());
    this.observer = new ResizeObserver(([entry]) => {
      this.#width = entry.contentRect.width;
      this.#plan();
    });
    this.observer.observe(this.svg.parentNode ?? this.node);
  }

  end() {
    this.observer.disconnect();
    cancelAnimationFrame(this.#drawing);
  }

  update(lines, note = "") {
    this.#lines = lines;
    setText(this.note, note);
    this.#plan();
  }

  /** Drawn with the next frame; a page that nobody sees has none. */
  #plan() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    if (this.#width === 0) return;
    setAttribute(this.svg, "viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#scales = this.#scalesOf();
    this.#drawAxes();
    const names = new Set(this.#lines.map(({ name }) => name));
    for (const [name, part] of this.#parts) {
      if (names.has(name)) continue;
      part.group.remove();
      this.#parts.delete(name);
    }
    for (const line of this.#lines) this.#drawLine(line);
    setText(this.description, this.#words());
    if (this.details.open) this.#fillTable();
  }

  #scalesOf() {
    const { yRange, log, xRange } = this.#options;
    const all = this.#lines.flatMap(({ points, marks, band }) => [
      ...points,
      ...(marks ?? []),
      ...(band ?? []).flatMap(([x, low, high]) => [
        [x, low],
        [x, high],
      ]),
    ]);
    const xs = all.map(([x]) => x);
    const ys = all.map(([, y]) => y).filter((y) => y !== null && (!log || y > 0));
    const [xLow, xHigh] = xRange?.(this.#lines) ?? [Math.min(...xs), Math.max(...xs)];
    const wide = Math.max(2, Math.floor(this.#width / 80));
    const x = linearScale(xs.length === 0 ? 0 : xLow, xs.length === 0 ? 1 : xHigh, wide);
    if (yRange !== undefined) return { x, y: linearScale(...yRange, 5) };
    if (ys.length === 0) return { x, y: linearScale(0, 1, 4) };
    const low = Math.min(...ys);
    const high = Math.max(...ys);
    return { x, y: log ? logScale(low * 0.9, high * 1.1) : linearScale(Math.min(0, low), high, 5) };
  }

  #x(value) {
    return EDGE.left + this.#scales.x.place(value) * (this.#width - EDGE.left - EDGE.right);
  }

  #y(value) {
    return EDGE.top + (1 - this.#scales.y.place(value)) * (HEIGHT - EDGE.top - EDGE.bottom);
  }

  /** Made anew only when other values are written at them. */
  #drawAxes() {
    const { formatX, formatY, x, y } = this.#options;
    const { x: across, y: up } = this.#scales;
    const right = this.#width - EDGE.right;
    const bottom = HEIGHT - EDGE.bottom;
    const key = JSON.stringify([
      this.#width,
      across.ticks.map((value) => [value, this.#x(value).toFixed(1)]),
      up.ticks.map((value) => [value, this.#y(value).toFixed(1)]),
    ]);
    if (key === this.#ticksDrawn) return;
    this.#ticksDrawn = key;
    const rows = up.ticks.map((value) => {
      const at = this.#y(value).toFixed(1);
      return shape(
        "g",
        {},
        shape("line", { x1: EDGE.left, x2: right, y1: at, y2: at }),
        shape("text", { x: EDGE.left - 6, y: at, dy: "0.32em", "text-anchor": "end" }, formatY(value)),
      );
    });
    const columns = across.ticks.map((value, i) => {
      const at = this.#x(value).toFixed(1);
      const isLast = i === across.ticks.length - 1 && Number(at) > right - 14;
      const anchor = isLast ? "end" : "middle";
      return shape(
        "text",
        { x: isLast ? right + 6 : at, y: bottom + 14, "text-anchor": anchor },
        formatX(value),
      );
    });
    const label = shape("text", { x: right, y: HEIGHT - 3, "text-anchor": "end", class: "axis" }, x);
    const base = shape("line", { x1: EDGE.left, x2: right, y1: bottom, y2: bottom, class: "base" });
    this.grid.replaceChildren(...rows, base, ...columns, label);
    void y;
  }

  #drawLine({ name, colour, points, band, marks, isHollow }) {
    let part = this.#parts.get(name);
    if (part === undefined) {
      part = {
        band: shape("path", { class: "band" }),
        line: shape("path", { class: "line" }),
        marks: shape("path"),
      };
      part.group = shape("g", {}, part.band, part.line, part.marks);
      this.#parts.set(name, part);
      this.plot.append(part.group);
    }
    setAttribute(part.group, "class", `c${colour % 8}${colour >= 8 ? " dashed" : ""}`);
    setAttribute(part.line, "d", this.#path(points));
    setAttribute(part.band, "d", this.#bandPath(band ?? []));
    setAttribute(part.marks, "class", isHollow ? "marks hollow" : "marks");
    setAttribute(part.marks, "d", this.#dots(marks ?? []));
  }

  #path(points) {
    let path = "";
    let isOpen = false;
    for (const [x, y] of points) {
      if (y === null || (this.#options.log && !(y > 0))) {
        isOpen = false;
        continue;
      }
      path += `${isOpen ? "L" : "M"}${this.#x(x).toFixed(1)} ${this.#y(y).toFixed(1)}`;
      isOpen = true;
    }
    return path;
  }

  #bandPath(band) {
    if (band.length === 0) return "";
    const upper = band.map(([x, , high]) => `${this.#x(x).toFixed(1)} ${this.#y(high).toFixed(1)}`);
    const lower = band.map(([x, low]) => `${this.#x(x).toFixed(1)} ${this.#y(low).toFixed(1)}`).reverse();
    return `M${[...upper, ...lower].join("L")}Z`;
  }

  #dots(marks) {
    const radius = 3.2;
    return marks
      .filter(([, y]) => y !== null)
      .map(([x, y]) => {
        const left = (this.#x(x) - radius).toFixed(1);
        return `M${left} ${this.#y(y).toFixed(1)}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0`;
      })
      .join("");
  }

  /** For those who cannot see it: where each line is now. */
  #words() {
    const { x, y, formatX, formatY } = this.#options;
    const ends = this.#lines.flatMap(({ name, points }) => {
      const last = points.at(-1);
      return last === undefined || last[1] === null
        ? []
        : [`${name} ${formatY(last[1])} at ${formatX(last[0])}`];
    });
    return `${y} against ${x}. ${ends.join("; ")}`;
  }

  // ---- Readings -----------------------------------------------------------------------------------------------

  #read(event) {
    if (this.#scales === undefined || this.#lines.length === 0) return;
    const { formatX, formatY, x } = this.#options;
    const box = this.svg.getBoundingClientRect();
    const at = event.clientX - box.left;
    const near = this.#lines.flatMap((line) => {
      const point = nearest(line.points, (value) => Math.abs(this.#x(value) - at));
      return point === undefined ? [] : [{ line, point }];
    });
    const first = near.toSorted(
      (a, b) => Math.abs(this.#x(a.point[0]) - at) - Math.abs(this.#x(b.point[0]) - at),
    )[0];
    if (first === undefined) return this.#unread();
    const place = this.#x(first.point[0]);
    for (const [name, value] of Object.entries({
      x1: place,
      x2: place,
      y1: EDGE.top,
      y2: HEIGHT - EDGE.bottom,
    }))
      setAttribute(this.cursor, name, value.toFixed(1));
    setAttribute(this.cursor, "visibility", "visible");
    this.reading.replaceChildren(
      element("strong", {}, `${x} ${formatX(first.point[0])}`),
      ...near.map(({ line, point }) =>
        element(
          "span",
          { class: `entry c${line.colour % 8}` },
          element("i", { class: "swatch" }),
          `${line.name} ${formatY(point[1])}`,
        ),
      ),
    );
    this.reading.hidden = false;
    this.reading.classList.toggle("left", place > this.#width / 2);
  }

  #unread() {
    setAttribute(this.cursor, "visibility", "hidden");
    this.reading.hidden = true;
  }

  /** At most so many rows, evenly over the curve. */
  #fillTable() {
    if (!this.details.open) return;
    const { x, y, formatX, formatY } = this.#options;
    const all = [...new Set(this.#lines.flatMap(({ points }) => points.map(([at]) => at)))].sort(
      (a, b) => a - b,
    );
    const every = Math.ceil(all.length / MOST_ROWS);
    const rows = all.filter((_, i) => i % every === 0 || i === all.length - 1);
    const columns = this.#lines.map(({ points }) => new Map(points));
    const cell = (column, at) =>
      element("td", { class: "number" }, column.has(at) ? formatY(column.get(at)) : "");
    this.table.replaceChildren(
      element("caption", {}, `${y}, by ${x}`),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, x),
          ...this.#lines.map(({ name }) => element("th", { scope: "col", class: "number" }, name)),
        ),
      ),
      element(
        "tbody",
        {},
        ...rows.map((at) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, formatX(at)),
            ...columns.map((column) => cell(column, at)),
          ),
        ),
      ),
    );
  }
}

function nearest(points, distance) {
  let best;
  for (const point of points) {
    if (point[1] === null) continue;
    if (best === undefined || distance(point[0]) < distance(best[0])) best = point;
  }
  return best;
}
