/** The plots as vega-lite specifications: plain data that says what is drawn, with the numbers inside. */
import type { TopLevelSpec } from "vega-lite";
import type { CurvePoint, ModelResult, PerturbationKind } from "../../../shared/results.js";
import type { ReportModel } from "./data.js";
import { type DrawnCurve, curvePanel } from "./curve-panel.js";
import { curveOf, isUnreliable, perturbedKinds, referenceStrength, strengthsOf } from "./curves.js";
import {
  type Looks,
  type Panel,
  type PanelSize,
  PERCENT_AXIS,
  figure,
  looksOf,
  panelTitle,
  whole,
} from "./plot-frame.js";
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
  const isDoubted = models.some((model) => model.curves.some((point) => isUnreliable(model, point)));
  const doubts = isDoubted ? " · hollow: unreliable" : "";
  return figure(panels, "Error against strength", `shaded: Wilson intervals at 95 %${marked}${doubts}`);
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
  const curves = models.map((model) => errorCurve(model.name, model, curveOf(model, kind)));
  const reference = referenceStrength(strengthsOf(models, [kind]));
  return curvePanel(curves, {
    ...size,
    title: KIND_TITLES[kind],
    measure: ERROR_MEASURES[kind],
    looks,
    reference,
  });
}

/** What an error means, by kind. */
export const ERROR_MEASURES: Readonly<Record<PerturbationKind, string>> = {
  clean: "wrong answers",
  adversarial: "wrong answers",
  nonsense: "taken for a real class",
  noisy: "wrong answers",
};

/** Points of one of `model`'s curves as they are drawn. */
export function errorCurve(name: string, model: ModelResult, points: readonly CurvePoint[]): DrawnCurve {
  return {
    name,
    points: points.map((point) => ({
      strength: point.strength,
      value: point.error,
      low: point.ci_low,
      high: point.ci_high,
      unreliable: isUnreliable(model, point),
    })),
  };
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
