/** The bus in memory: the twin of NATS for tests of the layers above. One broker stands for one server. */
import {
  type Bus,
  type BusMessage,
  RequestError,
  type RequestFailure,
  type Subscription,
} from "../../shared/bus.js";
import type { Clock } from "../../shared/clock.js";
import { subjectMatches } from "../../shared/core/subject-match.js";
import { ClusterError } from "../../shared/errors.js";
import { inboxPrefix } from "../../shared/subjects.js";

interface Listener {
  pattern: string;
  owner: MemoryBus;
  handler: (message: BusMessage) => void;
}

const WALL_TIME: Pick<Clock, "after"> = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

export class MemoryBroker {
  readonly maxPayload: number;
  /** Says when a request has waited for its answer long enough. */
  readonly clock: Pick<Clock, "after">;
  readonly listeners = new Set<Listener>();
  readonly #clients = new Set<MemoryBus>();

  constructor(maxPayload = 2 * 1024 * 1024, clock = WALL_TIME) {
    this.maxPayload = maxPayload;
    this.clock = clock;
  }

  /** `identity`: whose inbox answers go to, as a connection to NATS has it from its credentials. */
  connect(identity = "client"): MemoryBus {
    const bus = new MemoryBus(this, `${inboxPrefix(identity)}.memory`);
    this.#clients.add(bus);
    return bus;
  }

  forget(bus: MemoryBus): void {
    this.#clients.delete(bus);
  }

  /** Cuts all connections, as a server that dies does; `restore` brings it back with the subscriptions. */
  interrupt(): void {
    for (const client of this.#clients) client.setConnected(false);
  }

  restore(): void {
    for (const client of this.#clients) client.setConnected(true);
  }
}

export class MemoryBus implements Bus {
  readonly #broker: MemoryBroker;
  readonly #inbox: string;
  readonly #connectionHandlers: ((connected: boolean) => void)[] = [];
  /** Fails a request that waits for its answer. */
  readonly #open = new Set<(failure: RequestFailure) => void>();
  #connected = true;
  #closed = false;

  constructor(broker: MemoryBroker, inbox: string) {
    this.#broker = broker;
    this.#inbox = inbox;
  }

  get connected(): boolean {
    return this.#connected && !this.#closed;
  }

  get maxPayload(): number {
    return this.#broker.maxPayload;
  }

  publish(subject: string, data: Uint8Array): void {
    this.#send(subject, data, undefined);
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    const listener: Listener = { pattern, owner: this, handler };
    if (!this.#closed) this.#broker.listeners.add(listener);
    return { unsubscribe: () => this.#broker.listeners.delete(listener) };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(new RequestError("closed", subject));
    if (!this.#connected) return Promise.reject(new RequestError("disconnected", subject));
    return new Promise((resolve, reject) => {
      const fail = (failure: RequestFailure): void => {
        end();
        reject(new RequestError(failure, subject));
      };
      const end = (): void => {
        cancelTimeout();
        this.#open.delete(fail);
      };
      // A payload that is too large throws, before anything is begun.
      const receivers = this.#send(subject, data, (answer) => {
        end();
        resolve(answer);
      });
      const cancelTimeout = this.#broker.clock.after(timeoutMs, () => fail("timeout"));
      this.#open.add(fail);
      if (receivers === 0) fail("no-responders");
    });
  }

  flush(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  onConnection(handler: (connected: boolean) => void): void {
    this.#connectionHandlers.push(handler);
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const listener of this.#broker.listeners) {
      if (listener.owner === this) this.#broker.listeners.delete(listener);
    }
    this.#broker.forget(this);
    for (const fail of this.#open) fail("closed");
    return Promise.resolve();
  }

  setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const handler of this.#connectionHandlers) handler(connected);
  }

  /** Copies once per message and delivers in a later turn, as a socket would. Returns how many will receive it. */
  #send(subject: string, data: Uint8Array, answer: ((data: Uint8Array) => void) | undefined): number {
    this.#checkSize(subject, data);
    if (!this.connected) return 0;
    const receivers = [...this.#broker.listeners].filter((listener) =>
      subjectMatches(listener.pattern, subject),
    );
    const copy = new Uint8Array(data);
    for (const listener of receivers) {
      setImmediate(() => {
        if (!listener.owner.connected || !this.#broker.listeners.has(listener)) return;
        listener.handler({
          subject,
          data: copy,
          replyTo: answer === undefined ? undefined : this.#inbox,
          respond: (reply) => {
            this.#checkSize(`the reply to ${subject}`, reply);
            if (answer === undefined || !listener.owner.connected) return;
            const bytes = new Uint8Array(reply);
            setImmediate(() => answer(bytes));
          },
        });
      });
    }
    return receivers.length;
  }

  #checkSize(subject: string, { byteLength }: Uint8Array): void {
    if (byteLength <= this.maxPayload) return;
    throw new ClusterError(
      "protocol",
      `Cannot publish ${byteLength} bytes on ${subject}: the broker takes ${this.maxPayload}`,
    );
  }
}
