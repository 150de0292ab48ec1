/** What a report of a reproduction is made of: plain data, read by read.ts, drawn by page.ts. */
import type { NetworkSettings } from "../../../shared/config/network.js";
import type { ModelResult, SampleImage, StepMetric } from "../../../shared/results.js";
import type { Compared } from "../report/modern.js";

/** One trained network of the reproduction. */
export interface Member extends Compared {
  /** Name of its network: "mrelu-r-m"; its own is that of its folder. */
  network: string;
  /** What the run said of its network, where it said anything. */
  settings?: NetworkSettings;
  seed: number;
  steps: StepMetric[];
  /** Passes over the training set so far. */
  epochs?: number;
  samples: SampleImage[];
}

export interface ReproductionData {
  dataset: string;
  title: string;
  /** ISO 8601, UTC. */
  created: string;
  /** When the networks were last worked on: ISO 8601, UTC. */
  measured: string | undefined;
  command: string;
  environment: Record<string, string>;
  /** Networks that were asked for, in order; one that was not trained shows as such. */
  networks: string[];
  seeds: number[];
  /** In the order of `networks`, then of seeds. */
  members: Member[];
}

/** Members that have results, as the plots want them: each under a name of its own. */
export function measuredResults(members: readonly Member[]): ModelResult[] {
  return members.flatMap(({ name, result }) => (result === undefined ? [] : [{ ...result, name }]));
}
