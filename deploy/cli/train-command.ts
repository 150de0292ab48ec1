/** `saf train`: one run on this machine, from a file or from flags; `--resume` goes on with a run directory. */
import { join } from "node:path";
import { stat } from "node:fs/promises";
import { Command } from "commander";
import { ClusterError } from "../../shared/errors.js";
import { addConfigOptions } from "./config-command.js";
import { loadConfig } from "./config-file.js";
import { loadPool, ofRun } from "./pool-options.js";
import { printResults, shown } from "./results-output.js";
import { runLocally } from "./run-local.js";
import { type RunOptions, addRunOptions } from "./run-options.js";

interface TrainOptions extends RunOptions {
  config: string[];
  set: string[];
  model?: string;
  resume?: string;
}

export function trainCommand(): Command {
  return addRunOptions(addConfigOptions(new Command("train")))
    .description("train one network on this machine, measure it, write a report")
    .option("-m, --model <name>", "network, as in mrelu-r-m")
    .option("--resume <folder>", "go on with this run directory from its newest checkpoint")
    .action(async (options: TrainOptions) => {
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
        hints: document.interrupted ? [`resume     npx saf train --resume ${shown(document.directory)}`] : [],
      });
      process.exitCode = exitCode;
    });
}

/** The settings a run directory was made with. Throws ClusterError("usage") when it is none. */
export async function configOf(directory: string): Promise<string> {
  const file = join(directory, "config.yaml");
  if ((await stat(file).catch(() => undefined)) === undefined) {
    throw new ClusterError(
      "usage",
      `Cannot use ${directory}: it has no config.yaml, so it is no run directory`,
    );
  }
  return file;
}
