/** What the coordinator shows of itself: pool and runs as metrics, and how long their series stay. */
import type { Config } from "../../shared/config/run.js";
import type { Metrics } from "../../shared/io/metrics-registry.js";
import {
  MOST_ACCURACY_SERIES,
  MOST_ATTACK_LABELS,
  RUN_STATES,
  type RunStateLabel,
} from "../../shared/metrics.js";
import { resolveRun } from "../../shared/resolve.js";
import type { CoordinatorMetrics } from "../coordinator-edges.js";
import { AccuracySeries } from "./accuracy-series.js";
import type { RunMeter } from "./run-meter.js";
import { SeriesLifetime } from "./series-lifetime.js";
import { RUN_ACCOUNT } from "../pool/fairness.js";
import { SweepTelemetry } from "./sweep-telemetry.js";
import type { TaskStanding } from "../evaluation/evaluation-job.js";
import type { CommittedStep } from "../training/training-types.js";
import type { TaskRecord } from "../../shared/records/task.js";

/** A worker as the pool knows it. */
export interface PoolMember {
  id: string;
  /** Milliseconds since it was last heard of. */
  silentMs: number;
}

export interface TelemetryEdges {
  metrics: Metrics;
  /** Milliseconds; only differences matter. */
  clock: () => number;
  log: (level: "info" | "warn" | "error", message: string) => void;
  /** Milliseconds since 1970. */
  wallClock: () => number;
}

/** Weight of the newest value in an exponentially weighted mean: of the loss, and of a worker's times. */
const LOSS_WEIGHT = 0.05;
const TIME_WEIGHT = 0.1;

export class Telemetry {
  readonly metrics: Metrics;
  readonly #edges: TelemetryEdges;
  readonly #lifetime = new SeriesLifetime();
  readonly #runs = new Map<string, RunTelemetry>();
  readonly #sweeps = new Map<string, SweepTelemetry>();
  readonly #workers = new Map<string, { stepSeconds: number; addSamples: (count: number) => void }>();
  readonly #attacks = new Set<string>();
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  #members: () => readonly PoolMember[] = () => [];
  #saidTooMany = false;

