/**
 * The coordinator's loop: something happens, the book of leases says what follows (leases/decide.ts), and this does it. Jobs
 * say what is to be done and take what comes back; who holds what, only the book knows.
 */
import { type saf, wire, writeMessage } from "../shared/messages.js";
import type { PoolView } from "../shared/pool-view.js";
import { type LeaseBook, ableCount, emptyBook, isHeld, refusesEngine, stateOf } from "./leases/book.js";
import { decide } from "./leases/decide.js";
import type { Effect, LeaseEvent, Reason } from "./leases/events.js";
import type { Job, JobDesk, JobLeases } from "./leases/job.js";
import { Commands } from "./commands.js";
import { listen } from "./listen.js";
import { poolView } from "./leases/pool-view.js";
import { rowsOf } from "./leases/worker-rows.js";
import { LineLimit } from "../shared/line-limit.js";
import type { CoordinatorEdges, CoordinatorMetrics, LogLevel } from "./coordinator-edges.js";

const TICKS_PER_HEARTBEAT = 4;

export class Coordinator {
  readonly #edges: CoordinatorEdges;
  readonly #jobs = new Map<string, Job>();
  #book: LeaseBook;
  /** What happened and was not decided on yet. */
  readonly #inbox: LeaseEvent[] = [];
  #isDeciding = false;
  #isSuperseded = false;
  #waiting: (() => void)[] = [];
  readonly #lineLimit = new LineLimit();
  readonly #commands: Commands;
  #stopListening: () => void = () => undefined;

  constructor(edges: CoordinatorEdges) {
    this.#edges = edges;
    this.#commands = new Commands(edges);
    const { heartbeatMs, quarantine, hungAfter, mixedEngines, committedEngines } = edges;
    this.#book = emptyBook({ heartbeatMs, quarantine, hungAfter, mixedEngines }, committedEngines);
  }

