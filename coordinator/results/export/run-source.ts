/** Reads what an export is made of from a run directory, a checkpoint inside one, or a folder of several runs. */
import { readFile, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { type Config, parseStoredConfig } from "../../../shared/config/run.js";
import { ClusterError } from "../../../shared/errors.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { resolveRun } from "../../../shared/resolve.js";
import type { ModelResult, StepMetric } from "../../../shared/results.js";
import { VERSION } from "../../../shared/version.js";
import { weightHashes } from "../weight-hashes.js";
import type { ExportedModel, ExportedRun, MeasuredImages } from "./export-format.js";
import type { CheckpointState } from "../../../shared/records/checkpoint.js";
import { checkpointNames, readCheckpoint, readDescription } from "../../../shared/io/checkpoint-files.js";
import { recordOf } from "../../../shared/records/result-line.js";
import { readResultLines } from "../../../shared/io/result-lines.js";
import { readJson } from "../../../shared/io/json-document.js";
import { readJsonLines } from "../../../shared/io/json-lines.js";

/** What the images that are found now say of a run: they lie outside its directory. */
export interface RunImages {
  /** Is this, a checkpoint's `identity`, the one of a run with these images and its settings? */
  isIdentity: (stored: string) => boolean;
  /** [height, width, channels]: mean of the training images, pixels 0..255. */
  mean: Float32Array;
  /** True classes of the test set. */
  labels: Uint8Array;
}

export interface SourceOptions {
  /** Finds the images that a run was trained on. Throws ClusterError("data") with a hint. */
  findImages: (config: Config) => Promise<RunImages>;
}

/** Where a path leads. */
interface Place {
  /** Run directories, in the order of their names. */
  runs: string[];
  /** Name of the one checkpoint that the path is. */
  checkpoint: string | undefined;
}

/**
 * The weights of a checkpoint, or of a run's newest one. Throws ClusterError: "usage" (no run, or several), "data"
 * (no checkpoint, a damaged one, weights that are no numbers, or other images than it was trained on).
 */
export async function readModel(path: string, options: SourceOptions): Promise<ExportedModel> {
  const { runs, checkpoint } = await placeOf(path);
  const [run = "", another] = runs;
  if (another !== undefined) {
    throw new ClusterError("usage", `Cannot export the weights of ${path}: it holds ${runs.length} runs`, {
      hint: `choose one: ${runs.join(", ")}`,
    });
  }
  const config = await readConfig(run);
  const { network } = resolveRun(config);
  const layout = layoutOf(network);
  const folder = join(run, "checkpoints");
  const name = checkpoint ?? (await checkpointNames(folder)).at(-1);
  if (name === undefined) {
    throw new ClusterError("data", `Cannot export ${path}: it holds no checkpoint`, {
      hint: "train the run first",
    });
  }
  const { state, description } = await readCheckpoint(join(folder, name), layout);
  refuseNonFinite(state.parameters, join(folder, name));
  const { isIdentity, mean } = await options.findImages(config);
  if (!isIdentity(description.identity)) {
    throw new ClusterError(
      "data",
      `Cannot export ${join(folder, name)}: its weights belong to other images or settings than those found now, so the mean image is not known`,
      {
        hint: "give the folder of the images it was trained on by --data-dir, and leave its config.yaml as it was",
      },
    );
  }
  return {
    network,
    layout,
    parameters: state.parameters,
    mean,
    facts: {
      run: await runName(run),
      model: network.name,
      ...(network.settings === undefined ? {} : { network_settings: JSON.stringify(network.settings) }),
      dataset: network.dataset,
      seed: String(config.seed),
      step: String(description.step),
      weights_sha256: description.weights_sha256,
      saf_version: VERSION,
    },
  };
}

/**
 * What was measured and how it was trained, of one run or of several. A checkpoint stands for its run, if it is the one
 * that was measured. Throws ClusterError: "usage" (no run), "data" (damaged files, other weights).
 */
export async function readRuns(
  path: string,
  { perImage, ...options }: SourceOptions & { perImage: boolean },
): Promise<ExportedRun[]> {
  const { runs, checkpoint } = await placeOf(path);
  const found: ExportedRun[] = [];
  for (const run of runs) {
    const read = await readRun(run);
    if (checkpoint !== undefined) await refuseOther(read, join(run, "checkpoints", checkpoint));
    found.push({ ...read, images: perImage ? await readImages(run, read, options) : null });
  }
  return found;
}

async function readRun(path: string): Promise<ExportedRun> {
  const config = await readConfig(path);
  const { network } = resolveRun(config);
  const optional = async <Value>(name: string): Promise<Value | null> =>
    (await isThere(join(path, name))) ? readJson<Value>(join(path, name)) : null;
  const result = await optional<ModelResult>("result.json");
  const checkpoints = await readCheckpoints(join(path, "checkpoints"));
  const sha256 = result === null ? null : await measuredWeights(path, result.name);
  const steps = await readJsonLines<StepMetric>(join(path, "metrics.jsonl"));
  const status = await optional<{ updated: string }>("status.json");
  return {
    run: await runName(path),
    config,
    network,
    environment: (await optional<Record<string, string>>("env.json")) ?? {},
    result,
    measured: {
      sha256,
      step: checkpoints.find(({ weights_sha256: own }) => own === sha256)?.step ?? null,
    },
    steps,
    checkpoints,
    startedSeconds:
      startOf(path) ??
      Date.parse(status?.updated ?? "1970-01-01T00:00:00Z") / 1000 - (steps.at(-1)?.seconds ?? 0),
    images: null,
  };
}

/** A run directory has a config.yaml; a checkpoint lies in the `checkpoints` of one. */
async function placeOf(given: string): Promise<Place> {
  // A run has one name, whatever link leads to it: `runs/latest` is another one tomorrow.
  const path = await realpath(given).catch(() => resolve(given));
  if (await isRun(path)) return { runs: [path], checkpoint: undefined };
  if (basename(dirname(path)) === "checkpoints" && (await isRun(dirname(dirname(path))))) {
    return { runs: [dirname(dirname(path))], checkpoint: basename(path) };
  }
  const inside = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = inside.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
  const runs: string[] = [];
  for (const folder of folders.sort()) if (await isRun(folder)) runs.push(folder);
  if (runs.length > 0) return { runs, checkpoint: undefined };
  throw new ClusterError("usage", `Cannot export ${given}: it is no run directory and no checkpoint of one`, {
    hint: "give runs/<name>, runs/<name>/checkpoints/<step>, or a folder with run directories in it",
  });
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isRun(path: string): Promise<boolean> {
  return stat(join(path, "config.yaml")).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function readConfig(run: string): Promise<Config> {
  const file = join(run, "config.yaml");
  try {
    return parseStoredConfig(parse(await readFile(file, "utf8")));
  } catch (cause) {
    throw new ClusterError("config", `Cannot read ${file}: it is no configuration of this version`, {
      cause,
    });
  }
}

/** Whole runs are named by their folder, one of several by both. */
async function runName(path: string): Promise<string> {
  const home = dirname(path);
  const isOneOfSeveral = await isThere(join(home, "runs.d"));
  return isOneOfSeveral ? `${basename(home)}/${basename(path)}` : basename(path);
}

/** `results.json` beside the run, or above it, names the weights that were measured. */
async function measuredWeights(path: string, name: string): Promise<string | null> {
  for (const home of [path, dirname(path)]) {
    const found = (await weightHashes(home))[name];
    if (found !== undefined) return found;
  }
  return null;
}

/** From a name like 20261122T101500Z-mrelu-3fa91c, the run's own or the folder's above it. */
function startOf(path: string): number | undefined {
  for (const name of [basename(path), basename(dirname(path))]) {
    const [, date, hours, minutes, seconds] = /^(\d{8})T(\d\d)(\d\d)(\d\d)Z-/.exec(name) ?? [];
    if (date === undefined) continue;
    const day = date.replace(/^(....)(..)(..)$/, "$1-$2-$3");
    return Date.parse(`${day}T${hours}:${minutes}:${seconds}Z`) / 1000;
  }
  return undefined;
}

async function readCheckpoints(folder: string): Promise<CheckpointState[]> {
  const names = await checkpointNames(folder);
  return Promise.all(names.map((name) => readDescription(join(folder, name))));
}

async function refuseOther(run: ExportedRun, checkpoint: string): Promise<void> {
  const { weights_sha256: own } = await readDescription(checkpoint);
  if (run.measured.sha256 === own) return;
  throw new ClusterError(
    "data",
    `Cannot export what was measured of ${checkpoint}: its weights were not measured`,
    {
      hint: "export the run itself",
    },
  );
}

function refuseNonFinite(parameters: Float32Array, what: string): void {
  const at = parameters.findIndex((weight) => !Number.isFinite(weight));
  if (at < 0) return;
  throw new ClusterError("data", `Cannot export ${what}: its weights are not all finite (${parameters[at]})`);
}

/** Outcomes of the measured weights; the journal holds those of earlier ones too. */
async function readImages(path: string, run: ExportedRun, options: SourceOptions): Promise<MeasuredImages> {
  const { sha256 } = run.measured;
  const lines = await readResultLines(join(path, "eval", "results.jsonl"));
  const records = lines.filter(({ checkpoint }) => checkpoint === sha256 && sha256 !== null).map(recordOf);
  if (records.length === 0) {
    throw new ClusterError(
      "data",
      `Cannot export images of ${path}: none are recorded for the weights that it measured`,
      {
        hint: `older versions recorded none: move eval/results.jsonl away, then npx saf evaluate ${path}`,
      },
    );
  }
  const { labels } = await options.findImages(run.config);
  return { records, labels };
}
