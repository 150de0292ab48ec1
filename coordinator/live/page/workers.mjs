/** The table of workers. */
import { KeyedList, element, setAttribute, setText } from "./dom.mjs";
import { ago, bytes, count, duration, figure } from "./format.mjs";

export class WorkerTable {
  #list;
  #none;

  constructor(table, none) {
    this.#none = none;
    this.#list = new KeyedList(table.tBodies[0], ({ id }) => id, makeRow);
  }

  update(workers, now) {
    const fastest = Math.max(0, ...workers.map(({ samples_per_second: speed }) => speed ?? 0));
    this.#list.update(workers.map((worker) => ({ ...worker, fastest, now })));
    this.#none.hidden = workers.length > 0;
  }
}

function makeRow({ id }) {
  const name = element("th", { scope: "row" }, id);
  const slowest = element("span", { class: "chip", "data-level": "warning", hidden: "" }, "slowest");
  name.append(" ", slowest);
  const state = element("span", { class: "chip" });
  const note = element("span", { class: "note" });
  const speed = element("span");
  const bar = element("i", { class: "speed", "aria-hidden": "true" });
  const cells = ["number roomy", "number roomy", "number roomy", "number roomy", "roomy", "number"].map(
    (kind) => element("td", { class: kind }),
  );
  const node = element(
    "tr",
    {},
    name,
    element("td", {}, state, note),
    element("td", { class: "number speed-cell" }, speed, bar),
    ...cells,
  );
  const update = (worker) => {
    slowest.hidden = !worker.slowest;
    setText(state, worker.state);
    setAttribute(state, "data-state", worker.state);
    setText(note, worker.note);
    note.hidden = worker.note === "";
    setText(speed, figure(worker.samples_per_second));
    const share = worker.fastest === 0 ? 0 : (worker.samples_per_second ?? 0) / worker.fastest;
    bar.style.setProperty("--share", share.toFixed(3));
    node.classList.toggle("gone", worker.state === "gone");
    const texts = [
      duration(worker.step_seconds),
      count(worker.samples),
      worker.rss_bytes === 0 ? "–" : bytes(worker.rss_bytes),
      count(worker.retries),
      worker.engine,
      ago(worker.last_seen, worker.now),
    ];
    for (const [i, text] of texts.entries()) setText(cells[i], text);
  };
  return { node, update };
}
