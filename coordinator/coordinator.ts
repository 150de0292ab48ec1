/**
 * The coordinator's loop: workers join, idle ones get leases, what they send goes to the job that asked for it. It
 * knows who holds what and until when; what the work means is the job's affair (training.ts, evaluation.ts).
 */
import type { Bus, BusMessage, Subscription } from "../shared/bus.js";
import { decodeChunk, sealOf } from "../shared/core/chunk.js";
import { ENGINE_NAMES } from "../shared/engine.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../shared/messages.js";
import type { Refusal } from "../shared/metrics.js";
import { type Subjects, isToken } from "../shared/subjects.js";
import { admit, lostWorkers } from "./pool/membership.js";
import { fairOrder } from "./pool/fairness.js";
import { LineLimit } from "./pool/line-limit.js";
import { GOOD_STANDING, type QuarantineRule, type Standing, afterFailure, rests } from "./pool/standing.js";
import type { ChunkFate, Job, LeaseFate, Work } from "./leases/job.js";

export interface CoordinatorEdges {
  control: Bus;
  bulk: Bus;
  subjects: Subjects;
  /** Milliseconds; only differences matter. */
  clock: () => number;
  /** Fencing term: grows with every start of a coordinator. */
  term: number;
  heartbeatMs: number;
  quarantine: QuarantineRule;
  /** Answers a worker's request for a range of a data part. */
  dataRange: (request: saf.v1.DataRequest) => saf.v1.DataRange.$Properties;
  log: (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
  metrics: CoordinatorMetrics;
}

export interface CoordinatorMetrics {
  gradient(outcome: "accepted" | Refusal): void;
  nonfinite(runId: string, where: "gradient" | "state"): void;
  lease(outcome: "done" | "expired" | "returned" | "lost"): void;
  workerRefused(label: string): void;
  workers(counts: { idle: number; busy: number; straggling: number; quarantined: number }): void;
  workerLost(): void;
  quarantined(): void;
  workerJoined(worker: string): void;
  workerGone(worker: string): void;
  reconnected(): void;
}

interface Lease {
  id: number;
  work: Work;
  job: Job;
  grantedMs: number;
  deadlineMs: number;
  /** Its work was offered to others already; a late result still counts if it comes first. */
  expired: boolean;
}

interface PoolWorker {
  id: string;
  incarnation: number;
  engine: string;
  lastSeenMs: number;
  lease: Lease | undefined;
  /** Runs whose images and network it has loaded. */
  warm: Set<string>;
  leaving: boolean;
  /** Exponentially weighted time of its leases, and images a second within them. */
  leaseMs: number;
  imagesPerSecond: number;
  /** Images computed so far. */
  images: number;
  rssBytes: number;
  retries: number;
  standing: Standing;
}

const TICKS_PER_HEARTBEAT = 4;
const MOST_IMPOSTORS = 1000;

export class Coordinator {
  readonly #edges: CoordinatorEdges;
  readonly #workers = new Map<string, PoolWorker>();
  readonly #jobs: Job[] = [];
  /** The newest lease of each job: who was served last. */
  readonly #lastServed = new WeakMap<Job, number>();
  readonly #subscriptions: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  #nextLease = 1;
  #paused = false;
  #membershipChanged: (() => void)[] = [];
  readonly #lineLimit = new LineLimit();
  /** Who spoke for another; each is named once. */
  readonly #impostors = new Set<string>();

  constructor(edges: CoordinatorEdges) {
    this.#edges = edges;
  }

