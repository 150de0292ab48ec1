/** The sweeps as the live page knows them: the last word of each, and what of it viewers have. */
import { type SweepMessage, type SweepProgress, sweepOf } from "../../../shared/sweep-progress.js";
import { shortId, trialName } from "../../../shared/trial-name.js";
import type { SweepChange } from "./push.js";
import type { SweepView } from "./views.js";

/** More than one pool works on at a time; a bound all the same. */
export const MOST_SWEEPS = 8;

interface Known {
  view: SweepView;
  isChanged: boolean;
  /** The table of the best as viewers have it: it is most of the bytes, and changes seldom when a sweep is far. */
  toldBest: string;
}

export class LiveSweeps {
  readonly #sweeps = new Map<string, Known>();
  #gone: string[] = [];

  get views(): SweepView[] {
    return [...this.#sweeps.values()].map(({ view }) => view);
  }

  get isDirty(): boolean {
    return this.#gone.length > 0 || [...this.#sweeps.values()].some(({ isChanged }) => isChanged);
  }

  view(name: string): SweepView | undefined {
    return this.#sweeps.get(name)?.view;
  }

  /** What the run of a trial is called; undefined where no sweep has it. */
  trialOf(runId: string): string | undefined {
    const sweep = this.views.find(({ name }) => runId.startsWith(`${name}-`));
    if (sweep === undefined) return undefined;
    const id = runId.slice(sweep.name.length + 1);
    const known = sweep.best.find((trial) => trial.id === id);
    return known === undefined ? `trial ${shortId(id)}` : trialName(known.number, id);
  }

  /** Returns whether nothing was known of this sweep before. */
  take(message: SweepMessage): boolean {
    const view = viewOf(sweepOf(message));
    const known = this.#sweeps.get(view.name);
    if (known === undefined) this.#makeRoom();
    this.#sweeps.set(view.name, { view, isChanged: true, toldBest: known?.toldBest ?? "" });
    return known === undefined;
  }

  /** One that is done goes before one that is not, the one known for longest first. */
  #makeRoom(): void {
    if (this.#sweeps.size < MOST_SWEEPS) return;
    const all = this.views;
    const name = (all.find(({ state }) => state === "done") ?? all[0])?.name;
    if (name === undefined) return;
    this.#sweeps.delete(name);
    this.#gone.push(name);
  }

  /** What a viewer lacks who has all that was told before. */
  takeChange(): { sweeps?: SweepChange[]; gone_sweeps?: string[] } {
    const sweeps: SweepChange[] = [];
    for (const known of this.#sweeps.values()) {
      if (!known.isChanged) continue;
      known.isChanged = false;
      const { best, ...others } = known.view;
      const told = JSON.stringify(best);
      sweeps.push(told === known.toldBest ? others : known.view);
      known.toldBest = told;
    }
    const gone = this.#gone;
    this.#gone = [];
    return {
      ...(sweeps.length === 0 ? {} : { sweeps }),
      ...(gone.length === 0 ? {} : { gone_sweeps: gone }),
    };
  }
}

function viewOf(told: SweepProgress): SweepView {
  const { name, title, state, counts, rungs, planned, samplesSeen, samplesPerSecond } = told;
  return {
    ...{ name, title, state },
    trials: { ...counts },
    planned: planned ?? null,
    rungs: rungs.map((rung) => ({ ...rung })),
    samples: Math.max(0, finite(samplesSeen)),
    samples_per_second: Math.max(0, finite(samplesPerSecond)),
    objectives: told.objectives.map((objective) => ({ ...objective })),
    best: told.best.map((trial) => ({
      ...trial,
      values: { ...trial.values },
      metrics: { ...trial.metrics },
    })),
    seconds: Math.max(0, finite(told.seconds)),
    eta_seconds: told.etaSeconds === undefined ? null : finite(told.etaSeconds),
    decisions: told.decisions.map(({ time, ...decision }) => ({
      ...decision,
      time: Math.round(1000 * finite(time)),
    })),
  };
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