  async start(): Promise<void> {
    const { control, bulk, clock, heartbeatMs, metrics } = this.#edges;
    const listener = listen(this.#edges, {
      jobs: this.#jobs,
      take: (...events) => this.#take(...events),
      member: (id) => this.#book.members.get(id),
      spoils: (id, engine) => refusesEngine(this.#book, id, engine),
      superseded: (term) => this.#onSuperseded(term),
      settle: (worker, settled, follow) => this.#commands.settle(worker, settled, follow),
      log: (worker, level, text) => this.#logOf(worker, level, text),
    });
    control.onConnection((isConnected) => {
      if (isConnected) metrics.reconnected();
      if (this.#isSuperseded) return;
      this.#take({ kind: "connection", isConnected });
    });
    await Promise.all([control.flush(), bulk.flush()]);
    this.#announce();
    const stopTicking = clock.every(heartbeatMs / TICKS_PER_HEARTBEAT, (lateMs) => this.#tick(lateMs));
    this.#stopListening = () => {
      stopTicking();
      listener.stop();
    };
  }

  stop(): void {
    this.#stopListening();
  }

  /** The process of a worker has ended, says whoever started it. */
  workerDied(worker: string, pid: number): void {
    this.#take({ kind: "died", worker, pid });
  }

  /** Nothing more is leased: the workers are the newer coordinator's. */
  #onSuperseded(term: number): void {
    if (this.#isSuperseded) return;
    this.#isSuperseded = true;
    this.#take({ kind: "superseded", term });
    this.#edges.superseded(term);
  }

  // ---- Jobs ---------------------------------------------------------------------------------------------------

  /** Several jobs share the workers: pool/fairness.ts. */
  add(job: Job): void {
    this.#jobs.set(job.id, job);
    this.#replan(job.id, false);
  }

  remove(job: Job): void {
    this.#jobs.delete(job.id);
    this.#take({ kind: "withdrawn", jobId: job.id });
  }

  /** A job's way to its leases. */
  readonly desk = (jobId: string): JobDesk => ({
    leases: leasesOf(() => this.#book, jobId),
    replan: ({ isFresh } = { isFresh: false }) => this.#replan(jobId, isFresh),
    recall: () => this.#take({ kind: "recalled", jobId }),
  });

  #replan(jobId: string, isFresh: boolean): void {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return;
    const { runId, account, plan } = job;
    this.#take({
      kind: "planned",
      jobId,
      runId,
      ...(account === undefined ? {} : { account }),
      plan,
      isFresh,
    });
  }

  // ---- The pool, for those who wait or look -------------------------------------------------------------------

  get workerCount(): number {
    return this.#book.members.size;
  }

  /** The book as it stands: for invariants and tests. */
  get book(): LeaseBook {
    return this.#book;
  }

  /** Resolves when at least `count` workers are in the pool; `signal` gives up waiting. */
  async waitForWorkers(count: number, signal: AbortSignal): Promise<void> {
    const giveUp = (): void => this.#carryOut({ kind: "able" });
    signal.addEventListener("abort", giveUp);
    while (this.workerCount < count && !signal.aborted)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    signal.removeEventListener("abort", giveUp);
  }

  /**
   * Resolves when no worker is left that could finish anything soon: lost, in quarantine, long overdue, or all of them
   * out of reach because NATS is.
   */
  async whenNobodyCanWork(): Promise<void> {
    while (!this.#book.isPaused && ableCount(this.#book, this.#edges.clock.now()) > 0)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Tells every worker to stop. */
  dismiss(reason: string): void {
    for (const id of this.#book.members.keys()) this.#commands.send(id, { shutdown: { reason } });
  }

  table(): saf.v1.WorkerRow.$Properties[] {
    return rowsOf(this.#book, this.#edges.clock.now());
  }

  readonly view = (): PoolView => poolView(this.#book, this.#edges.clock.now());

  /** Who is in the pool, and for how long each has been silent. */
  members(): { id: string; silentMs: number }[] {
    const now = this.#edges.clock.now();
    return [...this.#book.members.values()].map(({ id, lastSeenMs }) => ({ id, silentMs: now - lastSeenMs }));
  }

  // ---- Deciding and doing -------------------------------------------------------------------------------------

  /**
   * One event at a time, in the order in which they happened: what is done may make the next one happen. Work is given when
   * nothing else is left to decide.
   */
  #take(...events: readonly LeaseEvent[]): void {
    this.#inbox.push(...events);
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      this.#decideAll();
    } finally {
      this.#isDeciding = false;
    }
  }

  #decideAll(): void {
    let first: string | undefined;
    for (;;) {
      const event = this.#inbox.shift() ?? { kind: "serve" as const, first };
      const { book, effects, reasons } = decide(this.#book, event, this.#edges.clock.now());
      this.#book = book;
      for (const reason of reasons) this.#tell(reason);
      for (const effect of effects) this.#carryOut(effect);
      if (event.kind === "serve" && this.#inbox.length === 0) return;
      if (event.kind === "computed" || event.kind === "settled") first = event.worker;
    }
  }

  #carryOut(effect: Effect): void {
    const { metrics, term } = this.#edges;
    const job = "jobId" in effect ? this.#jobs.get(effect.jobId) : undefined;
    switch (effect.kind) {
      case "lease":
        if (job !== undefined) this.#commands.lease(job, { ...effect, term });
        break;
      case "halt":
        this.#commands.send(effect.worker, { halt: { leaseId: effect.leaseId } });
        break;
      case "cancel":
        this.#commands.send(effect.worker, { cancel: { leaseId: effect.leaseId, reason: effect.reason } });
        break;
      case "rejoin":
        this.#commands.send(effect.worker, { rejoin: { term } });
        break;
      case "announce":
        this.#announce();
        break;
      case "superseded":
        this.#onSuperseded(effect.term);
        break;
      case "commit":
        job?.onCommit?.(effect.commit, effect.units);
        break;
      case "reopened":
        job?.onReopened?.(effect.unit, effect.leaseId, effect.why);
        break;
      case "diverged":
        job?.onDiverged?.(effect.unit, effect.attempts);
        break;
      case "progress":
        job?.onProgress?.(effect.unit, effect.progress);
        break;
      case "units":
        job?.onUnits?.();
        break;
      case "ended":
        metrics.lease(effect.outcome);
        break;
      case "held":
        metrics.held(effect.account, effect.ms);
        break;
      case "member":
        countMember(metrics, effect);
        break;
      case "able":
        for (const resolve of this.#waiting.splice(0)) resolve();
        break;
    }
  }

  #tell({ level, text, worker, fields }: Reason): void {
    if (worker === undefined) this.#edges.log(level, text, fields);
    else this.#logOf(worker, level, text, fields);
  }

  /** A line that a worker can cause as often as it likes. */
  #logOf(worker: string, level: LogLevel, text: string, fields?: Record<string, unknown>): void {
    const { isWritten, leftOut } = this.#lineLimit.take(worker, this.#edges.clock.now());
    if (leftOut > 0) this.#edges.log("warn", `${leftOut} lines about worker ${worker} were left out`);
    if (isWritten) this.#edges.log(level, text, fields);
  }

  #announce(): void {
    const { control, subjects, term } = this.#edges;
    control.publish(subjects.all, writeMessage(wire.Announce, { term }));
  }

  #tick(lateMs = 0): void {
    this.#take({ kind: "tick", lateMs });
    if (this.#book.isPaused) return;
    const counts = { idle: 0, busy: 0, straggling: 0, quarantined: 0 };
    for (const member of this.#book.members.values()) counts[stateOf(member, this.#edges.clock.now())]++;
    this.#edges.metrics.workers(counts);
  }
}

function countMember(
  metrics: CoordinatorMetrics,
  { change, worker }: Extract<Effect, { kind: "member" }>,
): void {
  switch (change) {
    case "joined":
      metrics.workerJoined(worker);
      break;
    case "gone":
      metrics.workerGone(worker);
      break;
    case "lost":
      metrics.workerLost();
      break;
    case "quarantined":
      metrics.quarantined();
      break;
  }
}

/** The book as one job may read it. */
function leasesOf(book: () => LeaseBook, jobId: string): JobLeases {
  const records = (): ReturnType<JobLeases["records"]> => [...(book().jobs.get(jobId)?.units.values() ?? [])];
  return {
    record: (unitId) => book().jobs.get(jobId)?.units.get(unitId),
    records,
    get isHeld() {
      return records().some(isHeld);
    },
    get hasBegun() {
      return records().some(({ grants }) => grants.length > 0);
    },
  };
}
