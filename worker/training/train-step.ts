/** One block of slots of one step: images in, gradient sum, batch moments, loss, hits and samples out. */
import { TAIL, type Layout, tensorNamed } from "../../shared/core/layout.js";
import { type StepPlan, slotImages } from "../../shared/core/schedule.js";
import type { Network } from "../../shared/networks/network.js";
import { lossOf } from "../core/losses/loss.js";
import type { TrainingImages } from "../core/training-images.js";
import type { Emit } from "../engine/eager/layers/operator.js";
import type { NetworkEngine } from "../engine/eager/program.js";
import { type SlotInputs, slotInputs } from "./slot-inputs.js";

/** Takes what a slot yields, wherever it is to be summed. */
export interface SlotSink {
  beginSlot(): void;
  add(offset: number, values: Float32Array): void;
  endSlot(): void;
}

export interface StepContext {
  network: Network;
  layout: Layout;
  engine: NetworkEngine;
  images: TrainingImages;
  plan: StepPlan;
  /** Flag A: holds the weights that `anchorOf` names, from the second epoch on. */
  anchor?: NetworkEngine | undefined;
}

/**
 * Computes each slot by itself, so that batch norm sees a slot and nothing else. `order`: the epoch's image order; `ready`:
 * inputs of slots that were made before.
 */
export function computeBlock(
  context: StepContext,
  order: Uint32Array,
  step: number,
  block: { first: number; count: number },
  sink: SlotSink,
  ready?: ReadonlyMap<number, SlotInputs>,
): void {
  for (let slot = block.first; slot < block.first + block.count; slot++) {
    sink.beginSlot();
    const made = ready?.get(slot);
    if (made === undefined) computeSlot(context, step, slotImages(context.plan, order, step, slot), sink);
    else computeBatch(context, made.inputs, made.labels, sink);
    sink.endSlot();
  }
}

/** Sums over these images, which are one batch for batch norm. */
export function computeSlot(
  context: StepContext,
  step: number,
  indices: Uint32Array,
  sink: Pick<SlotSink, "add">,
): void {
  const { inputs, labels } = slotInputs(context, step, indices);
  computeBatch(context, inputs, labels, sink);
}

/** The same for inputs that are ready: [images x values], mean subtracted. */
export function computeBatch(
  { network, layout, engine }: Pick<StepContext, "network" | "layout" | "engine">,
  inputs: Float32Array,
  labels: Uint8Array,
  sink: Pick<SlotSink, "add">,
): void {
  const emit: Emit = (name, values) =>
    sink.add(tensorNamed(layout, name).offset, values.dataSync<"float32">());
  const pass = engine.forward(inputs, "batch", emit);
  const loss = lossOf(network.head);
  const gradient = new Float32Array(pass.outputs.length);
  const tail = new Float32Array(TAIL.length);
  let lossSum = 0;
  labels.forEach((label, i) => {
    const start = i * network.outputs;
    lossSum += loss.value(pass.outputs, start, network.outputs, label);
    if (loss.answer(pass.outputs, start, network.outputs) === label)
      tail[TAIL.hits] = (tail[TAIL.hits] as number) + 1;
    loss.gradient(pass.outputs, start, network.outputs, label, gradient);
  });
  tail[TAIL.loss] = lossSum;
  tail[TAIL.samples] = labels.length;
  sink.add(layout.size, tail);
  pass.backward(gradient, { emit, wantInput: false });
  pass.dispose();
}
