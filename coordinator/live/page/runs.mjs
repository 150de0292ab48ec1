/** The cards of the runs: where each is, and how it goes. */
import { KeyedList, element, setAttribute, setText } from "./dom.mjs";
import { count, duration, figure, percent } from "./format.mjs";

/** Term, and its value for a run. */
const FIGURES = [
  ["step", ({ training: t }) => of(t.total, count(t.done), count(t.total))],
  ["epoch", ({ training: t }) => of(t.total, t.epoch.toFixed(2), figure(t.epochs))],
  ["loss", ({ training: t }) => figure(t.loss)],
  ["training accuracy", ({ training: t }) => percent(t.accuracy)],
  ["clean accuracy", (run) => percent(run.clean_accuracy, 2)],
  ["learning rate", ({ training: t }) => figure(t.learning_rate)],
  ["speed", speed],
  ["time left", timeLeft],
];

function of(total, done, all) {
  return total === 0 ? "–" : `${done} / ${all}`;
}

function activity(run) {
  return run.phase === "evaluating" ? run.evaluation : run.training;
}

function speed(run) {
  const now = activity(run);
  const isAtWork = run.phase === "training" || run.phase === "evaluating";
  return isAtWork && now !== null && now.per_second > 0 ? `${figure(now.per_second)} images/s` : "–";
}

function timeLeft(run) {
  return run.phase === "training" || run.phase === "evaluating" ? duration(activity(run)?.eta_seconds) : "–";
}

/** What the bar shows: the training, or the evaluation that is under way. */
function barOf(run) {
  const isEvaluating = run.phase === "evaluating" && run.evaluation !== null;
  const { done, total } = isEvaluating ? run.evaluation : run.training;
  return { label: isEvaluating ? "evaluated" : "trained", share: total === 0 ? 0 : done / total };
}

export class RunCards {
  #list;

  /** `colourOf(name)` is the number of a run's colour. */
  constructor(parent, colourOf) {
    this.#list = new KeyedList(
      parent,
      ({ name }) => name,
      ({ name }) => makeCard(name, colourOf),
    );
  }

  update(runs) {
    this.#list.update(runs);
  }
}

function makeCard(name, colourOf) {
  const phase = element("span", { class: "chip" });
  const setting = element("p", { class: "setting" });
  const bar = element("progress", { max: "1" });
  const barWords = element("span", { class: "bar-words" });
  const detail = element("p", { class: "detail" });
  const warning = element("p", { class: "warning", hidden: "" });
  const values = FIGURES.map(([term]) => ({ term: element("dt", {}, term), value: element("dd") }));
  const title = element("h3", {}, element("i", { class: "swatch", "aria-hidden": "true" }), name);
  const node = element(
    "article",
    { class: "card" },
    element("header", {}, title, phase),
    setting,
    element("div", { class: "bar" }, bar, barWords),
    detail,
    element("dl", {}, ...values.map(({ term, value }) => element("div", {}, term, value))),
    warning,
  );
  const update = (run) => {
    setAttribute(node, "class", `card c${colourOf(name) % 8}`);
    setText(phase, run.phase);
    setAttribute(phase, "data-phase", run.phase);
    const parts = [run.network, run.data_set, run.seed === null ? null : `seed ${run.seed}`];
    if (run.batch_size !== null) parts.push(`batch ${run.batch_size}`);
    setText(setting, parts.filter((part) => part !== null && part !== name).join(" · "));
    const { label, share } = barOf(run);
    bar.value = share;
    setAttribute(bar, "aria-label", `${name}: share ${label}`);
    setText(barWords, `${percent(share, share === 1 ? 0 : 1)} ${label}`);
    setText(detail, run.outcome !== null && !run.outcome.ok ? run.outcome.message : run.detail);
    for (const [i, [, valueOf]] of FIGURES.entries()) setText(values[i].value, valueOf(run));
    warning.hidden = run.unreliable.length === 0;
    setText(warning, `Not to be believed: ${run.unreliable.join("; ")}`);
  };
  return { node, update };
}
