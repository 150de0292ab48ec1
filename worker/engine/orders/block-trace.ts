/** What the engine thread does in a block, part by part, for `saf bench --trace`; nothing where nobody traces. */
import type { SlotSink } from "../../training/train-step.js";
import type { HostParts } from "./order.js";

export interface BlockTrace {
  /** Names what was done since the last part. */
  took(name: string): void;
  /** The same sink, with the parts of each slot measured. */
  watched(sink: SlotSink): SlotSink;
  /** All slots are computed, and the main thread knows. */
  blockDone(): void;
}

/** Begin it with the block. */
export function blockTrace({ part, now }: Pick<HostParts, "part" | "now">): BlockTrace | undefined {
  if (part === undefined) return undefined;
  const beganMs = now();
  let lastMs = beganMs;
  const took = (name: string): void => {
    const atMs = now();
    part(name, lastMs, atMs);
    lastMs = atMs;
  };
  return {
    took,
    watched: (sink) => ({
      beginSlot: () => sink.beginSlot(),
      inputsReady: () => took("inputs"),
      // What a slot brings is copied, summed and encoded while the engine waits.
      add: (offset, values) => {
        const fromMs = now();
        sink.add(offset, values);
        part("sum and encode", fromMs, now());
      },
      endSlot: () => {
        sink.endSlot();
        took("compute");
      },
    }),
    blockDone: () => {
      took("done");
      part("block", beganMs, lastMs);
    },
  };
}
