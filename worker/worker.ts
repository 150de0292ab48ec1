/**
 * The worker's loop: join, take a lease, compute it on the engine, push what came out. It keeps nothing that matters:
 * it can die at any instant and nothing is lost.
 */
import { type Bus, RequestError, type Subscription } from "../shared/bus.js";
import { runHashIn } from "../shared/core/chunk.js";
import { TAIL } from "../shared/core/layout.js";
import { stepSamples } from "../shared/core/schedule.js";
import { nodeOfBlock } from "../shared/core/slots.js";
import { stateParts, stateSize } from "../shared/core/stretch.js";
import { ClusterError } from "../shared/errors.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../shared/messages.js";
import type { WorkerPhase } from "../shared/metrics.js";
import type { Subjects } from "../shared/subjects.js";
import type { SpanAttributes, Tracer } from "../shared/tracing.js";
import type { EnginePort } from "./engine/port.js";
import { CONTROL, type FromEngine } from "./engine/messages.js";
import { FrameSender, type Push, framesAround } from "./frame-sender.js";
import { type PreparedRun, prepareRun } from "./run-setup.js";
import { pullVector } from "./state-pull.js";
import { AssetCache } from "./task-assets.js";
import { measureOf, resultOf } from "./task-messages.js";

export interface WorkerEdges {
  control: Bus;
  bulk: Bus;
  engine: EnginePort;
  subjects: Subjects;
  cacheDirectory: string;
  /** The worker ends when it hears of no coordinator for this long; 0: never. */
  coordinatorTimeoutMs: number;
  clock: () => number;
  rssBytes: () => number;
  log: (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
  metrics: WorkerMetrics;
  metricsUrl: string;
  tracer: Tracer;
}

/** What the worker counts; main.ts hands in the Prometheus side. */
export interface WorkerMetrics {
  phase(phase: WorkerPhase, seconds: number): void;
  tensors(count: number, bytes: number): void;
  reconnected(): void;
}

const JOIN_TIMEOUT_MS = 2000;
const JOIN_PAUSE_MS = 300;
const PUSH_TIMEOUT_MS = 3000;
const PUSH_ATTEMPTS = 20;
/** A worker that may not wait for ever asks after its coordinator this often within its patience. */
const ASKS_PER_TIMEOUT = 4;
/** Runs whose network and weights stay loaded: with several side by side a worker goes from one to another. */
const RUNS_KEPT = 4;

type Lease =
  | { kind: "block"; order: saf.v1.BlockLease }
  | { kind: "exclusive"; order: saf.v1.ExclusiveLease }
  | { kind: "task"; order: saf.v1.TaskLease };

type Order = Extract<Parameters<EnginePort["send"]>[0], { leaseId: number }>;

export class Worker {
  readonly #id: string;
  readonly #edges: WorkerEdges;
  readonly #stopping = new AbortController();
  readonly #subscriptions: Subscription[] = [];
  readonly #queue: Lease[] = [];
  readonly #incarnation: number;
  readonly #assets: AssetCache;
  #wake: () => void = () => undefined;
  /** Stops waiting for the engine. */
  #giveUp: () => void = () => undefined;
  /** The one used last comes last. */
  readonly #runs: PreparedRun[] = [];
  /** The exclusive lease that the engine works on. */
  #stretch: { halt: () => void; progress: () => saf.v1.StretchProgress.$Properties | undefined } | undefined;
  #term = 0;
  #current = 0;
  /** A lease that is to end early; it may still be getting what it needs. */
  #halted = 0;
  #busySeconds = 0;
  #tensors = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  /** When the coordinator last said anything. */
  #heardMs = 0;
  #joining: Promise<void> | undefined;
  #refusal: ClusterError | undefined;
  #onEngine: (message: FromEngine | undefined) => void = () => undefined;

  constructor(id: string, edges: WorkerEdges) {
    this.#id = id;
    this.#edges = edges;
    this.#incarnation = Math.floor(edges.clock());
    this.#assets = new AssetCache(edges.bulk, edges.subjects.data, edges.cacheDirectory);
  }

