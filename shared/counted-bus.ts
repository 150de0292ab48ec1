/** A bus that counts what goes over it, by what it carries. Plain additions: it stands in the way of every message. */
import { tableOf } from "./core/keys.js";
import type { Bus, BusMessage, MappedMemory, Subscription } from "./bus.js";
import { REQUESTS, type RequestOperation, TRAFFIC_KINDS, type TrafficKind } from "./metrics.js";

export interface BusCounts {
  /** Adds one message of so many bytes. */
  message(direction: "in" | "out", kind: TrafficKind, bytes: number): void;
  /** A request was answered, or given up. */
  requested(operation: RequestOperation, seconds: number): void;
  /** Milliseconds; only differences matter. */
  clock: () => number;
}

/** What messages on a subject carry: saf.v1.<pool>.<what>.… (shared/subjects.ts). */
export function trafficKind(subject: string): TrafficKind {
  switch (subject.split(".", 4)[3]) {
    case "grad":
      return "gradient";
    case "param":
      return "parameters";
    case "data":
      return "data";
    case "result":
      return "evaluation";
    default:
      return "control";
  }
}

/** Which request is made on a subject. */
export function requestOperation(subject: string): RequestOperation {
  const [, , , what, which] = subject.split(".", 5);
  if (what === "param") return "parameters";
  return REQUESTS.find((operation) => operation === (what === "ctl" ? which : what)) ?? "join";
}

export function countedBus(inner: Bus, counts: BusCounts): Bus {
  return new CountedBus(inner, counts);
}

/** More subjects than a process ever uses; beyond them each is looked at anew. */
const SUBJECTS_KNOWN = 4096;

class CountedBus implements Bus {
  readonly #inner: Bus;
  readonly #counts: BusCounts;
  readonly #kinds = new Map<string, TrafficKind>();

  constructor(inner: Bus, counts: BusCounts) {
    this.#inner = inner;
    this.#counts = counts;
  }

  get connected(): boolean {
    return this.#inner.connected;
  }

  get maxPayload(): number {
    return this.#inner.maxPayload;
  }

  get pendingBytes(): number {
    return this.#inner.pendingBytes ?? 0;
  }

  get mapped(): MappedMemory | undefined {
    return this.#inner.mapped;
  }

  publish(subject: string, data: Uint8Array): void {
    this.#inner.publish(subject, data);
    this.#counts.message("out", this.#kind(subject), data.byteLength);
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    return this.#inner.subscribe(pattern, (message) => {
      const { subject, data, inPlace } = message;
      const kind = this.#kind(subject);
      this.#counts.message("in", kind, data.byteLength);
      handler({
        subject,
        data,
        inPlace,
        respond: (reply) => {
          message.respond(reply);
          this.#counts.message("out", kind, reply.byteLength);
        },
      });
    });
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { clock } = this.#counts;
    const kind = this.#kind(subject);
    const began = clock();
    this.#counts.message("out", kind, data.byteLength);
    try {
      const reply = await this.#inner.request(subject, data, timeoutMs);
      this.#counts.message("in", kind, reply.byteLength);
      return reply;
    } finally {
      this.#counts.requested(requestOperation(subject), (clock() - began) / 1000);
    }
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  onConnection(handler: (connected: boolean) => void): void {
    this.#inner.onConnection(handler);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #kind(subject: string): TrafficKind {
    const known = this.#kinds.get(subject);
    if (known !== undefined) return known;
    const kind = trafficKind(subject);
    if (this.#kinds.size < SUBJECTS_KNOWN) this.#kinds.set(subject, kind);
    return kind;
  }
}

/** Every kind and direction has its own adder, made once. */
export function trafficAdders<Adder>(
  make: (direction: "in" | "out", kind: TrafficKind) => Adder,
): Record<"in" | "out", Record<TrafficKind, Adder>> {
  return tableOf(["in", "out"], (direction) => tableOf(TRAFFIC_KINDS, (kind) => make(direction, kind)));
}
