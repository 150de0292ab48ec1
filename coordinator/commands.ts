/** What the coordinator tells its workers: few messages, for each costs four processes' time. */
import { isShort } from "../shared/core/chunk.js";
import { type saf, wire, writeMessage } from "../shared/messages.js";
import type { CoordinatorEdges } from "./coordinator-edges.js";
import type { GrantedLease, Job } from "./leases/job.js";
import type { Unit } from "./leases/unit.js";

export class Commands {
  readonly #edges: Pick<CoordinatorEdges, "control" | "subjects">;
  /** By worker: what its last push came to, while it does not know. */
  readonly #settled = new Map<string, saf.v1.Settled.$Properties>();

  constructor(edges: Pick<CoordinatorEdges, "control" | "subjects">) {
    this.#edges = edges;
  }

  lease(job: Job, lease: GrantedLease & { unit: Unit; isCold: boolean }): void {
    this.send(lease.worker, { ...job.command(lease.unit, lease), ...briefingFor(job, lease) });
  }

  send(worker: string, command: saf.v1.WorkerCommand.$Properties): void {
    const { control, subjects } = this.#edges;
    const settled = this.#settled.get(worker);
    this.#settled.delete(worker);
    const told = settled === undefined ? command : { ...command, settled };
    control.publish(subjects.command(worker), writeMessage(wire.WorkerCommand, told));
  }

  /** Tells a worker what its push came to: with the command that `follow` has for it, or else by itself. */
  settle(worker: string, settled: saf.v1.Settled.$Properties, follow: () => void): void {
    this.#settled.set(worker, settled);
    try {
      follow();
    } finally {
      if (this.#settled.has(worker)) this.send(worker, {});
    }
  }
}

/** What a worker needs that has not served this run yet, where it is short; else it asks for it. */
export function briefingFor(
  job: Job,
  { unit, isCold }: { unit: Unit; isCold: boolean },
): Pick<saf.v1.WorkerCommand.$Properties, "run" | "frames"> {
  if (!isCold) return {};
  const run = job.describe();
  return isShort(lengthOf(run)) ? { run, frames: [...(job.opening?.(unit) ?? [])] } : {};
}

/** A part's hash, and the numbers beside it. */
const PART_BYTES = 80;

/** About so many bytes. */
function lengthOf({ configJson, data }: saf.v1.RunSpec.$Properties): number {
  const parts = (data?.train?.length ?? 0) + (data?.test?.length ?? 0);
  return (configJson ?? "").length + (data?.meanImage?.byteLength ?? 0) + PART_BYTES * parts;
}
