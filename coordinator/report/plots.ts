/** The plots as vega-lite specifications: plain data that says what is drawn, with the numbers inside. */
import type { TopLevelSpec } from "vega-lite";
import { ClusterError } from "../../shared/errors.js";
import type { ModelResult, PerturbationKind } from "../../shared/results.js";
import type { ReportModel } from "./data.js";
import { curveOf, perturbedKinds, referenceStrength, strengthsOf } from "./curves.js";
import { FONT_FAMILY, INKS, seriesStyle } from "./plot-style.js";
import type { SeriesStyle } from "./plot-style.js";
import { trainingCurve } from "./series.js";
import type { TrainingMeasure } from "./series.js";
import { textWidth } from "./text-width.js";

/** A part of a plot: a specification without the settings that hold for the whole. */
type Panel = Record<string, unknown>;

export interface PanelSize {
  /** Pixels of the drawing area, without axes and titles. */
  width: number;
  height: number;
}

export const MEASURE_TITLES: Readonly<Record<TrainingMeasure, string>> = {
  loss: "Loss",
  accuracy: "Accuracy on the step's images",
};

/** What is drawn of a training, in this order. */
export const TRAINING_MEASURES: readonly TrainingMeasure[] = ["loss", "accuracy"];

const FILE_PANEL: PanelSize = { width: 290, height: 250 };
const FILE_TRAINING_PANEL: PanelSize = { width: 430, height: 250 };

export const KIND_TITLES: Readonly<Record<PerturbationKind, string>> = {
  clean: "Clean images",
  adversarial: "Adversarial images",
  nonsense: "Nonsense images",
  noisy: "Noisy images",
};

/** Error against strength, one panel per kind, all models in each: the figure for files, on white. */
export function errorVsStrengthSpec(models: readonly ModelResult[]): TopLevelSpec {
  const looks = looksOf(
    models.map((model) => model.name),
    true,
  );
  const panels = perturbedKinds(models).map((kind) => errorPanel(models, kind, FILE_PANEL, looks));
  const reference = referenceStrength(strengthsOf(models, perturbedKinds(models)));
  const marked = reference === undefined ? "" : ` · dotted: β = ${reference}`;
  return figure(panels, "Error against strength", `shaded: Wilson intervals at 95 %${marked}`);
}

/** One panel of `errorVsStrengthSpec` by itself, without legend and background, for a page that has its own. */
export function errorPanelSpec(
  models: readonly ModelResult[],
  kind: PerturbationKind,
  size: PanelSize,
): TopLevelSpec {
  const looks = looksOf(
    models.map((model) => model.name),
    false,
  );
  return whole({ ...errorPanel(models, kind, size, looks), title: null });
}

/** Loss and accuracy against step: the figure for files, on white. */
export function trainingSpec(models: readonly ReportModel[]): TopLevelSpec {
  const looks = looksOf(
    models.map((model) => model.result.name),
    true,
  );
  const panels = TRAINING_MEASURES.map((measure) =>
    trainingPanel(models, measure, FILE_TRAINING_PANEL, looks),
  );
  return figure(panels, "Training", "faint: single steps · strong: mean over neighbouring steps");
}

/** One panel of `trainingSpec` by itself, without legend and background. */
export function trainingPanelSpec(
  models: readonly ReportModel[],
  measure: TrainingMeasure,
  size: PanelSize,
): TopLevelSpec {
  const looks = looksOf(
    models.map((model) => model.result.name),
    false,
  );
  return whole({ ...trainingPanel(models, measure, size, looks), title: null });
}

function errorPanel(
  models: readonly ModelResult[],
  kind: PerturbationKind,
  size: PanelSize,
  looks: Looks,
): Panel {
  const values = models.flatMap((model) =>
    curveOf(model, kind).map((point) => ({
      model: model.name,
      strength: point.strength,
      error: point.error,
      low: point.ci_low,
      high: point.ci_high,
    })),
  );
  const strengths = strengthsOf(models, [kind]);
  const reference = referenceStrength(strengths);
  const x = {
    field: "strength",
    type: "quantitative",
    title: "strength β (share of the pixel range)",
    axis: {
      values: strengths,
      format: "~g",
      labelExpr: `indexof(${JSON.stringify(labelledStrengths(strengths, size.width))}, datum.value) < 0 ? '' : datum.label`,
      labelOverlap: false,
      labelFlush: false,
    },
    scale: { nice: false, domain: [0, strengths.at(-1) || 1] },
  };
  const y = { ...PERCENT_AXIS, title: kind === "nonsense" ? "taken for a real class" : "wrong answers" };
  // Bands and marks have fixed looks of their own: joined to the colour scale, they would change the legend's symbols.
  const ofEachModel = (layer: (style: SeriesStyle) => Panel): Panel[] =>
    models.map((model, place) => ({
      transform: [{ filter: { field: "model", equal: model.name } }],
      ...layer(seriesStyle(place)),
    }));
  const layers: Panel[] = [
    ...ofEachModel(({ ink }) => ({
      mark: { type: "area", opacity: 0.18, color: ink.light },
      encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } },
    })),
    {
      mark: { type: "line", strokeWidth: 2 },
      encoding: { x, y: { ...y, field: "error" }, color: looks.colour, strokeDash: looks.dash },
    },
    ...ofEachModel(({ ink, shape }) => ({
      mark: { type: "point", filled: true, size: 26, opacity: 1, color: ink.light, shape },
      encoding: { x, y: { ...y, field: "error" } },
    })),
  ];
  if (reference !== undefined) {
    layers.unshift({
      data: { values: [{ strength: reference }] },
      mark: { type: "rule", color: INKS.muted.light, strokeDash: [1.5, 3], strokeWidth: 1 },
      encoding: { x },
    });
  }
  return { ...size, title: panelTitle(KIND_TITLES[kind]), data: { values }, layer: layers };
}

