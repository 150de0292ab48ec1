/**
 * Keeps the weights that flag A attacks, from the epoch's begin to its end: workers pull them, checkpoints hold them. In bf16
 * workers pull them rounded, as all weights that steps are computed with; checkpoints hold them as they are.
 */
import { anchorOf } from "../../shared/core/anchor.js";
import { type Rounded, roundedInRange } from "../../shared/core/codec.js";
import type { StepPlan } from "../../shared/core/schedule.js";
import type { ShardRange } from "../../shared/core/shards.js";
import { ClusterError } from "../../shared/errors.js";
import type { Augmentation } from "../../shared/networks/network.js";
import type { KeptWeights } from "../../shared/records/checkpoint.js";
import type { FrameRequest } from "../leases/job.js";
import { framesOf } from "./parameter-frames.js";
import type { Version } from "./shard.js";

export class AnchorWeights {
  readonly #plan: StepPlan;
  readonly #augmentation: Augmentation;
  readonly #ranges: readonly ShardRange[];
  readonly #rounded: Rounded;
  #kept: KeptWeights | undefined;
  /** By shard. */
  #frames: Uint8Array[][] = [];

  /** `kept`: from the checkpoint with which the run goes on. */
  constructor(
    plan: StepPlan,
    augmentation: Augmentation,
    ranges: readonly ShardRange[],
    kept: KeptWeights | undefined,
    rounded?: Rounded,
  ) {
    this.#plan = plan;
    this.#augmentation = augmentation;
    this.#ranges = ranges;
    this.#rounded = rounded;
    this.#kept = kept;
  }

  get kept(): KeptWeights | undefined {
    return this.#kept;
  }

  /**
   * Before the step that `version` opens: keeps the parameters, a copy of ours, if an epoch begins that needs them. Throws
   * ClusterError("data") when the step needs earlier ones that are not there.
   */
  advance(parameters: () => Float32Array, identity: Version): void {
    const { version } = identity;
    const due = anchorOf(this.#plan, this.#augmentation, version)?.version;
    if (due === undefined) return;
    if (due === version) this.#kept = { step: version, parameters: parameters() };
    const kept = this.#kept;
    if (kept?.step !== due) {
      throw new ClusterError(
        "data",
        `Cannot go on at step ${version}: the checkpoint lacks the weights of step ${due}, on which flag A makes its images`,
      );
    }
    if (due !== version && this.#frames.length > 0) return;
    this.#frames = this.#ranges.map(({ index, first, end }) =>
      framesOf(
        kept.parameters.subarray(first, end),
        { ...identity, version: due, shard: index },
        roundedInRange(this.#rounded, first, end),
      ),
    );
  }

  frame({ shard, version, chunk, rounded = false }: FrameRequest): Uint8Array | undefined {
    if (rounded !== (this.#rounded !== undefined)) return undefined;
    return version === this.#kept?.step ? this.#frames[shard]?.[chunk] : undefined;
  }
}
