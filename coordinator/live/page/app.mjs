/** Wiring of the page: what comes in goes to the store, what is in the store is shown. */
import { Connection } from "./connection.mjs";
import { KeyedList, element, setAttribute, setText } from "./dom.mjs";
import { Announcer, EventList } from "./events.mjs";
import { clock, duration, percent } from "./format.mjs";
import { RobustnessCharts } from "./robustness.mjs";
import { RunCards } from "./runs.mjs";
import { Store } from "./store.mjs";
import { SweepCards, shareOver } from "./sweeps.mjs";
import { TrainingCharts } from "./training.mjs";
import { WaitingLists } from "./waiting.mjs";
import { WorkerTable } from "./workers.mjs";

/** The coordinator tells of its workers twice a second; this long without a word, and it hangs. */
const SILENT_MS = 10_000;

const byId = (id) => document.getElementById(id);
const store = new Store();
const colours = new Map();
/** The number of a run's colour: its own as long as the page is open. */
const colourOf = (name) => {
  if (!colours.has(name)) colours.set(name, colours.size);
  return colours.get(name);
};

const sweepCards = new SweepCards(byId("sweep-cards"));
const cards = new RunCards(byId("runs"), colourOf);
const training = new TrainingCharts(byId("training-charts"));
const robustness = new RobustnessCharts(byId("robustness-groups"), colourOf);
const workers = new WorkerTable(byId("workers"), byId("no-workers"));
const waiting = new WaitingLists(byId("waits"), byId("taken"));
const events = new EventList(byId("events"));
const announcer = new Announcer(byId("announcer"));
const legends = [...document.querySelectorAll("[data-legend]")].map(
  (parent) => new KeyedList(parent, ({ name }) => name, makeLegendEntry),
);

function makeLegendEntry({ name }) {
  const node = element("li", {}, element("i", { class: "swatch", "aria-hidden": "true" }), name);
  return { node, update: () => setAttribute(node, "class", `c${colourOf(name) % 8}`) };
}

// ---- What is shown ----------------------------------------------------------------------------------------------

let isPlanned = false;
/** With the next frame, however much came in before it; while nobody looks, not at all. */
function plan() {
  if (isPlanned) return;
  isPlanned = true;
  requestAnimationFrame(() => {
    isPlanned = false;
    show();
  });
}

function show() {
  if (store.isEmpty) return;
  const runs = [...store.runs.values()];
  const sweeps = [...store.sweeps.values()];
  for (const { name } of runs) colourOf(name);
  const { title, pool, version, phase, detail, started } = store.cluster;
  setText(byId("subject"), pool === "local" ? title : `${title} on ${pool}`);
  setText(byId("version"), `· saf ${version}`);
  byId("sweeps").hidden = sweeps.length === 0;
  sweepCards.update(sweeps);
  cards.update(runs);
  for (const legend of legends) legend.update(runs);
  const hasCurves = runs.some(({ training: t }) => t.loss !== null);
  byId("training").hidden = !hasCurves;
  if (hasCurves) training.update(runs, store.curves, colourOf);
  byId("robustness").hidden = !robustness.update(store.series);
  workers.update(store.workers, store.cluster.heard, runs.length > 1 || sweeps.length > 0);
  waiting.update(store);
  events.update(store.events, started);
  const words = clusterWords(phase, detail);
  byId("cluster-phase").hidden = words === "" && runs.length > 0;
  setText(byId("cluster-phase"), words === "" ? "No run has begun yet." : words);
  // The runs of a sweep are its trials.
  byId("runs-section").hidden = words === "" && runs.length === 0 && sweeps.length > 0;
  document.title = titleOf(runs, sweeps);
}

/** What the cluster as a whole does, while that is more than what its runs do. */
function clusterWords(phase, detail) {
  if (phase === "waiting") return `Waiting ${detail} …`;
  if (phase === "reporting") return `Writing the report: ${detail} …`;
  return phase === "failed" ? `It failed: ${detail}` : "";
}

function titleOf(runs, sweeps) {
  const active = runs.filter(({ outcome }) => outcome === null);
  if (active.length === 0 && sweeps.length > 0) return sweepTitle(sweeps);
  if (runs.length === 0) return "saf";
  if (active.length === 0) return runs.every(({ outcome }) => outcome.ok) ? "done · saf" : "failed · saf";
  const shareOf = ({ phase, training: t, evaluation: e }) => {
    const now = phase === "evaluating" && e !== null ? e : t;
    return now.total === 0 ? 0 : now.done / now.total;
  };
  const [first] = active;
  return `${percent(shareOf(first), 0)} ${first.phase} · ${first.name} · saf`;
}

function sweepTitle(sweeps) {
  const sweep = sweeps.find(({ state }) => state !== "done") ?? sweeps[0];
  if (sweep.state !== "running") return `${sweep.state} · ${sweep.name} · saf`;
  const share = shareOver(sweep);
  return `${share === null ? "" : `${percent(share, 0)} `}sweep · ${sweep.name} · saf`;
}

// ---- The line ---------------------------------------------------------------------------------------------------

let lineState = "connecting";
let lastMs = 0;

function showLine() {
  const isOver =
    !store.isEmpty &&
    store.runs.size + store.sweeps.size > 0 &&
    [...store.runs.values()].every(({ outcome }) => outcome !== null) &&
    [...store.sweeps.values()].every(({ state }) => state !== "running");
  const [state, words] = lineWords(store.silentMs, isOver);
  setAttribute(byId("connection"), "data-state", state);
  setText(byId("connection-words"), words);
  document.body.classList.toggle("stale", state === "lost" || state === "silent");
}

function lineWords(silentMs, isOver) {
  if (lineState === "lost") {
    const since = lastMs === 0 ? "" : `; what you see is from ${clock(lastMs)}`;
    return isOver
      ? ["ended", `the coordinator has ended${since}`]
      : ["lost", `no connection${since}; trying again`];
  }
  if (lineState === "connecting") return ["connecting", "connecting …"];
  if (silentMs > SILENT_MS)
    return ["silent", `the coordinator has been silent for ${duration(silentMs / 1000)}`];
  return ["live", "live"];
}

new Connection({
  onMessage: (message) => {
    const { version } = store.cluster ?? {};
    lastMs = Date.now();
    announcer.hear(store.take(message));
    // Another version serves other files.
    if (version !== undefined && version !== store.cluster.version) location.reload();
    plan();
    showLine();
  },
  onState: (state) => {
    if (state === lineState) return;
    if (state === "lost") announcer.say("The connection to the coordinator is lost; trying again");
    else if (state === "live" && lineState === "lost") announcer.say("Connected again");
    lineState = state;
    showLine();
  },
});
