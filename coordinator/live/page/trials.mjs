/** The best trials of a sweep as a table that is sorted by any of its columns. */
import { KeyedList, element, setAttribute, setText } from "./dom.mjs";
import { count } from "./format.mjs";

/** Shares are read as percentages. */
const SHARES = /^(clean$|accuracy\(|error\(|worst\()/;
/** Of an id, or of a hash. */
export const SHORT_ID = 8;
/** What is said of a trial that misses a constraint; its mark stands where no narrow window cuts it off. */
const MISSES = /\bmisses\b/;

export function metricText(name, value) {
  if (value === undefined) return "–";
  return SHARES.test(name) ? `${(100 * value).toFixed(2)} %` : String(Number(value.toPrecision(4)));
}

function valueText(value) {
  if (value === undefined) return "–";
  if (typeof value === "number") return String(Number(value.toPrecision(4)));
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `valueOf` is what is sorted by, `kind` the class of its cells. */
const FIXED = [
  {
    ...{ key: "rank", label: "rank", kind: "number" },
    valueOf: ({ rank }) => rank,
    textOf: ({ rank, note }) => (MISSES.test(note) ? `${rank} ×` : String(rank)),
  },
  { key: "trial", label: "trial", kind: "number", valueOf: ({ number }) => number },
  {
    ...{ key: "id", label: "id", kind: "roomy hash" },
    valueOf: ({ id }) => id,
    textOf: ({ id }) => id.slice(0, SHORT_ID),
  },
  { key: "state", label: "state", kind: "", valueOf: ({ state }) => state },
  { key: "rung", label: "rung", kind: "number roomy", valueOf: ({ rung }) => rung },
];

/** Shown beside the objectives; of other metrics there may be dozens. */
const MAIN = ["clean"];

/**
 * Those of every trial, then what any of them has: what is wanted, values, a remark; and behind these, shown when asked for,
 * the other metrics and the weights.
 */
function columnsOf(metricNames, objectives, paths) {
  const isMain = (name) => MAIN.includes(name) || objectives.has(name);
  const metricColumn = (name) => ({
    ...{ key: `metric ${name}`, label: name, kind: isMain(name) ? "number" : "number more" },
    valueOf: ({ metrics: own }) => own[name],
    textOf: ({ metrics: own }) => metricText(name, own[name]),
  });
  const main = metricNames.filter(isMain).map(metricColumn);
  const others = metricNames.filter((name) => !isMain(name)).map(metricColumn);
  const values = paths.map((path) => ({
    ...{ key: `value ${path}`, label: path, kind: "value" },
    valueOf: ({ values: own }) => own[path],
    textOf: ({ values: own }) => valueText(own[path]),
  }));
  const weights = {
    ...{ key: "weights", label: "weights", kind: "hash more" },
    valueOf: ({ weights: hash }) => (hash === "" ? undefined : hash),
    textOf: ({ weights: hash }) => (hash === "" ? "–" : hash.slice(0, SHORT_ID)),
  };
  const remark = {
    ...{ key: "remark", label: "remark", kind: "remark" },
    valueOf: ({ note }) => (note === "" ? undefined : note),
    textOf: ({ note }) => note,
  };
  return [...FIXED, ...main, ...values, remark, ...others, weights];
}

/** What is not there comes last, whatever the direction. */
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return valueText(a).localeCompare(valueText(b), "en", { numeric: true });
}

/** "train.learning_rate" in two lines where there is no room for one. */
function breakable(label) {
  return label.split(/(?<=\(|, |[a-z]\.)/).flatMap((part, i) => (i === 0 ? [part] : [element("wbr"), part]));
}

export class TrialTable {
  #head = element("tr");
  #body = element("tbody");
  #none = element("p", { class: "empty" }, "No trial was measured yet.");
  #note = element("span", { class: "chart-note" });
  #more = element("button", { type: "button", class: "more-columns", "aria-expanded": "false" });
  #scroll;
  #list;
  #columns = [];
  /** Names only come: a table whose columns change their places cannot be read, nor used with the keyboard. */
  #metrics = new Set();
  #objectives = new Set();
  #paths = new Set();
  #buttons = new Map();
  #order = { key: "rank", isDown: false };
  #sweep;

  constructor(name) {
    this.#scroll = element(
      "div",
      { class: "scroll tall", role: "region", tabindex: "0", "aria-label": `Best trials of ${name}` },
      element("table", {}, element("thead", {}, this.#head), this.#body),
    );
    const title = element("h4", {}, "Best trials");
    this.node = element(
      "section",
      { class: "trials" },
      element("div", { class: "heading" }, title, this.#more, this.#note),
      this.#scroll,
      this.#none,
    );
    this.#more.addEventListener("click", () => this.#expand(!this.#isWhole));
  }

  get #isWhole() {
    return this.node.hasAttribute("data-whole");
  }

  #expand(isWhole) {
    setAttribute(this.node, "data-whole", isWhole ? "" : undefined);
    setAttribute(this.#more, "aria-expanded", isWhole);
    this.#show();
  }

  update(sweep) {
    this.#sweep = sweep;
    const before = this.#metrics.size + this.#paths.size;
    for (const { metric } of sweep.objectives) {
      this.#metrics.add(metric);
      this.#objectives.add(metric);
    }
    for (const { metrics, values } of sweep.best) {
      for (const name of Object.keys(metrics)) this.#metrics.add(name);
      for (const path of Object.keys(values)) this.#paths.add(path);
    }
    if (this.#columns.length === 0 || this.#metrics.size + this.#paths.size > before)
      this.#setColumns(columnsOf([...this.#metrics], this.#objectives, [...this.#paths]));
    this.#show();
  }

  /** Rare: a new metric or parameter came. */
  #setColumns(columns) {
    this.#columns = columns;
    this.#buttons = new Map(columns.map((column) => [column.key, this.#buttonOf(column)]));
    this.#head.replaceChildren(
      ...columns.map(({ key, kind }) => element("th", { scope: "col", class: kind }, this.#buttons.get(key))),
    );
    this.#body.replaceChildren();
    this.#list = new KeyedList(
      this.#body,
      ({ id }) => id,
      () => makeRow(columns),
    );
  }

  #buttonOf({ key, label }) {
    const button = element("button", { type: "button", class: "sort" }, ...breakable(label));
    button.addEventListener("click", () => {
      const { key: before, isDown } = this.#order;
      // Numbers are looked at from the largest on, but for places.
      const first = key !== "rank" && key !== "trial" && key !== "state";
      this.#order = { key, isDown: before === key ? !isDown : first };
      this.#show();
    });
    return button;
  }

  #show() {
    const { best, trials } = this.#sweep;
    const { key, isDown } = this.#order;
    const { valueOf } = this.#columns.find((column) => column.key === key);
    const rows = best.map((trial, i) => ({ ...trial, rank: i + 1 }));
    const known = rows.filter((row) => valueOf(row) !== undefined);
    known.sort((a, b) => (isDown ? -1 : 1) * compare(valueOf(a), valueOf(b)));
    this.#list.update([...known, ...rows.filter((row) => valueOf(row) === undefined)]);
    for (const [own, button] of this.#buttons) {
      const direction = own !== key ? undefined : isDown ? "descending" : "ascending";
      setAttribute(button.parentNode, "aria-sort", direction);
    }
    const all = Object.values(trials).reduce((sum, one) => sum + one, 0);
    setText(this.#note, best.length === 0 ? "" : `${count(best.length)} of ${count(all)}`);
    const more = this.#columns.filter(({ kind }) => kind.includes("more")).length;
    setText(this.#more, this.#isWhole ? "fewer columns" : `${more} more columns`);
    this.#more.hidden = best.length === 0;
    this.#scroll.hidden = best.length === 0;
    this.#none.hidden = best.length > 0;
  }
}

function makeRow(columns) {
  const cells = columns.map(({ key, kind }) =>
    key === "trial" ? element("th", { scope: "row", class: kind }) : element("td", { class: kind }),
  );
  const at = (key) => cells[columns.findIndex((column) => column.key === key)];
  const state = element("span", { class: "chip" });
  at("state").append(state);
  const remark = element("span", { class: "clamp" });
  at("remark").append(remark);
  const update = (trial) => {
    setText(state, trial.state);
    setAttribute(state, "data-trial", trial.state);
    setText(remark, trial.note);
    setAttribute(remark, "title", trial.note === "" ? undefined : trial.note);
    setAttribute(node, "data-remark", trial.note === "" ? undefined : "");
    for (const [i, { key, valueOf, textOf }] of columns.entries())
      if (key !== "state" && key !== "remark") setText(cells[i], textOf?.(trial) ?? String(valueOf(trial)));
  };
  const node = element("tr", {}, ...cells);
  return { node, update };
}
