/** The sweeps: how far each is, what it has found, and why trials went on or were stopped. */
import { KeyedList, element, setAttribute, setText } from "./dom.mjs";
import { clock, count, duration, figure, percent } from "./format.mjs";
import { SHORT_ID, TrialTable, metricText } from "./trials.mjs";

/** In the order in which the bar shows them. */
const STATES = ["done", "running", "waiting", "stopped", "failed"];

/** Term, and its value for a sweep; the best values come before them. */
const FIGURES = [
  [
    "trials",
    ({ trials, planned }) =>
      planned === null ? count(all(trials)) : `${count(over(trials))} / ${count(planned)}`,
  ],
  ["images seen", ({ samples }) => count(samples)],
  ["speed", ({ samples_per_second: speed }) => (speed > 0 ? `${figure(speed)} images/s` : "–")],
  ["elapsed", ({ seconds }) => duration(seconds)],
  ["time left", ({ eta_seconds: eta }) => duration(eta)],
];

const all = (trials) => STATES.reduce((sum, state) => sum + trials[state], 0);
const over = ({ done, stopped, failed }) => done + stopped + failed;

/** Share of the trials that are over; null while nobody can say how many there will be. */
export function shareOver({ trials, planned }) {
  return planned === null ? null : Math.min(1, over(trials) / Math.max(1, planned));
}

export class SweepCards {
  #list;

  constructor(parent) {
    this.#list = new KeyedList(parent, ({ name }) => name, makeCard);
  }

  update(sweeps) {
    this.#list.update(sweeps);
  }
}

function makeCard({ name }) {
  const title = element("h3");
  const state = element("span", { class: "chip" });
  const setting = element("p", { class: "setting" });
  const counts = new Counts();
  const figures = element("dl");
  const figureList = new KeyedList(figures, ({ term }) => term, makeFigure);
  const rungs = new Rungs(name);
  const decisions = new Decisions(name);
  const table = new TrialTable(name);
  const node = element(
    "article",
    { class: "sweep" },
    element("header", {}, title, state),
    setting,
    counts.node,
    figures,
    element("div", { class: "pair" }, rungs.node, decisions.node),
    table.node,
  );
  let shown;
  const update = (sweep) => {
    if (sweep === shown) return;
    shown = sweep;
    const hasTitle = sweep.title !== "" && sweep.title !== name;
    setText(title, hasTitle ? sweep.title : name);
    setText(state, sweep.state);
    setAttribute(state, "data-phase", phaseOf(sweep.state));
    setText(setting, [...(hasTitle ? [name] : []), ...sweep.objectives.map(aimOf)].join(" · "));
    counts.update(sweep);
    figureList.update([
      ...sweep.objectives.map((objective) => bestOf(sweep, objective)),
      ...FIGURES.map(([term, valueOf]) => ({ term, value: valueOf(sweep) })),
    ]);
    rungs.update(sweep.rungs);
    decisions.update(sweep.decisions);
    table.update(sweep);
  };
  return { node, update };
}

/** Phases of runs have the colours already. */
function phaseOf(state) {
  return state === "running" ? "training" : state === "cancelled" ? "interrupted" : state;
}

const aimOf = ({ metric, goal }) => `${goal} ${metric}`;

/** With one objective the first trial is the best; with several no order serves all of them. */
function bestOf({ best, objectives }, { metric, goal }) {
  const ranked = objectives.length === 1 ? best.slice(0, 1) : best;
  const values = ranked.map(({ metrics }) => metrics[metric]).filter((value) => value !== undefined);
  const value = values.length === 0 ? undefined : Math[goal === "maximize" ? "max" : "min"](...values);
  return { term: `best ${metric}`, value: metricText(metric, value) };
}

function makeFigure({ term }) {
  const value = element("dd");
  const node = element("div", {}, element("dt", {}, term), value);
  return { node, update: (item) => setText(value, item.value) };
}

