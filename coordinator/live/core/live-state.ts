/**
 * Everything the live page shows, folded from what happens. Bounded in every direction: runs, points of a curve,
 * series, workers, events. Pure: times come with the events.
 */
import { LiveRun } from "./live-run.js";
import { LiveSweeps } from "./live-sweeps.js";
import { LiveWorkers } from "./live-workers.js";
import type { Delta, Snapshot } from "./push.js";
import type { ClusterView, EventView, SweepView, TakenView, WaitView } from "./views.js";
import type { PoolView } from "../../../shared/pool-view.js";
import { type Finished, type LiveEvent, type WorkerRow, noteLevel } from "../../../shared/events.js";

export const MOST_RUNS = 64;
export const MOST_EVENTS = 200;
const LONGEST_MESSAGE = 500;

export type ClusterDescription = Pick<ClusterView, "title" | "pool" | "version" | "started">;

export class LiveState {
  readonly #cluster: ClusterView;
  readonly #runs = new Map<string, LiveRun>();
  readonly #sweeps = new LiveSweeps();
  readonly #workers = new LiveWorkers();
  /** What the book of leases says besides; `taken`: the newest first. */
  #leases: { waits: WaitView[]; taken: TakenView[] } = { waits: [], taken: [] };
  readonly #events: EventView[] = [];
  #nextSeq = 0;
  // What changed since the last delta.
  readonly #changed = new Set<LiveRun>();
  #gone: string[] = [];
  #clusterChanged = false;
  #workersChanged = false;
  #toldSeq = 0;

  constructor(description: ClusterDescription) {
    this.#cluster = { ...description, heard: description.started, phase: "", detail: "" };
  }

  /** Anything new for viewers? That the coordinator still speaks is told with what it says. */
  get isDirty(): boolean {
    return (
      this.#changed.size > 0 ||
      this.#gone.length > 0 ||
      this.#clusterChanged ||
      this.#workersChanged ||
      this.#sweeps.isDirty ||
      this.#toldSeq < this.#nextSeq
    );
  }

  get cluster(): ClusterView {
    return this.#cluster;
  }

