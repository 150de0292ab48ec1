/** The parameters of a training, version after version: shard by shard, with the earlier weights that flag A attacks. */
import type { MappedMemory } from "../../shared/bus.js";
import { roundedWeights } from "../../shared/core/codec.js";
import { TAIL } from "../../shared/core/layout.js";
import { shardRanges } from "../../shared/core/shards.js";
import type { StateParts } from "../../shared/core/stretch.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import type { FrameAnswer, FrameRequest } from "../leases/job.js";
import { AnchorWeights } from "./anchor-weights.js";
import { Shard, type Version } from "./shard.js";
import type { TrainingOptions } from "./training-types.js";

export class Versions {
  readonly shards: readonly Shard[];
  readonly #options: TrainingOptions;
  readonly #runHash: string;
  readonly #anchor: AnchorWeights;
  #step: number;

  constructor(options: TrainingOptions, runHash: string, mapped: MappedMemory | undefined) {
    const { run, layout, plan, state } = options;
    this.#options = options;
    this.#runHash = runHash;
    this.#step = state.step;
    const ranges = shardRanges(layout.pushSize);
    const { parameters, velocity } = state;
    this.shards = ranges.map(
      (range) =>
        new Shard({
          range,
          layout,
          codec: plan.codec,
          aggregate: (byteLength, memory) => options.aggregate(plan.slots, byteLength, memory),
          mapped,
          parameters,
          velocity,
        }),
    );
    const { augmentation } = run.network;
    const rounded = roundedWeights(plan.codec, layout);
    this.#anchor = new AnchorWeights(plan, augmentation, ranges, state.anchor, rounded);
    this.#keepAnchor();
  }

  /** Steps committed; also the current version. */
  get step(): number {
    return this.#step;
  }

  /** A copy of the state after the last committed step. */
  snapshot(): TrainingState {
    const { size } = this.#options.layout;
    const [parameters, velocity] = [new Float32Array(size), new Float32Array(size)];
    for (const shard of this.shards) shard.readInto(parameters, velocity);
    return { step: this.#step, parameters, velocity, anchor: this.#anchor.kept };
  }

  /** What the sums of the step in work hold behind the parameters: loss, hits, samples; valid once they are complete. */
  tail(): Float32Array {
    return this.shards.at(-1)?.tail.slice() ?? new Float32Array(TAIL.length);
  }

  /** The next version, which the sums of all chunks have made, is the current one. */
  commit(): void {
    for (const shard of this.shards) shard.commit();
    this.#advance(1);
  }

  /** A state that somebody came to by himself takes the current one's place. */
  replace({ parameters, velocity }: Pick<StateParts, "parameters" | "velocity">, steps: number): void {
    for (const shard of this.shards) shard.replace(parameters, velocity);
    this.#advance(steps);
  }

  /** Nothing of the step in work is left. */
  giveUpStep(): void {
    for (const shard of this.shards) shard.giveUp();
  }

  /** Gives its memory back. */
  dispose(): void {
    for (const shard of this.shards) shard.dispose();
  }

  #advance(steps: number): void {
    this.#step += steps;
    this.#keepAnchor();
  }

  #keepAnchor(): void {
    this.#anchor.advance(() => this.snapshot().parameters, this.identity(this.#step));
  }

  identity(version: number): Version {
    return { runHash: this.#runHash, term: this.#options.term, version };
  }

  parameterFrame(request: FrameRequest): FrameAnswer {
    const { shard, version, chunk, rounded = false } = request;
    const frame =
      version === this.#step
        ? this.shards[shard]?.parameterFrame(chunk, this.identity(version), rounded)
        : this.#anchor.frame(request);
    return { frame, latest: this.#step };
  }

  velocityFrame({ shard, version, chunk }: FrameRequest): FrameAnswer {
    const isCurrent = version === this.#step;
    const frame = isCurrent ? this.shards[shard]?.velocityFrame(chunk, this.identity(version)) : undefined;
    return { frame, latest: this.#step };
  }
}
