/** The pool's settings as a command is told them: from a file, over it the environment, over that flags. */
import { type PoolConfig, poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { type Loaded, loadSettings } from "./config-file.js";
import { settingPaths } from "./config-schema.js";
import { POOL_PREFIX, runSettingInPoolFile } from "./misplaced-settings.js";

export interface PoolFlags {
  poolFile?: string;
  /** Of the run and of the pool, as they were typed. */
  set: readonly string[];
  workers?: number | "auto";
  computeMs?: string;
}

/** Variables that set one setting of the pool each: how a ConfigMap says them. */
export const POOL_VARIABLES: ReadonlyMap<string, string> = new Map(
  settingPaths(poolSchema).map((path) => [`SAF_POOL_${path.toUpperCase()}`, path]),
);

/** Every setting that `--set` takes, of the run and of the pool. */
export function assignableSettings(): string[] {
  return [...settingPaths(configSchema), ...settingPaths(poolSchema).map((path) => POOL_PREFIX + path)];
}

/** Those of `--set` that are the run's. */
export function ofRun(set: readonly string[]): string[] {
  return set.filter((assignment) => !isOfPool(assignment));
}

function isOfPool(assignment: string): boolean {
  return assignment.trimStart().startsWith(POOL_PREFIX);
}

/** Throws ClusterError("config"), one line a problem. */
export async function loadPool(
  { poolFile, set, workers, computeMs }: PoolFlags,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Loaded<PoolConfig>> {
  const said = [...POOL_VARIABLES].flatMap(([name, path]) => {
    const value = env[name];
    return value === undefined || value === "" ? [] : [{ name, path, value }];
  });
  const flags = [
    ...(workers === undefined ? [] : [`${POOL_PREFIX}workers=${workers}`]),
    ...(computeMs === undefined ? [] : [`${POOL_PREFIX}compute_ms=${computeMs}`]),
  ];
  return loadSettings(
    poolSchema,
    {
      files: poolFile === undefined || poolFile === "" ? [] : [poolFile],
      variables: said,
      set: [...flags, ...set.filter(isOfPool)],
      prefix: POOL_PREFIX,
    },
    { misplaced: runSettingInPoolFile },
  );
}

/** For a command whose runs have their settings in files. Throws ClusterError("usage") for any other setting. */
export function refuseRunSettings(set: readonly string[]): void {
  const [wrong] = ofRun(set);
  if (wrong === undefined) return;
  throw new ClusterError(
    "usage",
    `Cannot set ${wrong}: --set takes settings of the pool here, as pool.KEY=VALUE`,
    {
      hint: "the settings of a run stand in its --run file",
    },
  );
}
