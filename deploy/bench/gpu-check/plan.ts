/** What the GPU check measures, in the order of its worth, and how much of the time each measurement gets. Pure. */
import type { EngineName } from "../../../shared/engine.js";
import type { TrainingSubject } from "../../../worker/bench/measurement.js";

/** Programs compiled to one graph, or op by op. */
export type Mode = "compiled" | "eager";

export interface CheckOptions {
  engine: EngineName;
  /** For everything, processes and their starts included. */
  budgetSeconds: number;
  /** For one measurement. */
  mostSeconds: number;
  sets: readonly string[];
  model: string;
  batches: readonly number[];
  slots: number;
}

/** One process. The second one of a hash makes as many steps as the first one made. */
export type Measurement = { name: string; mode: Mode } & (
  | { kind: "self-test" }
  | { kind: "hash"; subject: TrainingSubject; run: 1 | 2 }
  | { kind: "training"; subject: TrainingSubject }
  | { kind: "evaluation"; set: string; model: string }
);

/** `modes`: those that the engine has, the better one first. */
export function measurementsOf(options: CheckOptions, modes: readonly Mode[]): Measurement[] {
  const { sets, model, batches, slots } = options;
  const [best = "eager"] = modes;
  const subject = (set: string, batch: number): TrainingSubject => ({ set, model, batch, slots });
  const hashes = (set: string, mode: Mode): Measurement[] =>
    ([1, 2] as const).map((run) => ({
      name: `hash ${set} ${mode}, run ${run}`,
      mode,
      kind: "hash",
      subject: subject(set, batches[0] ?? 128),
      run,
    }));
  const trainings = (batch: number): Measurement[] =>
    sets.flatMap((set) =>
      modes.map((mode): Measurement => ({
        name: `training ${set} ${batch} ${mode}`,
        mode,
        kind: "training",
        subject: subject(set, batch),
      })),
    );
  const [first, ...larger] = batches;
  return [
    ...modes.map((mode): Measurement => ({ name: `self-test ${mode}`, mode, kind: "self-test" })),
    ...sets.slice(0, 1).flatMap((set) => hashes(set, best)),
    ...(first === undefined ? [] : trainings(first)),
    ...sets.slice(0, 1).flatMap((set) =>
      modes.map((mode): Measurement => ({
        name: `evaluation ${set} ${mode}`,
        mode,
        kind: "evaluation",
        set,
        model,
      })),
    ),
    ...sets.slice(1).flatMap((set) => hashes(set, best)),
    // The largest batch last: the likeliest to fill the memory.
    ...larger.flatMap(trainings),
  ];
}

/** Less tells nothing about a speed. */
const LEAST_SECONDS = 0.5;
/** A process that hangs must not take everything that is left, and a compiling one needs this. */
const GRACE_SECONDS = 60;

export interface Allotment {
  /** To measure. */
  seconds: number;
  /** After these the process is ended. */
  limitSeconds: number;
}

export interface Pace {
  /** What the last process took besides measuring. */
  overheadSeconds: number;
  mostSeconds: number;
  /** The driver may have to compile everything first. */
  isFirst: boolean;
}

/** For the next of so many measurements; undefined when the time that is left is too short for it. */
export function allot(
  remainingSeconds: number,
  count: number,
  { overheadSeconds, mostSeconds, isFirst }: Pace,
): Allotment | undefined {
  if (remainingSeconds < overheadSeconds + LEAST_SECONDS) return undefined;
  const share = remainingSeconds / Math.max(1, count) - overheadSeconds;
  const seconds = Math.max(Math.min(share, mostSeconds), LEAST_SECONDS);
  const patience = Math.max(GRACE_SECONDS, 4 * (overheadSeconds + seconds));
  return { seconds, limitSeconds: isFirst ? remainingSeconds : Math.min(remainingSeconds, patience) };
}
