/** What `saf evaluate` does. */
import { join, resolve } from "node:path";
import { type AttackListing, listAttacks } from "../../coordinator/evaluation/plan/attack-names.js";
import { checkpointNames } from "../../shared/io/checkpoint-files.js";
import { importWeights, weightsSettings } from "../../coordinator/io/foreign-weights.js";
import { runDirectoryName } from "../../coordinator/io/run-directory.js";
import type { Config } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { nothingToEvaluate } from "../../coordinator/runs/begin.js";
import { loadConfig } from "./config-file.js";
import { printResult, shown } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import { printResults } from "./results-output.js";
import { runLocally } from "./run-local.js";
import { configOf } from "./train.js";
import type { RunOptions } from "./run-options.js";

export interface EvaluateOptions extends RunOptions {
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

export async function evaluate(run: string | undefined, options: EvaluateOptions): Promise<void> {
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
    // Known before a cluster is started for it.
    if ((await checkpointNames(join(run, "checkpoints"))).length === 0) throw nothingToEvaluate(run);
    return { config: value, out: run, prepare: () => Promise.resolve() };
  }
  if (weights === undefined || model === undefined)
    throw new ClusterError("usage", "--weights needs --model: which network they are for", {
      hint: "saf config schema lists the models",
    });
  const settings = await weightsSettings(weights);
  const own = [
    `model=${model}`,
    ...(dataset === undefined ? [] : [`data.set=${dataset}`]),
    ...(settings === undefined ? [] : [`network=${JSON.stringify(settings)}`]),
  ];
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
