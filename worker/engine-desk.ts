/** Orders to the engine, each with the answer that names its lease. */
import type { Clock } from "../shared/clock.js";
import { ClusterError } from "../shared/errors.js";
import { type EngineTrouble, EngineWatch } from "./engine-watch.js";
import type { FromEngine, ToEngine } from "./engine/messages.js";
import type { EnginePort } from "./engine/port.js";

type Order = Extract<ToEngine, { leaseId: number }>;
type Done = Extract<FromEngine, { seconds: number }>;
export type Answer<Kind extends Order["type"]> = Extract<Done, { type: `${Kind}-done` }>;

/** What an order allows its engine, and who hears of it on the way. */
export interface OrderTerms {
  /** An engine that says nothing for this long hangs; 0: never. */
  patienceMs: number;
  onChunks?: (chunks: readonly number[]) => void;
  /** Steps done, where the engine tells them. */
  progress?: () => number;
}

interface OpenOrder {
  onChunks: (chunks: readonly number[]) => void;
  resolve: (done: Done) => void;
  reject: (error: Error) => void;
}

export interface EngineEvents {
  done(message: Done): void;
  /** The engine ended by itself. */
  died(error: ClusterError): void;
  /** It can do nothing for a run, now or later. */
  unfit(error: ClusterError): void;
  /** It cannot do something as well as it should. */
  warned(message: string): void;
  /** It will never answer: a new process has to take its place. */
  hung(error: ClusterError): void;
}

export class EngineDesk {
  readonly #port: EnginePort;
  readonly #events: EngineEvents;
  readonly #stopping: AbortSignal;
  readonly #open = new Map<number, OpenOrder>();
  readonly #watch: EngineWatch;
  #death: ClusterError | undefined;
  #busySeconds = 0;
  #tensors = 0;

  /** When `stopping` aborts, open orders reject with its reason. */
  constructor(
    port: EnginePort,
    events: EngineEvents,
    { stopping, clock }: { stopping: AbortSignal; clock: Clock },
  ) {
    this.#port = port;
    this.#events = events;
    this.#stopping = stopping;
    this.#watch = new EngineWatch(clock, (words) => this.#onHung(words));
    port.onMessage((message) => this.#onMessage(message));
    const stop = (): void => {
      this.#watch.close();
      this.#rejectAll(reasonOf(stopping));
    };
    stopping.addEventListener("abort", stop, { once: true });
  }

  /** Engine time since the start. */
  get busySeconds(): number {
    return this.#busySeconds;
  }

  /** Live tensors after the last order. */
  get tensors(): number {
    return this.#tensors;
  }

  /** That it does not answer as it should; undefined while it does. */
  get trouble(): EngineTrouble | undefined {
    return this.#watch.trouble;
  }

  /** Runs one order. Rejects when the engine fails, hangs or has died, or when the worker stops. */
  async compute<Kind extends Order["type"]>(
    order: Extract<Order, { type: Kind }>,
    { patienceMs, onChunks = () => undefined, progress = () => 0 }: OrderTerms,
  ): Promise<Answer<Kind>> {
    const kind: Kind = order.type;
    const { leaseId } = order;
    const done = await new Promise<Done>((resolve, reject) => {
      if (this.#death !== undefined || this.#stopping.aborted) {
        reject(this.#death ?? reasonOf(this.#stopping));
        return;
      }
      this.#open.set(leaseId, { onChunks, resolve, reject });
      this.#watch.begin(leaseId, { what: `${kind} ${leaseId}`, patienceMs, progress });
      this.#port.send(order);
    }).finally(() => this.#open.delete(leaseId));
    if (isAnswer(done, kind)) return done;
    throw new ClusterError("unexpected", `The engine answered ${kind} ${leaseId} with ${done.type}`);
  }

  #onMessage(message: FromEngine | undefined): void {
    if (message === undefined)
      this.#end(new ClusterError("unexpected", "The engine thread died"), (error) =>
        this.#events.died(error),
      );
    else if (message.type === "unfit") {
      const { code, message: words, hint } = message;
      const error = new ClusterError(code, words, hint === undefined ? {} : { hint });
      this.#end(error, () => this.#events.unfit(error));
    } else if (message.type === "chunks") {
      this.#watch.heard(message.leaseId);
      this.#open.get(message.leaseId)?.onChunks(message.chunks);
    } else if (message.type === "warning") this.#events.warned(message.message);
    else if (message.type === "failed") this.#onFailure(message.leaseId, new Error(message.message));
    else if (message.type !== "ready") this.#onDone(message);
  }

  /** From now on it answers nothing. */
  #end(error: ClusterError, tell: (error: ClusterError) => void): void {
    this.#death = error;
    tell(error);
    this.#rejectAll(error);
  }

  /** A failure that names no lease is one of a run's preparation: whatever waits now cannot be computed. */
  #onFailure(leaseId: number, error: Error): void {
    if (leaseId === 0) this.#rejectAll(error);
    else {
      this.#watch.end(leaseId);
      this.#open.get(leaseId)?.reject(error);
    }
  }

  /** Its thread may be stuck in a native call for ever: no answer to a later order could come either. */
  #onHung(words: string): void {
    const error = new ClusterError("unexpected", `Taken for hung: ${words}`, {
      hint: "a new process takes its place; an engine that is merely slow needs a larger pool.hung_after",
    });
    this.#end(error, () => this.#events.hung(error));
  }

  #onDone(message: Done): void {
    this.#watch.end(message.leaseId);
    const order = this.#open.get(message.leaseId);
    if (order === undefined) return;
    this.#busySeconds += message.seconds;
    this.#tensors = message.tensors;
    if (message.type === "block-done" && message.chunks.length > 0) order.onChunks(message.chunks);
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
