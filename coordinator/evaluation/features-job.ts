/** Feature statistics as a job of one task: the same weights, test images and nonsense in one worker's hands. */
import { createHash } from "node:crypto";
import {
  FEATURE_IMAGES,
  type FeatureCounts,
  type FeaturesDocument,
  RBF_SUPPRESSED_BELOW,
  featureCountsSchema,
  featureTaps,
} from "../../shared/features.js";
import { type saf, wire } from "../../shared/messages.js";
import type { Refusal } from "../../shared/metrics.js";
import type { Network } from "../../shared/networks/network.js";
import { runHashOf } from "../../shared/run-hash.js";
import { framesOf } from "../training/parameter-frames.js";
import type { Job, LeaseFate, Work } from "../leases/job.js";

export interface MeasuredNetwork {
  runId: string;
  spec: saf.v1.RunSpec.$Properties;
  term: number;
  version: number;
  parameters: Float32Array;
  /** SHA-256 of the weights. */
  checkpoint: string;
  seed: number;
  network: Network;
}

const LEASE_MS = 180_000;
/** A worker that cannot answer is asked again; after so many answers that do not fit, nothing is written. */
const MAX_REFUSED = 3;

export class FeaturesJob implements Job {
  readonly runId: string;
  readonly runHash: string;
  /** The statistics, or undefined when the job was stopped or no worker's answer fitted. */
  readonly done: Promise<FeaturesDocument | undefined>;
  readonly #measured: MeasuredNetwork;
  readonly #wake: () => void;
  readonly #taskId: string;
  readonly #frames: Uint8Array[];
  #state: "open" | "leased" | "done" = "open";
  #attempts = 0;
  /** Who was ever leased it: nobody else\'s result counts. */
  readonly #holders = new Set<string>();
  #refused = 0;
  #finish: (document: FeaturesDocument | undefined) => void = () => undefined;

  constructor(measured: MeasuredNetwork, wake: () => void) {
    this.runId = measured.runId;
    this.runHash = runHashOf(measured.runId);
    this.#measured = measured;
    this.#wake = wake;
    const identity = JSON.stringify(["features", measured.checkpoint, measured.seed, FEATURE_IMAGES]);
    this.#taskId = createHash("sha256").update(identity).digest("hex").slice(0, 24);
    const { term, version, parameters } = measured;
    this.#frames = framesOf(parameters, { runHash: this.runHash, term, version });
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** No task any more; `done` resolves at once. */
  stop(): void {
    this.#state = "done";
    this.#finish(undefined);
  }

  next(workerId: string): Work | undefined {
    if (this.#state !== "open") return undefined;
    this.#holders.add(workerId);
    this.#state = "leased";
    this.#attempts++;
    const { version } = this.#measured;
    return {
      key: this.#taskId,
      attempt: this.#attempts,
      images: 2 * FEATURE_IMAGES,
      command: ({ leaseId, term, attempt }) => ({
        task: {
          leaseId,
          term,
          runId: this.runId,
          taskId: this.#taskId,
          version,
          features: true,
          imageCount: FEATURE_IMAGES,
          attempt,
        },
      }),
      limitMs: () => LEASE_MS,
    };
  }

  giveBack(work: Work): void {
    if (work.key !== this.#taskId || this.#state !== "leased") return;
    this.#state = "open";
    this.#wake();
  }

  onChunk(): Refusal {
    return "stale";
  }

  onPushEnd(): { reply: saf.v1.PushReply.$Properties; fate: LeaseFate } {
    return { reply: { status: wire.PushReply.Status.STALE }, fate: "done" };
  }

  onResult(message: saf.v1.TaskResult): { reply: saf.v1.TaskReply.$Properties; fate: LeaseFate } {
    if (message.taskId !== this.#taskId)
      return { reply: { accepted: false, reason: "no such task" }, fate: "failed" };
    if (!this.#holders.has(message.workerId))
      return { reply: { accepted: false, reason: "this task was not leased to you" }, fate: "failed" };
    if (this.#state === "done") return { reply: { accepted: false, reason: "duplicate" }, fate: "done" };
    const counts = checkedCounts(message.featuresJson, this.#measured.network);
    if (counts === undefined) {
      this.#refused++;
      if (this.#refused >= MAX_REFUSED) this.stop();
      return { reply: { accepted: false, reason: "the result does not fit the task" }, fate: "failed" };
    }
    this.#state = "done";
    const { checkpoint, seed } = this.#measured;
    this.#finish({ checkpoint, seed, rbf_suppressed_below: RBF_SUPPRESSED_BELOW, ...counts });
    return { reply: { accepted: true }, fate: "done" };
  }

  parameterChunk(version: number, chunk: number): { frame: Uint8Array | undefined; latest: number } {
    const { version: latest } = this.#measured;
    return { frame: version === latest ? this.#frames[chunk] : undefined, latest };
  }

  describe(): saf.v1.RunSpec.$Properties {
    return this.#measured.spec;
  }
}

/** The counts, if they are of this network's places and add up. */
export function checkedCounts(text: string, network: Network): FeatureCounts | undefined {
  let told: unknown;
  try {
    told = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { success, data } = featureCountsSchema.safeParse(told);
  if (!success) return undefined;
  const taps = featureTaps(network);
  const fits =
    data.places.length === taps.length &&
    data.places.every(({ layer, activation, units, all }, i) => {
      const values = data.images * units;
      return (
        layer === taps[i]?.layer &&
        activation === taps[i].activation &&
        sum(all.clean) === values &&
        sum(all.nonsense) === values
      );
    });
  return fits ? data : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
