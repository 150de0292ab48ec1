/** The emulated engine: it measures the cluster, not the network. It loads no library and asks next to nothing of a core. */
import { placeTensors, type Layout } from "../../../shared/core/layout.js";
import { EMULATED, type EngineInfo, type SelfTestReport } from "../../../shared/engine.js";
import type { Network } from "../../../shared/networks/network.js";
import type { Living, Programs } from "../program.js";
import { printOf, pushSlot, slotPrint } from "./arithmetic.js";
import { EmulatedProgram, type Pace } from "./program.js";

/** Of what a small slot pushes, computed once: another number means that workers of two versions would not agree. */
const REFERENCE_PRINT = 3_401_082_123;

export class EmulatedPrograms implements Programs {
  readonly info: EngineInfo;
  readonly #pace: Pace;

  constructor(pace: Pace) {
    this.#pace = pace;
    this.info = { name: EMULATED, version: "emulated 1", device: "nothing real" };
  }

  selfTest(): SelfTestReport {
    const passed = referencePrint() === REFERENCE_PRINT;
    const check = { name: "whole numbers of a slot", passed, relativeError: passed ? 0 : Infinity };
    return { passed, seconds: 0, checks: [check] };
  }

  create(network: Network, layout: Layout): EmulatedProgram {
    return new EmulatedProgram(network, layout, this.#pace);
  }

  living(): Living {
    return { tensors: 0, tensorBytes: 0 };
  }
}

function referencePrint(): number {
  const initial = { kind: "constant", value: 0 } as const;
  const tensor = { name: "w", shape: [40_000], role: "weight", initial } as const;
  const layout = placeTensors([{ ...tensor, rateMultiplier: 1, decays: false }]);
  const values = new Float32Array(layout.pushSize);
  const print = slotPrint(1, { seed: 2, step: 3, indices: Uint32Array.of(4, 5) });
  pushSlot(layout, print, 2, { add: (offset, piece) => values.set(piece, offset) });
  return printOf(values);
}

/** Real time. */
export function realPace(slotMs: number): Pace {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  return {
    slotMs,
    now: () => performance.now(),
    wait: (ms) => void Atomics.wait(nobody, 0, 0, ms),
  };
}
