/** A block of slots of one step: its sum is written into the frames of a push, chunk by chunk. */
import { chunkCountOf, frameIn, valuesIn } from "../../../shared/core/chunk.js";
import { slotImages, stepImages, totalSteps } from "../../../shared/core/schedule.js";
import { GradientAssembler } from "../../core/gradient-assembler.js";
import { type SlotInputs, areWeightless, slotInputs } from "../../training/slot-inputs.js";
import type { StepContext } from "../../training/step-context.js";
import { type SlotSink, computeSlots } from "../../training/train-step.js";
import { blockTrace } from "./block-trace.js";
import type { HostedRun } from "./hosted-run.js";
import { type HostParts, type OrderOf, timed } from "./order.js";

export function computeBlock(order: OrderOf<"block">, run: HostedRun, parts: HostParts): void {
  const context = run.context();
  const done = timed(parts, order);
  const trace = blockTrace(parts);
  run.weights.load(`${order.term} ${order.step}`, order.parameters);
  run.loadAnchor(order);
  trace?.took("load");
  const { sink, last } = announcingSink(
    order,
    bodiesOf(order.frames, context.program.layout.pushSize),
    parts,
  );
  const images = run.epochOrder(stepImages(context.plan, order.step).epoch);
  const ready = run.ready?.step === order.step ? run.ready.slots : undefined;
  run.ready = undefined;
  computeSlots(context, images, order.step, order, trace?.watched(sink) ?? sink, ready);
  parts.send({ type: "block-done", chunks: last(), ...done() });
  trace?.blockDone();
  prepareNext(context, run, order);
  trace?.took("inputs of the next step");
}

/** Chunk bodies inside the frames, as views: [header | body] [header | body] … */
function bodiesOf(frames: Uint8Array, values: number): Float32Array[] {
  const totalBytes = values * 4;
  return Array.from({ length: chunkCountOf(totalBytes) }, (_, chunk) =>
    valuesIn(frameIn(frames, totalBytes, chunk)),
  );
}

/**
 * A sink that says which chunks are ready; one message for those that one gradient completes: each wakes a thread. The
 * last of all (`last`) are told with the end of the block: the push ends in the same write.
 */
function announcingSink(
  { leaseId, count }: OrderOf<"block">,
  bodies: Float32Array[],
  { send }: HostParts,
): { sink: SlotSink; last: () => number[] } {
  const ready: number[] = [];
  const assembler = new GradientAssembler(count, bodies, (chunk) => ready.push(chunk));
  const sink: SlotSink = {
    beginSlot: () => assembler.beginSlot(),
    add(offset, values) {
      assembler.add(offset, values);
      if (ready.length > 0 && !assembler.isFilled) send({ type: "chunks", leaseId, chunks: ready.splice(0) });
    },
    endSlot: () => assembler.endSlot(),
  };
  return { sink, last: () => ready.splice(0) };
}

/** The same slots of the next step will most likely be ours: their inputs are made while the others are waited for. */
function prepareNext(context: StepContext, run: HostedRun, { step, first, count }: OrderOf<"block">): void {
  const { plan, program } = context;
  const next = step + 1;
  const { augmentation } = program.network;
  if (next >= totalSteps(plan) || !areWeightless(augmentation) || program.trainUnseen !== undefined) return;
  const order = run.epochOrder(stepImages(plan, next).epoch);
  const slots = new Map<number, SlotInputs>();
  for (let slot = first; slot < first + count; slot++)
    slots.set(slot, slotInputs(context, next, slotImages(plan, order, next, slot)));
  run.ready = { step: next, slots };
}