  constructor(edges: TelemetryEdges) {
    this.metrics = edges.metrics;
    this.#edges = edges;
    this.wallClock = edges.wallClock;
    edges.metrics.onScrape(() => this.#refresh());
  }

  /** Who is in the pool, asked at each scrape. */
  watchPool(members: () => readonly PoolMember[]): void {
    this.#members = members;
  }

  /** What a Coordinator tells. */
  readonly pool: CoordinatorMetrics = {
    gradient: (outcome) => this.#gradient(outcome),
    nonfinite: (runId, where) => this.metrics.add("nonfinite", 1, { run: this.#nameOf(runId), where }),
    lease: (outcome) => this.metrics.add("leases", 1, { outcome }),
    held: (account, ms) => this.metrics.add("leaseSeconds", ms / 1000, { account: labelOf(account) }),
    workerRefused: (reason) => this.metrics.add("refusedWorkers", 1, { reason }),
    workers: (counts) => {
      for (const [state, count] of Object.entries(counts)) this.metrics.set("workers", count, { state });
    },
    workerLost: () => this.metrics.add("workersLost"),
    quarantined: () => this.metrics.add("quarantines"),
    workerJoined: (worker) => this.#lifetime.returned(`worker ${worker}`),
    workerGone: (worker) => this.#lifetime.left(`worker ${worker}`, this.#edges.clock()),
    reconnected: () => this.metrics.add("reconnects"),
    unheard: (reason) => this.metrics.add("unheard", 1, { reason }),
  };

  readonly #gradientAdders = new Map<string, (amount?: number) => void>();

  #gradient(outcome: string): void {
    let add = this.#gradientAdders.get(outcome);
    if (add === undefined) {
      add = this.metrics.tally("gradients", { outcome });
      this.#gradientAdders.set(outcome, add);
    }
    add();
  }

  /** One run; the same again for the same id. */
  run(runId: string, config: Config): RunTelemetry {
    const known = this.#runs.get(runId);
    if (known !== undefined) return known;
    const run = new RunTelemetry(this, config);
    this.#runs.set(runId, run);
    this.#lifetime.returned(`run ${run.name}`);
    return run;
  }

  /** One sweep; the same again for the same name. */
  sweep(name: string): SweepTelemetry {
    const gone = `sweep ${name}`;
    this.#lifetime.returned(gone);
    const known = this.#sweeps.get(name);
    if (known !== undefined) return known;
    const sweep = new SweepTelemetry(this, name, () => this.#lifetime.left(gone, this.#edges.clock()));
    this.#sweeps.set(name, sweep);
    return sweep;
  }

  /** Runs that are known and have not begun: they have no series of their own yet. */
  pending(count: number): void {
    this.metrics.set("runsPending", count);
  }

  /** A run is over; `run` is undefined where its settings were so wrong that it has no series. */
  ended(run: RunTelemetry | undefined, outcome: "finished" | "interrupted" | "failed"): void {
    this.metrics.add("runsEnded", 1, { outcome });
    if (run === undefined) return;
    run.state(outcome);
    this.#lifetime.left(`run ${run.name}`, this.#edges.clock());
    // For where nobody scrapes.
    void this.#forget(this.#lifetime.expired(this.#edges.clock()));
  }

  /** A worker's share of a step: how long it took, and the images in it. */
  worked(worker: string, seconds: number, images: number): void {
    let known = this.#workers.get(worker);
    if (known === undefined) {
      known = { stepSeconds: seconds, addSamples: this.metrics.tally("workerSamples", { worker }) };
      this.#workers.set(worker, known);
    }
    known.stepSeconds += TIME_WEIGHT * (seconds - known.stepSeconds);
    known.addSamples(images);
  }

  /** The label of an attack: a few have their own. */
  attackLabel(attack: string): string {
    if (this.#attacks.size < MOST_ATTACK_LABELS) this.#attacks.add(attack);
    return this.#attacks.has(attack) ? attack : "other";
  }

  #nameOf(runId: string): string {
    return this.#runs.get(runId)?.name ?? "unknown";
  }

  async #refresh(): Promise<void> {
    await this.#forget(this.#lifetime.scraped(this.#edges.clock()));
    const now = this.wallClock() / 1000;
    for (const { id, silentMs } of this.#members())
      this.metrics.set("workerLastSeen", now - silentMs / 1000, { worker: id });
    for (const [worker, { stepSeconds }] of this.#workers)
      this.metrics.set("workerStepSeconds", stepSeconds, { worker });
    let room = MOST_ACCURACY_SERIES;
    for (const run of this.#runs.values()) room -= run.refresh(room);
    if (room < 0 && !this.#saidTooMany) {
      this.#saidTooMany = true;
      this.#edges.log(
        "warn",
        `The grid of strengths has more than ${MOST_ACCURACY_SERIES} points: the rest is in the results, not in /metrics`,
      );
    }
  }

  async #forget(names: readonly string[]): Promise<void> {
    for (const label of ["worker", "run", "sweep"]) {
      const gone = names.filter((name) => name.startsWith(`${label} `));
      const values = new Set(gone.map((name) => name.slice(label.length + 1)));
      if (label === "worker") for (const worker of values) this.#workers.delete(worker);
      else if (label === "sweep") for (const sweep of values) this.#sweeps.delete(sweep);
      else for (const [id, run] of this.#runs) if (values.has(run.name)) this.#runs.delete(id);
      if (values.size > 0) await this.metrics.removeAll(label, values);
    }
  }
}

/** One run. What changes at every step is kept as numbers here, and shown when somebody asks. */
export class RunTelemetry implements RunMeter {
  readonly name: string;
  readonly #telemetry: Telemetry;
  readonly #metrics: Metrics;
  readonly #labels: { run: string };
  readonly #slots: number;
  readonly #curve = new AccuracySeries();
  readonly #addSteps: (amount?: number) => void;
  readonly #addSamples: (amount?: number) => void;
  #newest: { step: CommittedStep; loss: number; total: number } | undefined;
  #norms: CommittedStep["norms"];
  #shown: Record<string, string>[] = [];

  constructor(telemetry: Telemetry, config: Config) {
    const run = resolveRun(config);
    this.name = run.name;
    this.#telemetry = telemetry;
    this.#metrics = telemetry.metrics;
    this.#labels = { run: run.name };
    this.#slots = run.train.slots;
    this.#addSteps = this.#metrics.tally("steps", this.#labels);
    this.#addSamples = this.#metrics.tally("samples", this.#labels);
    for (const key of ["steps", "samples"] as const) this.#metrics.add(key, 0, this.#labels);
    for (const where of ["gradient", "state"]) this.#metrics.add("nonfinite", 0, { ...this.#labels, where });
    this.#metrics.set("runInfo", 1, {
      ...this.#labels,
      model: run.network.name,
      dataset: config.data.set,
      mode: "sync",
      optimizer: "sgd",
    });
    this.state("waiting_for_workers");
  }

  state(now: RunStateLabel): void {
    for (const state of RUN_STATES)
      this.#metrics.set("runState", state === now ? 1 : 0, { ...this.#labels, state });
  }

  /** A few microseconds: it is called at every step. */
  committed(step: CommittedStep, total: number): void {
    const exemplar = exemplarOf(step.traceId);
    const loss = this.#newest?.loss ?? step.loss;
    this.#newest = { step, loss: loss + LOSS_WEIGHT * (step.loss - loss), total };
    this.#norms = step.norms ?? this.#norms;
    this.#addSteps();
    this.#addSamples(step.samples);
    this.#metrics.observe("stepSeconds", step.seconds, this.#labels, exemplar);
    this.#metrics.observe("barrierSeconds", step.barrierMs / 1000, this.#labels);
    if (step.aggregateMs > 0)
      this.#metrics.observe("aggregateSeconds", step.aggregateMs / 1000, this.#labels, exemplar);
    this.#metrics.observe("staleness", 0, this.#labels);
    for (const { worker, ms, count } of step.blocks)
      this.#telemetry.worked(worker, ms / 1000, (step.samples * count) / this.#slots);
  }

  checkpoint(outcome: "written" | "failed", seconds: number, bytes: number): void {
    this.#metrics.add("checkpoints", 1, { outcome });
    this.#metrics.observe("checkpointSeconds", seconds);
    if (outcome === "failed") return;
    this.#metrics.set("checkpointTime", this.#telemetry.wallClock() / 1000, this.#labels);
    this.#metrics.set("checkpointBytes", bytes, this.#labels);
  }

  accuracy(value: number): void {
    this.#metrics.set("accuracy", value, this.#labels);
  }

  evaluating(known: readonly TaskRecord[]): void {
    this.#curve.clear();
    for (const labels of this.#shown.splice(0)) this.#metrics.remove("evaluationAccuracy", labels);
    for (const { task, outcomes } of known) this.#curve.add(task, outcomes);
  }

  tasks(standing: TaskStanding): void {
    for (const [state, count] of Object.entries<number>({ ...standing }))
      this.#metrics.set("evaluationTasks", count, { ...this.#labels, state });
  }

  taskRetried(reason: "failed" | "given_back"): void {
    this.#metrics.add("evaluationRetries", 1, { reason });
  }

  measured({ task, outcomes }: TaskRecord, seconds: number, traceId?: string): void {
    this.#curve.add(task, outcomes);
    const attack = this.#telemetry.attackLabel(task.attack ?? task.kind);
    this.#metrics.observe("evaluationTaskSeconds", seconds, { attack }, exemplarOf(traceId));
    this.#metrics.add("evaluationSamples", task.imageCount * task.strengths.length, this.#labels);
  }

  /** Shows what was kept. `room`: series of accuracy that may be shown; returns how many there would be. */
  refresh(room: number): number {
    if (this.#newest !== undefined) {
      const { step, loss, total } = this.#newest;
      this.#metrics.set("parameterVersion", step.step + 1, this.#labels);
      this.#metrics.set("runProgress", (step.step + 1) / total, this.#labels);
      this.#metrics.set("loss", loss, this.#labels);
      this.#metrics.set("learningRate", step.learningRate, this.#labels);
    }
    if (this.#norms !== undefined) {
      this.#metrics.set("gradientNorm", this.#norms.gradient, this.#labels);
      this.#metrics.set("updateNorm", this.#norms.update, this.#labels);
    }
    const { points } = this.#curve;
    this.#shown = points.slice(0, Math.max(0, room)).map(({ labels, right, images }) => {
      const all = { ...this.#labels, ...labels };
      this.#metrics.set("evaluationAccuracy", right / images, all);
      return all;
    });
    return points.length;
  }
}

function exemplarOf(traceId: string | undefined): Record<string, string> {
  return traceId === undefined ? {} : { trace_id: traceId };
}

/** One series for all runs: a queue may be handed any number of them, each with an account of its own. */
function labelOf(account: string): string {
  return account === "" || account.startsWith(RUN_ACCOUNT) ? "runs" : account;
}
