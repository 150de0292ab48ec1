/** What `saf config show | schema | validate` do. */
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { sweepSchema } from "../../shared/config/sweep.js";
import { ClusterError } from "../../shared/errors.js";
import { resolveRun } from "../../shared/resolve.js";
import { loadConfig } from "./config-file.js";
import { jsonSchemaOf } from "./config-schema.js";
import { completeConfig, showConfig } from "./config-view.js";
import { printResult } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";

/** Whose settings: a run's stand in the file for -c, a pool's in the one for --pool-file. */
export type Subject = "run" | "pool";

/** Of a sweep, only what may be said is told: what would run is for `saf sweep run --dry-run`. */
export type Described = Subject | "sweep";

const SCHEMAS = { run: configSchema, pool: poolSchema, sweep: sweepSchema } as const;

export interface ConfigOptions {
  config: string[];
  poolFile?: string;
  set: string[];
  json?: true;
}

export async function show(of: Subject, options: ConfigOptions): Promise<void> {
  // What is said of the other one is not shown, but wrong it must not be.
  const pool = await poolShown(options);
  const { config, sources } = of === "pool" ? pool : await runShown(options);
  printResult(options.json ? { config, sources } : showConfig(config, sources));
}

export function printSchema(of: Described): void {
  printResult({ ...jsonSchemaOf(SCHEMAS[of]), title: `saf ${of} configuration` });
}

export async function validate(more: readonly string[], options: ConfigOptions): Promise<void> {
  const config = [...options.config, ...more];
  const problems = await problemsIn({ ...options, config });
  const pool = options.poolFile === undefined ? [] : [options.poolFile];
  const files = [...config, ...pool];
  if (options.json)
    printResult({ valid: problems === undefined, problems: problems?.message.split("\n") ?? [] });
  else if (problems !== undefined) throw problems;
  else process.stderr.write(`${files.length === 0 ? "the defaults" : files.join(", ")}: valid\n`);
  if (problems !== undefined) process.exitCode = problems.exitCode;
}

interface Shown {
  config: object;
  sources: ReadonlyMap<string, string>;
}

async function runShown({ config: files, set }: ConfigOptions): Promise<Shown> {
  const { value, sources } = await loadConfig({ files, set: ofRun(set) });
  return completeConfig(value, sources, resolveRun(value));
}

async function poolShown(options: ConfigOptions): Promise<Shown> {
  const { value, sources } = await loadPool(options);
  return { config: value, sources };
}

/** Of both, the run's first. */
async function problemsIn(options: ConfigOptions): Promise<ClusterError | undefined> {
  const found: ClusterError[] = [];
  for (const load of [runShown, poolShown]) {
    await load(options).catch((error: unknown) => {
      if (!(error instanceof ClusterError) || error.code !== "config") throw error;
      found.push(error);
    });
  }
  const [first] = found;
  if (first === undefined || found.length === 1) return first;
  return new ClusterError("config", found.map(({ message }) => message).join("\n"), {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
  });
}
