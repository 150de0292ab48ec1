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
import type { saf } from "../../shared/messages.js";
import type { Network } from "../../shared/networks/network.js";
import { recipeOf } from "../../shared/run-hash.js";
import type { Account } from "../pool/fairness.js";
import { grantOf } from "../leases/book.js";
import type { FrameAnswer, FrameRequest, GrantedLease, Job, JobDesk, Verdict } from "../leases/job.js";
import type { Unit, WorkPlan } from "../leases/unit.js";
import { fixedPlan } from "./fixed-plan.js";
import { refused } from "./refused.js";
import { ServedWeights } from "./served-weights.js";

export interface MeasuredNetwork {
  runId: string;
  /** In whose name it asks for workers. */
  account?: Account | undefined;
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
  readonly id: string;
  readonly runId: string;
  readonly account: Account | undefined;
  readonly runHash: string;
  /** The statistics, or undefined when the job was stopped or no worker's answer fitted. */
  readonly done: Promise<FeaturesDocument | undefined>;
  readonly #measured: MeasuredNetwork;
  readonly #desk: JobDesk;
  readonly #taskId: string;
  readonly #weights: ServedWeights;
  #isStopped = false;
  #finish: (document: FeaturesDocument | undefined) => void = () => undefined;

  constructor(measured: MeasuredNetwork, desk: (jobId: string) => JobDesk) {
    this.id = `${measured.runId}/features`;
    this.runId = measured.runId;
    this.account = measured.account;
    this.#measured = measured;
    this.#desk = desk(this.id);
    const identity = JSON.stringify(["features", measured.checkpoint, measured.seed, FEATURE_IMAGES]);
    this.#taskId = createHash("sha256").update(identity).digest("hex").slice(0, 24);
    this.#weights = new ServedWeights(measured);
    this.runHash = this.#weights.runHash;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get plan(): WorkPlan {
    const patience = { series: "features", scale: 1, floorMs: LEASE_MS, unknownMs: LEASE_MS, warmUpMs: 0 };
    const unit = {
      id: this.#taskId,
      words: { name: "feature statistics", part: "feature statistics" },
      images: 2 * FEATURE_IMAGES,
      steps: 1,
      patience,
    };
    return fixedPlan(this.#isStopped ? [] : [unit], "the count of features");
  }

  /** No task any more; `done` resolves at once. */
  stop(): void {
    this.#isStopped = true;
    this.#desk.replan();
    this.#finish(undefined);
  }

  command(
    _unit: Unit,
    { leaseId, term, attempt, hungMs: patienceMs }: GrantedLease,
  ): saf.v1.WorkerCommand.$Properties {
    return {
      task: {
        leaseId,
        term,
        runId: this.runId,
        recipe: recipeOf(this.#measured.spec),
        taskId: this.#taskId,
        version: this.#measured.version,
        features: true,
        imageCount: FEATURE_IMAGES,
        attempt,
        patienceMs,
      },
    };
  }

  onReopened(unit: Unit): void {
    const grants = this.#desk.leases.record(unit.id)?.grants ?? [];
    if (grants.filter(({ state }) => state === "refused").length >= MAX_REFUSED) this.stop();
  }

  onResult(message: saf.v1.TaskResult): Verdict<saf.v1.TaskReply.$Properties> {
    const record = this.#desk.leases.record(message.taskId);
    if (record === undefined) return refused("no such task");
    if (grantOf(record, message.workerId) === undefined) return refused("this task was not leased to you");
    if (record.done !== undefined)
      return { reply: { accepted: false, reason: "duplicate" }, settled: { outcome: "done", reason: "" } };
    const unitId = this.#taskId;
    const counts = checkedCounts(message.featuresJson, this.#measured.network);
    if (counts === undefined) return refused("the result does not fit the task", unitId);
    const { checkpoint, seed } = this.#measured;
    this.#finish({ checkpoint, seed, rbf_suppressed_below: RBF_SUPPRESSED_BELOW, ...counts });
    const toldMs = 1000 * message.computeSeconds;
    return { reply: { accepted: true }, completed: { unitId, steps: 1, toldMs } };
  }

  parameterFrame(request: FrameRequest): FrameAnswer {
    return this.#weights.frame(request);
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
    data.places.every(({ layer, activation, width, units, all }, i) => {
      const values = data.images * units;
      return (
        layer === taps[i]?.layer &&
        activation === taps[i].activation &&
        width === taps[i].width &&
        sum(all.clean) === values &&
        sum(all.nonsense) === values
      );
    });
  return fits ? data : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
