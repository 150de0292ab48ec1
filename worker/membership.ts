/** The worker's place in the pool: it joins, says that it is alive, and waits only so long for a silent coordinator. */
import type { BusMessage, Subscription } from "../shared/bus.js";
import { ClusterError } from "../shared/errors.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../shared/messages.js";
import { type RetryPolicy, retry } from "../shared/retry.js";
import type { WorkerEdges } from "./edges.js";

const JOIN_TIMEOUT_MS = 2000;
const JOIN_RETRIES: RetryPolicy = { attempts: Infinity, pauseMs: () => 300 };
/** A worker that waits for a coordinator says so this often. */
const WAITING_LOG_MS = 5000;
/** A worker that may not wait for ever asks after its coordinator this often within its patience. */
const ASKS_PER_TIMEOUT = 4;

export type MembershipEdges = Pick<
  WorkerEdges,
  "control" | "subjects" | "clock" | "process" | "coordinatorTimeoutMs" | "isFar" | "host" | "log"
> & {
  engine: Pick<WorkerEdges["engine"], "info" | "selfTest" | "fingerprint">;
  metrics: Pick<WorkerEdges["metrics"], "reconnected">;
  /** Aborts when the worker stops. */
  stopping: AbortSignal;
};

export interface MembershipEvents {
  /** What a heartbeat tells of the work. */
  work(): Pick<
    saf.v1.Heartbeat.$Properties,
    "leaseId" | "leaseTerm" | "tensors" | "busySeconds" | "progress"
  >;
  /** A join is asked for: what the coordinator is not told of now, it will not know of. */
  asking(): void;
  /** A coordinator took us in; `isNew`: not the one of before. */
  joined(term: number, isNew: boolean): void;
  /** The worker is to end: it was refused, or hears of no coordinator. */
  end(reason: string, error: ClusterError): void;
}

export class Membership {
  readonly #id: string;
  readonly #edges: MembershipEdges;
  readonly #events: MembershipEvents;
  #term = 0;
  /** When the coordinator last said anything. */
  #heardMs: number;
  #joining: Promise<void> | undefined;
  #announcements: Subscription | undefined;
  #endHeartbeat: () => void = () => undefined;
  #endWatch: () => void = () => undefined;

  constructor(id: string, edges: MembershipEdges, events: MembershipEvents) {
    this.#id = id;
    this.#edges = edges;
    this.#events = events;
    this.#heardMs = edges.clock.now();
  }

  /** Of the coordinator that took us in last; 0 before. */
  get term(): number {
    return this.#term;
  }

  /** Listens for coordinators, before the first join. */
  listen(): void {
    const { control, subjects } = this.#edges;
    this.#announcements = control.subscribe(subjects.all, (message) => this.#onAnnounce(message));
    control.onConnection((connected) => this.#onConnection(connected));
  }

  /** Begins to count the coordinator's silence. An idle pool is silent: whoever has heard nothing for a while joins again. */
  watch(): void {
    const { coordinatorTimeoutMs: patienceMs, clock } = this.#edges;
    this.#heardMs = clock.now();
    if (patienceMs === 0) return;
    this.#endWatch = clock.every(patienceMs / ASKS_PER_TIMEOUT, () => this.#onSilence(patienceMs));
  }

  /** A coordinator does not know us: the newest one is asked again. */
  rejoin(term: number): void {
    if (term >= this.#term) void this.join();
  }

  /** The coordinator said something. */
  heard(): void {
    this.#heardMs = this.#edges.clock.now();
  }

  /** Asks until a coordinator takes us in or refuses us, or the worker stops. One join at a time. */
  join(): Promise<void> {
    this.#joining ??= this.#join().finally(() => {
      this.#joining = undefined;
    });
    return this.#joining;
  }

  /** The coordinator is done with us; who announces itself next, with a higher term, is asked to take us in. */
  leave(): void {
    this.#endHeartbeat();
  }

  close(): void {
    this.#endHeartbeat();
    this.#endWatch();
    this.#announcements?.unsubscribe();
  }

