/** Looks at the engine from time to time: one that hangs blocks its own thread alone, and the heart beats on. */
import type { Clock } from "../shared/clock.js";
import { LOOK_MS, NO_SILENCE, type Silence, afterLook, stateOfEngine } from "./core/engine-silence.js";

export interface WatchedOrder {
  /** Names it in the log. */
  what: string;
  /** An engine that says nothing for this long hangs; 0: never. */
  patienceMs: number;
  /** Steps done, where the engine tells them. */
  progress: () => number;
}

export interface EngineTrouble {
  state: "late" | "hangs";
  /** What it does not answer to, and for how long. */
  words: string;
}

interface Watched extends WatchedOrder {
  silence: Silence;
  lookedMs: number;
}

export class EngineWatch {
  readonly #clock: Clock;
  readonly #orders = new Map<number, Watched>();
  readonly #onHung: (words: string) => void;
  #hasHung = false;

  /** Looks no more. */
  readonly close: () => void;

  /** `onHung` is called once. */
  constructor(clock: Clock, onHung: (words: string) => void) {
    this.#clock = clock;
    this.#onHung = onHung;
    this.close = clock.every(LOOK_MS, () => this.#look());
  }

  begin(leaseId: number, order: WatchedOrder): void {
    this.#orders.set(leaseId, { ...order, silence: NO_SILENCE, lookedMs: this.#clock.now() });
  }

  /** The engine said something about it. */
  heard(leaseId: number): void {
    const order = this.#orders.get(leaseId);
    if (order !== undefined) order.silence = { ...order.silence, silentMs: 0 };
  }

  end(leaseId: number): void {
    this.#orders.delete(leaseId);
  }

  /** Undefined while it answers as it should. */
  get trouble(): EngineTrouble | undefined {
    for (const { what, silence, patienceMs } of this.#orders.values()) {
      const state = stateOfEngine(silence, patienceMs);
      const seconds = Math.round(silence.silentMs / 1000);
      if (state !== "works")
        return { state, words: `the engine has not answered to ${what} for ${seconds} s` };
    }
    return undefined;
  }

  #look(): void {
    const now = this.#clock.now();
    for (const order of this.#orders.values()) {
      order.silence = afterLook(order.silence, now - order.lookedMs, order.progress());
      order.lookedMs = now;
    }
    const { trouble } = this;
    if (trouble?.state !== "hangs" || this.#hasHung) return;
    this.#hasHung = true;
    this.#onHung(trouble.words);
  }
}
