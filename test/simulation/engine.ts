/**
 * The engine thread of a simulated worker: the product's host and its orders, on programs of whole numbers, in virtual time.
 * Orders and answers are copied, as between threads.
 */
import type { Layout } from "../../shared/core/layout.js";
import type { SelfTestReport } from "../../shared/engine.js";
import { EngineHost } from "../../worker/engine/host.js";
import { CONTROL, type FromEngine, type ToEngine } from "../../worker/engine/messages.js";
import type { EnginePort } from "../../worker/engine/port.js";
import type { ProcessClock } from "./scheduler.js";
import { PLAIN_VECTORS, WholePrograms } from "./whole-programs.js";

type StretchOrder = Extract<ToEngine, { type: "stretch" }>;

export interface EngineCharacter {
  /** Virtual time for one slot, or for sixteen images of a test. */
  slotMs: () => number;
  /** What it makes of a slot's right values, which stay as they are. */
  spoilt: (values: Float32Array, layout: Layout) => Float32Array;
  /** It computes nothing while this is true, and goes on afterwards. */
  hangs: () => boolean;
}

const HUNG_LOOK_MS = 50;
const IMAGES_PER_SLOT = 16;

/** What the host said in the middle of an order, and after how much of its time. */
interface Said {
  afterMs: number;
  message: FromEngine;
}

type Ready = Extract<FromEngine, { type: "ready" }>;

/** The same of all engines, and made of steps of networks that are not tiny. */
let announced: Ready | undefined;

export class SimulatedEngine implements EnginePort {
  readonly info: EnginePort["info"];
  readonly selfTest: SelfTestReport;
  readonly fingerprint: EnginePort["fingerprint"];
  readonly #clock: ProcessClock;
  readonly #character: EngineCharacter;
  readonly #host: EngineHost;
  readonly #waiting: ToEngine[] = [];
  /** Slots of a step, by run. */
  readonly #slots = new Map<string, number>();
  #isReady = false;
  #isBusy = false;
  #said: Said[] = [];
  /** Engine time of the order in hand. */
  #spentMs = 0;
  /** Slots whose time has passed already, and what they took. */
  #passed: number[] = [];
  #onSlot: () => void = () => undefined;
  #deliver: (message: FromEngine | undefined) => void = () => undefined;

  constructor(clock: ProcessClock, character: EngineCharacter) {
    this.#clock = clock;
    this.#character = character;
    const programs = new WholePrograms({
      slot: (right, layout) => this.#computeSlot(right, layout),
      shown: (images) => this.#show(images),
    });
    this.#host = new EngineHost({
      programs,
      vectors: PLAIN_VECTORS,
      send: (message) => this.#said.push({ afterMs: this.#spentMs, message: structuredClone(message) }),
      now: () => this.#spentMs,
    });
    const { info, selfTest, fingerprint } = (announced ??= this.#announcement());
    this.info = info;
    this.selfTest = selfTest;
    this.fingerprint = fingerprint;
    this.#isReady = true;
  }

  /** What it is tested with takes no time, and is right. */
  #announcement(): Ready {
    this.#host.announce();
    const [ready] = this.#said.splice(0);
    if (ready?.message.type !== "ready") throw new Error("The engine host did not announce itself");
    return ready.message;
  }

  onMessage(handler: (message: FromEngine | undefined) => void): void {
    this.#deliver = handler;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  send(order: ToEngine): void {
    this.#waiting.push(structuredClone(order));
    if (!this.#isBusy) this.#takeNext();
  }

  /** One order after another, as a thread does. */
  #takeNext(): void {
    const order = this.#waiting.shift();
    this.#isBusy = order !== undefined;
    if (order === undefined) return;
    if (order.type === "run") this.#slots.set(order.runId, order.plan.slots);
    this.#passed = [];
    if (order.type === "stretch") this.#step(order, 0);
    else this.#later(0, () => this.#compute(order));
  }

  /** Computes all at once, and says in its time what the host says. */
  #compute(order: ToEngine): void {
    this.#spentMs = 0;
    this.#host.handle(order);
    this.#sayFrom(0, this.#said.splice(0), this.#spentMs);
  }

  #sayFrom(atMs: number, [next, ...others]: Said[], endMs: number): void {
    if (next === undefined) {
      this.#later(endMs - atMs, () => this.#takeNext());
      return;
    }
    this.#later(next.afterMs - atMs, () => {
      this.#deliver(next.message);
      this.#sayFrom(next.afterMs, others, endMs);
    });
  }

  /** A stretch may be halted after each step: their time passes first, and then the host makes as many as there was time for. */
  #step(order: StretchOrder, done: number): void {
    const control = new Int32Array(order.control);
    Atomics.store(control, CONTROL.stepsDone, done);
    const isHalted = done > 0 && Atomics.load(control, CONTROL.halt) !== 0;
    if (isHalted || done === order.count) {
      this.#computeStretch(order, control, this.#passed.length);
      return;
    }
    const slots = this.#slots.get(order.runId) ?? 0;
    const took = Array.from({ length: slots }, () => this.#character.slotMs());
    this.#passed.push(...took);
    this.#later(sum(took), () => this.#step(order, done + 1));
  }

  /** The host is to see the halt when so many slots are computed, and not before. */
  #computeStretch(order: StretchOrder, control: Int32Array, slots: number): void {
    Atomics.store(control, CONTROL.halt, 0);
    let left = slots;
    this.#onSlot = () => {
      if (--left === 0) Atomics.store(control, CONTROL.halt, 1);
    };
    this.#spentMs = 0;
    this.#host.handle(order);
    this.#onSlot = () => undefined;
    for (const { message } of this.#said.splice(0)) this.#deliver(message);
    this.#takeNext();
  }

  #show(images: number): void {
    if (this.#isReady) this.#spentMs += (images / IMAGES_PER_SLOT) * this.#character.slotMs();
  }

  #computeSlot(right: Float32Array, layout: Layout): Float32Array {
    if (!this.#isReady) return right;
    this.#spentMs += this.#passed.shift() ?? this.#character.slotMs();
    this.#onSlot();
    return this.#character.spoilt(right, layout);
  }

  /** Runs it that much engine time later: nothing goes on while the engine hangs. */
  #later(delayMs: number, run: () => void): void {
    this.#clock.after(delayMs, () => {
      if (this.#character.hangs()) this.#later(HUNG_LOOK_MS, run);
      else run();
    });
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