  async #join(): Promise<void> {
    const reply = await this.#askToJoin();
    if (reply === undefined) return;
    this.heard();
    if (!reply.accepted) {
      const message = `The coordinator refused worker ${this.#id}: ${reply.reason}`;
      this.#events.end("refused", new ClusterError("dependency", message));
      return;
    }
    const isNew = reply.term !== this.#term;
    this.#term = reply.term;
    this.#beat(reply.heartbeatMs);
    this.#events.joined(reply.term, isNew);
    this.#edges.log("info", `Joined the pool as ${this.#id}`, { term: reply.term });
  }

  /** Undefined when the worker stops. */
  async #askToJoin(): Promise<saf.v1.JoinReply | undefined> {
    const { control, subjects, clock, log, stopping } = this.#edges;
    const began = clock.now();
    let said = began;
    const joined = await retry(JOIN_RETRIES, { clock, signal: stopping }, async () => {
      if (clock.now() - said > WAITING_LOG_MS) {
        said = clock.now();
        log("info", `Waiting for a coordinator for ${Math.round((said - began) / 1000)} s`);
      }
      this.#events.asking();
      const answer = await control.request(subjects.join(this.#id), this.#request(), JOIN_TIMEOUT_MS);
      const reply = readMessage(wire.JoinReply, answer);
      // A term never falls: a coordinator of before a newer one has nothing to say any more.
      return reply?.accepted === true && reply.term < this.#term ? undefined : reply;
    });
    return joined.kind === "answered" ? joined.answer : undefined;
  }

  #request(): Uint8Array {
    const { engine, process } = this.#edges;
    const failed = engine.selfTest.checks.filter((check) => !check.passed).map((check) => check.name);
    return writeMessage(wire.JoinRequest, {
      protocol: PROTOCOL_VERSION,
      workerId: this.#id,
      engineName: engine.info.name,
      engineVersion: engine.info.version,
      device: engine.info.device,
      selfTestPassed: engine.selfTest.passed,
      selfTestDetail: failed.join(", "),
      pid: process.pid,
      metricsUrl: process.metricsUrl,
      incarnation: process.incarnation,
      term: this.#term,
      leaseId: this.#events.work().leaseId ?? 0,
      leaseTerm: this.#events.work().leaseTerm ?? 0,
      isFar: this.#edges.isFar === true,
      host: this.#edges.host?.id ?? "",
      fingerprint: {
        flags: [...engine.fingerprint.flags],
        cpu: [...engine.fingerprint.cpu],
        sample: engine.fingerprint.sample,
      },
    });
  }

  #beat(everyMs: number): void {
    const { control, subjects, clock, process } = this.#edges;
    this.#endHeartbeat();
    this.#endHeartbeat = clock.every(everyMs, () => {
      if (!control.connected) return;
      const beat = {
        workerId: this.#id,
        incarnation: process.incarnation,
        term: this.#term,
        rssBytes: process.rssBytes(),
        ...this.#events.work(),
      };
      control.publish(subjects.heartbeat(this.#id), writeMessage(wire.Heartbeat, beat));
    });
  }

  #onAnnounce({ data }: BusMessage): void {
    const announce = readMessage(wire.Announce, data);
    if (announce === undefined) return;
    this.heard();
    if (announce.term > this.#term) void this.join();
  }

  #onConnection(connected: boolean): void {
    if (!connected || this.#edges.stopping.aborted) return;
    this.#edges.metrics.reconnected();
    void this.join();
  }

  #onSilence(patienceMs: number): void {
    const silentMs = this.#edges.clock.now() - this.#heardMs;
    if (silentMs >= patienceMs) {
      const seconds = Math.round(silentMs / 1000);
      const error = new ClusterError("dependency", `No coordinator was heard of for ${seconds} s`, {
        hint: "has it ended? --coordinator-timeout 0 (SAF_COORDINATOR_TIMEOUT_S) waits for ever",
      });
      this.#events.end("no coordinator", error);
    } else if (silentMs >= patienceMs / 2) void this.join();
  }
}
