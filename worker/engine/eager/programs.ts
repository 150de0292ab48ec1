/** The engine that runs TensorFlow.js operation by operation: right everywhere, and what faster ones are compared with. */
import type { Layout } from "../../../shared/core/layout.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import type { EngineInfo, SelfTestReport } from "../../../shared/engine.js";
import type { Network } from "../../../shared/networks/network.js";
import type { Living, Programs } from "../program.js";
import { EagerProgram } from "./program.js";
import { runSelfTest } from "./self-test.js";
import type { Engine, TensorFlow } from "./tfjs.js";

export class EagerPrograms implements Programs {
  readonly info: EngineInfo;
  readonly #tf: TensorFlow;
  /** Of the parameters of all programs; undefined where they are copied each time. */
  #memory: VectorMemory | undefined;

  constructor({ tf, info }: Engine) {
    this.#tf = tf;
    this.info = info;
  }

  selfTest(): SelfTestReport {
    return runSelfTest(this.#tf);
  }

  create(network: Network, layout: Layout): EagerProgram {
    // A GPU may still be reading what was loaded before.
    if (this.info.device === "cpu") this.#memory ??= new VectorMemory();
    return new EagerProgram(this.#tf, network, layout, this.#memory);
  }

  living(): Living {
    const { numTensors, numBytes } = this.#tf.memory();
    return { tensors: numTensors, tensorBytes: numBytes };
  }
}
