/** What a run directory holds, read and not judged. Nothing is written, and no lock is taken. */
import { readFile, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import type { RunStatus } from "../../coordinator/runs/status.js";
import {
  LEDGER,
  type LedgerLine,
  METRICS,
  WEIGHTS,
  type WeightsLine,
} from "../../coordinator/runs/step-books.js";
import { type Config, parseStoredConfig } from "../../shared/config/run.js";
import type { Layout } from "../../shared/core/layout.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { checkpointNames, readCheckpoint } from "../../shared/io/checkpoint-files.js";
import { hashOf } from "../../shared/io/hash.js";
import { readJson } from "../../shared/io/json-document.js";
import { readBytes, scanJsonLines } from "../../shared/io/json-lines.js";
import { layoutOf } from "../../shared/networks/network.js";
import type { CheckpointState } from "../../shared/records/checkpoint.js";
import { ORIGIN, type Origin } from "../../shared/records/origin.js";
import type { ResultLine } from "../../shared/records/result-line.js";
import { resolveRun } from "../../shared/resolve.js";
import type { ModelResult, StepMetric } from "../../shared/results.js";

/** A file of lines. `faults`: which are damaged, and a last line that was torn off, in words. */
export interface LinesFile<Entry> {
  name: string;
  lines: Entry[];
  faults: string[];
}

/** A checkpoint as it lies there; `fault` in place of its state where it cannot be read. */
export type FoundCheckpoint =
  | { name: string; description: CheckpointState; weightsSha256: string; velocitySha256: string }
  | { name: string; fault: string };

export interface RunFiles {
  path: string;
  config: Config;
  status: Partial<RunStatus>;
  environment: Record<string, string>;
  /** Where its weights come from, when it did not begin with those that its seed gives. */
  origin: Origin | undefined;
  ledger: LinesFile<LedgerLine>;
  metrics: LinesFile<StepMetric>;
  weights: LinesFile<WeightsLine>;
  results: LinesFile<ResultLine>;
  checkpoints: FoundCheckpoint[];
  /** result.json; undefined where the run was not measured. */
  result: ModelResult | undefined;
  /** SHA-256 of the final weights, as results.json names it. */
  finalSha256: string | undefined;
}

/** The run directories at a path: its own, or those of the runs inside. Throws ClusterError("usage"). */
export async function runsAt(given: string): Promise<string[]> {
  const path = resolve(given);
  if (await isFile(join(path, "config.yaml"))) return [path];
  const inside = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = inside.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
  const runs: string[] = [];
  for (const folder of folders.sort()) if (await isFile(join(folder, "config.yaml"))) runs.push(folder);
  if (runs.length > 0) return runs;
  throw new ClusterError(
    "usage",
    `Cannot verify ${given}: it has no config.yaml, so it is no run directory`,
    {
      hint: "give runs/<name>, or a folder with run directories in it",
    },
  );
}

/** Throws ClusterError: "data" (no run of this version), "config" (its settings). */
export async function readRunFiles(path: string): Promise<RunFiles> {
  const config = await readConfig(path);
  const resolved = resolveRun(config);
  const layout = layoutOf(resolved.network);
  const optional = async <Value>(name: string): Promise<Value | undefined> =>
    (await isFile(join(path, name))) ? readJson<Value>(join(path, name)) : undefined;
  const ledger = await readLines<LedgerLine>(path, LEDGER);
  refuseOldLedger(path, ledger);
  return {
    path,
    config,
    status: (await optional<Partial<RunStatus>>("status.json")) ?? {},
    environment: (await optional<Record<string, string>>("env.json")) ?? {},
    origin: await optional<Origin>(ORIGIN),
    ledger,
    metrics: await readLines<StepMetric>(path, METRICS),
    weights: await readLines<WeightsLine>(path, WEIGHTS),
    results: await readLines<ResultLine>(path, "eval/results.jsonl"),
    checkpoints: await readCheckpoints(join(path, "checkpoints"), layout),
    result: await optional<ModelResult>("result.json"),
    finalSha256: await finalWeights(path, resolved.name),
  };
}

async function readConfig(path: string): Promise<Config> {
  const file = join(path, "config.yaml");
  try {
    return parseStoredConfig(parse(await readFile(file, "utf8")));
  } catch (cause) {
    throw new ClusterError("config", `Cannot read ${file}: it is no configuration of this version`, {
      cause,
    });
  }
}

async function readLines<Entry>(path: string, name: string): Promise<LinesFile<Entry>> {
  const file = join(path, name);
  const faults: string[] = [];
  const { records, damaged } = await scanJsonLines<Entry>(file, () => undefined);
  if (damaged.length > 0)
    faults.push(`line ${damaged.slice(0, 5).join(", ")}${damaged.length > 5 ? ", …" : ""} is damaged`);
  const bytes = await readBytes(file);
  if (bytes.length > 0 && bytes.at(-1) !== 10) faults.push("its last line is torn off");
  return { name, lines: records, faults };
}

/** Without ranges and blocks a ledger proves nothing, whoever wrote it. */
function refuseOldLedger(path: string, { lines }: LinesFile<LedgerLine>): void {
  const isOld = (line: Partial<LedgerLine>): boolean =>
    line.blocks === undefined || line.first === undefined || line.end === undefined;
  if (lines.length === 0 || !lines.every(isOld)) return;
  throw new ClusterError(
    "data",
    `Cannot verify ${path}: ${LEDGER} is of an older version, which did not record who computed which images`,
    { hint: "train it again to have a run that can be verified" },
  );
}

async function readCheckpoints(folder: string, layout: Layout): Promise<FoundCheckpoint[]> {
  const names = await checkpointNames(folder);
  const found: FoundCheckpoint[] = [];
  // One after another: they may be large.
  for (const name of names) {
    try {
      const { state, description } = await readCheckpoint(join(folder, name), layout);
      const weightsSha256 = hashOf(state.parameters);
      found.push({ name, description, weightsSha256, velocitySha256: hashOf(state.velocity) });
    } catch (error) {
      found.push({ name, fault: wordsOf(error) });
    }
  }
  return found;
}

/** results.json beside the run, or above it. */
async function finalWeights(path: string, name: string): Promise<string | undefined> {
  for (const home of [path, dirname(path)]) {
    const file = join(home, "results.json");
    if (!(await isFile(file))) continue;
    const { weights_sha256: hashes } = await readJson<{ weights_sha256?: Record<string, string> }>(file);
    const own = hashes?.[name] ?? hashes?.[basename(path)];
    if (own !== undefined) return own;
  }
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