  async start(): Promise<void> {
    const { control, bulk, subjects } = this.#edges;
    const on = (bus: Bus, pattern: string, handler: (message: BusMessage) => void): void => {
      this.#subscriptions.push(bus.subscribe(pattern, handler));
    };
    on(control, subjects.joinPattern, (message) => this.#onJoin(message));
    on(control, subjects.heartbeatPattern, (message) => this.#onHeartbeat(message));
    on(control, subjects.leasePattern, (message) => this.#onReturn(message));
    on(control, subjects.runGet, (message) => this.#onRunRequest(message));
    on(bulk, subjects.gradientPattern(0), (message) => this.#onGradient(message));
    on(bulk, subjects.pushPattern, (message) => this.#onPushEnd(message));
    on(bulk, subjects.resultPattern, (message) => this.#onResult(message));
    on(bulk, subjects.parameterGet(0), (message) => this.#onParameterRequest(message));
    on(bulk, subjects.data, ({ data, respond }) => {
      const request = readMessage(wire.DataRequest, data);
      if (request !== undefined) respond(writeMessage(wire.DataRange, this.#edges.dataRange(request)));
    });
    control.onConnection((connected) => this.#onConnection(connected));
    await Promise.all([control.flush(), bulk.flush()]);
    this.#announce();
    this.#timer = setInterval(() => this.#tick(), this.#edges.heartbeatMs / TICKS_PER_HEARTBEAT);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions.length = 0;
  }

  /** Several jobs share the workers: pool/fairness.ts. */
  add(job: Job): void {
    this.#jobs.push(job);
    this.pump();
  }

  remove(job: Job): void {
    const at = this.#jobs.indexOf(job);
    if (at >= 0) this.#jobs.splice(at, 1);
    for (const worker of this.#workers.values()) {
      if (worker.lease?.job === job) worker.lease = undefined;
    }
  }

  /** Asks whoever holds an exclusive lease of this job to finish the step it is in and send what it has. */
  recall(job: Job): void {
    for (const { id, lease } of this.#workers.values()) {
      if (lease?.job === job) this.#command(id, { halt: { leaseId: lease.id } });
    }
  }

  get workerCount(): number {
    return this.#workers.size;
  }

  /** Resolves when at least `count` workers are in the pool; `signal` gives up waiting. */
  async waitForWorkers(count: number, signal: AbortSignal): Promise<void> {
    while (this.#workers.size < count && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#membershipChanged.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  /**
   * Resolves when no worker is left that could finish anything soon: lost, in quarantine, long overdue, or all of them
   * out of reach because NATS is.
   */
  async whenNobodyCanWork(): Promise<void> {
    while (!this.#paused && this.#ableCount > 0)
      await new Promise<void>((resolve) => this.#membershipChanged.push(resolve));
  }

  get #served(): number {
    const now = this.#edges.clock();
    return [...this.#workers.values()].filter(({ standing }) => !rests(standing, now)).length;
  }

  /** Without those that are overdue: one that hangs keeps its heartbeat. */
  get #ableCount(): number {
    const now = this.#edges.clock();
    return [...this.#workers.values()].filter(
      ({ lease, standing }) => lease?.expired !== true && !rests(standing, now),
    ).length;
  }

  /** Tells every worker to stop. */
  dismiss(reason: string): void {
    for (const id of this.#workers.keys()) this.#command(id, { shutdown: { reason } });
  }

  table(): saf.v1.WorkerRow.$Properties[] {
    return [...this.#workers.values()].map((worker) => ({
      workerId: worker.id,
      state: stateOf(worker, this.#edges.clock()),
      engine: worker.engine,
      leaseMs: worker.leaseMs,
      samplesPerSecond: worker.imagesPerSecond,
      samples: worker.images,
      rssBytes: worker.rssBytes,
      retries: worker.retries,
      silentSeconds: Math.max(0, this.#edges.clock() - worker.lastSeenMs) / 1000,
    }));
  }

  /** Who is in the pool, and for how long each has been silent. */
  members(): { id: string; silentMs: number }[] {
    const now = this.#edges.clock();
    return [...this.#workers.values()].map(({ id, lastSeenMs }) => ({ id, silentMs: now - lastSeenMs }));
  }

  /** Gives work to every idle worker that some job has work for. */
  pump(): void {
    for (const worker of this.#workers.values()) this.#serve(worker);
  }

  #serve(worker: PoolWorker): void {
    const { clock, term } = this.#edges;
    if (this.#paused || worker.lease !== undefined || worker.leaving || rests(worker.standing, clock()))
      return;
    for (const job of fairOrder(this.#jobs, (candidate) => this.#shareOf(candidate))) {
      const work = job.next(worker.id, this.#served, this.#ableCount <= 1);
      if (work === undefined) continue;
      const now = clock();
      const warm = worker.warm.has(job.runId);
      const lease: Lease = {
        id: this.#nextLease++,
        work,
        job,
        grantedMs: now,
        deadlineMs: now + work.limitMs(warm),
        expired: false,
      };
      worker.lease = lease;
      this.#lastServed.set(job, lease.id);
      this.#command(worker.id, work.command({ leaseId: lease.id, term, attempt: work.attempt }));
      return;
    }
  }

  #shareOf(job: Job): { held: number; lastServed: number } {
    const held = [...this.#workers.values()].filter((worker) => worker.lease?.job === job).length;
    return { held, lastServed: this.#lastServed.get(job) ?? 0 };
  }

  // ---- Membership ---------------------------------------------------------------------------------------------

  #onJoin({ subject, data, respond }: BusMessage): void {
    const request = readMessage(wire.JoinRequest, data);
    if (request === undefined) return;
    const { term, heartbeatMs, clock, metrics } = this.#edges;
    const answer = (accepted: boolean, reason: string): void =>
      respond(writeMessage(wire.JoinReply, { accepted, reason, term, heartbeatMs }));
    const admission = admit(request, lastToken(subject), PROTOCOL_VERSION, ENGINE_NAMES);
    if (!admission.accepted) {
      metrics.workerRefused(admission.label);
      const name = request.workerId.slice(0, 64);
      this.#logOf(lastToken(subject), "error", `Refused worker ${name}: ${admission.reason}`);
      answer(false, admission.reason);
      return;
    }
    const known = this.#workers.get(request.workerId);
    if (known === undefined)
      this.#logOf(request.workerId, "info", `Worker ${request.workerId} joined`, {
        engine: request.engineName,
        pid: request.pid,
      });
    const isRestart = known !== undefined && known.incarnation !== request.incarnation;
    this.#workers.set(request.workerId, {
      id: request.workerId,
      incarnation: request.incarnation,
      engine: request.engineName,
      lastSeenMs: clock(),
      lease: isRestart ? undefined : known?.lease,
      warm: isRestart ? new Set() : (known?.warm ?? new Set()),
      leaving: false,
      leaseMs: known?.leaseMs ?? 0,
      imagesPerSecond: known?.imagesPerSecond ?? 0,
      images: known?.images ?? 0,
      rssBytes: known?.rssBytes ?? 0,
      retries: known?.retries ?? 0,
      standing: known?.standing ?? GOOD_STANDING,
    });
    answer(true, "");
    metrics.workerJoined(request.workerId);
    if (isRestart) this.#dropLease(known, "lost");
    this.#changed();
  }

  #onHeartbeat({ subject, data }: BusMessage): void {
    const beat = readMessage(wire.Heartbeat, data);
    if (beat === undefined || !this.#isFrom(subject, beat.workerId)) return;
    const worker = this.#workers.get(beat.workerId);
    const { clock, term, heartbeatMs } = this.#edges;
    if (worker === undefined || worker.incarnation !== beat.incarnation || beat.term !== term) {
      this.#command(beat.workerId, { rejoin: { term } });
      return;
    }
    worker.lastSeenMs = clock();
    worker.rssBytes = beat.rssBytes;
    // A command that was lost on the way: the worker does not know what it should be doing.
    const { lease } = worker;
    if (lease !== undefined && beat.leaseId === lease.id && beat.progress != null) {
      const moreMs = lease.job.onProgress?.(worker.id, beat.progress);
      if (moreMs !== undefined) lease.deadlineMs = Math.max(lease.deadlineMs, clock() + moreMs);
    }
    if (lease !== undefined && beat.leaseId !== lease.id && clock() - lease.grantedMs > 2 * heartbeatMs) {
      this.#dropLease(worker, "returned");
      this.pump();
    }
  }

  #onReturn({ subject, data }: BusMessage): void {
    const back = readMessage(wire.LeaseReturn, data);
    if (back === undefined || !this.#isFrom(subject, back.workerId)) return;
    const worker = this.#workers.get(back.workerId);
    if (worker === undefined) return;
    if (back.leaving)
      this.#forget(worker, "returned", "info", `Worker ${worker.id} left: ${back.reason.slice(0, 200)}`);
    else if (worker.lease?.id === back.leaseId) {
      if (back.failed) this.#recordFailure(worker, back.reason);
      this.#dropLease(worker, "returned");
    }
    this.pump();
  }

  #onConnection(connected: boolean): void {
    // What is published into a broken connection is lost: nothing is leased until it is back.
    this.#paused = !connected;
    if (!connected) {
      this.#edges.log("warn", "Lost the connection to NATS; waiting for it");
      this.#notify();
      return;
    }
    this.#edges.metrics.reconnected();
    this.#edges.log("info", "Connected to NATS again");
    const now = this.#edges.clock();
    for (const worker of this.#workers.values()) worker.lastSeenMs = now;
    this.#announce();
    this.pump();
  }

  #announce(): void {
    this.#edges.control.publish(
      this.#edges.subjects.all,
      writeMessage(wire.Announce, { term: this.#edges.term }),
    );
  }

  #tick(): void {
    const { clock, heartbeatMs, metrics } = this.#edges;
    if (this.#paused) return;
    const now = clock();
    for (const id of lostWorkers(this.#workers, heartbeatMs, now)) {
      const worker = this.#workers.get(id) as PoolWorker;
      metrics.workerLost();
      this.#forget(
        worker,
        "lost",
        "warn",
        `Worker ${id} is lost: no heartbeat for ${Math.round(now - worker.lastSeenMs)} ms`,
      );
    }
    for (const worker of this.#workers.values()) {
      const { lease } = worker;
      if (lease === undefined || lease.expired || lease.deadlineMs > now) continue;
      lease.expired = true;
      worker.retries++;
      metrics.lease("expired");
      this.#edges.log(
        "warn",
        `Lease ${lease.id} of worker ${worker.id} is overdue after ${Math.round(now - lease.grantedMs)} ms; leasing ${lease.work.key} again`,
      );
      lease.job.giveBack(lease.work);
      this.#notify();
    }
    const counts = { idle: 0, busy: 0, straggling: 0, quarantined: 0 };
    for (const worker of this.#workers.values())
      counts[worker.lease?.expired === true ? "straggling" : stateOf(worker, now)]++;
    metrics.workers(counts);
    this.pump();
  }

  /** Its lease is offered to others once it is out of the pool, or it would be given the same work again. */
  #forget(worker: PoolWorker, outcome: "returned" | "lost", level: "info" | "warn", message: string): void {
    this.#workers.delete(worker.id);
    this.#dropLease(worker, outcome);
    this.#edges.metrics.workerGone(worker.id);
    this.#logOf(worker.id, level, message);
    this.#changed();
  }

  /** A line that a worker can cause as often as it likes. */
  #logOf(
    worker: string,
    level: "info" | "warn" | "error",
    message: string,
    fields?: Record<string, unknown>,
  ): void {
    const { isWritten, leftOut } = this.#lineLimit.take(worker, this.#edges.clock());
    if (leftOut > 0) this.#edges.log("warn", `${leftOut} lines about worker ${worker} were left out`);
    if (isWritten) this.#edges.log(level, message, fields);
  }

  #changed(): void {
    this.#notify();
    this.pump();
  }

  #notify(): void {
    const waiting = this.#membershipChanged;
    this.#membershipChanged = [];
    for (const resolve of waiting) resolve();
  }

  /** Before its work is offered again, or it would be offered it first. */
  #recordFailure(worker: PoolWorker, reason: string): void {
    const { clock, quarantine, log, metrics } = this.#edges;
    const now = clock();
    worker.standing = afterFailure(worker.standing, quarantine, now);
    if (!rests(worker.standing, now)) return;
    const { failures, restsUntilMs } = worker.standing;
    metrics.quarantined();
    log(
      "warn",
      `Worker ${worker.id} gets no work for ${Math.round(restsUntilMs - now)} ms: ${failures} leases in a row failed (${reason.slice(0, 200)})`,
    );
    this.#notify();
  }

  #dropLease(worker: PoolWorker, outcome: "returned" | "lost"): void {
    const { lease } = worker;
    if (lease === undefined) return;
    worker.lease = undefined;
    worker.retries++;
    this.#edges.metrics.lease(outcome);
    if (!lease.expired) lease.job.giveBack(lease.work);
  }

  #command(workerId: string, command: saf.v1.WorkerCommand.$Properties): void {
    this.#edges.control.publish(
      this.#edges.subjects.command(workerId),
      writeMessage(wire.WorkerCommand, command),
    );
  }

  // ---- Work that comes back -----------------------------------------------------------------------------------

  #onGradient({ subject, data, inPlace }: BusMessage): void {
    const { metrics } = this.#edges;
    const workerId = lastToken(subject);
    const seal = inPlace === true ? sealOf(data) : 0;
    const isIntact = (): boolean => inPlace !== true || sealOf(data) === seal;
    const decoded = decodeChunk(data, inPlace);
    // Before the chunk is counted: the last one of a step may bring this worker its next lease at once.
    const held = this.#workers.get(workerId)?.lease;
    let outcome: ChunkFate;
    if (decoded.ok) {
      const job = this.#jobs.find((candidate) => candidate.runHash === decoded.header.runHash);
      if (job === undefined) outcome = "run";
      else if (decoded.header.term !== this.#edges.term) outcome = "fenced";
      else {
        const key = held?.job === job ? held.work.key : undefined;
        outcome = job.onChunk(workerId, decoded.header, decoded.body, isIntact, key);
      }
      if (job !== undefined && outcome === "nonfinite")
        metrics.nonfinite(job.runId, decoded.header.kind === "state" ? "state" : "gradient");
    } else outcome = decoded.reason;
    if (outcome === "completed") {
      metrics.gradient("accepted");
      // All of the worker's block is here: it may have the next lease before it has said that it is done.
      if (held !== undefined) this.#settle(workerId, held.id, "done");
      return;
    }
    metrics.gradient(outcome);
    if (outcome !== "accepted" && outcome !== "duplicate" && outcome !== "stale") {
      this.#logOf(workerId, "warn", `Refused a gradient chunk of worker ${workerId}: ${outcome}`);
    }
  }

  #onPushEnd({ subject, data, respond }: BusMessage): void {
    const message = readMessage(wire.PushEnd, data);
    if (message === undefined || !this.#isFrom(subject, message.workerId)) return;
    const reply = (properties: saf.v1.PushReply.$Properties): void =>
      respond(writeMessage(wire.PushReply, properties));
    if (message.term !== this.#edges.term) {
      reply({ status: wire.PushReply.Status.FENCED });
      return;
    }
    const job = this.#jobs.find((candidate) => candidate.runId === message.runId);
    if (job === undefined) {
      reply({ status: wire.PushReply.Status.STALE, reason: "the run is over" });
      this.#settle(message.workerId, message.leaseId, "done");
      return;
    }
    const outcome = job.onPushEnd(message);
    reply(outcome.reply);
    this.#settle(message.workerId, message.leaseId, outcome.fate, outcome.reply.reason ?? "");
  }

  #onResult({ subject, data, respond }: BusMessage): void {
    const message = readMessage(wire.TaskResult, data);
    if (message === undefined || !this.#isFrom(subject, message.workerId)) return;
    const job = this.#jobs.find((candidate) => candidate.runId === message.runId);
    if (message.term !== this.#edges.term || job === undefined) {
      respond(writeMessage(wire.TaskReply, { accepted: false, reason: "this evaluation is over" }));
      this.#settle(message.workerId, message.leaseId, "done");
      return;
    }
    const outcome = job.onResult(message);
    respond(writeMessage(wire.TaskReply, outcome.reply));
    this.#settle(message.workerId, message.leaseId, outcome.fate, outcome.reply.reason ?? "");
  }

  /** Does a message that came on this subject speak for the worker that it names? Who does not is named once. */
  #isFrom(subject: string, workerId: string): boolean {
    const speaker = lastToken(subject);
    if (workerId === speaker) return isToken(speaker);
    if (!this.#impostors.has(speaker) && this.#impostors.size < MOST_IMPOSTORS) {
      this.#impostors.add(speaker);
      this.#edges.log(
        "error",
        `Worker ${speaker} spoke for another: ${subject} named "${workerId.slice(0, 64)}"`,
      );
    }
    return false;
  }

  #settle(workerId: string, leaseId: number, fate: LeaseFate, reason = ""): void {
    const worker = this.#workers.get(workerId);
    if (worker?.lease?.id !== leaseId || fate === "held") return;
    const { lease } = worker;
    worker.lease = undefined;
    if (fate === "failed") {
      worker.retries++;
      this.#recordFailure(worker, reason);
      this.#edges.metrics.lease("returned");
      if (!lease.expired) lease.job.giveBack(lease.work);
    } else {
      worker.standing = GOOD_STANDING;
      worker.warm.add(lease.job.runId);
      const ms = this.#edges.clock() - lease.grantedMs;
      worker.leaseMs = smooth(worker.leaseMs, ms);
      worker.imagesPerSecond = smooth(worker.imagesPerSecond, lease.work.images / (ms / 1000));
      worker.images += lease.work.images;
      this.#edges.metrics.lease("done");
      // First who has just been there: run and weights are still in its engine.
      this.#serve(worker);
    }
    this.pump();
  }

  #onParameterRequest({ data, respond }: BusMessage): void {
    const request = readMessage(wire.ParamRequest, data);
    if (request === undefined) return;
    const job = this.#jobs.find((candidate) => candidate.runId === request.runId);
    if (job === undefined) {
      respond(writeMessage(wire.ParamReply, { error: { message: "the run is over" } }));
      return;
    }
    const { frame, latest } = request.velocity
      ? (job.velocityChunk?.(request.version, request.chunk) ?? { frame: undefined, latest: 0 })
      : job.parameterChunk(request.version, request.chunk);
    respond(writeMessage(wire.ParamReply, frame === undefined ? { latest } : { chunk: frame, latest }));
  }

  #onRunRequest({ data, respond }: BusMessage): void {
    const request = readMessage(wire.RunRequest, data);
    const job = this.#jobs.find((candidate) => candidate.runId === request?.runId);
    respond(writeMessage(wire.RunSpec, job?.describe() ?? { error: { message: "no such run here" } }));
  }
}

function stateOf({ lease, standing }: PoolWorker, nowMs: number): "idle" | "busy" | "quarantined" {
  if (lease !== undefined) return "busy";
  return rests(standing, nowMs) ? "quarantined" : "idle";
}

/** An exponentially weighted mean that begins with its first value. */
function smooth(mean: number, value: number): number {
  return mean === 0 ? value : 0.9 * mean + 0.1 * value;
}

/** The last token of a subject names the worker: NATS lets it publish only on its own. */
function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}
