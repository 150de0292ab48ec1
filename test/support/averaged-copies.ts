/**
 * A mode that the product does not have, made of its parts and handed in: two copies of the weights train on by themselves
 * for two steps, each with one worker, and go on from their mean.
 */
import type { ChunkHeader } from "../../shared/core/chunk.js";
import { stepSamples } from "../../shared/core/schedule.js";
import type { saf } from "../../shared/messages.js";
import type { CommittedUnit } from "../../coordinator/leases/events.js";
import type { ChunkVerdict, GrantedLease, Verdict } from "../../coordinator/leases/job.js";
import type { Commit, WorkPlan } from "../../coordinator/leases/unit.js";
import type {
  CommandHead,
  Course,
  MakeMode,
  Mode,
  ModeContext,
  Pause,
  PlanSetting,
} from "../../coordinator/training/modes/mode.js";
import { committedStretch } from "../../coordinator/training/modes/stretches/committed-stretch.js";
import type { StretchUnit } from "../../coordinator/training/modes/stretches/plan.js";
import { States } from "../../coordinator/training/modes/stretches/states.js";

const COPIES = [1, 2];
const STEPS = 2;

interface CopyUnit extends StretchUnit {
  copy: number;
}

function copiesPlan(setting: PlanSetting, { step, stopAt }: Course): WorkPlan<CopyUnit> {
  const steps = Math.min(STEPS, stopAt - step);
  const unitOf = (copy: number): CopyUnit => ({
    id: `copy ${copy} of steps ${step}-${step + steps - 1}`,
    copy,
    first: step,
    steps,
    images: steps * stepSamples(setting.plan, step),
    isExclusive: true,
    patience: { series: "copy", scale: steps, floorMs: setting.floorMs, unknownMs: 60_000, warmUpMs: 0 },
  });
  return {
    units: () => (steps > 0 ? COPIES.map(unitOf) : []),
    wants: () => steps > 0,
    advance: (_last, isComplete) =>
      isComplete
        ? { commit: { step, steps }, plan: copiesPlan(setting, { step: step + steps, stopAt }) }
        : undefined,
  };
}

export const averagedCopies: MakeMode = (context) => new AveragedCopies(context);

class AveragedCopies implements Mode<CopyUnit> {
  readonly #context: ModeContext;
  readonly #states: States;

  constructor(context: ModeContext) {
    const { options, versions, leases } = context;
    const { layout, plan } = options;
    this.#context = context;
    this.#states = new States({ layout, plan, leases, step: () => versions.step });
  }

  plan(course: Course): WorkPlan<CopyUnit> {
    const { plan, leaseFloorMs: floorMs } = this.#context.options;
    return copiesPlan({ plan, floorMs }, course);
  }

  command(unit: CopyUnit, { worker }: GrantedLease, head: CommandHead): saf.v1.WorkerCommand.$Properties {
    this.#states.leased(unit, worker);
    return { exclusive: { ...head, step: unit.first, stepCount: unit.steps } };
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    return this.#states.onChunk(workerId, header, body, isIntact);
  }

  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    return this.#states.onPushEnd(message);
  }

  commit({ step, steps }: Commit, units: readonly CommittedUnit<CopyUnit>[]): void {
    const { options, edges, versions } = this.#context;
    const [first] = units;
    if (first === undefined) throw new RangeError(`Nobody computed the steps from ${step} on`);
    const { sums } = this.#states.take(first.unit);
    const copies = units.map(({ unit }) => this.#states.take(unit).parts);
    this.#states.clear();
    versions.replace(
      {
        parameters: meanOf(copies.map(({ parameters }) => parameters)),
        velocity: meanOf(copies.map(({ velocity }) => velocity)),
      },
      steps,
    );
    for (const one of committedStretch(options, step, sums, first, edges.clock())) edges.onCommit(one);
  }

  pause(): Pause {
    const { versions, leases } = this.#context;
    return { stopAt: leases.hasBegun ? versions.step + STEPS : versions.step, recalls: false };
  }

  giveUp(): void {
    this.#states.clear();
  }
}

export function meanOf(vectors: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = vectors;
  return first.map((_, i) => vectors.reduce((sum, vector) => sum + (vector[i] ?? NaN), 0) / vectors.length);
}
