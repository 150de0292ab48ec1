/**
 * NATS as the simulation sees it: one broker, and a `Bus` for each connection. Within one connection messages keep their
 * order; between connections each takes its own time. What is published while a connection is broken is lost.
 */
import {
  type Bus,
  type BusMessage,
  RequestError,
  type RequestFailure,
  type Subscription,
} from "../../shared/bus.js";
import { subjectMatches } from "../../shared/core/subject-match.js";
import { ClusterError } from "../../shared/errors.js";
import { inboxPrefix } from "../../shared/subjects.js";
import type { Draws } from "./draws.js";
import type { FaultCounts, MessageFault, Traffic } from "./faults.js";
import type { Owner, Scheduler } from "./scheduler.js";

/** May this connection publish there, and subscribe to that? */
export interface Rights {
  publish(subject: string): boolean;
  subscribe(pattern: string): boolean;
  /** Of the messages it receives, wherever they want their answer sent. */
  answers: boolean;
}

const ALL_RIGHTS: Rights = { publish: () => true, subscribe: () => true, answers: true };
/** Between two messages of one connection: so that they keep their order. */
const TICK_MS = 0.001;
/** The usual time from a process to the broker, or back. */
const HOP_MS = { least: 0.05, most: 0.6 };

interface Listener {
  pattern: string;
  handler: (message: BusMessage) => void;
  active: boolean;
  /** Subjects that were looked at. */
  known: Map<string, boolean>;
}

interface Envelope {
  subject: string;
  data: Uint8Array;
  /** Where an answer goes. */
  reply: Reply | undefined;
}

interface Reply {
  /** The asker's word. */
  subject: string;
  /** Where it is an inbox of the asker's own. */
  inbox?: Inbox;
}

interface Inbox {
  bus: SimulatedBus;
  answer: (data: Uint8Array) => void;
  nobody: () => void;
}

export interface NetworkOptions {
  scheduler: Scheduler;
  draws: Draws;
  counts: FaultCounts;
  maxPayload?: number;
  /** Without it, messages take no time. */
  isSlow?: boolean;
}

export class SimulatedBroker {
  readonly scheduler: Scheduler;
  readonly draws: Draws;
  readonly counts: FaultCounts;
  readonly maxPayload: number;
  readonly #isSlow: boolean;
  readonly #buses = new Set<SimulatedBus>();
  #faults: readonly MessageFault[] = [];
  readonly #silent = new Set<string>();
  #isUp = true;

  constructor({ scheduler, draws, counts, maxPayload = 2 * 1024 * 1024, isSlow = true }: NetworkOptions) {
    this.scheduler = scheduler;
    this.draws = draws;
    this.counts = counts;
    this.maxPayload = maxPayload;
    this.#isSlow = isSlow;
  }

  set faults(faults: readonly MessageFault[]) {
    this.#faults = faults;
  }

  connect(owner: Owner, rights: Rights = ALL_RIGHTS): SimulatedBus {
    const bus = new SimulatedBus(this, owner, rights);
    this.#buses.add(bus);
    return bus;
  }

  forget(bus: SimulatedBus): void {
    this.#buses.delete(bus);
  }

  get connections(): number {
    return this.#buses.size;
  }

