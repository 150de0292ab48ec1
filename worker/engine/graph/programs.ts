/**
 * The engine that compiles networks to one TensorFlow graph each. What it cannot compile runs operation by operation, on the
 * same library.
 */
import type { Layout } from "../../../shared/core/layout.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import type { EngineInfo, SelfTestReport } from "../../../shared/engine.js";
import { ClusterError } from "../../../shared/errors.js";
import type { Network } from "../../../shared/networks/network.js";
import { nodeBackendOf } from "../eager/node-backend.js";
import { EagerPrograms } from "../eager/programs.js";
import type { Engine, TensorFlow } from "../eager/tfjs.js";
import type { Living, Program, Programs } from "../program.js";
import { compileNetwork } from "./compile.js";
import { inModelFolder } from "./model-files.js";
import { GraphProgram, type LoadedGraph } from "./program.js";
import { testGraphs } from "./self-test.js";
import { GraphSession } from "./session.js";

/** Sessions that are kept when no program uses them: the next trial of a sweep has the same network. */
const KEPT_SESSIONS = 8;

export interface GraphOptions {
  /** Where compiled graphs are kept. */
  folder: string;
  /** Hears why a network runs operation by operation. Throwing from it ends the attempt. */
  onFallback: (reason: string) => void;
}

interface Cached extends LoadedGraph {
  users: number;
}

export class GraphPrograms implements Programs {
  readonly info: EngineInfo;
  readonly #tf: TensorFlow;
  readonly #eager: EagerPrograms;
  readonly #options: GraphOptions;
  /** By what of a network decides its graph; the one used last comes last. */
  readonly #sessions = new Map<string, Cached>();
  readonly #refused = new Set<string>();
  #checks: SelfTestReport["checks"] | undefined;
  /** Of the parameters of all programs; undefined where they are copied each time. */
  #memory: VectorMemory | undefined;

  constructor(engine: Engine, options: GraphOptions) {
    this.#tf = engine.tf;
    this.#eager = new EagerPrograms(engine);
    this.#options = options;
    this.info = { ...engine.info, version: `${engine.info.version}, graph` };
  }

  /** The operations one by one, and whole graphs beside them. */
  selfTest(): SelfTestReport {
    const began = performance.now();
    const checks = [...this.#eager.selfTest().checks, ...this.checks()];
    const seconds = (performance.now() - began) / 1000;
    return { passed: checks.every(({ passed }) => passed), seconds, checks };
  }

  /** Of whole graphs alone; made once. */
  checks(): SelfTestReport["checks"] {
    this.#checks ??= testGraphs((network, layout) => [
      this.#compiled(network, layout),
      this.#eager.create(network, layout),
    ]);
    return this.#checks;
  }

  create(network: Network, layout: Layout): Program {
    const key = keyOf(network);
    if (this.#refused.has(key)) return this.#eager.create(network, layout);
    try {
      return this.#compiled(network, layout);
    } catch (error) {
      // A full disk is not what the network is: who computed otherwise than the engine says would spoil the run's weights.
      if (error instanceof ClusterError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.onFallback(
        `${network.name} runs operation by operation, for it was not compiled: ${reason}`,
      );
      this.#refused.add(key);
      return this.#eager.create(network, layout);
    }
  }

  /** Open ones. */
  get sessions(): number {
    return this.#sessions.size;
  }

  living(): Living {
    return this.#eager.living();
  }

  #compiled(network: Network, layout: Layout): Program {
    const key = keyOf(network);
    const graph = this.#session(key, network);
    graph.users++;
    // A GPU may still be reading what was loaded before.
    if (this.info.device === "cpu") this.#memory ??= new VectorMemory();
    return new GraphProgram(this.#tf, network, layout, graph, {
      memory: this.#memory,
      onDispose: () => {
        graph.users--;
        this.#tidy();
      },
    });
  }

  #session(key: string, network: Network): Cached {
    const known = this.#sessions.get(key) ?? this.#load(network);
    this.#sessions.delete(key);
    this.#sessions.set(key, known);
    return known;
  }

  #load(network: Network): Cached {
    const isCpu = this.info.device === "cpu";
    const compiled = compileNetwork(network, { device: isCpu ? "cpu" : "gpu", holds: isCpu });
    const { folder } = this.#options;
    const load = (place: string): GraphSession => new GraphSession(nodeBackendOf(this.#tf), place);
    return { compiled, session: inModelFolder(folder, compiled.savedModel, load), users: 0 };
  }

  /** Closes sessions that nobody uses, the oldest first, until few are left. */
  #tidy(): void {
    for (const [key, { users, session }] of [...this.#sessions]) {
      if (this.#sessions.size <= KEPT_SESSIONS) return;
      if (users > 0) continue;
      session.dispose();
      this.#sessions.delete(key);
    }
  }
}

/** What decides a network's graph: neither its name nor how it is trained. */
function keyOf({ input, outputs, layers, head }: Network): string {
  return JSON.stringify([input, outputs, layers, head]);
}
