/** Accuracy against strength: a small chart for each perturbation, all runs in it, in groups by protocol. */
import { Chart } from "./chart.mjs";
import { KeyedList, element, setText } from "./dom.mjs";
import { count, figure, percent } from "./format.mjs";
import { keyOf } from "./store.mjs";

const PROTOCOLS = {
  paper: "The paper's protocol",
  corrected: "The same, corrected",
  modern: "Attacks of today",
};
const KINDS = { adversarial: "adversarial", nonsense: "nonsense", noisy: "noise" };
const NORMS = { linf: "L∞", l2: "L2" };

export class RobustnessCharts {
  #groups;

  constructor(parent, colourOf) {
    this.#groups = new KeyedList(
      parent,
      ({ protocol }) => protocol,
      (group) => makeGroup(group, colourOf),
    );
  }

  /** `series`: by run name, then by key. Returns whether there is anything to see. */
  update(series) {
    const panels = new Map();
    for (const [run, own] of series) {
      for (const one of own.values()) {
        if (one.kind === "clean" || one.points.length === 0) continue;
        const panel = panels.get(keyOf(one)) ?? { key: keyOf(one), ...one, lines: [] };
        panel.lines.push({ run, points: one.points });
        panels.set(panel.key, panel);
      }
    }
    const groups = Object.keys(PROTOCOLS).flatMap((protocol) => {
      const own = [...panels.values()].filter((panel) => panel.protocol === protocol).sort(inOrder);
      return own.length === 0 ? [] : [{ protocol, panels: own }];
    });
    this.#groups.update(groups);
    return groups.length > 0;
  }
}

function inOrder(a, b) {
  const kinds = Object.keys(KINDS);
  return kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || a.key.localeCompare(b.key);
}

function makeGroup({ protocol }, colourOf) {
  const charts = element("div", { class: "charts" });
  const node = element("section", {}, element("h3", {}, PROTOCOLS[protocol]), charts);
  const list = new KeyedList(
    charts,
    ({ key }) => key,
    (panel) => makePanel(panel, colourOf),
  );
  return { node, update: ({ panels }) => list.update(panels) };
}

function makePanel({ kind, attack, norm }, colourOf) {
  const title = [KINDS[kind], attack === kind ? null : attack, norm === null ? null : NORMS[norm]];
  const chart = new Chart({
    title: title.filter((part) => part !== null).join(" · "),
    x: "strength",
    y: kind === "nonsense" ? "share rejected" : "accuracy",
    yRange: [0, 1],
    formatX: figure,
    formatY: (share) => percent(share, 0),
  });
  const doubt = element("p", { class: "warning", hidden: "" });
  chart.node.append(doubt);
  const update = ({ lines }) => {
    const reasons = new Set(lines.flatMap(({ points }) => points.flatMap(({ unreliable }) => unreliable)));
    doubt.hidden = reasons.size === 0;
    setText(doubt, `Not to be believed: ${[...reasons].join("; ")}`);
    const images = lines.flatMap(({ points }) => points.map(({ n }) => n));
    chart.update(
      lines.map(({ run, points }) => ({
        name: run,
        colour: colourOf(run),
        points: points.map(({ strength, accuracy }) => [strength, accuracy]),
        marks: points.map(({ strength, accuracy }) => [strength, accuracy]),
        band: points.map(({ strength, ci_low, ci_high }) => [strength, ci_low, ci_high]),
        isHollow: points.some(({ unreliable }) => unreliable.length > 0),
      })),
      `${kind === "nonsense" ? "share rejected, " : ""}${range(images)} images`,
    );
  };
  return { node: chart.node, update, end: () => chart.end() };
}

function range(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? count(low) : `${count(low)} to ${count(high)}`;
}
