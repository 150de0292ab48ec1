/**
 * Carries out what the main thread orders, on whatever engine it is handed: one file in orders/ for each kind of order.
 * It knows no thread, so the same code runs in one process with an engine that is made up.
 */
import { EMULATED } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import type { ToEngine } from "./messages.js";
import { computeBlock } from "./orders/block.js";
import { computeFeatures } from "./orders/features.js";
import { HostedRun } from "./orders/hosted-run.js";
import type { HostParts } from "./orders/order.js";
import { computeStretch } from "./orders/stretch.js";
import { computeTask } from "./orders/task.js";
import { fingerprintOf, sampleOf } from "./sample.js";

export class EngineHost {
  readonly #parts: HostParts;
  readonly #runs = new Map<string, HostedRun>();

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /** Tests the engine and says what came of it. */
  announce(): void {
    const { programs, send } = this.#parts;
    const selfTest = programs.selfTest();
    const { info } = programs;
    // What a broken engine comes to says nothing, for it is refused; and the emulated one is tested to the bit.
    const sample = selfTest.passed && info.name !== EMULATED ? sampleOf(programs) : "";
    send({ type: "ready", info, selfTest, fingerprint: fingerprintOf(info, sample) });
  }

  /** Carries one order out before it returns. An order that cannot be carried out is answered with the reason. */
  handle(order: ToEngine): void {
    try {
      this.#carryOut(order);
    } catch (error) {
      if (order.type === "run" && error instanceof ClusterError) {
        const { code, message, hint } = error;
        this.#parts.send({ type: "unfit", code, message, hint });
        return;
      }
      const leaseId = "leaseId" in order ? order.leaseId : 0;
      const message = error instanceof Error ? error.message : String(error);
      this.#parts.send({ type: "failed", leaseId, message });
    }
  }

  #carryOut(order: ToEngine): void {
    const { programs, vectors } = this.#parts;
    switch (order.type) {
      case "run":
        this.#runs.get(order.runId)?.dispose();
        this.#runs.set(order.runId, new HostedRun(programs, order, vectors));
        return;
      case "forget":
        this.#runs.get(order.runId)?.dispose();
        this.#runs.delete(order.runId);
        return;
      case "images":
        this.#run(order.runId).takeImages(order.split, order.images);
        return;
      case "block":
        computeBlock(order, this.#run(order.runId), this.#parts);
        return;
      case "stretch":
        computeStretch(order, this.#run(order.runId), this.#parts);
        return;
      case "task":
        computeTask(order, this.#run(order.runId), this.#parts);
        return;
      case "features":
        computeFeatures(order, this.#run(order.runId), this.#parts);
    }
  }

  #run(runId: string): HostedRun {
    const run = this.#runs.get(runId);
    if (run === undefined) throw new RangeError(`Run ${runId} was not described`);
    return run;
  }
}
