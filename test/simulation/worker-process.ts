/** The product's worker as a simulated process, on an engine of whole numbers. */
import { NO_TRACES } from "../../shared/tracing.js";
import { subjectsOf } from "../../shared/subjects.js";
import { partFiles } from "../../worker/io/part-files.js";
import { Worker } from "../../worker/worker.js";
import type { Draws } from "./draws.js";
import { type EngineCharacter, SimulatedEngine } from "./engine.js";
import type { SimulatedBus } from "./network.js";
import type { WorkerPlan } from "./scenario.js";
import { CALENDAR_MS, DISK_ROOT, type Surroundings } from "./surroundings.js";

export interface WorkerSetting {
  process: Surroundings;
  /** The name of its pool. */
  pool: string;
  plan: WorkerPlan;
  control: SimulatedBus;
  bulk: SimulatedBus;
  draws: Draws;
  hangs: () => boolean;
  /** Where its slots are computed, if others are computed there too: what one takes now that takes `times` as long as usual. */
  sharedSlotMs: ((times: number) => number) | undefined;
  note: (text: string) => void;
}

/** Resolves when the worker has ended by itself: dismissed, or out of patience. */
export async function work({
  process,
  pool,
  plan,
  control,
  bulk,
  draws,
  hangs,
  sharedSlotMs,
  note,
}: WorkerSetting): Promise<void> {
  const engine = new SimulatedEngine(process.clock, characterOf({ plan, draws, hangs, sharedSlotMs }));
  const startedMs = CALENDAR_MS + Math.floor(process.clock.now());
  const worker = new Worker(plan.name, {
    ...{ control, bulk, engine, subjects: subjectsOf(pool) },
    parts: partFiles(`${DISK_ROOT}/${plan.name}/parts`),
    coordinatorTimeoutMs: plan.patienceMs,
    // What is read where it lies elsewhere comes as bytes here.
    ...(plan.host === undefined ? {} : { isFar: true, host: { id: plan.host, bus: bulk } }),
    clock: process.clock,
    process: { pid: 1, incarnation: startedMs, rssBytes: () => 0, metricsUrl: "" },
    log: (level, message) => note(`${level}: ${message}`),
    metrics: { phase: () => undefined, tensors: () => undefined, reconnected: () => undefined },
    tracer: NO_TRACES,
  });
  await worker.serve(new AbortController().signal).catch((error: Error) => note(`ends: ${error.message}`));
}

const SPOILT_SLOTS = 0.3;
/** Longer than a lease lasts once its time is known. */
const LATE_MS = 30_000;

function characterOf({
  plan: { nature, slotMs },
  draws,
  hangs,
  sharedSlotMs,
}: Pick<WorkerSetting, "plan" | "draws" | "hangs" | "sharedSlotMs">): EngineCharacter {
  const usualMs = sharedSlotMs ?? ((times: number): number => times * slotMs);
  return {
    slotMs: () =>
      nature === "late" && draws.chance(0.3) ? draws.between(0, LATE_MS) : usualMs(draws.between(0.7, 1.5)),
    spoilt: (right, layout) => {
      if (nature !== "nan" || !draws.chance(SPOILT_SLOTS)) return right;
      const values = right.slice();
      values[draws.whole(0, layout.size - 1)] = NaN;
      return values;
    },
    hangs,
  };
}
