/** The table of workers. */
import { KeyedList, element, setAttribute, setText } from "./dom.mjs";
import { ago, bytes, count, duration, figure } from "./format.mjs";

/** As in shared/pool-view.ts. */
const CLEARLY_SLOWER = 1 / 0.9;

export class WorkerTable {
  #list;
  #none;

  constructor(table, none) {
    this.#none = none;
    this.#list = new KeyedList(table.tBodies[0], ({ id }) => id, makeRow);
  }

  /** `hasRuns`: several, so that each is named. */
  update(workers, now, hasRuns) {
    const fastest = Math.max(0, ...workers.map(({ samples_per_second: speed }) => speed ?? 0));
    this.#list.update(workers.map((worker) => ({ ...worker, fastest, now, hasRuns })));
    this.#none.hidden = workers.length > 0;
  }
}

function makeRow({ id }) {
  const name = element("th", { scope: "row" }, id);
  const slowest = element("span", { class: "chip", "data-level": "warning", hidden: "" }, "slowest");
  name.append(" ", slowest);
  const state = element("span", { class: "chip" });
  const note = element("span", { class: "note" });
  const holds = element("td", { class: "roomy holds" });
  const speed = element("span");
  const slower = element("span", { class: "note", hidden: "" });
  const bar = element("i", { class: "speed", "aria-hidden": "true" });
  const cells = ["number roomy", "number roomy", "number roomy", "number roomy", "roomy", "number"].map(
    (kind) => element("td", { class: kind }),
  );
  const node = element(
    "tr",
    {},
    name,
    element("td", {}, state, note),
    holds,
    element("td", { class: "number speed-cell" }, speed, bar, slower),
    ...cells,
  );
  const update = (worker) => {
    slowest.hidden = !worker.slowest;
    setText(state, worker.state);
    setAttribute(state, "data-state", worker.state);
    setText(note, worker.note);
    note.hidden = worker.note === "";
    setText(holds, holdsWords(worker));
    slower.hidden = !(worker.times_slower > CLEARLY_SLOWER);
    setText(slower, slower.hidden ? "" : `${worker.times_slower.toFixed(1)}x slower`);
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

/** What it holds and for how long, or why it gets nothing. */
function holdsWords({ holds, hasRuns, rests_seconds: rests }) {
  if (holds === null) return rests > 0 ? `rests for ${duration(rests)}` : "–";
  const overdue = holds.deadline_seconds < 0 ? ", overdue" : "";
  return `${hasRuns ? `${holds.run}: ` : ""}${holds.unit} · ${duration(holds.held_seconds)}${overdue}`;
}
