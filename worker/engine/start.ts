/** Starts the engine of a name: which implementation of program.ts runs on it is decided here alone. */
import { join } from "node:path";
import { EMULATED, type EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { defaultCacheDir } from "../../shared/io/cache-directory.js";
import { COMPILE_VARIABLE } from "./environment.js";
import type { Programs } from "./program.js";

/** Are networks compiled? `auto`: where that works; `on`: or it is an error; `off`: never. */
export const COMPILE_CHOICES = ["auto", "on", "off"] as const;
export type CompileChoice = (typeof COMPILE_CHOICES)[number];

export interface ProgramOptions {
  /** Time that the emulated engine takes for a slot. */
  computeMs?: number;
  /** What SAF_COMPILE says where it is not given. */
  compile?: CompileChoice;
  /** Hears what the engine cannot do as well as it should, once for each network. */
  onWarning?: (message: string) => void;
}

/**
 * What the others need is loaded for them alone. Throws ClusterError("dependency") when the engine is not installed, has no
 * such device, or was to compile and cannot; ClusterError("usage") for a variable that says what is unknown.
 */
export async function startPrograms(name: EngineName, options: ProgramOptions = {}): Promise<Programs> {
  if (name === EMULATED) {
    const { EmulatedPrograms, realPace } = await import("./emulated/programs.js");
    return new EmulatedPrograms(realPace(options.computeMs ?? 0));
  }
  const compile = options.compile ?? compileChoice(process.env);
  const { startEngine } = await import("./eager/backend.js");
  const engine = await startEngine(name);
  const { EagerPrograms } = await import("./eager/programs.js");
  if (name === "wasm" && compile === "on")
    throw new ClusterError("dependency", `${COMPILE_VARIABLE} is "on", and engine "wasm" compiles nothing`, {
      hint: `unset ${COMPILE_VARIABLE}, or choose engine "tensorflow"`,
    });
  if (name === "wasm" || compile === "off") return new EagerPrograms(engine);
  const { GraphPrograms } = await import("./graph/programs.js");
  const warn = options.onWarning ?? ((message: string) => process.emitWarning(message));
  const onFallback = (reason: string): void => {
    if (compile === "on") throw new ClusterError("dependency", reason);
    warn(reason);
  };
  const folder = join(defaultCacheDir(process.env), "graphs");
  const graphs = new GraphPrograms(engine, { folder, onFallback });
  const failed = graphs.checks().find(({ passed }) => !passed);
  if (failed === undefined) return graphs;
  onFallback(`Networks run operation by operation, for compiled ones are not right here: ${failed.name}`);
  return new EagerPrograms(engine);
}

/** What the environment says. Throws ClusterError("usage"). */
export function compileChoice(env: NodeJS.ProcessEnv): CompileChoice {
  const said = env[COMPILE_VARIABLE] || "auto";
  const known = COMPILE_CHOICES.find((choice) => choice === said);
  if (known !== undefined) return known;
  throw new ClusterError(
    "usage",
    `${COMPILE_VARIABLE} is "${said}", expected one of ${COMPILE_CHOICES.join(", ")}`,
  );
}
