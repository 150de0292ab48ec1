/** `saf evaluate` and `saf report`: measure a run's newest checkpoint, or weights from elsewhere; draw what was measured. */
import { join, resolve } from "node:path";
import { Command } from "commander";
import { type AttackListing, listAttacks } from "../../coordinator/evaluation/plan/attack-names.js";
import { importWeights } from "../../coordinator/io/foreign-weights.js";
import { runDirectoryName } from "../../coordinator/io/run-directory.js";
import { reportRun } from "../../coordinator/results/report/report-run.js";
import { writeResultsFolder } from "../../coordinator/results/reproduction/results-folder.js";
import type { Config } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { addConfigOptions } from "./config-command.js";
import { loadConfig } from "./config-file.js";
import { printResult } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import { printResults, shown } from "./results-output.js";
import { runLocally } from "./run-local.js";
import { type RunOptions, addRunOptions } from "./run-options.js";
import { configOf } from "./train-command.js";

interface EvaluateOptions extends RunOptions {
  config: string[];
  set: string[];
  protocol?: string;
  attacks?: string;
  strengths?: string;
  images?: string;
  budget?: string;
  transferFrom: string[];
  weights?: string;
  model?: string;
  dataset?: string;
  listAttacks?: true;
}

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
      if (options.listAttacks === true) {
        printResult(options.json === true ? { attacks: listAttacks() } : attackTable(listAttacks()));
        return;
      }
      const { config, out, prepare } = await subjectOf(run, options);
      const { value: pool } = await loadPool(options);
      const name = config.name ?? config.model;
      const { document, exitCode } = await runLocally({
        ...options,
        configs: [config],
        pool,
        name,
        out,
        prepare,
        title: `saf evaluate ${name}`,
        command: `saf evaluate ${shown(resolve(out))}`,
        evaluateOnly: true,
      });
      printResults(document, { json: options.json === true, hints: [] });
      process.exitCode = exitCode;
    });
}

/** What is measured: a run directory, which weights from elsewhere get as well. */
async function subjectOf(
  run: string | undefined,
  options: EvaluateOptions,
): Promise<{ config: Config; out: string; prepare: () => Promise<void> }> {
  const { weights, model, dataset } = options;
  if (run !== undefined && weights !== undefined)
    throw new ClusterError("usage", "Cannot measure a run and --weights at once: give one of them");
  if (run !== undefined) {
    if (model !== undefined || dataset !== undefined)
      throw new ClusterError(
        "usage",
        "A run knows its own model and data: --model and --dataset go with --weights",
      );
    const stored = await configOf(run);
    const { value } = await loadConfig({ stored, files: options.config, set: settingsOf(options) });
    return { config: value, out: run, prepare: () => Promise.resolve() };
  }
  if (weights === undefined || model === undefined)
    throw new ClusterError("usage", "--weights needs --model: which network they are for", {
      hint: "saf config schema lists the models",
    });
  const own = [`model=${model}`, ...(dataset === undefined ? [] : [`data.set=${dataset}`])];
  const { value: config } = await loadConfig({
    files: options.config,
    set: [...own, ...settingsOf(options)],
  });
  const out = join(options.runs, runDirectoryName(config.name ?? config.model, Date.now()));
  return { config, out, prepare: () => importWeights(weights, config, out) };
}

/** Flags as settings; `--set` wins over them. */
function settingsOf(options: EvaluateOptions): string[] {
  const { protocol, attacks, strengths, images, budget, transferFrom, set } = options;
  const list = (key: string, text: string | undefined): string[] =>
    text === undefined ? [] : [`evaluate.${key}=[${text}]`];
  const one = (key: string, text: string | undefined): string[] =>
    text === undefined ? [] : [`evaluate.${key}=${text}`];
  const places = transferFrom.map((place) => JSON.stringify(resolve(place))).join(",");
  return [
    ...list("protocol", protocol),
    ...list("attacks", attacks === undefined ? undefined : quoted(attacks)),
    ...list("strengths", strengths),
    ...one("images", images),
    ...one("budget", budget),
    ...list("transfer_from", places === "" ? undefined : places),
    ...ofRun(set),
  ];
}

/** YAML reserves "@" at the start of a word; names come as they are typed. */
function quoted(names: string): string {
  return names
    .split(",")
    .map((name) => JSON.stringify(name.trim()))
    .join(",");
}

function attackTable(attacks: readonly AttackListing[]): string {
  const rows = attacks.map(({ name, title, access, norms, minimal }) => [
    name,
    title,
    access,
    norms.join(", "),
    minimal ? "smallest change" : "",
  ]);
  const all = [["name", "attack", "sees", "norms", ""], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n\nAlso: pgd-<steps>, pgd-<steps>-margin, pgd-<steps>-x<restarts>, fgsm-random-start; @linf or @l2 behind a name.\n`;
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
    .description("write report.html, plots and tables again from a run directory")
    .argument("<run>", "run directory, or a folder of several")
    .option("--title <text>", "title of the report")
    .option(
      "--results <folder>",
      "of a reproduction, also make a folder to publish: README.md with tables, CSV files, plots",
    )
    .option("--note <text>", "one more line for that README.md; repeatable", append, [])
    .option("--json", "print where the report is as one JSON document")
    .action(async (run: string, { title, results, note, json }: ReportOptions) => {
      const out = resolve(run);
      const page = await reportRun(out, {
        title: title ?? `saf report ${shown(out)}`,
        command: `saf report ${shown(out)}`,
      });
      if (results !== undefined) await writeResultsFolder(out, resolve(results), note);
      const written = {
        report: page,
        plots: join(out, "plots"),
        ...(results === undefined ? {} : { results: resolve(results) }),
      };
      printResult(json ? written : shown(results === undefined ? page : resolve(results)));
    });
}
