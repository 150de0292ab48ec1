/** The variables that saf reads. A mistyped one would be silence, so processes of a cluster say so. */
import { suggest } from "../../shared/core/suggest.js";
import { POOL_VARIABLES } from "./pool-options.js";

const PREFIX = "SAF_";

/** Those that are no option of the command which asks. A test holds the list to the sources. */
const OTHERS: readonly string[] = [
  "SAF_CACHE_DIR",
  "SAF_DATA_DIR",
  "SAF_ENGINE",
  "SAF_GPU_NAME",
  "SAF_NATS_DOWNLOAD_SHA256",
  "SAF_NATS_DOWNLOAD_URL",
  "SAF_NATS_SERVER",
  "SAF_PYTHON",
  "SAF_TEST_REFERENCES",
  "SAF_TEST_SEED",
  "SAF_TFJS_NODE_PACKAGE",
  "SAF_TF_WHEEL",
];

/** `own`: variables of the command's options. */
export function knownVariables(own: readonly (string | undefined)[]): string[] {
  return [
    ...new Set([...own.filter((name) => name !== undefined), ...OTHERS, ...POOL_VARIABLES.keys()]),
  ].sort();
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