  /** Cuts all connections, as a server that dies does; `restore` brings it back with the subscriptions. */
  interrupt(): void {
    this.#isUp = false;
    for (const bus of this.#buses) bus.setConnected(false);
  }

  restore(): void {
    this.#isUp = true;
    for (const bus of this.#buses) bus.setConnected(true);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Breaks the connections of one process, or lets it connect again. */
  setConnected(process: string, connected: boolean): void {
    for (const bus of this.#buses) if (bus.owner.name === process) bus.setConnected(connected && this.#isUp);
  }

  /** Nothing reaches the process or leaves it, and nobody is told. */
  setSilent(process: string, silent: boolean): void {
    if (silent) this.#silent.add(process);
    else this.#silent.delete(process);
  }

  isSilent(process: string): boolean {
    return this.#silent.has(process);
  }

  hopMs(): number {
    return this.#isSlow ? this.draws.between(HOP_MS.least, HOP_MS.most) : 0;
  }

  /** The faults that this message of this process meets now. */
  met(process: string, traffic: readonly Traffic[]): MessageFault[] {
    const now = this.scheduler.nowMs;
    return this.#faults.filter(
      ({ fromMs, untilMs, who, traffic: which, probability }) =>
        fromMs <= now &&
        now < untilMs &&
        (who === "*" || who === process) &&
        traffic.includes(which) &&
        this.draws.chance(probability),
    );
  }

  /** A message has reached the broker. */
  route(envelope: Envelope): void {
    let receivers = 0;
    for (const bus of this.#buses) receivers += bus.offer(envelope);
    if (receivers === 0) envelope.reply?.inbox?.nobody();
  }
}

function matches({ pattern, known }: Listener, subject: string): boolean {
  let found = known.get(subject);
  if (found === undefined) known.set(subject, (found = subjectMatches(pattern, subject)));
  return found;
}

const ANSWERS: readonly Traffic[] = ["all", "requests"];

/** What a subject carries. */
function trafficOf(subject: string, isRequest: boolean): readonly Traffic[] {
  const kind: Traffic = subject.includes(".grad.")
    ? "gradient"
    : subject.includes(".param.") && !subject.includes(".get.")
      ? "parameters"
      : "control";
  return isRequest ? ["all", kind, "requests"] : ["all", kind];
}

export class SimulatedBus implements Bus {
  readonly owner: Owner;
  readonly #broker: SimulatedBroker;
  readonly #rights: Rights;
  readonly #listeners = new Set<Listener>();
  readonly #connectionHandlers: ((connected: boolean) => void)[] = [];
  readonly #open = new Set<(failure: RequestFailure) => void>();
  readonly #flushes = new Set<() => void>();
  /** Counts connections: what travels on an earlier one is lost. */
  #connection = 0;
  #connected: boolean;
  #closed = false;
  #lastOutMs = 0;
  #lastInMs = 0;

  constructor(broker: SimulatedBroker, owner: Owner, rights: Rights) {
    this.#broker = broker;
    this.owner = owner;
    this.#rights = rights;
    this.#connected = broker.isUp;
  }

  get connected(): boolean {
    return this.#connected && !this.#closed;
  }

  get maxPayload(): number {
    return this.#broker.maxPayload;
  }

  /** Subscriptions and requests that are open. */
  get load(): number {
    return this.#listeners.size + this.#open.size;
  }

  publish(subject: string, data: Uint8Array): void {
    this.#send({ subject, data, reply: undefined });
  }

  /** Any client may ask for an answer on any subject. */
  publishFor(replyTo: string, subject: string, data: Uint8Array): void {
    this.#send({ subject, data, reply: { subject: replyTo } });
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    const listener: Listener = { pattern, handler, active: false, known: new Map() };
    if (this.#closed || !this.#rights.subscribe(pattern)) return { unsubscribe: () => undefined };
    this.#listeners.add(listener);
    // The broker hears of it as of any message; after a broken connection the client tells it again.
    if (this.#connected) this.#out("subscribe", () => (listener.active = true));
    return { unsubscribe: () => this.#listeners.delete(listener) };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(new RequestError("closed", subject));
    if (!this.#connected) return Promise.reject(new RequestError("disconnected", subject));
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel();
        this.#open.delete(fail);
      };
      const fail = (failure: RequestFailure): void => {
        end();
        reject(new RequestError(failure, subject));
      };
      const answer = (bytes: Uint8Array): void => {
        if (!this.#open.has(fail)) return;
        end();
        resolve(bytes);
      };
      const nobody = (): void =>
        this.#in("nobody there", () => {
          if (this.#open.has(fail)) fail("no-responders");
        });
      let cancel = (): void => undefined;
      // A payload that is too large throws, before anything is begun.
      const reply = {
        subject: `${inboxPrefix(this.owner.name)}.simulated`,
        inbox: { bus: this, answer, nobody },
      };
      this.#send({ subject, data, reply });
      this.#open.add(fail);
      const { scheduler } = this.#broker;
      cancel = scheduler.at(scheduler.nowMs + timeoutMs, this.owner, "request timeout", () =>
        fail("timeout"),
      );
    });
  }

  flush(): Promise<void> {
    if (!this.connected) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#flushes.delete(done);
        resolve();
      };
      this.#flushes.add(done);
      this.#out("ping", () => this.#in("pong", done));
    });
  }

  onConnection(handler: (connected: boolean) => void): void {
    this.#connectionHandlers.push(handler);
  }

  close(): Promise<void> {
    this.kill();
    for (const fail of [...this.#open]) fail("closed");
    for (const done of [...this.#flushes]) done();
    return Promise.resolve();
  }

  /** Its process died: nothing of it goes on, and nothing in it is told. */
  kill(): void {
    this.#closed = true;
    this.#listeners.clear();
    this.#broker.forget(this);
  }

  setConnected(connected: boolean): void {
    if (this.#connected === connected || this.#closed) return;
    this.#connected = connected;
    this.#connection++;
    for (const listener of this.#listeners) listener.active = connected;
    const { scheduler } = this.#broker;
    scheduler.at(scheduler.nowMs, this.owner, connected ? "connected" : "disconnected", () => {
      if (!connected) for (const done of [...this.#flushes]) done();
      for (const handler of this.#connectionHandlers) handler(connected);
    });
  }

  // ---- On the way -----------------------------------------------------------------------------------------------

  #send(envelope: Envelope): void {
    this.#checkSize(envelope.subject, envelope.data);
    if (!this.connected || !this.#rights.publish(envelope.subject)) return;
    const copy = { ...envelope, data: new Uint8Array(envelope.data) };
    const traffic = trafficOf(envelope.subject, envelope.reply !== undefined);
    this.#pass(copy.subject, traffic, copy.data, (data, hop) =>
      this.#out(envelope.subject, () => this.#broker.route({ ...copy, data }), hop),
    );
  }

  /** The broker has a message that may be for us. Returns how many handlers it goes to. */
  offer(envelope: Envelope): number {
    const matching = [...this.#listeners].filter(
      (listener) => listener.active && matches(listener, envelope.subject),
    );
    const traffic = trafficOf(envelope.subject, envelope.reply !== undefined);
    for (const listener of matching) {
      this.#pass(envelope.subject, traffic, envelope.data, (data, hop) =>
        this.#in(envelope.subject, () => this.#handle(listener, { ...envelope, data }), hop),
      );
    }
    return matching.length;
  }

  #handle(listener: Listener, { subject, data, reply }: Envelope): void {
    if (!this.#listeners.has(listener)) return;
    listener.handler({
      subject,
      data,
      replyTo: reply?.subject,
      respond: (answer) => {
        this.#checkSize(`the reply to ${subject}`, answer);
        if (reply === undefined || !this.connected || !this.#rights.answers) return;
        const bytes = new Uint8Array(answer);
        this.#pass(subject, ANSWERS, bytes, (told, hop) =>
          this.#out("reply", () => this.#bringBack(subject, reply, told), hop),
        );
      },
    });
  }

  /** The broker has an answer. */
  #bringBack(asked: string, { subject, inbox }: Reply, data: Uint8Array): void {
    if (inbox === undefined) this.#broker.route({ subject, data, reply: undefined });
    else
      inbox.bus.#pass(asked, ANSWERS, data, (heard, hop) =>
        inbox.bus.#in(`reply to ${asked}`, () => inbox.answer(heard), hop),
      );
  }

  /** One message on one hop, as the faults of the moment leave it: lost, late, twice, out of order, spoilt. */
  #pass(
    subject: string,
    traffic: readonly Traffic[],
    data: Uint8Array,
    send: (data: Uint8Array, hop: { delayMs: number; inOrder: boolean }) => void,
  ): void {
    const { draws, counts } = this.#broker;
    if (this.#broker.isSilent(this.owner.name)) {
      counts.add("silence");
      return;
    }
    let [delayMs, inOrder, copies, bytes] = [0, true, 1, data];
    for (const { kind, maxMs } of this.#broker.met(this.owner.name, traffic)) {
      if (kind === "corrupt" && !isBulk(subject)) continue;
      counts.add(kind);
      if (kind === "drop") return;
      if (kind === "duplicate") copies++;
      else if (kind === "corrupt") bytes = spoilt(bytes, draws);
      else delayMs += draws.between(0, maxMs);
      if (kind === "reorder") inOrder = false;
    }
    for (let copy = 0; copy < copies; copy++) send(bytes, { delayMs, inOrder });
  }

  #out(label: string, run: () => void, hop = { delayMs: 0, inOrder: true }): void {
    const atMs = this.#arrivalMs(this.#lastOutMs, hop);
    if (hop.inOrder) this.#lastOutMs = atMs;
    const connection = this.#connection;
    // What is on its way arrives, though its sender may be gone by then.
    this.#broker.scheduler.at(atMs, BROKER, `${this.owner.name} > ${label}`, () => {
      if (this.#connection === connection) run();
    });
  }

  #in(label: string, run: () => void, hop = { delayMs: 0, inOrder: true }): void {
    const atMs = this.#arrivalMs(this.#lastInMs, hop);
    if (hop.inOrder) this.#lastInMs = atMs;
    const connection = this.#connection;
    this.#broker.scheduler.at(atMs, this.owner, `< ${label}`, () => {
      if (this.#connection === connection && !this.#closed) run();
    });
  }

  #arrivalMs(lastMs: number, { delayMs, inOrder }: { delayMs: number; inOrder: boolean }): number {
    const atMs = this.#broker.scheduler.nowMs + this.#broker.hopMs() + delayMs;
    return inOrder ? Math.max(atMs, lastMs + TICK_MS) : atMs;
  }

  #checkSize(subject: string, { byteLength }: Uint8Array): void {
    if (byteLength <= this.maxPayload) return;
    throw new ClusterError(
      "protocol",
      `Cannot publish ${byteLength} bytes on ${subject}: the broker takes ${this.maxPayload}`,
    );
  }
}

const BROKER: Owner = { name: "broker", alive: true, frozenUntilMs: 0 };

/** Chunks of gradients and parameters carry a checksum; other messages are TCP's to protect. */
function isBulk(subject: string): boolean {
  const traffic = trafficOf(subject, false);
  return traffic.includes("gradient") || traffic.includes("parameters");
}

function spoilt(data: Uint8Array, draws: Draws): Uint8Array {
  if (data.byteLength === 0) return data;
  if (draws.chance(0.2)) return data.slice(0, draws.whole(0, data.byteLength - 1));
  const bytes = data.slice();
  const at = draws.whole(0, bytes.byteLength - 1);
  bytes[at] = (bytes[at] as number) ^ draws.whole(1, 255);
  return bytes;
}