  get runs(): LiveRun[] {
    return [...this.#runs.values()];
  }

  get workers(): LiveWorkers["rows"] {
    return this.#workers.rows;
  }

  get waits(): WaitView[] {
    return this.#leases.waits;
  }

  get taken(): TakenView[] {
    return this.#leases.taken;
  }

  get events(): readonly EventView[] {
    return this.#events;
  }

  get sweeps(): SweepView[] {
    return this.#sweeps.views;
  }

  sweep(name: string): SweepView | undefined {
    return this.#sweeps.view(name);
  }

  /** By name, or by id. */
  run(name: string): LiveRun | undefined {
    return this.#runs.get(name) ?? this.runs.find(({ view }) => view.name === name);
  }

  apply(event: LiveEvent): void {
    const timeMs = event.timeMs ?? 0;
    this.#cluster.heard = timeMs;
    if (event.opened !== undefined) {
      const { runId, name } = event.opened;
      this.#of(runId, name, timeMs).opened(event.opened);
    }
    if (event.phase != null) {
      const { runId, model, name, detail } = event.phase;
      this.#onPhase(runId ?? "", model ?? "", name ?? "", detail ?? "", timeMs);
    }
    if (event.progress != null) {
      const { runId, model } = event.progress;
      this.#of(runId ?? "", model ?? "", timeMs).progress(event.progress);
    }
    if (event.learningRate !== undefined) {
      const run = this.#known(event.learningRate.runId);
      if (run !== undefined) run.view.training.learning_rate = event.learningRate.rate;
    }
    if (event.testAccuracy !== undefined) {
      const { runId, step, accuracy } = event.testAccuracy;
      this.#known(runId)?.testAccuracy(step, accuracy);
    }
    if (event.measured !== undefined) this.#known(event.measured.runId)?.measured(event.measured);
    if (event.result !== undefined) this.#known(event.result.runId)?.result(event.result);
    if (event.workers != null) this.#onWorkers(event.workers.workers ?? [], event.pool, timeMs);
    if (event.sweep != null && this.#sweeps.take(event.sweep))
      this.#say("info", event.sweep.name ?? "", "the sweep is under way", timeMs);
    if (event.note != null) {
      const { level, message } = event.note;
      this.#say(noteLevel(level), null, message ?? "", timeMs);
    }
    if (event.finished != null) this.#onFinished(event.finished, timeMs);
  }

  #onPhase(runId: string, name: string, phase: string, detail: string, timeMs: number): void {
    if (runId === "") {
      Object.assign(this.#cluster, { phase, detail });
      this.#clusterChanged = true;
      this.#say("info", null, `${phase} ${detail}`.trim(), timeMs);
      return;
    }
    const run = this.#of(runId, name, timeMs);
    // Runs are on their way: nothing is waited for any more.
    if (this.#cluster.phase !== "") {
      Object.assign(this.#cluster, { phase: "", detail: "" });
      this.#clusterChanged = true;
    }
    const isNew = run.view.phase !== phase;
    run.phase(phase, detail, timeMs);
    if (isNew) this.#say("info", name, detail === "" ? phase : `${phase}: ${detail}`, timeMs);
  }

  #onWorkers(table: readonly WorkerRow[], pool: PoolView | undefined, timeMs: number): void {
    const nameOf = (runId: string): string =>
      this.#runs.get(runId)?.view.name ?? this.#sweeps.trialOf(runId) ?? runId;
    const { joined, left } = this.#workers.update(table, pool?.workers ?? [], nameOf, timeMs);
    this.#workersChanged = true;
    this.#leases = {
      waits: (pool?.waits ?? []).map(({ runId, ...wait }) => ({ run: nameOf(runId), ...wait })),
      taken: (pool?.taken ?? []).map(({ runId, ago_seconds: ago, ...taken }) => ({
        run: nameOf(runId),
        ...taken,
        time: Math.round(timeMs - 1000 * ago),
      })),
    };
    for (const id of joined) this.#say("info", null, `${id} joined`, timeMs);
    for (const id of left) this.#say("warning", null, `${id} left`, timeMs);
  }

  #onFinished(finished: Finished, timeMs: number): void {
    const { ok, message, runId } = finished;
    const run = runId == null || runId === "" ? undefined : this.#known(runId);
    run?.finished(finished);
    if (runId == null || runId === "") {
      Object.assign(this.#cluster, { phase: ok === true ? "done" : "failed", detail: message ?? "" });
      this.#clusterChanged = true;
    }
    this.#say(ok === true ? "info" : "error", run?.view.name ?? null, message ?? "", timeMs);
  }

  #say(level: EventView["level"], run: string | null, message: string, timeMs: number): void {
    const text = message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)} …` : message;
    this.#events.push({ seq: this.#nextSeq++, time: timeMs, level, run, message: text });
    if (this.#events.length > MOST_EVENTS) this.#events.shift();
  }

  /** A run that something happens to. */
  #known(runId: string): LiveRun | undefined {
    const run = this.#runs.get(runId);
    if (run !== undefined) this.#changed.add(run);
    return run;
  }

  #of(runId: string, name: string, timeMs: number): LiveRun {
    const known = this.#known(runId);
    if (known !== undefined) return known;
    this.#makeRoom();
    const run = new LiveRun(runId, name, timeMs);
    this.#runs.set(runId, run);
    this.#changed.add(run);
    return run;
  }

  /** The run that has been over for longest goes; where none is over, the oldest. */
  #makeRoom(): void {
    if (this.#runs.size < MOST_RUNS) return;
    const run = this.runs.find(({ isOver }) => isOver) ?? this.runs[0];
    if (run === undefined) return;
    this.#runs.delete(run.view.id);
    this.#changed.delete(run);
    this.#gone.push(run.view.name);
  }

  // ---- What viewers get ---------------------------------------------------------------------------------------

  /** Everything. After it, deltas go on from the last `takeDelta`. */
  snapshot(): Snapshot {
    const byName = <Value>(pick: (run: LiveRun) => Value): Record<string, Value> =>
      Object.fromEntries(this.runs.map((run) => [run.view.name, pick(run)]));
    return {
      type: "snapshot",
      cluster: this.#cluster,
      runs: this.runs.map(({ view }) => view),
      curves: byName((run) => run.curve()),
      series: byName((run) => [...run.series.values()]),
      sweeps: this.sweeps,
      workers: this.workers,
      ...this.#leases,
      events: [...this.#events],
    };
  }

  /** What changed since the last one; undefined when nothing did. */
  takeDelta(): Delta | undefined {
    if (!this.isDirty) return undefined;
    const delta: Delta = { type: "delta", cluster: this.#cluster };
    if (this.#gone.length > 0) delta.gone = this.#gone;
    if (this.#changed.size > 0) this.#takeRuns(delta);
    if (this.#workersChanged) Object.assign(delta, { workers: this.workers, ...this.#leases });
    Object.assign(delta, this.#sweeps.takeChange());
    const events = this.#events.filter(({ seq }) => seq >= this.#toldSeq);
    if (events.length > 0) delta.events = events;
    this.#gone = [];
    this.#changed.clear();
    this.#clusterChanged = this.#workersChanged = false;
    this.#toldSeq = this.#nextSeq;
    return delta;
  }

  #takeRuns(delta: Delta): void {
    const curves: NonNullable<Delta["curves"]> = {};
    const series: NonNullable<Delta["series"]> = {};
    const cleared: string[] = [];
    for (const run of this.#changed) {
      const { name } = run.view;
      const curve = run.takeCurveChange();
      if (curve !== undefined) curves[name] = curve;
      const change = run.takeSeriesChange();
      if (change === undefined) continue;
      if (change.reset) cleared.push(name);
      series[name] = change.series;
    }
    delta.runs = [...this.#changed].map(({ view }) => view);
    if (Object.keys(curves).length > 0) delta.curves = curves;
    if (Object.keys(series).length > 0) delta.series = series;
    if (cleared.length > 0) delta.cleared = cleared;
  }
}
