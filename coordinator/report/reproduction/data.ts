/** What a report of a reproduction is made of: plain data, read by read.ts, drawn by page.ts. */
import type { FeaturesDocument } from "../../../shared/features.js";
import type {
  ModelResult,
  PerturbationKind,
  SampleImage,
  SeriesLabel,
  StepMetric,
} from "../../../shared/results.js";
import type { ClaimOutcome } from "../../core/claims.js";

/** One trained network of the reproduction. */
export interface Member {
  /** Name of its folder. */
  name: string;
  /** Name of its network: "mrelu-r-m". */
  network: string;
  seed: number;
  /** Absent until its evaluation has finished. */
  result?: ModelResult;
  steps: StepMetric[];
  /** Passes over the training set so far. */
  epochs?: number;
  samples: SampleImage[];
  features?: FeaturesDocument;
  /** Outcomes behind a point of its curves. */
  outcome(kind: PerturbationKind, strength: number, label?: SeriesLabel): ClaimOutcome | undefined;
}

export interface ReproductionData {
  dataset: string;
  title: string;
  /** ISO 8601, UTC. */
  created: string;
  command: string;
  environment: Record<string, string>;
  /** Networks that were asked for, in order; one that was not trained shows as such. */
  networks: string[];
  seeds: number[];
  /** In the order of `networks`, then of seeds. */
  members: Member[];
}

/** Said wherever a number is missing. */
export const NOT_MEASURED = "not measured";

/** Members that have results, as the plots want them: each under a name of its own. */
export function measuredResults(members: readonly Member[]): ModelResult[] {
  return members.flatMap(({ name, result }) => (result === undefined ? [] : [{ ...result, name }]));
}

/** The same with the curves of one protocol only; without one in their label they are the paper's. */
export function underProtocol(
  results: readonly ModelResult[],
  protocol: NonNullable<SeriesLabel["protocol"]>,
): ModelResult[] {
  return results.map((result) => ({
    ...result,
    curves: result.curves.filter(
      (point) => point.kind === "clean" || (point.protocol ?? "paper") === protocol,
    ),
  }));
}
