/** `saf evaluate` and `saf report`: measure a run's newest checkpoint; draw what was measured. */
import { join, resolve } from "node:path";
import { Command } from "commander";
import { reportRun } from "../../coordinator/report/report-run.js";
import { addConfigOptions } from "./config-command.js";
import { loadConfig } from "./config-file.js";
import { printResult } from "./output.js";
import { printResults, shown } from "./results-output.js";
import { runLocally } from "./run-local.js";
import { type RunOptions, addRunOptions, withWorkers } from "./run-options.js";
import { configOf } from "./train-command.js";

interface EvaluateOptions extends RunOptions {
  config: string[];
  set: string[];
}

export function evaluateCommand(): Command {
  return addRunOptions(addConfigOptions(new Command("evaluate")))
    .description("measure the newest checkpoint of a run; what was measured before is not measured again")
    .argument("<run>", "run directory")
    .action(async (run: string, options: EvaluateOptions) => {
      const files = [await configOf(run), ...options.config];
      const { value: config } = await loadConfig({ files, set: [...withWorkers(options), ...options.set] });
      const { document, exitCode } = await runLocally({
        ...options,
        configs: [config],
        name: config.name ?? config.model,
        out: run,
        title: `saf evaluate ${config.name ?? config.model}`,
        command: `saf evaluate ${shown(resolve(run))}`,
        evaluateOnly: true,
      });
      printResults(document, { json: options.json === true, hints: [] });
      process.exitCode = exitCode;
    });
}

export function reportCommand(): Command {
  return new Command("report")
    .description("write report.html, plots and tables again from a run directory")
    .argument("<run>", "run directory, or a folder of several")
    .option("--title <text>", "title of the report")
    .option("--json", "print where the report is as one JSON document")
    .action(async (run: string, { title, json }: { title?: string; json?: true }) => {
      const out = resolve(run);
      const page = await reportRun(out, {
        title: title ?? `saf report ${shown(out)}`,
        command: `saf report ${shown(out)}`,
      });
      printResult(json ? { report: page, plots: join(out, "plots") } : shown(page));
    });
}
