/** The weights of a submission that another one is to measure: a run's newest, or those that a sweep keeps of a trial. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { type Config, configSchema, parseStoredConfig } from "../../shared/config/run.js";
import { layoutOf } from "../../shared/networks/network.js";
import { ClusterError } from "../../shared/errors.js";
import { checkpointNames } from "../../shared/io/checkpoint-files.js";
import { resolveRun } from "../../shared/resolve.js";
import type { EvaluationOrder } from "../queue/work.js";
import { trialOf } from "../sweeps/space.js";
import { trialsMeant } from "../sweeps/trial-named.js";
import { Checkpoints } from "./checkpoints.js";
import { keepImported, readForeignWeights, refuseNonFinite } from "./foreign-weights.js";
import { RunDirectory } from "./run-directory.js";
import { SWEEP_FILE, readSweep } from "./sweep-directory.js";

interface Found {
  config: Config;
  parameters: Float32Array;
}

/**
 * Copies them into `folder`, unless they are there since an attempt before this one, and returns the settings to measure them
 * with. `queue`: the folder of all submissions. Throws ClusterError: "data" (no such weights), "config", "storage".
 */
export async function takeWeights(
  queue: string,
  { folder, id, order }: { folder: string; id: string; order: EvaluationOrder },
): Promise<Config> {
  const own = new RunDirectory(folder);
  if ((await checkpointNames(own.checkpoints)).length > 0) return storedConfig(own);
  const { config: found, parameters } = await weightsOf(join(queue, order.of), order);
  const config = measuredBy({ ...found, name: id }, order.evaluate);
  await keepImported(config, parameters, folder);
  return config;
}

async function weightsOf(source: string, { of, trial }: EvaluationOrder): Promise<Found> {
  const isSweep = await stat(join(source, SWEEP_FILE)).then(
    () => true,
    () => false,
  );
  if (isSweep && trial !== undefined) return ofTrial(source, of, trial);
  if (isSweep)
    throw new ClusterError("config", `${of} is a sweep: say which trial's weights are meant`, {
      hint: `saf submit --evaluate ${of}/TRIAL; saf sweep results shows whose weights are kept`,
    });
  if (trial !== undefined) throw new ClusterError("config", `${of} is no sweep, and has no trials`);
  return ofRun(new RunDirectory(source), of);
}

async function ofRun(directory: RunDirectory, of: string): Promise<Found> {
  const config = await storedConfig(directory);
  const layout = layoutOf(resolveRun(config).network);
  const found = await new Checkpoints(directory.checkpoints, layout, 1).readLatest(() => undefined);
  if (found === undefined)
    throw new ClusterError("data", `${of} has no checkpoint yet`, {
      hint: "saf submit --resume tries it again when it has one",
    });
  const { parameters } = found.state;
  refuseNonFinite(layout, parameters, of);
  return { config, parameters };
}

async function ofTrial(directory: string, of: string, trial: string): Promise<Found> {
  const { space, book, code } = await readSweep(directory);
  const [row, another] = trialsMeant(trial, book.rows());
  if (row === undefined || another !== undefined)
    throw new ClusterError("data", `${of} has ${row === undefined ? "no" : "more than one"} trial ${trial}`);
  const file = join(directory, "weights", `${row.trial}.safetensors`);
  await stat(file).catch((cause: unknown) => {
    throw new ClusterError("data", `${of} keeps no weights of trial ${row.trial}`, {
      cause,
      hint: "keep_weights of a sweep says of how many trials it does, at their end",
    });
  });
  const { config } = trialOf(space, row.values, code);
  const { network } = resolveRun(config);
  return { config, parameters: await readForeignWeights(file, network.name, layoutOf(network)) };
}

async function storedConfig(directory: RunDirectory): Promise<Config> {
  const file = directory.file("config.yaml");
  return readFile(file, "utf8")
    .then((text) => parseStoredConfig(parse(text)))
    .catch((cause: unknown) => {
      throw new ClusterError("data", `Cannot read ${file}: nothing was trained there yet`, { cause });
    });
}

/** Throws ClusterError("config"). */
function measuredBy(config: Config, over: Readonly<Record<string, unknown>>): Config {
  const said = Object.entries({ ...config.evaluate, ...over }).filter(([, value]) => value !== null);
  const { success, data, error } = configSchema.safeParse({ ...config, evaluate: Object.fromEntries(said) });
  if (success) return data;
  const words = error.issues.map(({ path, message }) => `${path.map(String).join(".")}: ${message}`);
  throw new ClusterError("config", words.join("\n"));
}
