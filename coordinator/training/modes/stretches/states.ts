/** States that come back from stretches: put together chunk by chunk, checked, and handed over once. */
import { type ChunkHeader, chunkCountOf, valuesOfChunk } from "../../../../shared/core/chunk.js";
import type { Layout } from "../../../../shared/core/layout.js";
import type { StepPlan } from "../../../../shared/core/schedule.js";
import { type StateParts, stateParts, stateSize } from "../../../../shared/core/stretch.js";
import { allFinite } from "../../../../shared/core/vectors/vector-memory.js";
import { type saf, wire } from "../../../../shared/messages.js";
import { type UnitRecord, grantOf } from "../../../leases/book.js";
import type { ChunkVerdict, JobLeases, Verdict } from "../../../leases/job.js";
import { bitmapOf } from "../step-by-step/gradients.js";
import { type StepSum, checkState } from "./stretch-lengths.js";
import { stretchOf } from "./plan.js";

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
  /** Steps committed. */
  step(): number;
}

const { Status } = wire.PushReply;

export class States {
  readonly #leases: JobLeases;
  readonly #context: StateContext;
  /** By worker. */
  readonly #assemblies = new Map<string, Assembly>();
  #arrived: ArrivedState | undefined;

  constructor(leases: JobLeases, context: StateContext) {
    this.#leases = leases;
    this.#context = context;
  }

  /** The state whose unit was just completed. */
  take(): ArrivedState {
    const arrived = this.#arrived;
    if (arrived === undefined) throw new RangeError("No state has arrived");
    this.#arrived = undefined;
    this.#assemblies.clear();
    return arrived;
  }

  /** The stretch that is leased now. */
  #stretch(): { record: UnitRecord; count: number } | undefined {
    const [record] = this.#leases.records();
    if (record === undefined) return undefined;
    const { first, count } = stretchOf(record.unit.id);
    return first === this.#context.step() ? { record, count } : undefined;
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    const stretch = this.#stretch();
    if (stretch === undefined || header.step !== this.#context.step()) return { fate: "stale" };
    const steps = header.node;
    const isLeased = grantOf(stretch.record, workerId) !== undefined;
    if (!isLeased || steps < 1 || steps > stretch.count) return { fate: "node" };
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

  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    const stretch = this.#stretch();
    if (stretch === undefined || message.step !== this.#context.step())
      return { reply: { status: Status.STALE }, settled: { outcome: "done", reason: "" } };
    const steps = message.stepCount;
    const isLeased = grantOf(stretch.record, message.workerId) !== undefined;
    if (!isLeased || steps < 1 || steps > stretch.count) {
      const reason = "these steps were not leased to you";
      return { reply: { status: Status.REFUSED, reason }, settled: { outcome: "refused", reason } };
    }
    const unitId = stretch.record.unit.id;
    const assembly = this.#assemblies.get(message.workerId);
    if (assembly?.steps !== steps || assembly.have.includes(0))
      return this.#incomplete(unitId, message.workerId, steps);
    return this.#complete(unitId, assembly, message);
  }

  /** Chunks are missing because they were lost, or because their values were refused. */
  #incomplete(unitId: string, workerId: string, steps: number): Verdict<saf.v1.PushReply.$Properties> {
    const known = this.#assemblies.get(workerId);
    const assembly = known?.steps === steps ? known : undefined;
    if (assembly?.refused === true) {
      this.#assemblies.delete(workerId);
      const reason = "values that are not finite";
      return { reply: { status: Status.REFUSED, reason }, settled: { unitId, outcome: "spoiled", reason } };
    }
    const count = chunkCountOf(4 * stateSize(this.#context.layout, steps));
    const missing = Array.from({ length: count }, (_, chunk) => chunk).filter(
      (chunk) => assembly?.have[chunk] !== 1,
    );
    return { reply: { status: Status.MISSING, missing: bitmapOf(missing, count) } };
  }

  #complete(
    unitId: string,
    { first, stream, steps }: Assembly,
    message: saf.v1.PushEnd,
  ): Verdict<saf.v1.PushReply.$Properties> {
    const { layout, plan } = this.#context;
    const parts = stateParts(layout, stream);
    const checked = checkState(layout, plan, first, steps, stream, parts);
    if (!checked.ok) {
      this.#assemblies.delete(message.workerId);
      const reason = checked.detail;
      return { reply: { status: Status.REFUSED, reason }, settled: { unitId, outcome: "refused", reason } };
    }
    this.#arrived = { parts, sums: checked.steps };
    const toldMs = 1000 * message.computeSeconds;
    return { reply: { status: Status.OK }, completed: { unitId, steps, toldMs } };
  }
}
