/** A bus that tells a trace how long it took to send each message, and to handle each that came. */
import type { Bus, BusMessage, MappedMemory, Subscription } from "./bus.js";
import { trafficKind } from "./counted-bus.js";
import type { TakePart } from "./tracing.js";

/** The bus itself where nobody traces: then nothing stands in the way. */
export function tracedBus(inner: Bus, part: TakePart | undefined, now: () => number): Bus {
  return part === undefined ? inner : new TracedBus(inner, part, now);
}

class TracedBus implements Bus {
  readonly #inner: Bus;
  readonly #part: TakePart;
  readonly #now: () => number;

  constructor(inner: Bus, part: TakePart, now: () => number) {
    this.#inner = inner;
    this.#part = part;
    this.#now = now;
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
    const fromMs = this.#now();
    this.#inner.publish(subject, data);
    this.#tell("send", subject, data.byteLength, fromMs);
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    return this.#inner.subscribe(pattern, (message) => {
      const { byteLength } = message.data;
      const fromMs = this.#now();
      handler(message);
      this.#tell("take", message.subject, byteLength, fromMs);
    });
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const fromMs = this.#now();
    const reply = this.#inner.request(subject, data, timeoutMs);
    this.#tell("ask", subject, data.byteLength, fromMs);
    return reply;
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

  #tell(what: "send" | "take" | "ask", subject: string, bytes: number, fromMs: number): void {
    this.#part(`${what} ${trafficKind(subject)}`, fromMs, this.#now(), { subject, bytes });
  }
}
