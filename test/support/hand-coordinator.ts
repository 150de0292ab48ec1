/** The real Coordinator with a real Trainer on a bus in memory, for workers that a test drives by hand. */
import type { TestContext } from "node:test";
import { Coordinator } from "../../coordinator/coordinator.js";
import { FarWorkers } from "../../coordinator/pool/far-workers.js";
import { Trainer } from "../../coordinator/training/trainer.js";
import type { MakeAggregation } from "../../coordinator/training/aggregation/aggregation.js";
import type { MakeMode } from "../../coordinator/training/modes/mode.js";
import { AGGREGATION, MODES, type ModeName } from "../../coordinator/training/registry.js";
import { type RunTelemetry, Telemetry } from "../../coordinator/telemetry/telemetry.js";
import type { CommittedStep } from "../../coordinator/training/training-types.js";
import { configSchema } from "../../shared/config/run.js";
import type { Codec } from "../../shared/core/codec.js";
import { initialParameters } from "../../shared/core/layout.js";
import type { saf } from "../../shared/messages.js";
import type { TaskSpec } from "../../shared/records/task.js";
import type { ClusterError } from "../../shared/errors.js";
import { Metrics } from "../../shared/io/metrics-registry.js";
import { realClock } from "../../shared/io/real-clock.js";
import { MemoryBroker } from "./memory-bus.js";
import type { Bus } from "../../shared/bus.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { subjectsOf } from "../../shared/subjects.js";
import { type HandRun, HandWorker } from "./hand-worker.js";

/** Three missed ones mean lost. */
export const HEARTBEAT_MS = 40;
/** Shorter than three heartbeats, so that resting is not getting lost. */
export const QUARANTINE = { after: 3, firstMs: 2 * HEARTBEAT_MS };

export interface HandSetting {
  slots?: number;
  codec?: Codec;
  steps?: number;
  leaseFloorMs?: number;
  /** By its name, or one that is listed nowhere. */
  mode?: ModeName | MakeMode;
  aggregate?: MakeAggregation;
  /** Of a smaller network of that kind. */
  channels?: number[];
  /** Measured behind the last step. */
  behind?: readonly TaskSpec[];
}

/** A run of `plain`: 8 images a step, 3 steps, 2 slots unless the test says otherwise. */
export async function handCoordinator(t: TestContext, setting: HandSetting = {}): Promise<HandCluster> {
  const { slots = 2, steps = 3, leaseFloorMs = 50, mode = "step", aggregate = AGGREGATION } = setting;
  const { channels, behind = [], codec } = setting;
  const config = configSchema.parse({
    model: "plain",
    ...(channels === undefined ? {} : { network: { channels } }),
    train: {
      batch_size: Math.max(8, slots),
      slots,
      codec,
      learning_rate: 0.01,
      max_steps: steps,
      limit_images: 100 * Math.max(8, slots),
    },
  });
  const run = resolveRun(config);
  const layout = layoutOf(run.network);
  const plan = stepPlan(config, run, 60_000);
  const hand: HandRun = { runId: "run-by-hand", run, layout, plan };
  const cluster = new HandCluster(hand);
  cluster.run = cluster.telemetry.run(hand.runId, config);
  const parameters = initialParameters(layout, run.seed);
  const options = {
    runId: hand.runId,
    run,
    layout,
    plan,
    term: cluster.term,
    leaseFloorMs,
    spec: { runId: hand.runId, parameterCount: layout.size },
    state: { step: 0, parameters, velocity: new Float32Array(layout.size) },
    aggregate,
    behind,
  };
  const edges = {
    clock: cluster.clock,
    onCommit: (step: CommittedStep) => {
      cluster.committed.push(step);
      cluster.run.committed(step, steps);
    },
    broadcast: (shard: number, frame: Uint8Array) =>
      cluster.buses[1].publish(cluster.subjects.parameters(shard), frame),
    onProgress: (done: number) => cluster.told.push(done),
    fail: (error: ClusterError) => cluster.failures.push(error),
    onMeasured: (worker: string, results: readonly saf.v1.TaskResult.$Properties[]) =>
      cluster.measured.push([worker, results]),
  };
  cluster.job = new Trainer(options, edges, cluster.coordinator.desk);
  cluster.mode = typeof mode === "string" ? MODES[mode] : mode;
  t.after(() => cluster.stop());
  await cluster.start();
  return cluster;
}

