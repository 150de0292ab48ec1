/** An engine that a test answers for: the port of a worker's main thread without a thread behind it. */
import type { EngineInfo, EngineName } from "../../shared/engine.js";
import type { FromEngine, ToEngine } from "../../worker/engine/messages.js";
import type { EnginePort } from "../../worker/engine/port.js";

type Order = Extract<ToEngine, { leaseId: number }>;

export class HandEngine implements EnginePort {
  readonly info: EngineInfo;
  readonly selfTest = { passed: true, seconds: 0, checks: [] };
  readonly fingerprint = {
    engine: "wasm",
    version: "by hand",
    device: "cpu",
    flags: [],
    cpu: [],
    sample: "1",
  };
  readonly told: ToEngine[] = [];
  #deliver: (message: FromEngine | undefined) => void = () => undefined;
  /** What it does with an order. */
  onOrder: (order: Order) => void = () => undefined;

  constructor(name: EngineName = "wasm") {
    this.info = { name, version: "by hand", device: "cpu" };
  }

  get orders(): Order[] {
    return this.told.filter((message) => "leaseId" in message);
  }

  send(message: ToEngine): void {
    this.told.push(message);
    if ("leaseId" in message) this.onOrder(message);
  }

  onMessage(handler: (message: FromEngine | undefined) => void): void {
    this.#deliver = handler;
  }

  say(message: FromEngine): void {
    this.#deliver(message);
  }

  die(): void {
    this.#deliver(undefined);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** What every finished order says. */
export function done(
  leaseId: number,
  seconds = 0.5,
): {
  leaseId: number;
  seconds: number;
  tensors: number;
  tensorBytes: number;
} {
  return { leaseId, seconds, tensors: 7, tensorBytes: 28 };
}
