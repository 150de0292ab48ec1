/** What `saf train` does. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stat } from "node:fs/promises";
import { ClusterError } from "../../shared/errors.js";
import { loadConfig } from "./config-file.js";
import { shown } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import { printResults } from "./results-output.js";
import { runLocally } from "./run-local.js";
import type { RunOptions } from "./run-options.js";

const CONFIG = "config.yaml";

export interface TrainOptions extends RunOptions {
  config: string[];
  set: string[];
  model?: string;
  resume?: string;
}

export async function train(options: TrainOptions): Promise<void> {
  const { resume } = options;
  const stored = resume === undefined ? undefined : await configOf(resume);
  const set = [...(options.model === undefined ? [] : [`model=${options.model}`]), ...ofRun(options.set)];
  const { value: config } = await loadConfig({ stored, files: options.config, set });
  const { value: pool } = await loadPool(options);
  const { document, exitCode } = await runLocally({
    ...options,
    configs: [config],
    pool,
    name: config.name ?? config.model,
    title: `saf train ${config.name ?? config.model}`,
    command: `npx saf train -c ${join(resume ?? "<run directory>", "config.yaml")}`,
    ...(resume === undefined ? {} : { out: resume }),
  });
  printResults(document, {
    json: options.json === true,
    hints: document.interrupted && isRunDirectory(document.directory) ? [resumeHint(document.directory)] : [],
  });
  process.exitCode = exitCode;
}

const resumeHint = (directory: string): string => `resume     npx saf train --resume ${shown(directory)}`;

/** A run that ended before it began has nothing to go on with. */
function isRunDirectory(directory: string): boolean {
  return existsSync(join(directory, CONFIG));
}

/** The settings a run directory was made with. Throws ClusterError("usage") when it is none. */
export async function configOf(directory: string): Promise<string> {
  const file = join(directory, CONFIG);
  if ((await stat(file).catch(() => undefined)) === undefined) {
    throw new ClusterError(
      "usage",
      `Cannot use ${directory}: it has no config.yaml, so it is no run directory`,
    );
  }
  return file;
}
