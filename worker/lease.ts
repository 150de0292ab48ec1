/** A lease as the worker holds it: what was ordered, and how it ends early. */
import type { saf } from "../shared/messages.js";

export type Lease =
  | { kind: "block"; order: saf.v1.BlockLease }
  | { kind: "stretch"; order: saf.v1.ExclusiveLease }
  | { kind: "task"; order: saf.v1.TaskLease }
  | { kind: "features"; order: saf.v1.TaskLease };

/** The lease in a command; undefined when it commands something else. */
export function leaseIn(command: saf.v1.WorkerCommand): Lease | undefined {
  // Decoded inner messages are whole, but the generated types call them partial.
  if (command.block != null) return { kind: "block", order: command.block as saf.v1.BlockLease };
  if (command.exclusive != null)
    return { kind: "stretch", order: command.exclusive as saf.v1.ExclusiveLease };
  if (command.task == null) return undefined;
  const order = command.task as saf.v1.TaskLease;
  return { kind: order.features ? "features" : "task", order };
}

/** The lease that is being served. */
export class LeaseInHand {
  readonly id: number;
  readonly term: number;
  #isHalted = false;
  #onHalt: () => void = () => undefined;
  /** How far it is, where that can be told; for display. */
  progress: () => saf.v1.StretchProgress.$Properties | undefined = () => undefined;

  constructor({ leaseId, term }: { leaseId: number; term: number }) {
    this.id = leaseId;
    this.term = term;
  }

  /** It is to end early; it may still be getting what it needs. */
  halt(): void {
    this.#isHalted = true;
    this.#onHalt();
  }

  /** Calls `end` when the lease is halted; at once when it already is. */
  onHalt(end: () => void): void {
    this.#onHalt = end;
    if (this.#isHalted) end();
  }
}
