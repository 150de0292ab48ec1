/** A lease as the worker holds it: what was ordered, and how it ends early. */
import type { saf } from "../shared/messages.js";

export type Lease = Ordered & { brought?: Brought | undefined };

type Ordered =
  | { kind: "block"; order: saf.v1.BlockLease }
  | { kind: "stretch"; order: saf.v1.ExclusiveLease }
  | { kind: "task"; order: saf.v1.TaskLease }
  | { kind: "features"; order: saf.v1.TaskLease };

/** What came with it; what did not is asked for. */
interface Brought {
  /** The run's description. */
  run: saf.v1.RunSpec | undefined;
  /** Chunks of the vectors that it begins with. */
  frames: readonly Uint8Array[];
}

/** The lease in a command; undefined when it commands something else. */
export function leaseIn(command: saf.v1.WorkerCommand): Lease | undefined {
  const ordered = orderedIn(command);
  if (ordered === undefined) return undefined;
  const { run, frames } = command;
  return { ...ordered, brought: { run: run == null ? undefined : (run as saf.v1.RunSpec), frames } };
}

function orderedIn(command: saf.v1.WorkerCommand): Ordered | undefined {
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
  /** What came with it. */
  readonly frames: readonly Uint8Array[];
  #isHalted = false;
  #onHalt: () => void = () => undefined;
  /** How far it is, where that can be told; for display. */
  progress: () => saf.v1.StretchProgress.$Properties | undefined = () => undefined;

  constructor({ leaseId, term }: { leaseId: number; term: number }, frames: readonly Uint8Array[] = []) {
    this.id = leaseId;
    this.term = term;
    this.frames = frames;
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