function trainingPanel(
  models: readonly ReportModel[],
  measure: TrainingMeasure,
  size: PanelSize,
  looks: Looks,
): Panel {
  const values = models.flatMap((model) =>
    trainingCurve(model.steps, measure).map((point) => ({ model: model.result.name, ...point })),
  );
  const x = {
    field: "step",
    type: "quantitative",
    title: "step",
    axis: { format: ",d", tickMinStep: 1, tickCount: 6, labelOverlap: "greedy" },
    scale: { nice: false, zero: true },
  };
  const y =
    measure === "accuracy"
      ? { ...PERCENT_AXIS, title: "right answers before the update" }
      : {
          type: "quantitative",
          title: "mean loss of the step",
          axis: { tickCount: 6 },
          scale: { zero: true },
        };
  return {
    ...size,
    title: panelTitle(MEASURE_TITLES[measure]),
    data: { values },
    layer: [
      {
        mark: { type: "line", strokeWidth: 0.8, opacity: 0.3 },
        encoding: { x, y: { ...y, field: "raw" }, color: looks.colour },
      },
      {
        mark: { type: "line", strokeWidth: 2 },
        encoding: { x, y: { ...y, field: "smooth" }, color: looks.colour, strokeDash: looks.dash },
      },
    ],
  };
}

/** Pixels between two labels of the strength axis, centre to centre. */
const LABEL_DISTANCE = 27;

/** Every strength has a tick; those with the fewest digits get a label, as far as there is room. */
function labelledStrengths(strengths: readonly number[], width: number): number[] {
  const pixels = (strength: number): number => (strength / (strengths.at(-1) || 1)) * width;
  const chosen: number[] = [];
  for (const strength of [...strengths].sort((a, b) => String(a).length - String(b).length)) {
    const isFree = chosen.every((other) => Math.abs(pixels(strength) - pixels(other)) >= LABEL_DISTANCE);
    if (isFree) chosen.push(strength);
  }
  return chosen;
}

const PERCENT_AXIS = {
  type: "quantitative",
  axis: { format: ".0%", values: [0, 0.2, 0.4, 0.6, 0.8, 1] },
  scale: { domain: [0, 1], nice: false },
};

function panelTitle(text: string): Panel {
  return { text, fontSize: 13, anchor: "start", offset: 10 };
}

/** Encodings that give each model its colour and dash. */
interface Looks {
  colour: Panel;
  dash: Panel;
}

/** Pixels that a legend may fill, and what an entry needs besides its name. */
const LEGEND_WIDTH = 850;
const ENTRY_WIDTH = 62;

/** The strong line, not the faint one under it; in rows that fit the figure. */
function lineLegend(names: readonly string[]): Panel {
  const entry = ENTRY_WIDTH + Math.max(...names.map((name) => textWidth(name, STYLE.legend.labelFontSize)));
  const columns = Math.max(1, Math.floor(LEGEND_WIDTH / entry));
  return { symbolType: "stroke", symbolOpacity: 1, columns: Math.min(columns, names.length) };
}

function looksOf(names: readonly string[], hasLegend: boolean): Looks {
  const styles = names.map((_, place) => seriesStyle(place));
  const legend = hasLegend ? lineLegend(names) : null;
  const encoding = (range: unknown[]): Panel => ({
    field: "model",
    type: "nominal",
    title: null,
    scale: { domain: [...names], range },
    legend,
  });
  return {
    colour: encoding(styles.map((style) => style.ink.light)),
    dash: encoding(styles.map((style) => style.dash)),
  };
}

/** Panels side by side under one title and one legend. */
function figure(panels: Panel[], title: string, subtitle: string): TopLevelSpec {
  if (panels.length === 0) {
    throw new ClusterError("unexpected", `Cannot draw "${title}": expected at least one panel, got none`);
  }
  return whole({
    title: { text: title, subtitle, anchor: "start", offset: 14 },
    background: "white",
    padding: 16,
    hconcat: panels,
    spacing: 26,
  });
}

/** Adds the style of axes and titles. */
function whole(content: Panel): TopLevelSpec {
  const spec = {
    background: null,
    padding: { left: 2, right: 8, top: 6, bottom: 2 },
    autosize: { type: "pad" },
    ...content,
    config: STYLE,
  };
  return spec as unknown as TopLevelSpec; // written as data above; vega-lite's own compiler is what checks it
}

const STYLE = {
  aria: false, // one description for the whole plot stands beside it; an aria-label per mark only delays a reader
  font: FONT_FAMILY,
  view: { stroke: null },
  title: {
    color: INKS.text.light,
    subtitleColor: INKS.muted.light,
    fontSize: 18,
    subtitleFontSize: 12,
    subtitlePadding: 5,
    fontWeight: "bold",
  },
  axis: {
    labelColor: INKS.muted.light,
    titleColor: INKS.text.light,
    gridColor: INKS.grid.light,
    domainColor: INKS.axis.light,
    tickColor: INKS.axis.light,
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 8,
    tickSize: 4,
  },
  legend: {
    orient: "top",
    labelColor: INKS.text.light,
    labelFontSize: 13,
    labelLimit: 320,
    symbolSize: 900,
    symbolStrokeWidth: 2,
    columnPadding: 22,
  },
};
