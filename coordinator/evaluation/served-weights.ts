/** Weights that do not change, as frames for the workers that measure them: as they are, whatever a training rounds. */
import { shardRanges } from "../../shared/core/shards.js";
import { runHashOf } from "../../shared/run-hash.js";
import type { FrameAnswer, FrameRequest } from "../leases/job.js";
import { framesOf } from "../training/parameter-frames.js";

export class ServedWeights {
  readonly runHash: string;
  readonly #version: number;
  /** By shard. */
  readonly #frames: readonly Uint8Array[][];

  constructor(weights: { runId: string; term: number; version: number; parameters: Float32Array }) {
    const { runId, term, version, parameters } = weights;
    this.runHash = runHashOf(runId);
    this.#version = version;
    this.#frames = shardRanges(parameters.length).map(({ index, first, end }) =>
      framesOf(parameters.subarray(first, end), { runHash: this.runHash, term, version, shard: index }),
    );
  }

  frame({ shard, version, chunk, rounded = false }: FrameRequest): FrameAnswer {
    const frame = version === this.#version && !rounded ? this.#frames[shard]?.[chunk] : undefined;
    return { frame, latest: this.#version };
  }
}
