/** The plots as vega-lite specifications: plain data that says what is drawn, with the numbers inside. */
import type { TopLevelSpec } from "vega-lite";
import type { ModelResult, PerturbationKind } from "../../shared/results.js";
import type { ReportModel } from "./data.js";
import { curveOf, perturbedKinds, referenceStrength, strengthsOf } from "./curves.js";
import {
  type Looks,
  type Panel,
  type PanelSize,
  PERCENT_AXIS,
  figure,
  looksOf,
  panelTitle,
  strengthAxis,
  whole,
} from "./plot-frame.js";
import { INKS, seriesStyle } from "./plot-style.js";
import type { SeriesStyle } from "./plot-style.js";
import { trainingCurve } from "./series.js";
import type { TrainingMeasure } from "./series.js";

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
  const x = strengthAxis(strengths, size.width);
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
