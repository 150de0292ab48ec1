/** Today's procedure in panels: the attacks of each network against its worst case, nonsense, corruptions. */
import {
  type CurvePoint,
  type ModelResult,
  type PerturbationKind,
  procedureOf,
  seriesOf,
} from "../../../shared/results.js";
import { curvePanel } from "./curve-panel.js";
import { percent, strengthText } from "./format.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import { WORST_CASE } from "./modern.js";
import { legend, panel } from "./page-parts.js";
import { type PanelSize, looksOf, whole } from "./plot-frame.js";
import { ERROR_MEASURES, errorCurve } from "./plots.js";
import { renderSvg } from "./render-plot.js";

/** More lines cannot be told apart. */
const MOST_LINES = 6;
const SIZE: PanelSize = { width: 300, height: 220 };

const TITLES: Readonly<Record<PerturbationKind, string>> = {
  clean: "clean images",
  adversarial: "attacks",
  nonsense: "nonsense images",
  noisy: "corruptions",
};

interface Line {
  name: string;
  points: CurvePoint[];
}

/** A panel for each kind and network. Undefined where nothing of it was measured. */
export async function attackPanels(models: readonly ModelResult[]): Promise<Html | undefined> {
  const panels: Html[] = [];
  for (const kind of ["adversarial", "nonsense", "noisy"] as const) {
    const networks = models
      .map((model) => ({ model, lines: linesOf(model, kind) }))
      .filter(({ lines }) => lines.length > 0);
    const names = strongest(networks.map(({ lines }) => lines)).slice(0, MOST_LINES);
    for (const { model, lines } of networks) panels.push(await panelOf(model, kind, names, lines));
  }
  return panels.length === 0
    ? undefined
    : html`<p class="muted">
          Lower is better. Of each kind the six strongest; all of them, with their intervals, are in the
          tables below. Hollow and dotted: unreliable.
        </p>
        <div class="panels">${panels}</div>`;
}

/** Series of more than one strength above 0, in the maximum norm. */
function linesOf(model: ModelResult, kind: PerturbationKind): Line[] {
  const bySeries = new Map<string, CurvePoint[]>();
  for (const point of model.curves) {
    if (point.kind !== kind || procedureOf(point) !== "modern" || point.norm === "l2") continue;
    bySeries.set(seriesOf(point), [...(bySeries.get(seriesOf(point)) ?? []), point]);
  }
  return [...bySeries.values()]
    .filter((points) => points.length > 1)
    .map((points) => ({
      name: points[0]?.attack ?? kind,
      points: points.sort((a, b) => a.strength - b.strength),
    }));
}

/** Names of series, the worst case first, then those that find the most errors in any network. */
function strongest(networks: readonly Line[][]): string[] {
  const worst = new Map<string, number>();
  for (const { name, points } of networks.flat()) {
    const mean = points.reduce((sum, { error }) => sum + error, 0) / points.length;
    worst.set(name, Math.max(worst.get(name) ?? 0, name === WORST_CASE ? Infinity : mean));
  }
  return [...worst].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

async function panelOf(
  model: ModelResult,
  kind: PerturbationKind,
  names: readonly string[],
  lines: readonly Line[],
): Promise<Html> {
  const curves = names.map((name) =>
    errorCurve(name, model, lines.find((line) => line.name === name)?.points ?? []),
  );
  const spec = curvePanel(curves, {
    ...SIZE,
    title: "",
    measure: ERROR_MEASURES[kind],
    strength: kind === "noisy" ? "severity (1: strongest)" : "size ε (share of the pixel range)",
    looks: looksOf(names, false),
    noBands: true,
  });
  const svg = await renderSvg(whole({ ...spec, title: null }));
  const title = `${model.name}: ${TITLES[kind]}`;
  return panel(
    title,
    svg,
    `${title}, error against size; at the largest: ${endsOf(lines)}.`,
    legend(names.map((name) => ({ name }))),
  );
}

function endsOf(lines: readonly Line[]): string {
  return lines
    .flatMap(({ name, points }) => {
      const last = points.at(-1);
      return last === undefined ? [] : [`${name} ${percent(last.error)} % at ${strengthText(last.strength)}`];
    })
    .join("; ");
}
