/** Many steps for one worker, which sums and updates by the same shared code: its state takes the place of the versions'. */
import { type ChunkHeader, isShort } from "../../../../shared/core/chunk.js";
import { ONLY_SHARD } from "../../../../shared/core/shards.js";
import { totalSteps } from "../../../../shared/core/schedule.js";
import type { saf } from "../../../../shared/messages.js";
import type { TaskSpec } from "../../../../shared/records/task.js";
import type { CommittedUnit, StretchProgress } from "../../../leases/events.js";
import type { ChunkVerdict, GrantedLease, Verdict } from "../../../leases/job.js";
import type { Commit, WorkPlan } from "../../../leases/unit.js";
import type { CommandHead, Course, MakeMode, Mode, ModeContext, Pause } from "../mode.js";
import { committedStretch } from "./committed-stretch.js";
import { type LastStretch, NO_STRETCH, type StretchUnit, stretchPlan } from "./plan.js";
import { States } from "./states.js";

export const stretches: MakeMode = (context) => new Stretches(context);

class Stretches implements Mode<StretchUnit> {
  readonly #context: ModeContext;
  readonly #states: States;
  #last: LastStretch = NO_STRETCH;
  /** With the newest whole state. */
  #measured: { worker: string; results: readonly saf.v1.TaskResult.$Properties[] } | undefined;

  constructor(context: ModeContext) {
    const { options, versions, leases } = context;
    const { layout, plan } = options;
    this.#context = context;
    this.#states = new States({ layout, plan, leases, step: () => versions.step });
  }

  plan(course: Course): WorkPlan<StretchUnit> {
    const { plan, leaseFloorMs: floorMs } = this.#context.options;
    return stretchPlan({ plan, floorMs }, course, this.#last);
  }

  command(unit: StretchUnit, { worker }: GrantedLease, head: CommandHead): saf.v1.WorkerCommand.$Properties {
    this.#states.leased(unit, worker);
    const measures = this.#isLast(unit.first + unit.steps) ? (this.#context.options.behind ?? []) : [];
    return {
      exclusive: {
        ...head,
        step: unit.first,
        stepCount: unit.steps,
        takesFrames: true,
        measures: measures.map(measuringOf),
      },
    };
  }

  #isLast(step: number): boolean {
    return step >= totalSteps(this.#context.options.plan);
  }

  opening({ first: version }: StretchUnit): readonly Uint8Array[] {
    const { options, versions } = this.#context;
    if (!isShort(2 * 4 * options.layout.size)) return [];
    const request = { shard: ONLY_SHARD, version, chunk: 0 };
    const answers = [versions.parameterFrame(request), versions.velocityFrame(request)];
    return answers.flatMap(({ frame }) => (frame === undefined ? [] : [frame]));
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    return this.#states.onChunk(workerId, header, body, isIntact);
  }

  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    const verdict = this.#states.onPushEnd(message);
    if (verdict.completed !== undefined)
      this.#measured = { worker: message.workerId, results: message.measured };
    return verdict;
  }

  commit({ step, steps }: Commit, [done]: readonly CommittedUnit<StretchUnit>[]): void {
    if (done === undefined) throw new RangeError(`Nobody computed the steps from ${step} on`);
    const { options, edges, versions } = this.#context;
    const { parts, sums } = this.#states.take(done.unit);
    this.#states.clear();
    this.#last = { steps, stepMs: done.stepMs };
    versions.replace(parts, steps);
    const { worker, results } = this.#measured ?? { worker: "", results: [] };
    if (worker === done.worker && this.#isLast(step + steps)) edges.onMeasured?.(worker, results);
    this.#measured = undefined;
    for (const one of committedStretch(options, step, sums, done, edges.clock())) edges.onCommit(one);
  }

  onProgress({ first }: StretchUnit, { steps, loss, accuracy }: StretchProgress): void {
    this.#context.edges.onProgress?.(first + steps, loss, accuracy);
  }

  /** Whoever holds the stretch sends what it has. */
  pause(): Pause {
    const { versions, leases } = this.#context;
    return { stopAt: versions.step, recalls: leases.isHeld };
  }

  giveUp(): void {
    this.#states.clear();
  }
}

function measuringOf({
  measure,
  strengths,
  firstImage,
  imageCount,
  sampleCount,
}: TaskSpec): saf.v1.Measuring.$Properties {
  const measureJson = JSON.stringify(measure);
  return { measureJson, strengths: [...strengths], firstImage, imageCount, sampleCount };
}
