/** What the orders that end with a report have in common. */
import type { VectorStore } from "../../../shared/core/vectors/vector-memory.js";
import type { TakePart } from "../../../shared/tracing.js";
import type { FromEngine, ToEngine } from "../messages.js";
import type { Programs } from "../program.js";

/** What orders are carried out with. */
export interface HostParts {
  programs: Programs;
  send: (message: FromEngine) => void;
  /** Where the exclusive leases of all runs compute: V8 counts none of it. */
  vectors: VectorStore;
  /** Milliseconds since some moment. */
  now: () => number;
  /** Where somebody traces the engine. */
  part?: TakePart | undefined;
}

/** The order of a type. */
export type OrderOf<Type extends ToEngine["type"]> = Extract<ToEngine, { type: Type }>;

type Done = Pick<
  Extract<FromEngine, { type: "block-done" }>,
  "leaseId" | "seconds" | "tensors" | "tensorBytes"
>;

/** Call at the beginning; the answer says, at the end, how long it took and what lives in the engine. */
export function timed({ programs, now }: HostParts, { leaseId }: { leaseId: number }): () => Done {
  const started = now();
  return () => ({ leaseId, seconds: (now() - started) / 1000, ...programs.living() });
}
