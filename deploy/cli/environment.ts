/** The variables that saf reads. A mistyped one would be silence, so every command says so. */
import { suggest } from "../../shared/core/suggest.js";

const PREFIX = "SAF_";

/** Those that are no option of the command which asks. A test holds the list to the sources. */
const OTHERS: readonly string[] = [
  "SAF_CACHE_DIR",
  "SAF_COMPILE",
  "SAF_DATA_DIR",
  "SAF_ENGINE",
  "SAF_GPU_NAME",
  "SAF_NATS_DOWNLOAD_SHA256",
  "SAF_NATS_DOWNLOAD_URL",
  "SAF_NATS_SERVER",
  "SAF_PYTHON",
  "SAF_STATE_DIR",
  "SAF_TEST_REFERENCES",
  "SAF_TEST_SEED",
  "SAF_TFJS_NODE_PACKAGE",
  "SAF_TF_WHEEL",
  "SAF_TRACE_DIR",
];

/** `own`: variables of the command's options; `ofPool`: those of the pool's settings. */
export function knownVariables(
  own: readonly (string | undefined)[],
  ofPool: Iterable<string> = [],
): string[] {
  return [...new Set([...own.filter((name) => name !== undefined), ...OTHERS, ...ofPool])].sort();
}

/** One line for each variable that begins like ours and is none. */
export function unknownVariables(env: NodeJS.ProcessEnv, known: readonly string[]): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .sort()
    .map((name) => {
      const nearest = suggest(name, known);
      return `${name} is no setting and does nothing${nearest === undefined ? "" : `; did you mean ${nearest}?`}`;
    });
}

/** In a container the environment is all there is to mistype. `own`: variables of the command's options. */
export async function warnOfVariables(
  env: NodeJS.ProcessEnv,
  own: readonly (string | undefined)[],
): Promise<void> {
  if (unknownVariables(env, knownVariables(own)).length === 0) return;
  // Those of the pool come from its schema, which takes a while to load.
  const { POOL_VARIABLES } = await import("./pool-options.js");
  for (const line of unknownVariables(env, knownVariables(own, POOL_VARIABLES.keys())))
    process.stderr.write(`saf: ${line}\n`);
}
