/** A process that has a worker's credential and keeps to nothing: it joins as a worker would, and says what it likes. */
import { readFileSync } from "node:fs";
import { type NatsConnection, connect, nkeyAuthenticator } from "nats";
import type { NatsCredentials } from "../../deploy/local/nats/server-files.js";
import type { Bus } from "../../shared/bus.js";
import { RequestError } from "../../shared/bus.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { type saf, wire, writeMessage } from "../../shared/messages.js";
import { type Subjects, inboxPrefix } from "../../shared/subjects.js";
import { HandWorker, type HandRun } from "../support/hand-worker.js";
import { passed } from "./pools.js";

const CONNECT_MS = 10_000;
const ANSWER_MS = 2000;
const LEASE_MS = 4000;
const BEAT_MS = 500;
/** Messages between two waits for the server: the client keeps what was not sent in memory. */
const BURST = 500;

/** What every worker knows after it has served once. */
export interface Known {
  url: string;
  subjects: Subjects;
  /** As the pool's true workers introduce themselves. */
  hello: saf.v1.JoinRequest.$Properties;
  run: HandRun;
  /** Of the coordinator: it announces it to all workers. */
  term: number;
  /** A part of the data set that the coordinator serves. */
  part: string;
  /** Workers that do their work. */
  others: readonly string[];
}

export class Attacker {
  readonly id: string;
  readonly known: Known;
  readonly hand: HandWorker;
  /** What NATS did not let it do. */
  forbidden = 0;
  readonly #connection: NatsConnection;
  readonly #buses: readonly Bus[];
  #answers = 0;
  #beating: NodeJS.Timeout | undefined;
  /** What it says that it works on. */
  leaseId = 0;

  private constructor(known: Known, id: string, connection: NatsConnection, buses: readonly [Bus, Bus]) {
    this.id = id;
    this.known = known;
    this.#connection = connection;
    this.#buses = buses;
    const [control, bulk] = buses;
    this.hand = new HandWorker(id, known.run, { control, bulk, subjects: known.subjects });
    this.hand.incarnation = Date.now();
    this.hand.term = known.term;
    void this.#count();
  }

  static async start(known: Known, { identity, seedFile }: NatsCredentials): Promise<Attacker> {
    const { url } = known;
    const bus = (): Promise<Bus> =>
      connectNats({ url, identity, seedFile, purpose: "attack", connectTimeoutMs: CONNECT_MS });
    const connection = await connect({
      servers: [url],
      authenticator: nkeyAuthenticator(readFileSync(seedFile)),
      inboxPrefix: inboxPrefix(identity),
      maxReconnectAttempts: -1,
    });
    return new Attacker(known, identity, connection, [await bus(), await bus()]);
  }

  async stop(): Promise<void> {
    clearInterval(this.#beating);
    await this.#connection.close();
    for (const bus of this.#buses) await bus.close();
  }

  get subjects(): Subjects {
    return this.known.subjects;
  }

  /** A worker that it would like to harm. */
  get victim(): string {
    return this.known.others[0] ?? "";
  }

  async #count(): Promise<void> {
    for await (const { permissionContext } of this.#connection.status())
      if (permissionContext !== undefined) this.forbidden++;
  }

  // ---- To say something ---------------------------------------------------------------------------------------

  say(subject: string, data: Uint8Array, reply?: string): void {
    this.#connection.publish(subject, data, reply === undefined ? {} : { reply });
  }

  /** So many, as fast as the server takes them. */
  async flood(count: number, one: (i: number) => void): Promise<void> {
    for (let i = 0; i < count; i++) {
      one(i);
      if (i % BURST === BURST - 1) await this.flush();
    }
    await this.flush();
  }

  flush(): Promise<void> {
    return this.#connection.flush();
  }

  /** Tries to listen. */
  hear(subject: string): void {
    this.#connection.subscribe(subject, { callback: () => undefined });
  }

  /** The answer; in words, why there is none. */
  async ask(subject: string, data: Uint8Array): Promise<Uint8Array | string> {
    const [bus] = this.#buses;
    try {
      return (await bus?.request(subject, data, ANSWER_MS)) ?? "closed";
    } catch (error) {
      if (error instanceof RequestError) return error.failure;
      throw error;
    }
  }

  /** Where it counts answers from now on; it may add a token for each question. */
  inbox(): string {
    const place = `${inboxPrefix(this.id)}.flood${Date.now()}`;
    this.#answers = 0;
    this.#connection.subscribe(`${place}.>`, { callback: () => void this.#answers++ });
    return place;
  }

  /** Answers that came to the last inbox until none has come for a while. */
  async answers(): Promise<number> {
    for (let before = -1; before !== this.#answers;) {
      before = this.#answers;
      await passed(1000);
    }
    return this.#answers;
  }

  // ---- As a worker does ---------------------------------------------------------------------------------------

  /** Joins, and beats until it stops. */
  async join(says: saf.v1.JoinRequest.$Properties = {}): Promise<string> {
    const reply = await this.hand.join({ ...this.known.hello, ...this.self, ...says });
    clearInterval(this.#beating);
    this.#beating = setInterval(
      () => this.hand.beat({ leaseId: this.leaseId, leaseTerm: this.hand.term }),
      BEAT_MS,
    );
    return reply.accepted ? "taken in" : reply.reason;
  }

  /** What names it in a message. */
  get self(): { workerId: string; incarnation: number } {
    return { workerId: this.id, incarnation: this.hand.incarnation };
  }

  /** The next lease; undefined when none comes for a while: it rests, or others are faster. */
  async lease(): Promise<saf.v1.BlockLease | undefined> {
    for (let waited = 0; !this.hand.hasLease; waited += 10) {
      if (waited >= LEASE_MS) return undefined;
      await passed(10);
    }
    const lease = await this.hand.lease();
    this.leaseId = lease.leaseId;
    return lease;
  }

  /** The lease goes back, with these words about it. */
  giveBack(leaseId: number, says: saf.v1.LeaseReturn.$Properties = {}): void {
    this.leaseId = 0;
    const back = { ...this.self, leaseId, reason: "made up", ...says };
    this.say(this.subjects.lease(this.id), writeMessage(wire.LeaseReturn, back));
  }

  async leave(): Promise<void> {
    clearInterval(this.#beating);
    this.giveBack(0, { leaving: true });
    await this.flush();
  }
}