export class HandCluster {
  readonly hand: HandRun;
  readonly broker = new MemoryBroker();
  readonly buses: [Bus, Bus] = [this.broker.connect(), this.broker.connect()];
  readonly subjects = subjectsOf("local");
  readonly metrics = new Metrics("coordinator", "test");
  readonly log: string[] = [];
  readonly telemetry: Telemetry;
  readonly committed: CommittedStep[] = [];
  readonly failures: ClusterError[] = [];
  /** Behind the last step, by whom. */
  readonly measured: [worker: string, results: readonly saf.v1.TaskResult.$Properties[]][] = [];
  /** Terms of newer coordinators that it heard of. */
  readonly rivals: number[] = [];
  /** Steps done as exclusive leases told, before they were committed. */
  readonly told: number[] = [];
  readonly term = 1_700_000_000_000;
  readonly farWorkers = new FarWorkers();
  readonly coordinator: Coordinator;
  readonly #clients: Bus[] = [];
  #isHeld = false;
  #onTick: () => void = () => undefined;
  job!: Trainer;
  mode: MakeMode = MODES.step;
  run!: RunTelemetry;
  /** All steps are committed. */
  trained!: Promise<void>;
  /** Time passes when a test says so. */
  nowMs = 0;
  /** The same for the series of who is gone: nobody is to get lost over it. */
  scrapeMs = 0;
  readonly clock = (): number => this.nowMs;

  constructor(hand: HandRun) {
    this.hand = hand;
    const [control, bulk] = this.buses;
    this.telemetry = new Telemetry({
      metrics: this.metrics,
      clock: () => this.scrapeMs,
      wallClock: () => this.scrapeMs,
      log: (_level, message) => this.log.push(message),
    });
    this.coordinator = new Coordinator({
      control,
      bulk,
      subjects: this.subjects,
      clock: {
        ...realClock,
        now: this.clock,
        every: (ms, run) =>
          realClock.every(ms, () => {
            if (!this.#isHeld) run();
          }),
      },
      term: this.term,
      heartbeatMs: HEARTBEAT_MS,
      quarantine: QUARANTINE,
      farWorkers: this.farWorkers,
      hungAfter: 0,
      mixedEngines: "refuse",
      committedEngines: [],
      dataRange: () => ({}),
      superseded: (term) => this.rivals.push(term),
      log: (_level, message) => this.log.push(message),
      metrics: {
        ...this.telemetry.pool,
        workers: (counts) => {
          this.telemetry.pool.workers(counts);
          this.#onTick();
        },
      },
    });
    this.telemetry.watchPool(() => this.coordinator.members());
  }

  async start(): Promise<void> {
    await this.coordinator.start();
    this.coordinator.add(this.job);
    this.trained = this.job.runTo(this.hand.plan.maxSteps as number, this.mode);
  }

  async stop(): Promise<void> {
    this.coordinator.stop();
    await Promise.all([...this.#clients, ...this.buses].map((bus) => bus.close()));
  }

  /** The coordinator has looked at its leases so many times more. */
  async ticks(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise<void>((resolve) => (this.#onTick = resolve));
  }

  /** A connection with the credentials of this worker. */
  bus(worker: string): Bus {
    const bus = this.broker.connect(worker);
    this.#clients.push(bus);
    return bus;
  }

  worker(id: string): HandWorker {
    return new HandWorker(id, this.hand, {
      control: this.bus(id),
      bulk: this.bus(id),
      subjects: this.subjects,
    });
  }

  async joined(id: string): Promise<HandWorker> {
    const worker = this.worker(id);
    const { accepted, reason } = await worker.join();
    if (!accepted) throw new Error(reason);
    return worker;
  }

  /** All of them join before the first step is cut into blocks. */
  async allAtOnce(workers: readonly HandWorker[]): Promise<void> {
    this.coordinator.remove(this.job);
    for (const worker of workers) await worker.join();
    this.coordinator.add(this.job);
  }

  /** A jump of the time in which these were heard of all the same, before the coordinator looks at its leases again. */
  async jump(ms: number, beats: () => void): Promise<void> {
    this.#isHeld = true;
    this.nowMs += ms;
    beats();
    await Promise.all(this.#clients.map((bus) => bus.flush()));
    this.#isHeld = false;
  }

  /** So many workers are in the pool. */
  async left(count: number): Promise<void> {
    while (this.coordinator.workerCount !== count) await this.ticks(1);
  }

  /** A counter's series by the value of its one label; those at zero are left out. */
  async counted(name: string): Promise<Record<string, number>> {
    // Counts of hot paths are added when somebody looks.
    await this.metrics.exposition();
    const metric = await this.metrics.registry.getSingleMetric(name)?.get();
    const series = (metric?.values ?? []).filter(({ value }) => value !== 0);
    return Object.fromEntries(series.map(({ labels, value }) => [Object.values(labels).join(), value]));
  }
}
