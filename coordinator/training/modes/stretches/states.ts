/** States that come back from stretches: put together chunk by chunk, checked, and handed over once. */
import { type ChunkHeader, chunkCountOf, valuesOfChunk } from "../../../../shared/core/chunk.js";
import type { Layout } from "../../../../shared/core/layout.js";
import type { StepPlan } from "../../../../shared/core/schedule.js";
import { type StateParts, stateParts, stateSize } from "../../../../shared/core/stretch.js";
import { allFinite } from "../../../../shared/core/vectors/vector-memory.js";
import { type saf, wire } from "../../../../shared/messages.js";
import { grantOf } from "../../../leases/book.js";
import type { ChunkVerdict, JobLeases, SettledLease, Verdict } from "../../../leases/job.js";
import { missingChunks } from "../missing.js";
import type { StretchUnit } from "./plan.js";
import { type StepSum, checkState } from "./stretch-lengths.js";

/** A state that comes in. */
interface Assembly {
  /** The first step behind it, and how many. */
  first: number;
  steps: number;
  stream: Float32Array;
  have: Uint8Array;
  refused: boolean;
}

/** A whole state, checked, that waits for its commit. */
export interface ArrivedState {
  parts: StateParts;
  sums: readonly StepSum[];
}

export interface StateContext {
  layout: Layout;
  plan: StepPlan;
  leases: JobLeases;
  /** Steps committed. */
  step(): number;
}

type PushVerdict = Verdict<saf.v1.PushReply.$Properties>;

const { Status } = wire.PushReply;

export class States {
  readonly #context: StateContext;
  /** The stretch that each worker was leased last. */
  readonly #leased = new Map<string, StretchUnit>();
  /** By worker. */
  readonly #assemblies = new Map<string, Assembly>();
  readonly #arrived = new Map<StretchUnit, ArrivedState>();

  constructor(context: StateContext) {
    this.#context = context;
  }

  /** From now on this worker may send the state after this stretch. */
  leased(unit: StretchUnit, worker: string): void {
    if (this.#leased.get(worker) !== unit) this.#assemblies.delete(worker);
    this.#leased.set(worker, unit);
  }

  /** The state of a stretch that is complete. */
  take(unit: StretchUnit): ArrivedState {
    const arrived = this.#arrived.get(unit);
    if (arrived === undefined) throw new RangeError(`The state after ${unit.id} has not arrived`);
    return arrived;
  }

  /** Nothing of what is in work is left. */
  clear(): void {
    this.#leased.clear();
    this.#assemblies.clear();
    this.#arrived.clear();
  }

  /** The stretch that a worker may send so many steps of, if it is one of those in work. */
  #stretchOf(workerId: string, steps: number): StretchUnit | undefined {
    const unit = this.#leased.get(workerId);
    if (unit === undefined || steps < 1 || steps > unit.steps) return undefined;
    return grantOf(this.#context.leases.record(unit.id), workerId) === undefined ? undefined : unit;
  }

  /** Nobody waits for a state after steps from this one on. */
  #isStale(step: number): boolean {
    return step !== this.#context.step() || this.#context.leases.records().length === 0;
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    if (header.kind !== "state") return { fate: "size" };
    // A state takes the place of what is kept, and that is rounded in no run.
    if (header.codec !== "fp32") return { fate: "codec" };
    if (this.#isStale(header.step)) return { fate: "stale" };
    const steps = header.node;
    if (this.#stretchOf(workerId, steps) === undefined) return { fate: "node" };
    const size = stateSize(this.#context.layout, steps);
    if (header.totalBytes !== 4 * size) return { fate: "size" };

    const assembly = this.#assemblyOf(workerId, header.step, steps, size);
    if (assembly.have[header.chunk] === 1) return { fate: "duplicate" };
    new Uint8Array(assembly.stream.buffer).set(body, header.offset);
    if (!isIntact()) return { fate: "checksum" };
    if (!allFinite(valuesOfChunk(assembly.stream, header.chunk))) {
      assembly.refused = true;
      return { fate: "nonfinite" };
    }
    assembly.have[header.chunk] = 1;
    return { fate: "accepted" };
  }

  #assemblyOf(workerId: string, first: number, steps: number, size: number): Assembly {
    const known = this.#assemblies.get(workerId);
    if (known?.steps === steps && known.first === first) return known;
    const have = new Uint8Array(chunkCountOf(4 * size));
    const assembly = { first, steps, stream: new Float32Array(size), have, refused: false };
    this.#assemblies.set(workerId, assembly);
    return assembly;
  }

  onPushEnd({ workerId, step, stepCount: steps, computeSeconds }: saf.v1.PushEnd): PushVerdict {
    if (this.#isStale(step))
      return { reply: { status: Status.STALE }, settled: { outcome: "done", reason: "" } };
    const unit = this.#stretchOf(workerId, steps);
    if (unit === undefined)
      return refused({ outcome: "refused", reason: "these steps were not leased to you" });
    const known = this.#assemblies.get(workerId);
    const assembly = known?.steps === steps ? known : undefined;
    if (assembly === undefined || assembly.have.includes(0))
      return this.#incomplete(unit.id, workerId, steps, assembly);
    const reason = this.#problemOf(unit, assembly);
    if (reason !== undefined) {
      this.#assemblies.delete(workerId);
      return refused({ unitId: unit.id, outcome: "refused", reason });
    }
    const toldMs = 1000 * computeSeconds;
    return { reply: { status: Status.OK }, completed: { unitId: unit.id, steps, toldMs } };
  }

  /** Chunks are missing because they were lost, or because their values were refused. */
  #incomplete(unitId: string, workerId: string, steps: number, assembly: Assembly | undefined): PushVerdict {
    if (assembly?.refused === true) {
      this.#assemblies.delete(workerId);
      return refused({ unitId, outcome: "spoiled", reason: "values that are not finite" });
    }
    const count = chunkCountOf(4 * stateSize(this.#context.layout, steps));
    const missing = Array.from({ length: count }, (_, chunk) => chunk);
    return missingChunks(
      missing.filter((chunk) => assembly?.have[chunk] !== 1),
      count,
    );
  }

  /** Keeps a state that is right; else says what is wrong with it. */
  #problemOf(unit: StretchUnit, { first, stream, steps }: Assembly): string | undefined {
    const { layout, plan } = this.#context;
    const parts = stateParts(layout, stream);
    const checked = checkState(layout, plan, first, steps, stream, parts);
    if (!checked.ok) return checked.detail;
    this.#arrived.set(unit, { parts, sums: checked.steps });
    return undefined;
  }
}

function refused(settled: SettledLease): PushVerdict {
  return { reply: { status: Status.REFUSED, reason: settled.reason }, settled };
}
