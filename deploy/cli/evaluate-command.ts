/** `saf evaluate` and `saf report`: measure a run's newest checkpoint, or weights from elsewhere; draw what was measured. */
import { join, resolve } from "node:path";
import { Command } from "commander";
import { addConfigOptions } from "./config-options.js";
import { printResult, shown } from "./output.js";
import { addRunOptions } from "./run-options.js";
import type { EvaluateOptions } from "./evaluate.js";

export function evaluateCommand(): Command {
  return addRunOptions(addConfigOptions(new Command("evaluate")))
    .description("measure the newest checkpoint of a run; what was measured before is not measured again")
    .argument("[run]", "run directory")
    .option("--protocol <names>", "paper, corrected, modern, or several with commas")
    .option("--attacks <names>", "attacks of the modern protocol, as in pgd-40,apgd-ce,square@l2")
    .option("--strengths <numbers>", "strengths in [0, 1], rising, with commas")
    .option("--images <count>", "test images per measure")
    .option("--budget <name>", "what the modern protocol may spend: quick, standard or full")
    .option(
      "--transfer-from <network>",
      "also attack from this network: a run, or a safetensors file, FILE:MODEL; repeatable",
      (value: string, before: string[]) => [...before, value],
      [],
    )
    .option("--weights <file>", "measure the weights in this safetensors file instead of a run's")
    .option("-m, --model <name>", "network that --weights are for, as in mrelu-r-m")
    .option("--dataset <name>", "data set that --weights are for (default: mnist)")
    .option("--list-attacks", "list the attacks, what they need to see, and their norms")
    .hook("preAction", (command) => {
      const { weights, listAttacks: lists } = command.opts<EvaluateOptions>();
      if (command.args.length === 0 && weights === undefined && lists !== true)
        command.error("error: missing required argument 'run'", { code: "commander.missingArgument" });
    })
    .action(async (run: string | undefined, options: EvaluateOptions) => {
      const { evaluate } = await import("./evaluate.js");
      await evaluate(run, options);
    });
}

interface ReportOptions {
  title?: string;
  results?: string;
  note: string[];
  json?: true;
}

export function reportCommand(): Command {
  const append = (value: string, before: string[]): string[] => [...before, value];
  return new Command("report")
    .description("write report.html, plots and tables again from a run directory, or a sweep's")
    .argument("<run>", "run directory, a folder of several, or a sweep's, or its name in runs")
    .option("--title <text>", "title of the report")
    .option(
      "--results <folder>",
      "of a reproduction, also make a folder to publish: README.md with tables, CSV files, plots; of a sweep, write there",
    )
    .option("--note <text>", "one more line for that README.md; repeatable", append, [])
    .option("--json", "print where the report is as one JSON document")
    .action(async (run: string, options: ReportOptions) => {
      const { title, results, note, json } = options;
      const { orSweepIn } = await import("./sweep-place.js");
      const out = resolve(orSweepIn("runs", run));
      const { isSweep } = await import("./export-sweep.js");
      if (await isSweep(out)) {
        const { reportSweep } = await import("./report-sweep.js");
        return reportSweep(out, options);
      }
      const { reportRun } = await import("../../coordinator/results/report/report-run.js");
      const page = await reportRun(out, {
        title: title ?? `saf report ${shown(out)}`,
        command: `saf report ${shown(out)}`,
      });
      if (results !== undefined) {
        const { writeResultsFolder } =
          await import("../../coordinator/results/reproduction/results-folder.js");
        await writeResultsFolder(out, resolve(results), note);
      }
      const written = {
        report: page,
        plots: join(out, "plots"),
        ...(results === undefined ? {} : { results: resolve(results) }),
      };
      printResult(json ? written : shown(results === undefined ? page : resolve(results)));
    });
}
