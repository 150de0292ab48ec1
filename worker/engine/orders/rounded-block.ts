/**
 * A block of a run in bf16: its slots are rounded and summed in memory of the engine's, where that is fast, and each chunk
 * goes into its frame when it is finished.
 */
import { bodyOf, chunkCountOf, frameIn, roundedInChunk, valuesOfChunk } from "../../../shared/core/chunk.js";
import { moveIntoBody, roundedGradients, roundedWeights } from "../../../shared/core/codec.js";
import { GradientAssembler } from "../../core/gradient-assembler.js";
import type { HostedRun } from "./hosted-run.js";
import type { OrderOf } from "./order.js";

export function roundingAssembler(
  { frames, count }: OrderOf<"block">,
  run: HostedRun,
  onChunk: (chunk: number) => void,
): GradientAssembler {
  const { layout } = run.weights.program;
  const { codec } = run.described.plan;
  const totalBytes = 4 * layout.pushSize;
  const sums = run.blockSums();
  const bodies = Array.from({ length: chunkCountOf(totalBytes) }, (_, chunk) => valuesOfChunk(sums, chunk));
  const travelling = roundedGradients(codec, layout, count);
  const leave = (chunk: number): void => {
    const frame = frameIn(frames, totalBytes, chunk, travelling);
    const values = valuesOfChunk(sums, chunk);
    moveIntoBody(bodyOf(frame), values, roundedInChunk(totalBytes, chunk, travelling));
    onChunk(chunk);
  };
  // One slot is rounded as it is written.
  const rounded = travelling === undefined ? roundedWeights(codec, layout) : 0;
  return new GradientAssembler(count, bodies, leave, run.vectors, rounded);
}