/** Trials by state: a bar of shares, and the same in figures. */
class Counts {
  #segments = new Map(STATES.map((state) => [state, element("i", { "data-state": state })]));
  #words = element("span", { class: "bar-words" });
  #numbers = new Map(STATES.map((state) => [state, element("strong")]));
  #entries = new Map(
    STATES.map((state) => [
      state,
      element(
        "li",
        {},
        element("i", { "data-state": state, "aria-hidden": "true" }),
        element("span", {}, this.#numbers.get(state), ` ${state}`),
      ),
    ]),
  );
  node = element(
    "div",
    {},
    element(
      "div",
      { class: "bar" },
      element("div", { class: "stack", "aria-hidden": "true" }, ...this.#segments.values()),
      this.#words,
    ),
    element("ul", { class: "counts" }, ...this.#entries.values()),
  );

  update(sweep) {
    const { trials, planned } = sweep;
    const whole = Math.max(1, planned ?? 0, all(trials));
    const share = shareOver(sweep);
    setText(
      this.#words,
      share === null ? `${count(over(trials))} over` : `${percent(share, share === 1 ? 0 : 1)} over`,
    );
    for (const state of STATES) {
      this.#segments.get(state).style.setProperty("--share", (trials[state] / whole).toFixed(4));
      setText(this.#numbers.get(state), count(trials[state]));
      setAttribute(this.#entries.get(state), "class", trials[state] === 0 ? "none" : undefined);
    }
  }
}

/** How many trials came how far. */
class Rungs {
  #list;
  #none = element("p", { class: "empty" }, "No trial was measured yet.");
  #table;

  constructor(name) {
    const body = element("tbody");
    const head = ["rung", "images", "trials", ""].map((words, i) =>
      words === ""
        ? element("td")
        : element("th", { scope: "col", class: i === 0 ? undefined : "number" }, words),
    );
    this.#table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), body);
    this.#list = new KeyedList(body, ({ rung }) => rung, makeRung);
    const title = element("h4", {}, "Rungs", element("span", { class: "unseen" }, ` of ${name}`));
    this.node = element("section", { class: "box rungs" }, title, this.#table, this.#none);
  }

  update(rungs) {
    this.#none.hidden = rungs.length > 0;
    this.#table.hidden = rungs.length === 0;
    const most = Math.max(1, ...rungs.map(({ count: trials }) => trials));
    this.#list.update(rungs.map((rung) => ({ ...rung, share: rung.count / most })));
  }
}

function makeRung({ rung }) {
  const samples = element("td", { class: "number" });
  const trials = element("td", { class: "number" });
  const bar = element("i", { class: "speed", "aria-hidden": "true" });
  const node = element(
    "tr",
    {},
    element("th", { scope: "row" }, String(rung)),
    samples,
    trials,
    element("td", { class: "wide" }, bar),
  );
  const update = (item) => {
    setText(samples, count(item.samples));
    setText(trials, count(item.count));
    bar.style.setProperty("--share", item.share.toFixed(3));
  };
  return { node, update };
}

/** The newest decisions, each with its reason. */
class Decisions {
  #items = element("ul", { class: "waits" });
  #list = new KeyedList(this.#items, ({ key }) => key, makeDecision);
  #none = element("p", { class: "empty" }, "None so far.");

  constructor(name) {
    const label = `Newest decisions of ${name}`;
    const scroll = element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label });
    scroll.append(this.#items, this.#none);
    this.node = element("section", { class: "box decisions" }, element("h4", {}, "Newest decisions"), scroll);
  }

  update(decisions) {
    this.#none.hidden = decisions.length > 0;
    this.#list.update(
      decisions.map((one) => ({ ...one, key: `${one.trial} ${one.rung} ${one.decision} ${one.time}` })),
    );
  }
}

function makeDecision({ trial, id, rung, decision, reason, time }) {
  const words = [
    element("time", { datetime: new Date(time).toISOString() }, clock(time)),
    element("span", { class: "chip", "data-decision": decision }, decision),
    element("strong", {}, `trial ${trial} (${id.slice(0, SHORT_ID)})`),
    element("span", { class: "message" }, `rung ${rung}: ${reason}`),
  ];
  return { node: element("li", {}, ...words), update: () => undefined };
}
