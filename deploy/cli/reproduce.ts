/** What `saf reproduce` does. */
import {} from "node:fs/promises";
import { join, resolve } from "node:path";
import { proceduresOf } from "../../coordinator/evaluation/plan/procedures.js";
import { runDirectoryName } from "../../coordinator/io/run-directory.js";
import type { Config } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { REPRODUCED_SETS, type Reproduction, membersOf, paperModels } from "../../shared/reproduction.js";
import { type Plan, ReproductionFile, readReproduction } from "../local/reproduction.js";
import { loadConfig } from "./config-file.js";
import { shown } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import { printResults } from "./results-output.js";
import { runLocally } from "./run-local.js";
import type { RunOptions } from "./run-options.js";

export interface ReproduceOptions extends RunOptions {
  models?: string[];
  epochs?: number;
  images?: number;
  seeds?: number[];
  set: string[];
  out?: string;
}

export async function reproduce(dataset: string, options: ReproduceOptions): Promise<void> {
  const out = resolve(
    options.out ?? join(options.runs, runDirectoryName(`reproduce-${dataset}`, Date.now())),
  );
  const before = await readReproduction(out);
  const plan = planOf(dataset, options, before, out);
  const configs = await configsOf(plan);
  const { value: pool } = await loadPool({ ...options, set: plan.settings });
  const overview = new ReproductionFile(out, plan, before?.begun);
  let isBegun = false;
  const { document, exitCode } = await runLocally({
    ...options,
    configs,
    pool,
    out,
    name: `reproduce-${dataset}`,
    title: `saf reproduce ${dataset}`,
    command: plan.command,
    sideBySide: "workers",
    onReady: async () => {
      await overview.write();
      isBegun = true;
    },
    onEvent: ({ phase, finished }) => {
      // That it is behind for a moment harms nobody; the last writing below is the one that counts.
      if (phase != null || finished != null) void overview.write().catch(() => undefined);
    },
  }).catch(async (error: unknown) => {
    // What failed is told, whether or not it can be written.
    if (isBegun) await overview.write().catch(() => undefined);
    throw error;
  });
  await overview.write(document.failed);
  printResults(document, {
    json: options.json === true,
    hints: exitCode === 0 ? [] : [`go on with ${plan.command}`],
  });
  process.exitCode = exitCode;
}

/** What was asked for; where nothing is said, what the folder was made with, then the paper's. */
function planOf(
  dataset: string,
  options: ReproduceOptions,
  before: Reproduction | undefined,
  out: string,
): Plan {
  if (!REPRODUCED_SETS.includes(dataset)) {
    throw new ClusterError(
      "usage",
      `Cannot reproduce "${dataset}": expected ${REPRODUCED_SETS.join(" or ")}, or the id of a sweep's trial`,
    );
  }
  if (before !== undefined && before.dataset !== dataset) {
    throw new ClusterError("usage", `Cannot go on in ${shown(out)}: it reproduces ${before.dataset}`);
  }
  const plan = {
    dataset,
    models: options.models ?? before?.models ?? paperModels(dataset),
    seeds: options.seeds ?? before?.seeds ?? [0],
    epochs: options.epochs ?? before?.epochs ?? null,
    images: options.images ?? before?.images ?? null,
    settings: options.set.length > 0 ? options.set : (before?.settings ?? []),
  };
  return { ...plan, command: commandOf(plan, out) };
}

function commandOf(plan: Omit<Plan, "command">, out: string): string {
  const words = [
    ...["npx", "saf", "reproduce", plan.dataset, "--models", plan.models.join(",")],
    ...(plan.epochs === null ? [] : ["--epochs", String(plan.epochs)]),
    ...(plan.images === null ? [] : ["--images", String(plan.images)]),
    ...(plan.seeds.join() === "0" ? [] : ["--seeds", plan.seeds.join(",")]),
    ...plan.settings.flatMap((setting) => ["--set", /[\s[\]{}]/.test(setting) ? `'${setting}'` : setting]),
    ...["--out", shown(out)],
  ];
  return words.join(" ");
}

/** The paper's batch as one slot, so that batch norm sees what the paper's saw. */
async function configsOf(plan: Plan): Promise<Config[]> {
  const members = membersOf(plan.models, plan.seeds);
  return Promise.all(
    members.map(async ({ name, model, seed }) => {
      const set = [
        "train.slots=1",
        "evaluate.features=true",
        ...(plan.epochs === null ? [] : [`train.epochs=${plan.epochs}`]),
        ...(plan.images === null ? [] : [`evaluate.images=${plan.images}`]),
        ...ofRun(plan.settings),
        ...[`data.set=${plan.dataset}`, `model=${model}`, `seed=${seed}`, `name=${name}`],
      ];
      const { value } = await loadConfig({ files: [], set });
      return withTransfer(
        value,
        name,
        members.map((member) => member.name),
      );
    }),
  );
}

/** Modern attacks come from another network too: the undefended one, or for that one the first of the others. */
function withTransfer(config: Config, name: string, members: readonly string[]): Config {
  const others = members.filter((member) => member !== name);
  const source = others.find((member) => member === "plain") ?? others[0];
  const { evaluate } = config;
  const isAsked = proceduresOf(evaluate).includes("modern") && evaluate.transfer_from === undefined;
  return source === undefined || !isAsked
    ? config
    : { ...config, evaluate: { ...evaluate, transfer_from: source } };
}
