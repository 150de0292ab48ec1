/** Orders to the engine, each with the answer that names its lease. */
import { ClusterError } from "../shared/errors.js";
import type { FromEngine, ToEngine } from "./engine/messages.js";
import type { EnginePort } from "./engine/port.js";

type Order = Extract<ToEngine, { leaseId: number }>;
type Done = Extract<FromEngine, { seconds: number }>;
export type Answer<Kind extends Order["type"]> = Extract<Done, { type: `${Kind}-done` }>;

interface OpenOrder {
  onChunks: (chunks: readonly number[]) => void;
  resolve: (done: Done) => void;
  reject: (error: Error) => void;
}

export interface EngineEvents {
  done(message: Done): void;
  /** The engine ended by itself. */
  died(error: ClusterError): void;
}

export class EngineDesk {
  readonly #port: EnginePort;
  readonly #events: EngineEvents;
  readonly #stopping: AbortSignal;
  readonly #open = new Map<number, OpenOrder>();
  #death: ClusterError | undefined;
  #busySeconds = 0;
  #tensors = 0;

  /** When `stopping` aborts, open orders reject with its reason. */
  constructor(port: EnginePort, events: EngineEvents, stopping: AbortSignal) {
    this.#port = port;
    this.#events = events;
    this.#stopping = stopping;
    port.onMessage((message) => this.#onMessage(message));
    stopping.addEventListener("abort", () => this.#rejectAll(reasonOf(stopping)), { once: true });
  }

  /** Engine time since the start. */
  get busySeconds(): number {
    return this.#busySeconds;
  }

  /** Live tensors after the last order. */
  get tensors(): number {
    return this.#tensors;
  }

  /** Runs one order. Rejects when the engine fails or has died, or when the worker stops. */
  async compute<Kind extends Order["type"]>(
    order: Extract<Order, { type: Kind }>,
    onChunks: OpenOrder["onChunks"] = () => undefined,
  ): Promise<Answer<Kind>> {
    const kind: Kind = order.type;
    const { leaseId } = order;
    const done = await new Promise<Done>((resolve, reject) => {
      if (this.#death !== undefined || this.#stopping.aborted) {
        reject(this.#death ?? reasonOf(this.#stopping));
        return;
      }
      this.#open.set(leaseId, { onChunks, resolve, reject });
      this.#port.send(order);
    }).finally(() => this.#open.delete(leaseId));
    if (isAnswer(done, kind)) return done;
    throw new ClusterError("unexpected", `The engine answered ${kind} ${leaseId} with ${done.type}`);
  }

  #onMessage(message: FromEngine | undefined): void {
    if (message === undefined) {
      this.#death = new ClusterError("unexpected", "The engine thread died");
      this.#events.died(this.#death);
      this.#rejectAll(this.#death);
    } else if (message.type === "chunks") this.#open.get(message.leaseId)?.onChunks(message.chunks);
    else if (message.type === "failed") this.#onFailure(message.leaseId, new Error(message.message));
    else if (message.type !== "ready") this.#onDone(message);
  }

  /** A failure that names no lease is one of a run's preparation: whatever waits now cannot be computed. */
  #onFailure(leaseId: number, error: Error): void {
    if (leaseId === 0) this.#rejectAll(error);
    else this.#open.get(leaseId)?.reject(error);
  }

  #onDone(message: Done): void {
    const order = this.#open.get(message.leaseId);
    if (order === undefined) return;
    this.#busySeconds += message.seconds;
    this.#tensors = message.tensors;
    this.#events.done(message);
    order.resolve(message);
  }

  #rejectAll(error: Error): void {
    for (const { reject } of this.#open.values()) reject(error);
  }
}

function isAnswer<Kind extends Order["type"]>(done: Done, kind: Kind): done is Answer<Kind> {
  return done.type === `${kind}-done`;
}

function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
