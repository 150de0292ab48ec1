/** One block of slots of one step: images in, gradient sum, batch moments, loss, hits and samples out. */
import { slotImages } from "../../shared/core/schedule.js";
import type { PushSink } from "../engine/program.js";
import { type SlotInputs, slotInputs } from "./slot-inputs.js";
import type { StepContext } from "./step-context.js";

/** Takes what slots push, wherever it is to be summed. */
export interface SlotSink extends PushSink {
  beginSlot(): void;
  /** The slot's images are there, and the engine begins; for whoever measures. */
  inputsReady?(): void;
  endSlot(): void;
}

/**
 * Computes each slot by itself, so that batch norm sees a slot and nothing else. `order`: the epoch's image order; `ready`:
 * inputs of slots that were made before.
 */
export function computeSlots(
  context: StepContext,
  order: Uint32Array,
  step: number,
  block: { first: number; count: number },
  sink: SlotSink,
  ready?: ReadonlyMap<number, SlotInputs>,
): void {
  const { program, plan, images } = context;
  for (let slot = block.first; slot < block.first + block.count; slot++) {
    sink.beginSlot();
    const indices = slotImages(plan, order, step, slot);
    if (program.trainUnseen !== undefined) program.trainUnseen({ seed: images.seed, step, indices }, sink);
    else {
      const { inputs, labels } = ready?.get(slot) ?? slotInputs(context, step, indices);
      sink.inputsReady?.();
      program.train(inputs, labels, sink);
    }
    sink.endSlot();
  }
}
