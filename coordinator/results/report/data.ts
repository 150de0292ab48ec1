/** What a report is made of. Everything in it is plain data; nothing is looked up while it is drawn. */
import type { FeaturesDocument } from "../../../shared/features.js";
import type { ModelResult, SampleImage, StepMetric } from "../../../shared/results.js";

/** As much of a network as most parts of a page need. */
export interface MeasuredModel {
  name: string;
  /** Absent until its evaluation has finished. */
  result?: ModelResult;
  features?: FeaturesDocument;
}

/** Said wherever a number is missing. */
export const NOT_MEASURED = "not measured";

/** One trained network: what was measured, how it was trained, and some images as it saw them. */
export interface ReportModel {
  result: ModelResult;
  /** Committed steps in order; may be empty when only an evaluation was run. */
  steps: StepMetric[];
  samples: SampleImage[];
  features?: FeaturesDocument;
}

export interface ReportData {
  title: string;
  /** Name of the data set: "mnist". */
  dataset: string;
  /** When the report was made: ISO 8601, UTC. */
  created: string;
  /** The command that makes the same run again. */
  command: string;
  /** In the order of the legend; a model keeps its colour through the whole report. */
  models: ReportModel[];
  /** Versions, engine, host: shown as a table, in this order. */
  environment: Record<string, string>;
  /** The resolved settings as YAML. */
  config: string;
  /** Name of the evaluation's procedure, for example "paper" (METHOD.md 1.11), or a sentence about it. */
  procedure: string;
  /** Anything a reader must know about this run; shown as a list. */
  notes: string[];
}