  /**
   * Serves until `signal` aborts, the coordinator says stop, or it refuses this worker (then throws
   * ClusterError("dependency")).
   */
  async serve(signal: AbortSignal): Promise<void> {
    const { control, bulk, engine, subjects } = this.#edges;
    signal.addEventListener("abort", () => this.#stop("signal"), { once: true });
    if (signal.aborted) this.#stop("signal");
    engine.onMessage((message) => this.#onEngine(message));
    this.#subscriptions.push(
      control.subscribe(subjects.command(this.#id), ({ data }) => this.#onCommand(data)),
      control.subscribe(subjects.all, ({ data }) => this.#onAnnounce(data)),
      bulk.subscribe(subjects.parameters(0), ({ data, inPlace }) => this.#onParameters(data, inPlace)),
    );
    control.onConnection((connected) => this.#onConnection(connected));
    await control.flush();
    this.#watchCoordinator();
    await this.#join();

    while (!this.#stopping.signal.aborted) {
      const lease = this.#queue.shift();
      if (lease === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      await this.#serveLease(lease);
    }
    clearInterval(this.#heartbeat);
    clearInterval(this.#watch);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  #stop(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#edges.log("info", `Stopping: ${reason}`);
    this.#stopping.abort();
    this.#giveUp();
    this.#publishReturn(this.#current, reason, true);
    this.#wake();
  }

  /** An idle pool is silent: whoever has heard nothing for a while joins again, which an answer follows. */
  #watchCoordinator(): void {
    const { coordinatorTimeoutMs: patienceMs, clock } = this.#edges;
    this.#heardMs = clock();
    if (patienceMs === 0) return;
    this.#watch = setInterval(() => {
      const silentMs = clock() - this.#heardMs;
      if (silentMs >= patienceMs) {
        const seconds = Math.round(silentMs / 1000);
        this.#refusal = new ClusterError("dependency", `No coordinator was heard of for ${seconds} s`, {
          hint: "has it ended? --coordinator-timeout 0 (SAF_COORDINATOR_TIMEOUT_S) waits for ever",
        });
        this.#stop("no coordinator");
      } else if (silentMs >= patienceMs / 2) void this.#join();
    }, patienceMs / ASKS_PER_TIMEOUT);
  }

  // ---- Membership ---------------------------------------------------------------------------------------------

  /** Asks until a coordinator takes us in. One join at a time. */
  #join(): Promise<void> {
    this.#joining ??= this.#askToJoin().finally(() => {
      this.#joining = undefined;
    });
    return this.#joining;
  }

  async #askToJoin(): Promise<void> {
    const { control, engine, subjects, log } = this.#edges;
    const failed = engine.selfTest.checks.filter((check) => !check.passed).map((check) => check.name);
    const request = writeMessage(wire.JoinRequest, {
      protocol: PROTOCOL_VERSION,
      workerId: this.#id,
      engineName: engine.info.name,
      engineVersion: engine.info.version,
      device: engine.info.device,
      selfTestPassed: engine.selfTest.passed,
      selfTestDetail: failed.join(", "),
      pid: process.pid,
      metricsUrl: this.#edges.metricsUrl,
      incarnation: this.#incarnation,
    });
    const began = this.#edges.clock();
    let said = began;
    while (!this.#stopping.signal.aborted) {
      try {
        const reply = readMessage(
          wire.JoinReply,
          await control.request(subjects.join(this.#id), request, JOIN_TIMEOUT_MS),
        );
        if (reply !== undefined) this.#heardMs = this.#edges.clock();
        if (reply?.accepted === true) {
          // What is computed for another coordinator nobody will take.
          if (reply.term !== this.#term) this.#stretch?.halt();
          this.#term = reply.term;
          this.#beat(reply.heartbeatMs);
          log("info", `Joined the pool as ${this.#id}`, { term: reply.term });
          return;
        }
        if (reply !== undefined) {
          this.#refusal = new ClusterError(
            "dependency",
            `The coordinator refused worker ${this.#id}: ${reply.reason}`,
          );
          this.#stop("refused");
          return;
        }
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
      }
      if (this.#edges.clock() - said > 5000) {
        said = this.#edges.clock();
        log("info", `Waiting for a coordinator for ${Math.round((said - began) / 1000)} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, JOIN_PAUSE_MS));
    }
  }

  #beat(everyMs: number): void {
    clearInterval(this.#heartbeat);
    const send = (): void => {
      const { control, subjects, rssBytes } = this.#edges;
      if (!control.connected) return;
      control.publish(
        subjects.heartbeat(this.#id),
        writeMessage(wire.Heartbeat, {
          workerId: this.#id,
          incarnation: this.#incarnation,
          term: this.#term,
          leaseId: this.#current,
          rssBytes: rssBytes(),
          tensors: this.#tensors,
          busySeconds: this.#busySeconds,
          progress: this.#stretch?.progress() ?? null,
        }),
      );
    };
    this.#heartbeat = setInterval(send, everyMs);
  }

  #onConnection(connected: boolean): void {
    if (!connected || this.#stopping.signal.aborted) return;
    this.#edges.metrics.reconnected();
    void this.#join();
  }

  #onAnnounce(data: Uint8Array): void {
    const announce = readMessage(wire.Announce, data);
    if (announce !== undefined) this.#heardMs = this.#edges.clock();
    if (announce !== undefined && announce.term !== this.#term) void this.#join();
  }

  #onCommand(data: Uint8Array): void {
    const command = readMessage(wire.WorkerCommand, data);
    if (command !== undefined) this.#heardMs = this.#edges.clock();
    // Decoded inner messages are whole, but the generated types call them partial.
    if (command?.block != null) this.#enqueue({ kind: "block", order: command.block as saf.v1.BlockLease });
    else if (command?.exclusive != null)
      this.#enqueue({ kind: "exclusive", order: command.exclusive as saf.v1.ExclusiveLease });
    else if (command?.task != null) this.#enqueue({ kind: "task", order: command.task as saf.v1.TaskLease });
    else if (command?.rejoin != null) void this.#join();
    else if (command?.shutdown != null) this.#stop(command.shutdown.reason ?? "told to stop");
    else if (command?.cancel != null) this.#cancel(command.cancel.leaseId ?? 0);
    else if (command?.halt != null) this.#halt(command.halt.leaseId ?? 0);
  }

  /** A lease of another coordinator term is fenced off. */
  #enqueue(lease: Lease): void {
    if (lease.order.term < this.#term) return;
    this.#queue.push(lease);
    this.#wake();
  }

  #cancel(leaseId: number): void {
    const at = this.#queue.findIndex(({ order }) => order.leaseId === leaseId);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  /** A lease that has not begun goes back. */
  #halt(leaseId: number): void {
    const waiting = this.#queue.some(({ order }) => order.leaseId === leaseId);
    this.#cancel(leaseId);
    if (waiting) this.#publishReturn(leaseId, "halted", false);
    else if (this.#current === leaseId) {
      this.#halted = leaseId;
      this.#stretch?.halt();
    }
  }

  #publishReturn(leaseId: number, reason: string, leaving: boolean, failed = false): void {
    const { control, subjects } = this.#edges;
    if (!control.connected) return;
    control.publish(
      subjects.lease(this.#id),
      writeMessage(wire.LeaseReturn, { workerId: this.#id, leaseId, reason, leaving, failed }),
    );
  }

  // ---- Leases -------------------------------------------------------------------------------------------------

  async #serveLease(lease: Lease): Promise<void> {
    const { leaseId, runId } = lease.order;
    this.#current = leaseId;
    try {
      const run = await this.#prepare(runId);
      if (lease.kind === "block") await this.#serveBlock(run, lease.order);
      else if (lease.kind === "exclusive") await this.#serveStretch(run, lease.order);
      else if (lease.order.features) await this.#serveFeatures(run, lease.order);
      else await this.#serveTask(run, lease.order);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#edges.log("warn", `Lease ${leaseId} goes back: ${reason}`);
      // Ending is no failure.
      this.#publishReturn(leaseId, reason, false, !this.#stopping.signal.aborted);
    } finally {
      this.#current = 0;
    }
  }

  async #prepare(runId: string): Promise<PreparedRun> {
    const { control, bulk, engine, subjects, cacheDirectory } = this.#edges;
    const at = this.#runs.findIndex((candidate) => candidate.runId === runId);
    const [known] = at < 0 ? [] : this.#runs.splice(at, 1);
    if (known !== undefined) {
      this.#runs.push(known);
      return known;
    }
    while (this.#runs.length >= RUNS_KEPT) {
      const oldest = this.#runs.shift() as PreparedRun;
      engine.send({ type: "forget", runId: oldest.runId });
      if (oldest.inPlace) bulk.mapped?.release(oldest.frames);
    }
    const run = await prepareRun(
      {
        control,
        bulk,
        engine,
        cacheDirectory,
        subjects: { runGet: subjects.runGet, data: subjects.data, parameterGet: subjects.parameterGet(0) },
      },
      runId,
    );
    this.#runs.push(run);
    return run;
  }

  #onParameters(frame: Uint8Array, inPlace: boolean | undefined): void {
    const runHash = runHashIn(frame);
    const run = this.#runs.find((candidate) => candidate.runHash === runHash);
    run?.parameters.accept(frame, inPlace);
  }

  async #serveBlock(run: PreparedRun, lease: saf.v1.BlockLease): Promise<void> {
    const { clock, metrics } = this.#edges;
    const waited = clock();
    await run.loadImages("train");
    const parameters = await run.parameters.take(lease.step, lease.term, this.#stopping.signal);
    if (parameters === undefined) {
      this.#publishReturn(lease.leaseId, "the step is over", false);
      return;
    }
    const anchor = await run.takeAnchor(lease.step, lease.term, this.#stopping.signal);
    const computeFrom = clock();
    const waitSeconds = (computeFrom - waited) / 1000;
    metrics.phase("wait", waitSeconds);
    this.#traced(lease, "wait", waited, computeFrom);

    const node = nodeOfBlock(run.run.train.slots, { first: lease.firstSlot, count: lease.slotCount });
    const totalBytes = run.layout.pushSize * 4;
    const sender = this.#sender(run, { ...identityOf(run, lease), node, totalBytes });
    const done = await this.#compute<"block-done">(
      {
        type: "block",
        runId: run.runId,
        leaseId: lease.leaseId,
        term: lease.term,
        step: lease.step,
        first: lease.firstSlot,
        count: lease.slotCount,
        parameters,
        anchor,
        frames: run.frames,
      },
      (chunks) => sender.send(chunks),
    );
    const began = clock();
    this.#traced(lease, "compute", computeFrom, began, { "saf.engine_seconds": done.seconds });
    await this.#finishPush(
      { ...endOf(this.#id, run, lease), node, computeSeconds: done.seconds, waitSeconds },
      sender,
    );
    metrics.phase("push", (clock() - began) / 1000);
    this.#traced(lease, "push", began, clock());
  }

  /** A part of a lease that is traced, now that it is over. */
  #traced(
    { traceparent }: { traceparent: string },
    name: string,
    beganMs: number,
    endedMs: number,
    attributes: SpanAttributes = {},
  ): void {
    if (traceparent === "") return;
    const how = { parent: traceparent, kind: "consumer", startMs: beganMs, attributes } as const;
    this.#edges.tracer.start(name, how)?.end({ ms: endedMs });
  }

  #sender({ frames, inPlace }: Pick<Push, "frames" | "inPlace">, identity: Push["identity"]): FrameSender {
    const { bulk, subjects } = this.#edges;
    return new FrameSender(bulk, subjects.gradient(0, this.#id), { frames, inPlace, identity });
  }

  /** Many steps by ourselves, then the state. */
  async #serveStretch(run: PreparedRun, lease: saf.v1.ExclusiveLease): Promise<void> {
    const { clock, metrics } = this.#edges;
    const waited = clock();
    await run.loadImages("train");
    const goesOn = run.held?.term === lease.term && run.held.step === lease.step;
    const start = goesOn ? undefined : await this.#pullState(run, lease);
    if (!goesOn && start === undefined) {
      this.#publishReturn(lease.leaseId, "the step is over", false);
      return;
    }
    // One is enough: an exclusive lease ends with the epoch.
    const anchor = await run.takeAnchor(lease.step, lease.term, this.#stopping.signal);
    const waitSeconds = (clock() - waited) / 1000;
    metrics.phase("wait", waitSeconds);

    run.held = undefined;
    const state = new SharedArrayBuffer(4 * stateSize(run.layout, lease.stepCount));
    const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL.length));
    if (this.#halted === lease.leaseId) control[CONTROL.halt] = 1;
    this.#stretch = {
      halt: () => Atomics.store(control, CONTROL.halt, 1),
      progress: () => progressOf(run, lease, state, Atomics.load(control, CONTROL.stepsDone)),
    };
    const { steps, seconds } = await this.#compute<"stretch-done">({
      type: "stretch",
      runId: run.runId,
      leaseId: lease.leaseId,
      step: lease.step,
      count: lease.stepCount,
      term: lease.term,
      rule: run.run.train,
      start,
      anchor,
      state,
      control: control.buffer,
    }).finally(() => {
      this.#stretch = undefined;
    });

    const began = clock();
    const totalBytes = 4 * stateSize(run.layout, steps);
    const identity = { ...identityOf(run, lease), kind: "state" as const, node: steps, totalBytes };
    const sender = this.#sender({ frames: framesAround(state, totalBytes) }, identity);
    sender.sendAll();
    const status = await this.#finishPush(
      { ...endOf(this.#id, run, lease), stepCount: steps, computeSeconds: seconds, waitSeconds },
      sender,
    );
    if (status === wire.PushReply.Status.OK) run.held = { term: lease.term, step: lease.step + steps };
    metrics.phase("push", (clock() - began) / 1000);
  }

  async #pullState(
    run: PreparedRun,
    { step, term }: saf.v1.ExclusiveLease,
  ): Promise<{ parameters: SharedArrayBuffer; velocity: SharedArrayBuffer } | undefined> {
    const { bulk, subjects } = this.#edges;
    const identity = { runId: run.runId, runHash: run.runHash, term, version: step, size: run.layout.size };
    const pull = (kind: "parameters" | "velocity"): Promise<SharedArrayBuffer | undefined> =>
      pullVector(bulk, subjects.parameterGet(0), kind, identity, this.#stopping.signal);
    const [parameters, velocity] = await Promise.all([pull("parameters"), pull("velocity")]);
    return parameters === undefined || velocity === undefined ? undefined : { parameters, velocity };
  }

  /** Resolves when a lease is waiting: the coordinator gives one only to a worker whose last one is settled. */
  #nextLease(): Promise<undefined> {
    if (this.#queue.length > 0) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#wake = () => resolve(undefined);
    });
  }

  /**
   * Says that everything is sent, and sends again what did not arrive, until the coordinator is content. The next lease
   * of blocks says so too, and sooner than its reply; of a state the reply itself must be known. Undefined without one.
   */
  async #finishPush(
    message: saf.v1.PushEnd.$Properties,
    sender: FrameSender,
  ): Promise<saf.v1.PushReply.Status | undefined> {
    const { bulk, subjects } = this.#edges;
    const end = writeMessage(wire.PushEnd, { ...message, chunkCount: sender.chunkCount });
    for (let attempt = 0; attempt < PUSH_ATTEMPTS && !this.#stopping.signal.aborted; attempt++) {
      await sender.settled();
      let reply: saf.v1.PushReply | undefined;
      try {
        const answer = bulk.request(subjects.push(this.#id), end, PUSH_TIMEOUT_MS);
        const isState = (message.stepCount ?? 0) > 0;
        const first = await (isState ? answer : Promise.race([answer, this.#nextLease()]));
        if (first === undefined) {
          answer.catch(() => undefined);
          return undefined;
        }
        reply = readMessage(wire.PushReply, first);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        // Nobody answered, or the connection broke: what was sent may be lost, so all of it goes again.
        await new Promise((resolve) => setTimeout(resolve, 100 * (attempt + 1)));
        sender.sendAll();
        continue;
      }
      if (reply?.status === wire.PushReply.Status.MISSING) sender.sendMissing(reply.missing);
      else if (reply?.status === wire.PushReply.Status.BUSY) {
        await new Promise((resolve) => setTimeout(resolve, Math.min(5000, reply.retryAfterMs)));
      } else {
        if (reply?.status === wire.PushReply.Status.REFUSED) {
          this.#edges.log("warn", `The coordinator refused a push: ${reply.reason}`, {
            step: message.step ?? 0,
          });
        }
        return reply?.status;
      }
    }
    return undefined;
  }

  async #serveTask(run: PreparedRun, lease: saf.v1.TaskLease): Promise<void> {
    const measure = measureOf(lease);
    const { clock } = this.#edges;
    const waited = clock();
    await run.loadImages("test");
    const assets = await this.#assets.of(measure, run.run.network);
    const parameters = await run.parameters.take(lease.version, lease.term, this.#stopping.signal);
    if (parameters === undefined) {
      this.#publishReturn(lease.leaseId, "the weights are gone", false);
      return;
    }
    const order = {
      type: "task" as const,
      runId: run.runId,
      leaseId: lease.leaseId,
      term: lease.term,
      version: lease.version,
      parameters,
      ...assets,
      measure,
      strengths: lease.strengths,
      firstImage: lease.firstImage,
      imageCount: lease.imageCount,
      sampleCount: lease.sampleCount,
    };
    const computeFrom = clock();
    this.#traced(lease, "wait", waited, computeFrom);
    const body = await this.#compute<"task-done">(order).then(
      (done) => ({ ...resultOf(done.findings, lease.firstImage), computeSeconds: done.seconds }),
      (error: Error) => ({ error: { message: error.message } }),
    );
    const sentFrom = clock();
    this.#traced(lease, "compute", computeFrom, sentFrom);
    // A worker that stops, or whose engine died, gives the lease back instead.
    if (this.#stopping.signal.aborted) return;
    const result = writeMessage(wire.TaskResult, {
      workerId: this.#id,
      leaseId: lease.leaseId,
      term: lease.term,
      runId: run.runId,
      taskId: lease.taskId,
      attempt: lease.attempt,
      ...body,
    });
    await this.#sendResult(result);
    this.#traced(lease, "push", sentFrom, clock());
  }

  async #serveFeatures(run: PreparedRun, lease: saf.v1.TaskLease): Promise<void> {
    await run.loadImages("test");
    const parameters = await run.parameters.take(lease.version, lease.term, this.#stopping.signal);
    if (parameters === undefined) {
      this.#publishReturn(lease.leaseId, "the weights are gone", false);
      return;
    }
    const { leaseId, imageCount } = lease;
    const order = { type: "features", runId: run.runId, leaseId, parameters, imageCount } as const;
    const done = await this.#compute<"features-done">(order);
    const result = writeMessage(wire.TaskResult, {
      workerId: this.#id,
      leaseId,
      term: lease.term,
      runId: run.runId,
      taskId: lease.taskId,
      attempt: lease.attempt,
      computeSeconds: done.seconds,
      featuresJson: JSON.stringify(done.features),
    });
    await this.#sendResult(result);
  }

  async #sendResult(result: Uint8Array): Promise<void> {
    const { bulk, subjects } = this.#edges;
    for (let attempt = 0; attempt < PUSH_ATTEMPTS && !this.#stopping.signal.aborted; attempt++) {
      try {
        await bulk.request(subjects.result(this.#id), result, PUSH_TIMEOUT_MS);
        return;
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100 * (attempt + 1)));
      }
    }
  }

  /** Runs one order on the engine. Rejects when the engine fails or has died (then the worker stops). */
  #compute<Done extends "block-done" | "stretch-done" | "task-done" | "features-done">(
    order: Order,
    onChunks: (chunks: readonly number[]) => void = () => undefined,
  ): Promise<Extract<FromEngine, { type: Done }>> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => reject(new Error("the worker stops"));
      this.#onEngine = (message) => {
        if (message === undefined) {
          this.#refusal = new ClusterError("unexpected", "The engine thread died");
          this.#stop("the engine died");
          reject(this.#refusal);
        } else if (message.type === "failed") reject(new Error(message.message));
        else if (message.type === "chunks") {
          if (message.leaseId === order.leaseId) onChunks(message.chunks);
        } else if (message.type !== "ready" && message.leaseId === order.leaseId) {
          this.#busySeconds += message.seconds;
          this.#tensors = message.tensors;
          this.#edges.metrics.tensors(message.tensors, message.tensorBytes);
          const trains = message.type === "block-done" || message.type === "stretch-done";
          this.#edges.metrics.phase(trains ? "compute" : "evaluate", message.seconds);
          resolve(message as Extract<FromEngine, { type: Done }>);
        }
      };
      this.#edges.engine.send(order);
    });
  }
}

/** What all chunks of a push for this lease have in common. */
function identityOf(
  { runHash }: PreparedRun,
  { term, step, attempt }: { term: number; step: number; attempt: number },
): { runHash: string; term: number; step: number; attempt: number } {
  return { runHash, term, step, attempt };
}

function endOf(
  workerId: string,
  { runId }: PreparedRun,
  { leaseId, term, step, attempt }: { leaseId: number; term: number; step: number; attempt: number },
): saf.v1.PushEnd.$Properties {
  return { workerId, leaseId, term, runId, step, attempt };
}

/** How far a stretch is, from the scalars that the engine writes as it goes. */
function progressOf(
  { layout, plan }: PreparedRun,
  { step }: saf.v1.ExclusiveLease,
  state: SharedArrayBuffer,
  done: number,
): saf.v1.StretchProgress.$Properties | undefined {
  if (done === 0) return undefined;
  const { tails } = stateParts(layout, new Float32Array(state));
  const at = (done - 1) * TAIL.length;
  const samples = stepSamples(plan, step + done - 1);
  return {
    steps: done,
    loss: (tails[at + TAIL.loss] as number) / samples,
    accuracy: (tails[at + TAIL.hits] as number) / samples,
  };
}
